/** What a host asked a signer, in order and with the signer's clock, and how each of it ended. Of test seeds alone. */

import {
  blob,
  choice,
  fixed,
  list,
  message,
  text,
  u8,
  u32,
  unpack,
  type ValueOf,
} from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import { network } from "../../../protocol/operations/fields.ts";
import { seconds } from "../../../protocol/operations/payment.ts";

const version = 1;

/** Enough to tell replies apart; a longer one would be most of the file. */
export const hashLength = 8;

export const entry = message("RecordedEntry", {
  /** Since the entry before. */
  wait: u32("seconds", (n) => n),
  /** `restart`: the signer was opened again from its store, and nothing was asked. */
  ended: choice("RecordedEnding", ["reply", "refusal", "malformed", "restart"]),
  request: blob("packed request", 0x8_0000, (bytes) => bytes),
  /** Of a reply: the beginning of its hash; else zeros. */
  reply: fixed("hash of the packed reply", hashLength, (bytes) => bytes),
  /** Of a refusal; else empty. */
  rule: text("name of the rule", 64),
});
export type Entry = ValueOf<typeof entry>;

export const recording = message("Recording", {
  version: u8("version", (n) => {
    if (n !== version) throw new Malformed("", `version ${n}, where ${version} can be read`);
    return n;
  }),
  network,
  /** What is not as in the network's preset, as JSON. */
  policy: text("table of a policy", 4_096),
  /** The signer's seed follows from it. */
  seed: text("label of the seed", 64),
  start: seconds,
  entries: list(entry, 20_000),
});
export type Recording = Omit<ValueOf<typeof recording>, "version">;

export const packRecording = (one: Recording): Uint8Array => recording.packed.encode({ version, ...one });

export const unpackRecording = (bytes: Uint8Array): Recording => {
  const { version: _, ...one } = unpack(recording.packed, bytes);
  return one;
};
