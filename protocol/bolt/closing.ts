/** BOLT 3, "Legacy Closing Transaction". */

import { inputDigest, sighash } from "../bitcoin/sighash.ts";
import { type Tx, type TxOutput, txidOf } from "../bitcoin/tx.ts";
import { compare } from "../bytes.ts";
import { type Msat, type Outpoint, type Point, type Sat, type Txid, toSat } from "../units.ts";
import { fundingScript } from "./scripts.ts";

export interface ClosingBalances {
  /** Pays the fee. */
  readonly opener: Msat;
  readonly accepter: Msat;
  readonly fee: Sat;
  /** Of the side that builds the transaction; the peer's may differ, and the signature shows what it left out. */
  readonly dustLimit: Sat;
}

export interface ClosingSettlement {
  /** 0 where there is no output. */
  readonly toOpener: Sat;
  readonly toAccepter: Sat;
}

/** Undefined where the opener cannot pay the fee. */
export const settleClosing = ({
  opener,
  accepter,
  fee,
  dustLimit,
}: ClosingBalances): ClosingSettlement | undefined => {
  const left = toSat(opener) - fee;
  if (left < 0n) return undefined;
  const output = (value: bigint): Sat => (value >= dustLimit ? value : 0n) as Sat;
  return { toOpener: output(left), toAccepter: output(toSat(accepter)) };
};

export interface ClosingTerms {
  readonly fundingOutpoint: Outpoint;
  readonly fundingValue: Sat;
  /** In any order. */
  readonly fundingKeys: readonly [Point, Point];
  /** After the fee; one of value 0 is left out. */
  readonly outputs: readonly TxOutput[];
}

export interface Closing {
  readonly tx: Tx;
  readonly txid: Txid;
  /** What both sides sign with their funding keys. */
  readonly digest: Uint8Array;
}

export const buildClosing = ({
  fundingOutpoint,
  fundingValue,
  fundingKeys: [a, b],
  outputs,
}: ClosingTerms): Closing => {
  const tx: Tx = {
    version: 2,
    inputs: [{ outpoint: fundingOutpoint, sequence: 0xffff_ffff }],
    outputs: outputs.filter(({ value }) => value > 0n).sort(byValueScript),
    locktime: 0,
  };
  const scriptCode = fundingScript(a, b);
  return {
    tx,
    txid: txidOf(tx),
    digest: inputDigest({ tx, index: 0, scriptCode, value: fundingValue, type: sighash.all }),
  };
};

/** BOLT 3, "Transaction Output Ordering". */
export const byValueScript = (a: TxOutput, b: TxOutput): number =>
  a.value === b.value ? compare(a.script, b.script) : a.value < b.value ? -1 : 1;
