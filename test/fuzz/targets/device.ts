/** What a device reads: its flash, the pages that a signer brings, and what it is asked. */

import * as fc from "fast-check";
import { decodeRoot, encodeRoot } from "../../../firmware-sim/ledger.ts";
import { decodeOwnLimits, encodeOwnLimits } from "../../../firmware-sim/own-limits.ts";
import { decodePage, encodePage } from "../../../firmware-sim/page.ts";
import {
  areas,
  decodeHeader,
  decodeRecord,
  encodeHeader,
  encodeRecord,
  mostChanges,
} from "../../../firmware-sim/record.ts";
import { decodeStanding, encodeStanding } from "../../../firmware-sim/standing.ts";
import { decodeDeviceTime, encodeDeviceTime } from "../../../firmware-sim/time.ts";
import { unknown } from "../../../protocol/codec.ts";
import {
  type CoreAnswer,
  type CoreRequest,
  coreRefusals,
  decodeCoreAnswer,
  decodeCoreRequest,
  encodeCoreAnswer,
  encodeCoreRequest,
} from "../../../protocol/device/core.ts";
import {
  type DeviceAnswer,
  type DeviceRequest,
  decodeDeviceAnswer,
  decodeDeviceRequest,
  encodeDeviceAnswer,
  encodeDeviceRequest,
  messagesVersion,
  refusals,
} from "../../../protocol/device/requests.ts";
import { channelId, commitmentNumber, feerate, msat, script } from "../../../protocol/units.ts";
import { packDesk, unpackDesk } from "../../../signer/device/shelf.ts";
import { messageVectors } from "../../contract/device-messages.ts";
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
  holder: u48,
  counterparty: u48,
  revealed: u48,
  revoked: u48,
  broadcast: fc.oneof(fc.constant(unknown), u48),
});
const desk = fc.record({
  step: u64,
  pending: fc.oneof(
    fc.constant(unknown),
    fc.record({ now: u64, witness: u64, request: fc.uint8Array({ maxLength: 90 }) }),
  ),
});
const root = fc.record({
  format: fc.constant(1),
  step: u64,
  root: exactly(32),
  before: exactly(32),
  witness: u64,
});
const page = fc.record({
  format: fc.constant(1),
  key: fc.string({ maxLength: 40 }),
  version: u64,
  step: fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }),
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
      messages: fc.constantFrom(messagesVersion, 0, 255),
      firmware: fc.string({ maxLength: 20 }),
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

