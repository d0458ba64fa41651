/** What a signer may ask of the device itself, and how that ends. One byte says which, then its fields. */

import type * as P from "micro-packed";
import { bool, choice, fixed, maybe, packedFields, text, u8, u32, u64, unpack } from "../codec.ts";
import { invalid } from "../malformed.ts";

export type DeviceStage = "unprovisioned" | "locked" | "seedless" | "unlocked";

export type DeviceRequest =
  /** How the device stands; the one thing that it says at once and to the locked too. */
  | { readonly is: "info" }
  /** A PIN and a new seed, of which the host gives a part. */
  | { readonly is: "setup"; readonly entropy: Uint8Array }
  /** A PIN, and a seed by its words. */
  | { readonly is: "restore" }
  /** Asks for some of the words again. */
  | { readonly is: "verifyWords" }
  /** With a passphrase of BIP 39 where that is asked for; all of it is entered on the device. */
  | { readonly is: "unlock"; readonly passphrase: boolean }
  | { readonly is: "lock" }
  | { readonly is: "changePin" }
  | { readonly is: "wipe" };

export interface Info {
  readonly stage: DeviceStage;
  readonly isVerified: boolean;
  readonly attemptsLeft: number;
  readonly waitMs: number;
  /** Steps of its flash, which never go back. */
  readonly counter: bigint;
  /** Over all channels' standings and the counter. */
  readonly root: Uint8Array;
  /** Of the seed in use. */
  readonly fingerprint: Uint8Array | "unknown";
}

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

export type DeviceAnswer =
  | { readonly is: "info"; readonly info: Info }
  | { readonly is: "done" }
  | { readonly is: "refused"; readonly why: DeviceRefusal; readonly waitMs: number; readonly left: number }
  | { readonly is: "malformed"; readonly path: string; readonly reason: string }
  /** Something broke: it does nothing more until it is started again. */
  | { readonly is: "fault"; readonly sentence: string };

export const hostEntropyLength = 32;

const nothing = packedFields({});
const setup = packedFields({ entropy: fixed("entropy", hostEntropyLength, (raw) => raw) });
const unlock = packedFields({ passphrase: bool });
const info = packedFields({
  stage: choice("DeviceStage", ["unprovisioned", "locked", "seedless", "unlocked"]),
  isVerified: bool,
  attemptsLeft: u8("attempts", (n) => n),
  waitMs: u32("milliseconds", (n) => n),
  counter: u64("steps", (n) => n),
  root: fixed("root of the standings", 32, (raw) => raw),
  fingerprint: maybe(fixed("fingerprint", 4, (raw) => raw)),
});
const refused = packedFields({
  why: choice("DeviceRefusal", refusals),
  waitMs: u32("milliseconds", (n) => n),
  left: u8("attempts", (n) => n),
});
const malformed = packedFields({ path: text("of the field", 200), reason: text("sentence", 400) });
const fault = packedFields({ sentence: text("sentence", 200) });

/** The numbers are on the wire: appended to, never reordered. */
const requestKinds = [
  "info",
  "setup",
  "restore",
  "verifyWords",
  "unlock",
  "lock",
  "changePin",
  "wipe",
] as const;
const answerKinds = ["info", "done", "refused", "malformed", "fault"] as const;

const numbered = <T>(kinds: readonly string[], kind: string, coder: P.CoderType<T>, value: T): Uint8Array => {
  const body = coder.encode(value);
  const bytes = new Uint8Array(1 + body.length);
  bytes[0] = kinds.indexOf(kind) + 1;
  bytes.set(body, 1);
  return bytes;
};

const kindIn = <K extends string>(kinds: readonly K[], bytes: Uint8Array): K => {
  const kind = kinds[(bytes[0] ?? 0) - 1];
  if (kind === undefined) throw invalid("no kind that is known");
  return kind;
};

export const encodeDeviceRequest = (request: DeviceRequest): Uint8Array => {
  switch (request.is) {
    case "setup":
      return numbered(requestKinds, "setup", setup, request);
    case "unlock":
      return numbered(requestKinds, "unlock", unlock, request);
    case "info":
    case "restore":
    case "verifyWords":
    case "lock":
    case "changePin":
    case "wipe":
      return numbered(requestKinds, request.is, nothing, {});
  }
};

export const decodeDeviceRequest = (bytes: Uint8Array): DeviceRequest => {
  const kind = kindIn(requestKinds, bytes);
  const body = bytes.subarray(1);
  switch (kind) {
    case "setup":
      return { is: kind, ...unpack(setup, body) };
    case "unlock":
      return { is: kind, ...unpack(unlock, body) };
    case "info":
    case "restore":
    case "verifyWords":
    case "lock":
    case "changePin":
    case "wipe":
      unpack(nothing, body);
      return { is: kind };
  }
};

const cut = (words: string, most: number): string => words.slice(0, most / 4).toWellFormed();

export const encodeDeviceAnswer = (answer: DeviceAnswer): Uint8Array => {
  switch (answer.is) {
    case "info":
      return numbered(answerKinds, "info", info, answer.info);
    case "done":
      return numbered(answerKinds, "done", nothing, {});
    case "refused":
      return numbered(answerKinds, "refused", refused, answer);
    case "malformed":
      return numbered(answerKinds, "malformed", malformed, {
        path: cut(answer.path, 200),
        reason: cut(answer.reason, 400),
      });
    case "fault":
      return numbered(answerKinds, "fault", fault, { sentence: cut(answer.sentence, 200) });
  }
};

export const decodeDeviceAnswer = (bytes: Uint8Array): DeviceAnswer => {
  const kind = kindIn(answerKinds, bytes);
  const body = bytes.subarray(1);
  switch (kind) {
    case "info":
      return { is: kind, info: unpack(info, body) };
    case "done":
      unpack(nothing, body);
      return { is: kind };
    case "refused":
      return { is: kind, ...unpack(refused, body) };
    case "malformed":
      return { is: kind, ...unpack(malformed, body) };
    case "fault":
      return { is: kind, ...unpack(fault, body) };
  }
};
