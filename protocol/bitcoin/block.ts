/**
 * A whole block, read once: the only proof that something is not in it. Its transactions hash to the header's root,
 * and the first is a coinbase, which no node of the tree can be taken for; so it is the list that was mined. Whether
 * the header is on the chain is for `connect` to say.
 */

import { concat, equal } from "../bytes.ts";
import { doubleSha256 } from "../hash.ts";
import { invalid, Malformed } from "../malformed.ts";
import { type Outpoint, sat, script, type Txid } from "../units.ts";
import { decodeHeader, type Header, headerLength } from "./header.ts";
import { maxTransactions, merkleRoot } from "./merkle.ts";
import { Reader } from "./reader.ts";
import type { TxOutput } from "./tx.ts";
import {
  isCoinbase,
  outputsIn,
  rangeOfTx,
  skipTx,
  strippedLength,
  type TxRange,
  txidIn,
  witnessIn,
  wtxidIn,
} from "./tx-range.ts";
import { type Watches, type WatchTable, watchTable } from "./watch.ts";

export type { Watches } from "./watch.ts";

export interface Spend {
  readonly outpoint: Outpoint;
  readonly input: number;
}

export interface Creation {
  readonly outpoint: Outpoint;
  readonly output: TxOutput;
}

/** A transaction of the block that somebody waits for. */
export interface WatchedTx {
  readonly txid: Txid;
  /** In the block. */
  readonly position: number;
  /** With its witnesses. */
  readonly raw: Uint8Array;
  readonly spends: readonly Spend[];
  /** Outputs with a watched outpoint or script. */
  readonly creations: readonly Creation[];
}

export interface ScannedBlock {
  readonly header: Header;
  readonly txids: readonly Txid[];
  /** With its witness. */
  readonly coinbase: Uint8Array;
  /** In the block's order. */
  readonly found: readonly WatchedTx[];
}

const maxWeight = 4_000_000;

const commitmentHead = Uint8Array.of(0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed);

/** BIP 141, "Commitment structure": the last output that looks like one is it. */
export const commitmentIndex = (outputs: readonly TxOutput[]): number =>
  outputs.findLastIndex(({ script }) => script.length >= 38 && equal(script.subarray(0, 6), commitmentHead));

const checkCommitment = (coinbase: Uint8Array, wtxids: readonly Uint8Array[]): void => {
  const range = rangeOfTx(coinbase);
  const outputs = outputsIn(coinbase, range);
  const output = outputs[commitmentIndex(outputs)];
  const [reserved, ...more] = witnessIn(coinbase, range, 0);
  if (reserved?.length !== 32 || more.length > 0) throw invalid("the coinbase has no reserved value");
  const digest = doubleSha256(concat(merkleRoot(wtxids), reserved));
  if (output === undefined || !equal(output.script.subarray(6, 38), digest))
    throw invalid("not those that the coinbase commits to");
};

interface Place {
  readonly bytes: Uint8Array;
  readonly range: TxRange;
  readonly txid: Txid;
  readonly position: number;
}

const spendsOf = ({ bytes, range }: Place, table: WatchTable): readonly Spend[] => {
  const from = new Reader(bytes, range.body);
  const count = from.size();
  const spends: Spend[] = [];
  for (let input = 0; input < count; input++) {
    const outpoint = table.spentAt(bytes, from.at);
    if (outpoint !== undefined) spends.push({ outpoint, input });
    from.skip(36);
    from.skip(from.size() + 4);
  }
  return spends;
};

/** What a watched output is spent into may be spent again in the same block: that is seen too. */
const creationsOf = (
  { bytes, range, txid }: Place,
  table: WatchTable,
  follow: boolean,
): readonly Creation[] => {
  const from = new Reader(bytes, range.outputs);
  const count = from.size();
  const creations: Creation[] = [];
  for (let index = 0; index < count; index++) {
    const value = from.raw(8);
    const pays = from.sized();
    const isKnown = table.hasOutpoint(txid, index);
    if (isKnown || table.hasScript(pays)) {
      const output = { value: sat(new Reader(value).u64()), script: script(pays.slice()) };
      creations.push({ outpoint: { txid, index }, output });
      if (!isKnown) table.add({ txid, index });
    } else if (follow) table.add({ txid, index });
  }
  return creations;
};

const watchedTx = (place: Place, table: WatchTable): WatchedTx | undefined => {
  const { bytes, range, txid, position } = place;
  const spends = spendsOf(place, table);
  const creations = creationsOf(place, table, spends.length > 0);
  if (spends.length === 0 && creations.length === 0) return undefined;
  return { txid, position, raw: bytes.slice(range.start, range.end), spends, creations };
};

interface Transactions extends Pick<ScannedBlock, "txids" | "coinbase" | "found"> {
  readonly wtxids: readonly Uint8Array[];
  readonly hasWitness: boolean;
}

const scanTransactions = (from: Reader, table: WatchTable): Transactions => {
  const { bytes } = from;
  const count = from.size();
  if (count === 0 || count > maxTransactions) throw new Malformed("transactions", `${count} of them`);
  const txids: Txid[] = [];
  const wtxids: Uint8Array[] = [];
  const found: WatchedTx[] = [];
  let coinbase = bytes.subarray(0, 0);
  let stripped = from.at;
  let hasWitness = false;
  for (let position = 0; position < count; position++) {
    try {
      const range = skipTx(from);
      if (isCoinbase(bytes, range) !== (position === 0))
        throw invalid("the coinbase is the first, and no other");
      const txid = txidIn(bytes, range);
      txids.push(txid);
      if (position === 0) coinbase = bytes.slice(range.start, range.end);
      // The coinbase holds the commitment, so there it counts as zero.
      wtxids.push(position === 0 ? new Uint8Array(32) : range.hasWitness ? wtxidIn(bytes, range) : txid);
      stripped += strippedLength(range);
      hasWitness ||= range.hasWitness;
      const watched = watchedTx({ bytes, range, txid, position }, table);
      if (watched !== undefined) found.push(watched);
    } catch (error) {
      throw error instanceof Malformed ? error.within(`transactions[${position}]`) : error;
    }
  }
  from.end();
  const weight = 3 * stripped + bytes.length;
  if (weight > maxWeight) throw invalid(`${weight} weight units`);
  return { txids, wtxids, coinbase, found, hasWitness };
};

export const scanBlock = (bytes: Uint8Array, watches: Watches): ScannedBlock => {
  if (bytes.length > maxWeight) throw invalid(`a block of ${bytes.length} bytes`);
  const header = decodeHeader(bytes.subarray(0, headerLength));
  const { txids, wtxids, coinbase, found, hasWitness } = scanTransactions(
    new Reader(bytes, headerLength),
    watchTable(watches),
  );
  if (!equal(merkleRoot(txids), header.merkleRoot))
    throw new Malformed("transactions", "they have another root");
  const commits = commitmentIndex(outputsIn(coinbase, rangeOfTx(coinbase))) >= 0;
  try {
    if (commits) checkCommitment(coinbase, wtxids);
    else if (hasWitness) throw invalid("no commitment to them");
  } catch (error) {
    throw error instanceof Malformed ? error.within("witnesses") : error;
  }
  return { header, txids, coinbase, found };
};
