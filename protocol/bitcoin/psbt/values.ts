/** What stands behind the keys of a PSBT (BIPs 174, 370 and 371). */

import { invalid } from "../../malformed.ts";
import { type Outpoint, type Sat, type Script, sat, script } from "../../units.ts";
import { Reader } from "../reader.ts";
import type { Tx, TxInput, TxOutput, Witness } from "../tx.ts";

const whole = <T>(bytes: Uint8Array, read: (from: Reader) => T): T => {
  const from = new Reader(bytes);
  const value = read(from);
  from.end();
  return value;
};

const readList = <T>(from: Reader, read: () => T): readonly T[] => {
  const count = from.size();
  const list: T[] = [];
  // The bytes end long before a false count does.
  while (list.length < count) list.push(read());
  return list;
};

export const u32Of = (bytes: Uint8Array): number => whole(bytes, (from) => from.u32());
export const u8Of = (bytes: Uint8Array): number => whole(bytes, (from) => from.u8());
export const sizeOf = (bytes: Uint8Array): number => whole(bytes, (from) => from.size());
/** Signed in BIP 370; what is negative is above the supply here, and refused for that. */
export const amountOf = (bytes: Uint8Array): Sat => whole(bytes, (from) => sat(from.u64()));

const readOutput = (from: Reader): TxOutput => ({
  value: sat(from.u64()),
  script: script(from.sized()),
});
export const outputOf = (bytes: Uint8Array): TxOutput => whole(bytes, readOutput);

export const witnessOf = (bytes: Uint8Array): Witness =>
  whole(bytes, (from) => readList(from, () => from.sized()));

const readOutpoint = (from: Reader): Outpoint => ({
  txid: from.raw(32) as Outpoint["txid"],
  index: from.u32(),
});

const readUnsignedInput = (from: Reader): TxInput => {
  const outpoint = readOutpoint(from);
  if (from.size() !== 0) throw invalid("an input with a scriptSig");
  return { outpoint, sequence: from.u32() };
};

/**
 * `PSBT_GLOBAL_UNSIGNED_TX`: always in the form without witness, so that one without inputs is not taken for the other
 * form, whose marker looks the same.
 */
export const unsignedTxOf = (bytes: Uint8Array): Tx =>
  whole(bytes, (from) => ({
    version: from.u32(),
    inputs: readList(from, () => readUnsignedInput(from)),
    outputs: readList(from, () => readOutput(from)),
    locktime: from.u32(),
  }));

export interface KeyOrigin {
  /** Of the master key: the first four bytes of its HASH160. */
  readonly fingerprint: Uint8Array;
  readonly path: readonly number[];
}

/** BIP 32 keeps a depth in one byte. */
const maxDepth = 255;

const readOrigin = (from: Reader): KeyOrigin => {
  const fingerprint = from.raw(4);
  if (from.left % 4 !== 0) throw invalid("a derivation path that is no list of indices");
  if (from.left > 4 * maxDepth) throw invalid(`a derivation path of ${from.left / 4} indices`);
  const path = Array.from({ length: from.left / 4 }, () => from.u32());
  return { fingerprint, path };
};
export const originOf = (bytes: Uint8Array): KeyOrigin => whole(bytes, readOrigin);

export interface TaprootKeyOrigin extends KeyOrigin {
  /** Hashes of the leaves that use the key; none for the internal key (BIP 371). */
  readonly leaves: readonly Uint8Array[];
}
export const taprootOriginOf = (bytes: Uint8Array): TaprootKeyOrigin =>
  whole(bytes, (from) => ({ leaves: readList(from, () => from.raw(32)), ...readOrigin(from) }));

/** `PSBT_OUT_TAP_TREE`: leaves with their depths. */
export const checkTree = (bytes: Uint8Array): void => {
  const from = new Reader(bytes);
  if (from.left === 0) throw invalid("a tree without leaves");
  while (from.left > 0) {
    if (from.u8() > 128) throw invalid("a leaf deeper than 128");
    if ((from.u8() & 1) !== 0) throw invalid("a leaf with an odd version");
    from.sized();
  }
};

/** The key data of a proprietary entry: whose it is, and which of theirs. */
export const checkProprietary = (key: Uint8Array): void => {
  const from = new Reader(key);
  from.sized();
  from.size();
};

export const isScript = (bytes: Uint8Array): Script => {
  // A longer one can't be run (consensus, MAX_SCRIPT_SIZE).
  if (bytes.length > 10_000) throw invalid(`a script of ${bytes.length} bytes`);
  return script(bytes);
};
