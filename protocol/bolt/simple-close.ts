/** BOLT 3, "Closing Transaction", for `option_simple_close`: one side, the closer, proposes and pays (BOLT 2). */

import { isWitnessProgram, op } from "../bitcoin/script.ts";
import { inputDigest, sighash } from "../bitcoin/sighash.ts";
import { type Tx, type TxOutput, txidOf } from "../bitcoin/tx.ts";
import { outputLength } from "../bitcoin/writer.ts";
import { type Msat, type Sat, type Script, toSat } from "../units.ts";
import { byValueScript, type Closing, type ClosingTerms } from "./closing.ts";
import { fundingScript } from "./scripts.ts";

export type ClosingParty = "closer" | "closee";

/** Which outputs there are, under the names of `closing_tlvs`. */
export type CloseVariant = "closer_output_only" | "closee_output_only" | "closer_and_closee_outputs";

export interface CloseSide {
  /** All that is its own once the commitment's fee and anchors are given back to the opener. */
  readonly balance: Msat;
  readonly script: Script;
}

export interface SimpleCloseTerms extends Omit<ClosingTerms, "outputs"> {
  readonly closer: CloseSide;
  readonly closee: CloseSide;
  /** The closer's to pay. */
  readonly fee: Sat;
  readonly locktime: number;
}

export const isOpReturn = (script: Script): boolean => script[0] === op.return;

/** `OP_RETURN` as BOLT 2 takes it for a closing script ("Closing Initiation: `shutdown`"). */
export const isClosingOpReturn = (script: Script): boolean => {
  if (!isOpReturn(script)) return false;
  const [, first = 0, second = 0] = script;
  if (first >= 6 && first <= 75) return script.length === 2 + first;
  return first === pushData1 && second >= 76 && second <= 80 && script.length === 3 + second;
};
const pushData1 = 0x4c;

/**
 * The least that an output must hold to be relayed (BOLT 3, "Dust Limits"): three satoshi for each byte of the output
 * and of the least input that could spend it. The 354 of "unknown segwit versions" is that of the longest.
 */
export const dustThreshold = (script: Script): Sat => {
  if (isOpReturn(script)) return 0n as Sat;
  const input = isWitnessProgram(script) ? 67 : 148;
  return BigInt(3 * (outputLength({ script }) + input)) as Sat;
};

/** What each side gets where it has an output. Undefined where the closer cannot pay the fee. */
export const settleSimpleClose = ({
  closer,
  closee,
  fee,
}: Pick<SimpleCloseTerms, ClosingParty | "fee">): Readonly<Record<ClosingParty, Sat>> | undefined => {
  const left = toSat(closer.balance) - fee;
  if (left < 0n) return undefined;
  return {
    closer: isOpReturn(closer.script) ? (0n as Sat) : (left as Sat),
    closee: isOpReturn(closee.script) ? (0n as Sat) : toSat(closee.balance),
  };
};

/**
 * What the closer may offer, and the closee sign (BOLT 2, "Requirements" of `closing_complete`): whoever has less may
 * leave itself out, and dust is left out. None where the closer can't pay, or all would be dust. To leave out an output
 * that is no dust is the choice of the side whose output it is.
 */
export const closeVariants = (
  terms: Pick<SimpleCloseTerms, ClosingParty | "fee">,
): readonly CloseVariant[] => {
  const settled = settleSimpleClose(terms);
  if (settled === undefined) return [];
  const { closer, closee } = terms;
  const closerIsDust = settled.closer < dustThreshold(closer.script);
  const closeeIsDust = settled.closee < dustThreshold(closee.script);
  if (closer.balance < closee.balance) {
    if (closeeIsDust) return [];
    if (closerIsDust) return ["closee_output_only"];
    return isOpReturn(closer.script)
      ? ["closer_and_closee_outputs"]
      : ["closer_and_closee_outputs", "closee_output_only"];
  }
  if (closerIsDust) return [];
  return closeeIsDust ? ["closer_output_only"] : ["closer_output_only", "closer_and_closee_outputs"];
};

export const outputsOf = (variant: CloseVariant): readonly ClosingParty[] => {
  switch (variant) {
    case "closer_output_only":
      return ["closer"];
    case "closee_output_only":
      return ["closee"];
    case "closer_and_closee_outputs":
      return ["closer", "closee"];
  }
};

export interface SimpleClose extends Closing {
  /** With what the outputs leave, and outputs that are left out. */
  readonly feePaid: Sat;
}

/** It can be replaced (BIP 125), and its locktime counts. */
const sequence = 0xffff_fffd;

/** Undefined where the closer cannot pay the fee. */
export const buildSimpleClose = (terms: SimpleCloseTerms, variant: CloseVariant): SimpleClose | undefined => {
  const settled = settleSimpleClose(terms);
  if (settled === undefined) return undefined;
  const { fundingOutpoint, fundingValue, fundingKeys, locktime } = terms;
  const outputs: readonly TxOutput[] = outputsOf(variant)
    .map((side) => ({ value: settled[side], script: terms[side].script }))
    .sort(byValueScript);
  const tx: Tx = { version: 2, inputs: [{ outpoint: fundingOutpoint, sequence }], outputs, locktime };
  const scriptCode = fundingScript(...fundingKeys);
  return {
    tx,
    txid: txidOf(tx),
    digest: inputDigest({ tx, index: 0, scriptCode, value: fundingValue, type: sighash.all }),
    feePaid: outputs.reduce((left, { value }) => left - value, fundingValue as bigint) as Sat,
  };
};