const pages = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 });
const verdict = fc.constantFrom("approve", "deny");
const signatures = fc.array(fc.record({ key: exactly(32), signature: exactly(64) }), { maxLength: 3 });
const perWeight = fc.integer({ min: 253, max: 1_000_000 }).map(feerate);
const amount = fc.bigInt({ min: 0n, max: 2_100_000_000_000_000_000n }).map(msat);
const limits = fc.record({
  ...{ each: amount, allowance: amount, forwarding: fc.boolean() },
  ...{ maxFeerate: perWeight, maxClosingFeerate: perWeight },
  ...{ maxOnchainFeerate: perWeight, maxSweepFeerate: perWeight },
  destinations: fc.array(fc.uint8Array({ maxLength: 42 }).map(script), { maxLength: 3 }),
  payees: fc.constant([]),
  approvers: fc.array(exactly(32), { maxLength: 3 }),
  needed: fc.nat(8),
});
const coreRequest: fc.Arbitrary<CoreRequest> = fc.oneof(
  fc.constantFrom("begin", "identity", "limits", "questions").map((is) => ({ is }) as const),
  fc.record({
    is: fc.constant("open" as const),
    network: fc.constantFrom("bitcoin", "testnet", "signet", "regtest"),
    tier: fc.constantFrom("full", "commitments", "stateless"),
    index: fc.nat(0xffff),
    now: fc.bigInt({ min: 0n, max: 4_000_000_000n }),
  }),
  pages.map((all) => ({ is: "load", pages: all }) as const),
  fc.record({
    is: fc.constant("judge" as const),
    step: u64,
    now: fc.bigInt({ min: 0n, max: 4_000_000_000n }),
    witness: u64,
    request: fc.uint8Array({ maxLength: 90 }),
  }),
  exactly(32).map((approval) => ({ is: "consult", approval }) as const),
  fc.record({ is: fc.constant("setLimits" as const), step: u64, limits, signatures }),
  u64.map((step) => ({ is: "vouch", step }) as const),
  fc.constant({ is: "channels" as const }),
  fc.nat().map((n) => ({ is: "over", channel: channelId(BigInt(n)) }) as const),
  fc.record({ is: fc.constant("answer" as const), step: u64, approval: exactly(32), verdict, signatures }),
  fc.nat(255).map((count) => ({ is: "random", count }) as const),
);
const coreAnswer: fc.Arbitrary<CoreAnswer> = fc.oneof(
  fc.constant({ is: "done" as const }),
  fc.record({ is: fc.constant("begun" as const), step: u64, isBehind: fc.boolean() }),
  fc.record({
    is: fc.constant("reply" as const),
    step: u64,
    pages: fc.array(
      fc.record({
        key: fc.string({ maxLength: 20 }),
        page: fc.oneof(fc.constant(unknown), fc.uint8Array({ maxLength: 60 })),
      }),
      { maxLength: 4 },
    ),
    reply: fc.uint8Array({ maxLength: 90 }),
  }),
  fc.record({
    is: fc.constant("verdict" as const),
    verdict,
    by: fc.constantFrom("person", "allowance", "approvers"),
  }),
  fc.record({ is: fc.constant("limits" as const), mark: exactly(16), limits, left: amount }),
  fc.constantFrom(...coreRefusals).map((why) => ({ is: "refused", why }) as const),
  fc.uint8Array({ maxLength: 90 }).map((bytes) => ({ is: "bytes", bytes }) as const),
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
  covers: [covers.includes("/") ? covers : `firmware-sim/${covers}`],
  seeds: (seed, count) => sampled(values, seed, count).map(encode),
  decode: (bytes) => {
    const value = decode(bytes);
    return { value, encode: () => encode(value) };
  },
  rejects: isMalformed,
  exact: true,
  ...(kindOf === undefined ? {} : { kindOf: (value: unknown) => kindOf(value as T) }),
});

const vectors = messageVectors();
/** Every kind of message is among the seeds, without the byte that says who it is for. */
const withVectors = (some: Target, messages: readonly { readonly bytes: Uint8Array }[]): Target => ({
  ...some,
  seeds: (seed, count) => [...some.seeds(seed, count), ...messages.map(({ bytes }) => bytes.slice(1))],
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
  target("device-page", "page.ts decodePage", page, encodePage, decodePage),
  target("device-root", "ledger.ts decodeRoot", root, encodeRoot, decodeRoot),
  target(
    "device-limits",
    "own-limits.ts decodeOwnLimits",
    fc.record({ mark: exactly(16), limits }),
    encodeOwnLimits,
    decodeOwnLimits,
  ),
  target("device-time", "time.ts decodeDeviceTime", u64, encodeDeviceTime, decodeDeviceTime),
  target("device-desk", "signer/device/shelf.ts unpackDesk", desk, packDesk, unpackDesk),
  target("device-standing", "standing.ts decodeStanding", standing, encodeStanding, decodeStanding),
  withVectors(
    target(
      "device-request",
      "protocol/device/requests.ts decodeDeviceRequest",
      request,
      encodeDeviceRequest,
      decodeDeviceRequest,
      ({ is }) => is,
    ),
    vectors.device.requests,
  ),
  withVectors(
    target(
      "device-answer",
      "protocol/device/requests.ts decodeDeviceAnswer",
      answer,
      encodeDeviceAnswer,
      decodeDeviceAnswer,
      ({ is }) => is,
    ),
    vectors.device.answers,
  ),
  withVectors(
    target(
      "core-request",
      "protocol/device/core.ts decodeCoreRequest",
      coreRequest,
      encodeCoreRequest,
      decodeCoreRequest,
      ({ is }) => is,
    ),
    vectors.core.requests,
  ),
  withVectors(
    target(
      "core-answer",
      "protocol/device/core.ts decodeCoreAnswer",
      coreAnswer,
      encodeCoreAnswer,
      decodeCoreAnswer,
      ({ is }) => is,
    ),
    vectors.core.answers,
  ),
];
