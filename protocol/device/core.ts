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
import { approverSignatures, consentBy, deviceLimits, limitsNow, questionsNow, verdict } from "./limits.ts";
import { kind, type UnionOf, union } from "./union.ts";

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
/** The device tells the highest again when it is opened, so that a store that was put back is seen. */
const witness = u64("commits of the signer's store", (n) => n);
/** Before the records' 32 bits end, with room for whatever has a day or more to run. */
const lastSecond = 4_000_000_000n;
const seconds = u64("seconds since 1970, as the signer believes", (n) => {
  if (n > lastSecond) throw invalid("further away than any clock");
  return n;
});

const mostRandom = 1_024;
/** That a device has places for, whichever it is. */
export const mostChannels = 1_024;

const requests = {
  open: kind(
    "Opens the one node that this device keeps; the first time a person agrees, and it is kept from then on. So they do to a time that leaps, either way.",
    { network: f.network, tier: f.tier, index: u16("which of the seed's nodes", (n) => n), now: seconds },
  ),
  load: kind("Brings records back as they were given out, any number of times before `begin`.", {
    pages: list(page, mostPages),
  }),
  begin: kind("All records are there: from now on requests are judged.", {}),
  judge: kind(
    "Shows a request of the operations table, which the device judges, and signs where it may. All pages up to `step` are kept.",
    { step, now: seconds, witness, request: blob("packed request", 250_000, (bytes) => bytes) },
  ),
  consult: kind("Puts a question that waits before the person at the device.", {
    approval: fixed("id of the question", 32, (raw) => raw),
  }),
  basepoints: kind("Asks for the public keys of a channel.", { channel: f.channel }),
  points: kind("Asks for per-commitment points of a channel.", {
    channel: f.channel,
    numbers: list(f.number, 64),
  }),
  closingScript: kind("Asks for the script that a mutual close of a channel pays.", { channel: f.channel }),
  walletKey: kind("Asks for the key and script of one place of the wallet.", { place }),
  identity: kind("Asks for the wallet's accounts, and the base of the payer's keys.", {}),
  ecdh: kind("Shares a secret between the node key and a point, as the operation of that name.", {
    point: f.point,
  }),
  payerKey: kind("Asks for a payer's key (BOLT 12) under a tweak.", {
    tweak: blob("tweak", 255, (bytes) => bytes),
  }),
  random: kind("Asks for fresh randomness.", {
    count: u16(
      "bytes",
      (n) => {
        if (n > mostRandom) throw invalid(`more than ${mostRandom} at once`);
        return n;
      },
      mostRandom,
    ),
  }),
  vouch: kind(
    "Lets a person at the device say which channels that others paid into are in the chain: before, what they receive covers nothing.",
    { step },
  ),
  limits: kind("Asks for what may be changed of its rules, and what is left of its allowance.", {}),
  setLimits: kind(
    "Changes them. With no signature a person at the device is asked; otherwise enough of its approvers must have signed.",
    { step, limits: deviceLimits, signatures: approverSignatures },
  ),
  questions: kind("Asks for what waits for a person, in the words that an approver signs.", {}),
  answer: kind("Brings the approvers' answer to a question, in the place of a person's at the device.", {
    step,
    approval: fixed("id of the question", 32, (raw) => raw),
    verdict,
    signatures: approverSignatures,
  }),
  channels: kind("Asks which channels have a place in it.", {}),
  over: kind(
    "Lets a person at the device say that a channel is over: then `forget` frees its place, and its keys never sign again.",
    { channel: f.channel },
  ),
} as const;

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
  "unsigned",
  "tier",
  "clock",
] as const;
export type CoreRefusal = (typeof coreRefusals)[number];

export const coreRefusalMeanings: Readonly<Record<CoreRefusal, string>> = {
  network: "It keeps a node of another network, tier or index.",
  order:
    "Not before `open` or `begin`, or not after it; also where it was locked meanwhile. Begin with `open`.",
  denied: "A person said no.",
  busy: "A person is asked something else at this moment.",
  "page-forged": "A page was not sealed by this device, or was changed.",
  "pages-old": "Records were put back, or some are missing.",
  "pages-ahead": "The records follow the last step that it remembers: its own memory was put back.",
  "pages-missing": "It has given out records, and none came.",
  "page-differs":
    "The step that was cut off came out differently: nothing of it left, and all is to be loaded again.",
  behind: "A step was taken whose answer was lost: that one has to be asked again first.",
  unknown: "There is no such question, or it is decided.",
  room: "More records than it has memory for.",
  unsigned: "Too few of the approvers that it knows have signed this, as it stands now.",
  clock: "It can't be that time here, by its ticks: `open` asks a person.",
  tier: "It keeps nodes whose host tells everything (tier `full`), and no others.",
};

const change = message("PageChange", { key: pageKey, page: maybe(page) });
export type PageChange = ValueOf<typeof change>;

/** After `step`; those whose page is unknown are forgotten. */
const changes = { step, pages: list(change, mostPages) } as const;

const answers = {
  opened: kind(
    "The node, and how far its records have come. `isOpen`: they are in memory, and nothing is to be loaded.",
    { node: f.node, step, witness, isOpen: bool },
  ),
  done: kind("The pages are taken.", {}),
  begun: kind(
    "The records are whole. `isBehind`: they are those before the last step, which has to be asked for once more.",
    { step, isBehind: bool },
  ),
  reply: kind("What was asked for, and the pages of the step that it took.", {
    ...changes,
    reply: blob("packed reply", 200_000, (bytes) => bytes),
  }),
  refusal: kind("A rule said no; there may be pages all the same.", { ...changes, refusal }),
  malformed: kind("The packed request was none, or contradicts itself.", { ...changes, malformed }),
  pages: kind("Nothing was judged: these pages are to be kept first, then the request asked again.", changes),
  verdict: kind("What was answered, and by whom.", { verdict, by: consentBy }),
  basepoints: kind("The public keys of the channel.", { basepoints: f.basepoints }),
  points: kind("The points, in the order in which they were asked for.", { points: list(f.point, 64) }),
  script: kind("The script.", { script: f.script }),
  walletKey: kind("The key; unknown where the place is none.", {
    key: maybe(
      message("DeviceWalletKey", {
        form: choice("AccountKind", ["p2wpkh", "p2sh-p2wpkh", "p2tr"]),
        point: f.point,
        script: f.script,
      }),
    ),
  }),
  identity: kind("The accounts, and the base of the payer's keys.", {
    accounts: list(account, 16),
    payer: maybe(f.point),
  }),
  bytes: kind("The secret of `ecdh`, or randomness.", {
    bytes: blob("bytes", mostRandom, (bytes) => bytes),
  }),
  point: kind("The payer's key.", { point: f.point }),
  refused: kind("It is not done, and nothing of it is in flash.", {
    why: choice("CoreRefusal", coreRefusals),
  }),
  fault: kind("The core broke: it judges nothing more until the device is started again.", { fault }),
  limits: kind("What may be changed of its rules, as it is now.", limitsNow),
  questions: kind("What waits, the oldest first.", questionsNow),
  channels: kind("Those that have a place.", { channels: list(f.channel, mostChannels) }),
} as const;

export type CoreRequest = UnionOf<typeof requests>;
export type CoreAnswer = UnionOf<typeof answers>;

const request = union(requests);
export const encodeCoreRequest = request.encode;
export const decodeCoreRequest = request.decode;
export const coreRequestShapes = request.shapes;

const answer = union(answers);
export const encodeCoreAnswer = answer.encode;
export const decodeCoreAnswer = answer.decode;
export const coreAnswerShapes = answer.shapes;
