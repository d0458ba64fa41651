/** What a device reads: its flash, the pages that a signer brings, and what it is asked. */

import * as fc from "fast-check";
import { decodePage, decodeStanding, encodePage, encodeStanding } from "../../../firmware-sim/pages.ts";
import {
  areas,
  decodeHeader,
  decodeRecord,
  encodeHeader,
  encodeRecord,
  mostChanges,
} from "../../../firmware-sim/record.ts";
import { unknown } from "../../../protocol/codec.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  decodeDeviceRequest,
  encodeDeviceAnswer,
  encodeDeviceRequest,
  refusals,
} from "../../../protocol/device/requests.ts";
import { channelId, commitmentNumber } from "../../../protocol/units.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled } from "./seeds.ts";

const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u32 = fc.nat({ max: 0xffff_ffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const u48 = fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }).map(commitmentNumber);

const record = fc.record({
  generation: u32,
  record: fc.record({
    counter: u64,
    changes: fc.array(
      fc.record({ area: fc.constantFrom(...areas), id: u64, value: fc.uint8Array({ maxLength: 90 }) }),
      { maxLength: mostChanges },
    ),
  }),
});
const header = fc.record({ generation: u32, counter: u64, baseLength: u32, baseCrc: u32 });
const standing = fc.record({
  format: fc.constant(1),
  version: u64,
  hash: exactly(32),
  holder: u48,
  counterparty: u48,
  revealed: u48,
  revoked: u48,
  broadcast: fc.oneof(fc.constant(unknown), u48),
});
const page = fc.record({
  channel: fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }).map(channelId),
  version: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
  nonce: exactly(12),
  sealed: fc.uint8Array({ minLength: 16, maxLength: 300 }),
});

const request: fc.Arbitrary<DeviceRequest> = fc.oneof(
  fc
    .constantFrom("info", "restore", "verifyWords", "lock", "changePin", "wipe")
    .map((is) => ({ is }) as const),
  exactly(32).map((entropy) => ({ is: "setup", entropy }) as const),
  fc.boolean().map((passphrase) => ({ is: "unlock", passphrase }) as const),
);
const answer: fc.Arbitrary<DeviceAnswer> = fc.oneof(
  fc.record({
    is: fc.constant("info" as const),
    info: fc.record({
      stage: fc.constantFrom("unprovisioned", "locked", "seedless", "unlocked"),
      isVerified: fc.boolean(),
      attemptsLeft: fc.nat(10),
      waitMs: u32,
      counter: u64,
      root: exactly(32),
      fingerprint: fc.oneof(fc.constant(unknown), exactly(4)),
    }),
  }),
  fc.constant({ is: "done" as const }),
  fc.record({
    is: fc.constant("refused" as const),
    why: fc.constantFrom(...refusals),
    waitMs: u32,
    left: fc.nat(10),
  }),
  fc.record({
    is: fc.constant("malformed" as const),
    path: fc.string({ maxLength: 20 }),
    reason: fc.string({ maxLength: 30 }),
  }),
  fc.record({ is: fc.constant("fault" as const), sentence: fc.string({ maxLength: 30 }) }),
);

const target = <T>(
  name: string,
  covers: string,
  values: fc.Arbitrary<T>,
  encode: (value: T) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
  kindOf?: (value: T) => string,
): Target => ({
  name,
  covers: [`firmware-sim/${covers}`],
  seeds: (seed, count) => sampled(values, seed, count).map(encode),
  decode: (bytes) => {
    const value = decode(bytes);
    return { value, encode: () => encode(value) };
  },
  rejects: isMalformed,
  exact: true,
  ...(kindOf === undefined ? {} : { kindOf: (value: unknown) => kindOf(value as T) }),
});

export const deviceTargets: readonly Target[] = [
  target(
    "flash-record",
    "record.ts decodeRecord",
    record,
    ({ record: one, generation }) => encodeRecord(one, generation),
    decodeRecord,
  ),
  target("flash-header", "record.ts decodeHeader", header, encodeHeader, decodeHeader),
  target("device-page", "pages.ts decodePage", page, encodePage, decodePage),
  target("device-standing", "pages.ts decodeStanding", standing, encodeStanding, decodeStanding),
  target(
    "device-request",
    "requests.ts decodeDeviceRequest",
    request,
    encodeDeviceRequest,
    decodeDeviceRequest,
    ({ is }) => is,
  ),
  target(
    "device-answer",
    "requests.ts decodeDeviceAnswer",
    answer,
    encodeDeviceAnswer,
    decodeDeviceAnswer,
    ({ is }) => is,
  ),
];
