import { blob, bool, choice, fixed, list, maybe, message, text, u8, u16, u32 } from "../codec.ts";
import { channel, height, outpoint, transaction } from "./fields.ts";
import { operation } from "./operation.ts";
import { seconds } from "./payment.ts";

const blockHash = fixed("block hash, in hashing order", 32, (bytes) => bytes);
const header = fixed("block header", 80, (bytes) => bytes);
const node = fixed("node of the block's tree", 32, (bytes) => bytes);
/** No block has more than 2^32 transactions. */
const siblings = list(node, 32);

/** What of a block travels at once; every part but the last has just this length. */
export const partLength = 262_144;
/** 4,000,000 bytes at most (BIP 141, block weight). */
export const maxParts = 16;
const part = blob("part of a block", partLength, (bytes) => bytes);

const tip = { height, hash: blockHash };

export const alarmKind = choice("AlarmKind", [
  "stale",
  "behind",
  "unproven",
  "breachUnanswered",
  "htlcDeadline",
  "fundingFalse",
]);

const alarm = message("Alarm", {
  kind: alarmKind,
  /** Of those that concern one. */
  channel: maybe(channel),
  text: text("what is wrong, and by when", 256),
});

const provenTransaction = message("ProvenTransaction", {
  tx: transaction,
  /** In the block; the coinbase has 0. */
  position: u32("position", (n) => n),
  siblings,
});

export const maxHeaders = 2_000;
export const maxWatches = 4_096;
export const maxAlarms = 64;

export const chainOperations = {
  chainTip: operation(
    0x60,
    "Says how far the signer has followed the chain, and whether it follows one at all.",
    {},
    {
      followed: bool,
      ...tip,
      /** A reorganisation below it is not followed. */
      oldest: height,
      /** From here on every block was seen whole, so that what was not in them is known too. */
      wholeSince: height,
      /** Blocks were taken back and nothing as heavy replaced them. */
      behind: bool,
    },
  ),
  chainConnect: operation(
    0x61,
    "Shows a whole block that follows a known one, or is known; of a large one the last part, after its others.",
    {
      hash: blockHash,
      /** How many parts of it came before. */
      parts: u8("parts", (n) => n),
      bytes: part,
    },
    tip,
  ),
  chainDisconnect: operation(
    0x62,
    "Takes back the last block, as a reorganisation does before it connects what replaces it.",
    { hash: blockHash },
    tip,
  ),
  chainWatches: operation(
    0x63,
    "Lists the outputs that the signer waits for: a host that shows blocks in part looks for what makes or spends them.",
    { from: u32("index of the first", (n) => n) },
    { outpoints: list(outpoint, maxWatches), total: u32("how many there are", (n) => n) },
  ),
  heartbeat: operation(
    0x64,
    "Says whether all is well as far as the signer sees: the chain is fresh, and nothing waits to be claimed or punished.",
    {},
    {
      followed: bool,
      height,
      time: seconds,
      well: bool,
      alarms: list(alarm, maxAlarms),
      /** Beside those that are listed. */
      more: u16("alarms", (n) => n),
    },
  ),
  chainPart: operation(
    0x65,
    "Brings a part of a block for a later chainConnect; one block of a node is under way at a time.",
    { hash: blockHash, index: u8("part", (n) => n), bytes: part },
    {},
  ),
  chainHeaders: operation(
    0x66,
    "Shows blocks by their headers alone, in the chain's order, up to the first that is shown whole: only their work is known.",
    { headers: list(header, maxHeaders) },
    tip,
  ),
  chainProof: operation(
    0x67,
    "Shows a block by its header and proofs of single transactions: weaker than a whole block, for it proves no absence.",
    {
      header,
      /** It alone shows how deep the block's tree is. */
      coinbase: transaction,
      coinbaseSiblings: siblings,
      /** In the block's order. */
      txs: list(provenTransaction, 2),
    },
    tip,
  ),
  chainFeed: operation(
    0x68,
    "Says whether the host's blocks are wanted: a signer with a source of its own answers them with its tip, and looks at none.",
    {},
    {
      wanted: bool,
      /** From the first whole one on; false where it may show them in part for good. */
      whole: bool,
    },
  ),
};
