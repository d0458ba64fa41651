/** A device of another version is told by the first bytes of its answer, and asked nothing else. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concat } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import {
  type DeviceAnswer,
  encodeDeviceAnswer,
  forDevice,
  type Info,
  longestFirmware,
  messagesVersion,
  otherVersion,
} from "../../protocol/device/requests.ts";
import type { Link } from "../../protocol/link.ts";
import { manage, meet, NotOpen } from "../../signer/device/visit.ts";
import { steady } from "../steady.ts";

const info: Info = {
  messages: messagesVersion,
  firmware: "x".repeat(longestFirmware),
  stage: "unlocked",
  isVerified: true,
  attemptsLeft: 10,
  waitMs: 0,
  counter: 0n,
  root: new Uint8Array(32),
  fingerprint: unknown,
};
const kept = {
  name: "d",
  node: undefined,
  network: "regtest",
  tier: "full",
  index: 0,
  passphrase: false,
} as const;

const answering = (answer: Uint8Array): { readonly link: Link; readonly asked: Uint8Array[] } => {
  const asked: Uint8Array[] = [];
  return {
    asked,
    link: {
      ask: async (request) => {
        asked.push(request);
        return concat(Uint8Array.of(forDevice), answer);
      },
      longest: () => undefined,
      closed: new Promise(() => {}),
      close: async () => {},
    },
  };
};

test("another version is refused in words, whatever else the answer holds, before anything is asked of it", async () => {
  for (const more of [new Uint8Array(0), encodeDeviceAnswer({ is: "info", info }).subarray(2)]) {
    const { link, asked } = answering(concat(Uint8Array.of(1, 2), more));
    const error = await meet(link, kept, 1_790_000_000).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(NotOpen);
    expect(error).toMatchObject({
      why: "other-version",
      message: "it speaks version 2 of the device's messages, and this signer version 1",
    });
    expect(asked).toEqual([Uint8Array.of(forDevice, 1)]);
  }
});

test("this version is read, and no other answer is taken for one of another", async () => {
  const { link } = answering(encodeDeviceAnswer({ is: "info", info }));
  expect(await manage(link, { is: "info" })).toEqual({ is: "info", info });
  const others: readonly DeviceAnswer[] = [
    { is: "done" },
    { is: "refused", why: "busy", waitMs: 0, left: 0 },
    { is: "malformed", path: "\u0002", reason: "" },
    { is: "fault", sentence: "\u0002" },
  ];
  for (const answer of others) expect(otherVersion(encodeDeviceAnswer(answer))).toBeUndefined();
  steady(
    fc.property(
      fc.array(fc.nat(3), { maxLength: 4 }).map((all) => Uint8Array.from(all)),
      (bytes) => {
        const isOther = bytes.length > 1 && bytes[0] === 1 && bytes[1] !== messagesVersion;
        expect(otherVersion(bytes) !== undefined).toBe(isOther);
      },
    ),
    { numRuns: 200 },
  );
});
