/** Segregated witness, version 1: digests, trees and output scripts (BIP 341; the leaf's part is BIP 342's). */

import { compare, concat } from "../bytes.ts";
import type { Curve } from "../curve/curve.ts";
import { sha256 } from "../hash.ts";
import type { Script } from "../units.ts";
import { op, script } from "./script.ts";
import type { Tx, TxOutput } from "./tx.ts";
import { outputLength, sizedLength, Writer } from "./writer.ts";

/** "Common signature message". The signature of `default` bears no hash type, and commits to what `all` does. */
export const taprootSighash = {
  default: 0x00,
  all: 0x01,
  none: 0x02,
  single: 0x03,
  allAnyoneCanPay: 0x81,
  noneAnyoneCanPay: 0x82,
  singleAnyoneCanPay: 0x83,
} as const;
export type TaprootSighash = (typeof taprootSighash)[keyof typeof taprootSighash];

const tagged = (tag: string): ((...parts: readonly Uint8Array[]) => Uint8Array) => {
  const hash = sha256(new TextEncoder().encode(tag));
  return (...parts) => sha256(concat(hash, hash, ...parts));
};
const sighashHash = tagged("TapSighash");
const leafHash = tagged("TapLeaf");
const branchHash = tagged("TapBranch");
const tweakHash = tagged("TapTweak");

/** The version of every leaf that BIP 342 gives a meaning to. */
export const tapscript = 0xc0;

export const tapLeafHash = (leaf: Script, version = tapscript): Uint8Array =>
  leafHash(new Writer(1 + sizedLength(leaf)).u8(version).sized(leaf).bytes);

export const tapBranchHash = (a: Uint8Array, b: Uint8Array): Uint8Array =>
  compare(a, b) <= 0 ? branchHash(a, b) : branchHash(b, a);

/** What is added to the internal key. Without `root`, a key path alone ("Constructing and spending"; BIP 86). */
export const tapTweak = (internal: Uint8Array, root: Uint8Array = new Uint8Array(0)): Uint8Array =>
  tweakHash(internal, root);

/** Of the output key's x. */
export const p2tr = (key: Uint8Array): Script => script(op[1], key);

/** The output script of an internal key, x alone. */
export const p2trOf = (curve: Curve, internal: Uint8Array, root?: Uint8Array): Script =>
  p2tr(curve.tweakX(internal, tapTweak(internal, root)).x);

const written = (length: number, write: (to: Writer) => void): Uint8Array => {
  const to = new Writer(length);
  write(to);
  return sha256(to.bytes);
};

const hashOutputs = (outputs: readonly TxOutput[]): Uint8Array =>
  written(
    outputs.reduce((length, output) => length + outputLength(output), 0),
    (to) => {
      for (const output of outputs) to.output(output);
    },
  );

const hashInputs = ({ inputs }: Tx, spent: readonly TxOutput[]): readonly Uint8Array[] => [
  written(36 * inputs.length, (to) => {
    for (const { outpoint } of inputs) to.outpoint(outpoint);
  }),
  written(8 * spent.length, (to) => {
    for (const { value } of spent) to.u64(value);
  }),
  written(
    spent.reduce((length, { script }) => length + sizedLength(script), 0),
    (to) => {
      for (const { script } of spent) to.sized(script);
    },
  ),
  written(4 * inputs.length, (to) => {
    for (const { sequence } of inputs) to.u32(sequence);
  }),
];

export interface TaprootInput {
  readonly tx: Tx;
  /** The input to be signed. */
  readonly index: number;
  /** What all inputs spend, in their order: a signature commits to each. */
  readonly spent: readonly TxOutput[];
  readonly type: TaprootSighash;
  /** Of the script path; without it, the key path. */
  readonly leaf?: Uint8Array;
}

const anyoneCanPay = 0x80;
const outputBits = 0x03;
const noCodeSeparator = 0xffff_ffff;

/** What a Schnorr signature signs, where there is no annex. Whatever is out of range is the caller's mistake. */
export const taprootDigest = ({ tx, index, spent, type, leaf }: TaprootInput): Uint8Array => {
  const [input, output] = [tx.inputs[index], spent[index]];
  if (input === undefined || output === undefined) throw new RangeError(`no input ${index}`);
  if (spent.length !== tx.inputs.length)
    throw new RangeError(`${tx.inputs.length} inputs spend ${spent.length} outputs`);
  const outputs = type & outputBits;
  const same = tx.outputs[index];
  if (outputs === taprootSighash.single && same === undefined)
    throw new RangeError(`no output beside input ${index}`);
  const alone = (type & anyoneCanPay) !== 0;

  // The epoch comes first, and is 0.
  const head = new Writer(10).u8(0).u8(type).u32(tx.version).u32(tx.locktime);
  const own = alone
    ? new Writer(49 + sizedLength(output.script))
        .u8(leaf === undefined ? 0 : 2)
        .outpoint(input.outpoint)
        .output(output)
        .u32(input.sequence)
    : new Writer(5).u8(leaf === undefined ? 0 : 2).u32(index);
  return sighashHash(
    head.bytes,
    ...(alone ? [] : hashInputs(tx, spent)),
    ...(outputs <= taprootSighash.all ? [hashOutputs(tx.outputs)] : []),
    own.bytes,
    ...(outputs === taprootSighash.single && same !== undefined ? [hashOutputs([same])] : []),
    // The leaf, the version of its keys, and that there was no OP_CODESEPARATOR (BIP 342).
    ...(leaf === undefined ? [] : [leaf, new Writer(5).u8(0).u32(noCodeSeparator).bytes]),
  );
};
