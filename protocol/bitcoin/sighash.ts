/** Segregated witness digests, version 0 (BIP 143). */

import { doubleSha256 } from "../hash.ts";
import type { Outpoint, Sat, Script } from "../units.ts";
import type { Tx, TxOutput } from "./tx.ts";
import { outputLength, sizedLength, Writer } from "./writer.ts";

export const sighash = { all: 0x01, singleAnyoneCanPay: 0x83 } as const;
export type Sighash = (typeof sighash)[keyof typeof sighash];

export interface DigestParts {
  readonly version: number;
  readonly hashPrevouts: Uint8Array;
  readonly hashSequence: Uint8Array;
  readonly outpoint: Outpoint;
  /** The witness script, or `p2wpkhScriptCode`. */
  readonly scriptCode: Script;
  readonly value: Sat;
  readonly sequence: number;
  readonly hashOutputs: Uint8Array;
  readonly locktime: number;
  readonly type: Sighash;
}

export const preimageLength = (scriptCode: Script): number => 156 + sizedLength(scriptCode);

/** From parts that the caller may share between digests, as it may the writer. */
export const digestOf = (parts: DigestParts, to = new Writer(preimageLength(parts.scriptCode))): Uint8Array =>
  doubleSha256(
    to
      .u32(parts.version)
      .raw(parts.hashPrevouts)
      .raw(parts.hashSequence)
      .outpoint(parts.outpoint)
      .sized(parts.scriptCode)
      .u64(parts.value)
      .u32(parts.sequence)
      .raw(parts.hashOutputs)
      .u32(parts.locktime)
      .u32(parts.type)
      .take(),
  );

/** What stands for the parts that a signature does not commit to. */
export const notCommitted = new Uint8Array(32);

export const hashPrevouts = (outpoints: readonly Outpoint[]): Uint8Array => {
  const to = new Writer(36 * outpoints.length);
  for (const outpoint of outpoints) to.outpoint(outpoint);
  return doubleSha256(to.bytes);
};

export const hashSequences = (sequences: readonly number[]): Uint8Array => {
  const to = new Writer(4 * sequences.length);
  for (const sequence of sequences) to.u32(sequence);
  return doubleSha256(to.bytes);
};

export const hashOutputs = (outputs: readonly TxOutput[]): Uint8Array => {
  const to = new Writer(outputs.reduce((length, output) => length + outputLength(output), 0));
  for (const output of outputs) to.output(output);
  return doubleSha256(to.bytes);
};

export interface SpentInput {
  readonly tx: Tx;
  /** The input to be signed. */
  readonly index: number;
  readonly scriptCode: Script;
  /** Of the output that it spends. */
  readonly value: Sat;
  readonly type: Sighash;
}

export const inputDigest = ({ tx, index, scriptCode, value, type }: SpentInput): Uint8Array => {
  const input = tx.inputs[index];
  if (input === undefined) throw new RangeError(`no input ${index}`);
  const all = type === sighash.all;
  const same = tx.outputs[index];
  return digestOf({
    version: tx.version,
    hashPrevouts: all ? hashPrevouts(tx.inputs.map(({ outpoint }) => outpoint)) : notCommitted,
    hashSequence: all ? hashSequences(tx.inputs.map(({ sequence }) => sequence)) : notCommitted,
    outpoint: input.outpoint,
    scriptCode,
    value,
    sequence: input.sequence,
    hashOutputs: all ? hashOutputs(tx.outputs) : same === undefined ? notCommitted : hashOutputs([same]),
    locktime: tx.locktime,
    type,
  });
};
