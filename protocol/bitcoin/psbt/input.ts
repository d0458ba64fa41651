/** What a PSBT says of one input, and whether that fits together. */

import { compare, equal } from "../../bytes.ts";
import { isKnown, type Maybe, unknown } from "../../codec.ts";
import { hash160 } from "../../hash.ts";
import { Malformed } from "../../malformed.ts";
import type { Outpoint, Sat, Script } from "../../units.ts";
import { isWitnessProgram, op, p2wsh, script } from "../script.ts";
import { decodeTx, type Tx, type TxOutput, txidOf } from "../tx.ts";
import { entriesOf, type Field, fieldOf, inputFields } from "./fields.ts";
import type { PsbtMap } from "./map.ts";
import { isScript, type KeyOrigin, originOf, outputOf, taprootOriginOf, u32Of } from "./values.ts";

export interface PsbtKey extends KeyOrigin {
  /** 33 or 65 bytes; of taproot 32. */
  readonly key: Uint8Array;
  /** Of taproot: the leaves that use it. */
  readonly leaves: Maybe<readonly Uint8Array[]>;
}

export interface PsbtInput {
  readonly outpoint: Outpoint;
  readonly sequence: number;
  /** Of the output that is spent. Proven where `prevTx` is known; else what the PSBT claims. */
  readonly value: Maybe<Sat>;
  readonly script: Maybe<Script>;
  /** Has the outpoint's txid. */
  readonly prevTx: Maybe<Tx>;
  readonly sighash: Maybe<number>;
  readonly redeemScript: Maybe<Script>;
  readonly witnessScript: Maybe<Script>;
  readonly keys: readonly PsbtKey[];
}

const maybe = <T>(map: PsbtMap, field: Field, read: (bytes: Uint8Array) => T): Maybe<T> =>
  fieldOf(map, field, read) ?? unknown;

const spentOf = (prevTx: Maybe<Tx>, witnessUtxo: Maybe<TxOutput>, outpoint: Outpoint): Maybe<TxOutput> => {
  if (!isKnown(prevTx)) return witnessUtxo;
  if (!equal(txidOf(prevTx), outpoint.txid)) throw new Malformed("nonWitnessUtxo", "another transaction");
  const output = prevTx.outputs[outpoint.index];
  if (output === undefined) throw new Malformed("nonWitnessUtxo", `no output ${outpoint.index}`);
  if (
    isKnown(witnessUtxo) &&
    (witnessUtxo.value !== output.value || compare(witnessUtxo.script, output.script) !== 0)
  )
    throw new Malformed("witnessUtxo", "not the output of the previous transaction");
  return output;
};

/** `map` is the one of input `index` of `tx`. */
export const inputWithin = (tx: Tx, index: number, map: PsbtMap): PsbtInput => {
  const input = tx.inputs[index];
  if (input === undefined) throw new RangeError(`no input ${index}`);
  const { outpoint, sequence } = input;
  const prevTx = maybe(map, inputFields.nonWitnessUtxo, (bytes) => decodeTx(bytes).tx);
  const spent = spentOf(prevTx, maybe(map, inputFields.witnessUtxo, outputOf), outpoint);
  return {
    outpoint,
    sequence,
    value: isKnown(spent) ? spent.value : unknown,
    script: isKnown(spent) ? spent.script : unknown,
    prevTx,
    sighash: maybe(map, inputFields.sighashType, u32Of),
    redeemScript: maybe(map, inputFields.redeemScript, isScript),
    witnessScript: maybe(map, inputFields.witnessScript, isScript),
    keys: [
      ...entriesOf(map, inputFields.derivation).map(
        ({ key, value }): PsbtKey => ({ key, ...originOf(value), leaves: unknown }),
      ),
      ...entriesOf(map, inputFields.taprootDerivation).map(
        ({ key, value }): PsbtKey => ({ key, ...taprootOriginOf(value) }),
      ),
    ],
  };
};

/** `OP_HASH160 <hash> OP_EQUAL` (BIP 16). */
const p2sh = (redeem: Script): Script => script(op.hash160, hash160(redeem), op.equal);
/**
 * What a signer must refuse by BIP 174, "Signer": scripts that are not the output's, and a witness output alone for
 * what is not spent by a witness. Undefined where nothing is wrong, or where it can't be told.
 */
export const misfitOfInput = (
  input: PsbtInput,
): "redeemScript" | "witnessScript" | "witnessUtxo" | undefined => {
  const { script: output, redeemScript, witnessScript, prevTx } = input;
  if (!isKnown(output)) return undefined;
  if (isKnown(redeemScript) && !equal(output, p2sh(redeemScript))) return "redeemScript";
  const program = isKnown(redeemScript) ? redeemScript : output;
  if (isKnown(witnessScript) && !equal(program, p2wsh(witnessScript))) return "witnessScript";
  const isP2sh = output.length === 23 && output[0] === op.hash160;
  if (!isKnown(prevTx) && !isWitnessProgram(program) && !(isP2sh && !isKnown(redeemScript)))
    return "witnessUtxo";
  return undefined;
};
