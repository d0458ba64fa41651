/** The commitment number as a commitment transaction shows it (BOLT 3, "Commitment Transaction"). */

import type { Tx } from "../bitcoin/tx.ts";
import { concat } from "../bytes.ts";
import { sha256 } from "../hash.ts";
import type { CommitmentNumber, Point } from "../units.ts";

/** The payment basepoints of `open_channel` and of `accept_channel`. */
export const obscuringFactor = (opener: Point, accepter: Point): bigint => {
  const hash = sha256(concat(opener, accepter));
  return new DataView(hash.buffer, hash.byteOffset).getBigUint64(24) & 0xffff_ffff_ffffn;
};

const low = 0xff_ffffn;

export const obscure = (
  number: CommitmentNumber,
  factor: bigint,
): Pick<Tx, "locktime"> & { sequence: number } => {
  const obscured = number ^ factor;
  return {
    sequence: 0x8000_0000 + Number(obscured >> 24n),
    locktime: 0x2000_0000 + Number(obscured & low),
  };
};

/** Undefined for what is no commitment transaction. */
export const commitmentNumberOf = (tx: Tx, factor: bigint): CommitmentNumber | undefined => {
  const [input, ...others] = tx.inputs;
  if (input === undefined || others.length > 0) return undefined;
  if (input.sequence >>> 24 !== 0x80 || tx.locktime >>> 24 !== 0x20) return undefined;
  const obscured = (BigInt(input.sequence & 0xff_ffff) << 24n) | BigInt(tx.locktime & 0xff_ffff);
  return (obscured ^ factor) as CommitmentNumber;
};
