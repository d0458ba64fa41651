/**
 * What a signer asks of the core behind a device's keys. It opens the core with the records that it keeps sealed for the
 * device, and then shows it each request that changes or signs anything; the device judges each again.
 */

import { blob, bool, choice, fixed, list, maybe, message, text, u16, u64, type ValueOf } from "../codec.ts";
import { invalid } from "../malformed.ts";
import * as f from "../operations/fields.ts";
import { account } from "../operations/node.ts";
import { place } from "../operations/spend.ts";
import { fault, malformed, refusal } from "../outcome.ts";
import { type UnionOf, union } from "./union.ts";

export const mostContent = 131_072;
/** Head, nonce and tag stand around the content. */
export const longestPage = mostContent + 256;
/** Bytes of pages in one message: below what either side says that it takes (see the link's limits). */
export const pagesAtOnce = 200_000;
export const mostPages = 4_096;
/** HTLCs that a node with its keys on a device offers at once in a channel: `hello` tells its host. */
export const mostOffered = 30;

export const pageKey = text("key of a record, without its node", 160);
const step = u64("steps of the records", (n) => n);
const page = blob("sealed page", longestPage, (bytes) => bytes);
const witness = u64("commits of the signer's store", (n) => n);
const seconds = u64("seconds since 1970, as the signer believes", (n) => {
  if (n > 1n << 40n) throw invalid("further away than any clock");
  return n;
});

const mostRandom = 1_024;

const requests = {
  /** Of the one node that this device keeps; the first time, a person agrees. */
  open: { network: f.network, tier: f.tier, index: u16("which of the seed's nodes", (n) => n) },
  /** Records as they were given out, any number of times before `begin`. */
  load: { pages: list(page, mostPages) },
  begin: {},
  /**
   * A request of the table in its packed form. `step`: all pages up to it are kept. `witness` counts what the signer made
   * durable: the device tells the highest again when it is opened, so that a store that was put back is seen.
   */
  judge: { step, now: seconds, witness, request: blob("packed request", 250_000, (bytes) => bytes) },
  /** Puts a question that waits before the person at the device. */
  consult: { approval: fixed("id of the question", 32, (raw) => raw) },
  basepoints: { channel: f.channel },
  points: { channel: f.channel, numbers: list(f.number, 64) },
  closingScript: { channel: f.channel },
  walletKey: { place },
  identity: {},
  ecdh: { point: f.point },
  payerKey: { tweak: blob("tweak", 255, (bytes) => bytes) },
  random: {
    count: u16("bytes", (n) => {
      if (n > mostRandom) throw invalid(`more than ${mostRandom} at once`);
      return n;
    }),
  },
} as const;

/**
 * - network: it keeps a node of another network, tier or index. - order: not before `begin`, or not after it. - denied, busy:
 * of the person. - page-forged: not sealed by this device. - pages-old: records were put back, or some are missing.
 * - pages-ahead: they follow the last that it remembers: its own memory was put back. - pages-missing: it has given out
 * records, and none came. - page-differs: the step that was cut off came out differently. - behind: a step was taken
 * whose answer was lost: ask for that one again first. - unknown: there is no such question. - room: more records than
 * it has memory for.
 */
export const coreRefusals = [
  "network",
  "order",
  "denied",
  "busy",
  "page-forged",
  "pages-old",
  "pages-ahead",
  "pages-missing",
  "page-differs",
  "behind",
  "unknown",
  "room",
] as const;
export type CoreRefusal = (typeof coreRefusals)[number];

const change = message("PageChange", { key: pageKey, page: maybe(page) });
export type PageChange = ValueOf<typeof change>;

/** After `step`; those whose page is unknown are forgotten. */
const changes = { step, pages: list(change, mostPages) } as const;

const answers = {
  opened: {
    node: f.node,
    step,
    witness,
    /** It has its records in memory: nothing is to be loaded. */
    isOpen: bool,
  },
  done: {},
  /** Behind: the last step was taken and not kept by the signer, which has to ask for it once more. */
  begun: { step, isBehind: bool },
  reply: { ...changes, reply: blob("packed reply", 200_000, (bytes) => bytes) },
  refusal: { ...changes, refusal },
  malformed: { ...changes, malformed },
  /** Nothing was judged: these pages first. */
  pages: changes,
  verdict: { verdict: choice("Verdict", ["approve", "deny"]) },
  basepoints: { basepoints: f.basepoints },
  points: { points: list(f.point, 64) },
  script: { script: f.script },
  walletKey: {
    key: maybe(
      message("DeviceWalletKey", {
        form: choice("AccountKind", ["p2wpkh", "p2sh-p2wpkh", "p2tr"]),
        point: f.point,
        script: f.script,
      }),
    ),
  },
  identity: { accounts: list(account, 16), payer: maybe(f.point) },
  bytes: { bytes: blob("bytes", mostRandom, (bytes) => bytes) },
  point: { point: f.point },
  refused: { why: choice("CoreRefusal", coreRefusals) },
  fault: { fault },
} as const;

export type CoreRequest = UnionOf<typeof requests>;
export type CoreAnswer = UnionOf<typeof answers>;

const request = union(requests);
export const encodeCoreRequest = request.encode;
export const decodeCoreRequest = request.decode;

const answer = union(answers);
export const encodeCoreAnswer = answer.encode;
export const decodeCoreAnswer = answer.decode;
