/** Where a transaction lies in longer bytes, without making anything of it. */

import { concat, equal } from "../bytes.ts";
import { doubleSha256 } from "../hash.ts";
import { invalid } from "../malformed.ts";
import { sat, script, type Txid, txid } from "../units.ts";
import { Reader } from "./reader.ts";
import type { TxOutput, Witness } from "./tx.ts";

/** Offsets into the bytes that were read. */
export interface TxRange {
  readonly start: number;
  readonly end: number;
  /** After version, marker and flag: the number of inputs. */
  readonly body: number;
  readonly inputCount: number;
  /** The number of outputs. */
  readonly outputs: number;
  /** After the last output: the witnesses, or where there are none the locktime. */
  readonly witnesses: number;
  readonly hasWitness: boolean;
}

const skipSized = (from: Reader): void => from.skip(from.size());

const skipWitnesses = (from: Reader, inputCount: number): void => {
  let items = 0;
  for (let i = 0; i < inputCount; i++) {
    const count = from.size();
    items += count;
    for (let item = 0; item < count; item++) skipSized(from);
  }
  // BIP 144: there is then one encoding.
  if (items === 0) throw invalid("a marker without any witness");
};

/** Reads to the end of one transaction and takes no more than its bytes; nothing is allocated by what they say. */
export const skipTx = (from: Reader): TxRange => {
  const start = from.at;
  from.skip(4);
  const hasWitness = from.bytes[from.at] === 0;
  if (hasWitness) {
    from.skip(1);
    if (from.u8() !== 1) throw invalid("no inputs");
  }
  const body = from.at;
  const inputCount = from.size();
  if (inputCount === 0) throw invalid("no inputs");
  for (let i = 0; i < inputCount; i++) {
    from.skip(36);
    skipSized(from);
    from.skip(4);
  }
  const outputs = from.at;
  const outputCount = from.size();
  if (outputCount === 0) throw invalid("no outputs");
  for (let i = 0; i < outputCount; i++) {
    from.skip(8);
    skipSized(from);
  }
  const witnesses = from.at;
  if (hasWitness) skipWitnesses(from, inputCount);
  from.skip(4);
  return { start, end: from.at, body, inputCount, outputs, witnesses, hasWitness };
};

/** Bytes without marker, flag and witnesses: what the id is the hash of. */
export const strippedLength = ({ start, end, body, witnesses, hasWitness }: TxRange): number =>
  hasWitness ? 8 + witnesses - body : end - start;

export const txidIn = (bytes: Uint8Array, range: TxRange): Txid => {
  const { start, end, body, witnesses, hasWitness } = range;
  const stripped = hasWitness
    ? concat(bytes.subarray(start, start + 4), bytes.subarray(body, witnesses), bytes.subarray(end - 4, end))
    : bytes.subarray(start, end);
  return txid(doubleSha256(stripped));
};

export const wtxidIn = (bytes: Uint8Array, { start, end }: TxRange): Uint8Array =>
  doubleSha256(bytes.subarray(start, end));

const nowhere = new Uint8Array(36).fill(0xff, 32);

/** One input, and it spends nothing. */
export const isCoinbase = (bytes: Uint8Array, { body, inputCount }: TxRange): boolean =>
  inputCount === 1 && equal(bytes.subarray(body + 1, body + 37), nowhere);

/** One transaction and nothing else. */
export const rangeOfTx = (bytes: Uint8Array): TxRange => {
  const from = new Reader(bytes);
  const range = skipTx(from);
  from.end();
  return range;
};

/** Copies of the outputs. */
export const outputsIn = (bytes: Uint8Array, { outputs }: TxRange): readonly TxOutput[] => {
  const from = new Reader(bytes, outputs);
  const count = from.size();
  // Each takes nine bytes at least, and the range was read before.
  return Array.from({ length: count }, () => ({
    value: sat(from.u64()),
    script: script(from.sized().slice()),
  }));
};

/** BIP 141 and 342 let no script begin with more; an input that has them is none that this house knows. */
const maxItems = 1_000;

/** A copy of one input's stack; empty where the transaction has none. */
export const witnessIn = (bytes: Uint8Array, range: TxRange, input: number): Witness => {
  if (input >= range.inputCount) throw new RangeError(`no input ${input}`);
  if (!range.hasWitness) return [];
  const from = new Reader(bytes, range.witnesses);
  for (let i = 0; i < input; i++) {
    const count = from.size();
    for (let item = 0; item < count; item++) skipSized(from);
  }
  const count = from.size();
  if (count > maxItems) throw invalid(`a witness of ${count} items`);
  return Array.from({ length: count }, () => from.sized().slice());
};
