/** What a signer may ask of the device itself, and how that ends. */

import { bool, choice, fixed, maybe, message, text, u8, u32, u64, type ValueOf } from "../codec.ts";
import { clip } from "../outcome.ts";
import { type UnionOf, union } from "./union.ts";

/** First byte of a message: who it is for. */
export const forDevice = 0;
export const forCore = 1;

export const stages = ["unprovisioned", "locked", "seedless", "unlocked"] as const;
export type DeviceStage = (typeof stages)[number];

export const hostEntropyLength = 32;

const requests = {
  /** How the device stands; the one thing that it says at once and to the locked too. */
  info: {},
  /** A PIN and a new seed, of which the host gives a part. */
  setup: { entropy: fixed("entropy", hostEntropyLength, (raw) => raw) },
  /** A PIN, and a seed by its words. */
  restore: {},
  /** Asks for some of the words again. */
  verifyWords: {},
  /** With a passphrase of BIP 39 where that is asked for; all of it is entered on the device. */
  unlock: { passphrase: bool },
  lock: {},
  changePin: {},
  wipe: {},
} as const;

/**
 * - stage: not in this state of the device. - busy: a person is asked something else. - denied: a person said no.
 * - words: they do not fit together, or are not those of the seed. - passphrase: it leads to another seed than the one in
 * use. - wrong-pin, wait, wiped: see the vault.
 */
export const refusals = [
  "stage",
  "busy",
  "denied",
  "words",
  "passphrase",
  "wrong-pin",
  "wait",
  "wiped",
] as const;
export type DeviceRefusal = (typeof refusals)[number];

const info = message("DeviceInfo", {
  stage: choice("DeviceStage", stages),
  isVerified: bool,
  attemptsLeft: u8("attempts", (n) => n),
  waitMs: u32("milliseconds", (n) => n),
  /** Steps of its flash, which never go back. */
  counter: u64("steps", (n) => n),
  /** Over all records that it sealed, and the counter. */
  root: fixed("root of the records", 32, (raw) => raw),
  /** Of the seed in use. */
  fingerprint: maybe(fixed("fingerprint", 4, (raw) => raw)),
});
export type Info = ValueOf<typeof info>;

const sentences = { path: 200, reason: 400, sentence: 200 } as const;

const answers = {
  info: { info },
  done: {},
  refused: {
    why: choice("DeviceRefusal", refusals),
    waitMs: u32("milliseconds", (n) => n),
    left: u8("attempts", (n) => n),
  },
  malformed: {
    path: text("of the field", sentences.path),
    reason: text("sentence", sentences.reason),
  },
  /** Something broke: it does nothing more until it is started again. */
  fault: { sentence: text("sentence", sentences.sentence) },
} as const;

export type DeviceRequest = UnionOf<typeof requests>;
export type DeviceAnswer = UnionOf<typeof answers>;

const request = union(requests);
export const encodeDeviceRequest = request.encode;
export const decodeDeviceRequest = request.decode;

const answer = union(answers);
export const decodeDeviceAnswer = answer.decode;

/** Sentences may quote what a stranger sent, at any length. */
export const encodeDeviceAnswer = (value: DeviceAnswer): Uint8Array => {
  switch (value.is) {
    case "malformed":
      return answer.encode({
        is: "malformed",
        path: clip(value.path, sentences.path),
        reason: clip(value.reason, sentences.reason),
      });
    case "fault":
      return answer.encode({ is: "fault", sentence: clip(value.sentence, sentences.sentence) });
    case "info":
    case "done":
    case "refused":
      return answer.encode(value);
  }
};
