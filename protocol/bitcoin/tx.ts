import { RawTx } from "@scure/btc-signer/script.js";
import { doubleSha256 } from "../hash.ts";
import { invalid, Malformed } from "../malformed.ts";
import { type Outpoint, type Sat, type Script, sat, script, type Txid, txid } from "../units.ts";
import { outputLength, sizedLength, sizeLength, Writer } from "./writer.ts";

export interface TxInput {
  readonly outpoint: Outpoint;
  readonly sequence: number;
  /** Absent where empty, as in everything that spends from a channel. */
  readonly scriptSig?: Script;
}

export interface TxOutput {
  readonly value: Sat;
  readonly script: Script;
}

export interface Tx {
  readonly version: number;
  readonly inputs: readonly TxInput[];
  readonly outputs: readonly TxOutput[];
  readonly locktime: number;
}

/** The stack of one input. */
export type Witness = readonly Uint8Array[];

export interface DecodedTx {
  readonly tx: Tx;
  /** One for each input, or none at all where the bytes carried no witness. */
  readonly witnesses: readonly Witness[];
}

const empty = new Uint8Array(0) as Script;

const baseLength = (tx: Tx): number => {
  let length = 8 + sizeLength(tx.inputs.length) + sizeLength(tx.outputs.length);
  for (const input of tx.inputs) length += 40 + sizedLength(input.scriptSig ?? empty);
  for (const output of tx.outputs) length += outputLength(output);
  return length;
};

const witnessLength = (witness: Witness): number =>
  witness.reduce((length, item) => length + sizedLength(item), sizeLength(witness.length));

const writeBody = (to: Writer, tx: Tx): void => {
  to.size(tx.inputs.length);
  for (const { outpoint, scriptSig, sequence } of tx.inputs) {
    to.outpoint(outpoint)
      .sized(scriptSig ?? empty)
      .u32(sequence);
  }
  to.size(tx.outputs.length);
  for (const output of tx.outputs) to.output(output);
};

/** Without witnesses: what a transaction id is the hash of. */
export const encodeTx = (tx: Tx): Uint8Array => {
  const to = new Writer(baseLength(tx)).u32(tx.version);
  writeBody(to, tx);
  return to.u32(tx.locktime).bytes;
};

/** BIP 144. A transaction whose witnesses are all empty has the older form. */
export const encodeWitnessTx = (tx: Tx, witnesses: readonly Witness[]): Uint8Array => {
  if (witnesses.every((witness) => witness.length === 0)) return encodeTx(tx);
  const length = witnesses.reduce((sum, witness) => sum + witnessLength(witness), 2 + baseLength(tx));
  const to = new Writer(length).u32(tx.version).raw(Uint8Array.of(0, 1));
  writeBody(to, tx);
  for (const witness of witnesses) {
    to.size(witness.length);
    for (const item of witness) to.sized(item);
  }
  return to.u32(tx.locktime).bytes;
};

export const txidOf = (tx: Tx): Txid => txid(doubleSha256(encodeTx(tx)));

/** BIP 141: what lies outside the witness counts four times. */
export const weightOf = (tx: Tx, witnesses: readonly Witness[]): number =>
  3 * baseLength(tx) + encodeWitnessTx(tx, witnesses).length;

/** A larger one is not relayed (Bitcoin Core, MAX_STANDARD_TX_WEIGHT), and what it costs to read it is bounded so. */
const maxLength = 400_000;

const parse = (bytes: Uint8Array): ReturnType<typeof RawTx.decode> => {
  if (bytes.length > maxLength) throw invalid(`a transaction of ${bytes.length} bytes`);
  try {
    // A copy: the coder's scripts are views, and the bytes may be a transport's.
    return RawTx.decode(Uint8Array.from(bytes));
  } catch {
    throw invalid("not a transaction");
  }
};

export const decodeTx = (bytes: Uint8Array): DecodedTx => {
  const raw = parse(bytes);
  if (raw.inputs.length === 0) throw new Malformed("inputs", "none");
  if (raw.outputs.length === 0) throw new Malformed("outputs", "none");
  const tx: Tx = {
    version: raw.version >>> 0,
    inputs: raw.inputs.map(({ txid: hash, index, finalScriptSig, sequence }) => ({
      // The coder reads ids in the order in which people write them.
      outpoint: { txid: txid(Uint8Array.from(hash).reverse()), index },
      sequence,
      ...(finalScriptSig.length === 0 ? {} : { scriptSig: script(finalScriptSig) }),
    })),
    outputs: raw.outputs.map(({ amount, script: bytes }, i) => {
      try {
        return { value: sat(amount), script: script(bytes) };
      } catch (error) {
        throw error instanceof Malformed ? error.within(`outputs[${i}].value`) : error;
      }
    }),
    locktime: raw.lockTime,
  };
  return { tx, witnesses: raw.witnesses ?? [] };
};
