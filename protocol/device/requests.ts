/** What a signer may ask of the device itself, and how that ends. */

import { bool, choice, fixed, maybe, message, text, u8, u32, u64, type ValueOf } from "../codec.ts";
import { clip } from "../outcome.ts";
import { kind, type UnionOf, union } from "./union.ts";

/** First byte of a message: who it is for. */
export const forDevice = 0;
export const forCore = 1;

export const stages = ["unprovisioned", "locked", "seedless", "unlocked"] as const;
export type DeviceStage = (typeof stages)[number];

export const stageMeanings: Readonly<Record<DeviceStage, string>> = {
  unprovisioned: "neither PIN nor seed",
  locked: "it has a PIN, which nobody gave since it was started or locked",
  seedless: "the PIN was given, and there is no seed",
  unlocked: "the PIN was given, and the core is there",
};

export const hostEntropyLength = 32;
export const longestFirmware = 64;

const requests = {
  info: kind(
    "Says how the device stands: the first thing that is asked, in every version; told at once and to the locked too.",
    {},
  ),
  setup: kind("Makes a PIN and a new seed, of which the host gives a part.", {
    entropy: fixed("the host's part of the seed", hostEntropyLength, (raw) => raw),
  }),
  restore: kind("Makes a PIN, and takes a seed by its 24 words.", {}),
  verifyWords: kind("Asks a person for some of the words again.", {}),
  unlock: kind(
    "Opens the seed by the PIN, and, where `passphrase` asks for one, a passphrase of BIP 39; both are entered on the device.",
    { passphrase: bool },
  ),
  lock: kind("Closes the seed, and forgets the records that were loaded.", {}),
  changePin: kind("Asks for the present PIN, and for another one twice.", {}),
  wipe: kind("Forgets seed, PIN, pairings and root, where a person agrees.", {}),
} as const;

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

export const refusalMeanings: Readonly<Record<DeviceRefusal, string>> = {
  stage: "Not in this stage of the device; of the core: not while it is locked.",
  busy: "A person is asked something else at this moment.",
  denied: "A person said no, or whoever asked gave up.",
  words: "They do not fit together, or are not those of the seed.",
  passphrase: "It leads to another seed than the one in use; the device is locked again.",
  "wrong-pin": "`left` attempts remain, the next one in `waitMs`.",
  wait: "Too early after a wrong PIN: `waitMs` remain.",
  wiped: "That was the last attempt: seed, PIN and pairings are gone.",
};

/** Of all that signer and device say to each other in a session, core and operations included. */
export const messagesVersion = 1;

const info = message("DeviceInfo", {
  /** First in every version, so that who does not know it reads no further. */
  messages: u8("version of these messages", (n) => n),
  firmware: text("name and version of the firmware", longestFirmware),
  stage: choice("DeviceStage", stages),
  isVerified: bool,
  attemptsLeft: u8("attempts at the PIN", (n) => n),
  waitMs: u32("milliseconds until the next attempt", (n) => n),
  counter: u64("steps of the flash, which never go back", (n) => n),
  root: fixed("root over all records that it sealed", 32, (raw) => raw),
  fingerprint: maybe(fixed("fingerprint of the seed in use", 4, (raw) => raw)),
});
export type Info = ValueOf<typeof info>;

const sentences = { path: 200, reason: 400, sentence: 200 } as const;

const answers = {
  info: kind("How the device stands. `isVerified`: its owner gave words of the seed back.", { info }),
  done: kind("What was asked for is so.", {}),
  refused: kind("It is not done; nothing changed but what the refusal says.", {
    why: choice("DeviceRefusal", refusals),
    waitMs: u32("milliseconds", (n) => n),
    left: u8("attempts", (n) => n),
  }),
  malformed: kind("The bytes were no request, of the device or of the core.", {
    path: text("of the field", sentences.path),
    reason: text("sentence", sentences.reason),
  }),
  fault: kind("Something broke: it does nothing more until it is started again.", {
    sentence: text("sentence", sentences.sentence),
  }),
} as const;

export type DeviceRequest = UnionOf<typeof requests>;
export type DeviceAnswer = UnionOf<typeof answers>;

const request = union(requests);
export const encodeDeviceRequest = request.encode;
export const decodeDeviceRequest = request.decode;
export const deviceRequestShapes = request.shapes;

const answer = union(answers);
export const decodeDeviceAnswer = answer.decode;
export const deviceAnswerShapes = answer.shapes;

/** The number of `info` among the answers, in every version. */
const infoAnswer = 1;

/** Undefined where an answer may be read: it is none to `info`, or of the version that is known here. */
export const otherVersion = (bytes: Uint8Array): string | undefined => {
  const [number, told] = bytes;
  if (number !== infoAnswer || told === undefined || told === messagesVersion) return undefined;
  return `it speaks version ${told} of the device's messages, and this signer version ${messagesVersion}`;
};

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
