/** Between a PSBT (BIPs 174, 370, 371) and `spend`: what its maps say is told to the signer, signatures are put back. */

import { witnessSignature } from "../protocol/bitcoin/der.ts";
import { entriesOf, inputFields, outputFields } from "../protocol/bitcoin/psbt/fields.ts";
import type { PsbtInput, PsbtKey } from "../protocol/bitcoin/psbt/input.ts";
import { inputOf, type Psbt, unsignedTx, withInputEntries } from "../protocol/bitcoin/psbt/psbt.ts";
import { type KeyOrigin, originOf, taprootOriginOf } from "../protocol/bitcoin/psbt/values.ts";
import { sighash } from "../protocol/bitcoin/sighash.ts";
import { encodeTx } from "../protocol/bitcoin/tx.ts";
import { isKnown, unknown } from "../protocol/codec.ts";
import { Malformed } from "../protocol/malformed.ts";
import type { Reply, Request } from "../protocol/operations/index.ts";
import type { Place, SpendInput, SpendOutput } from "../protocol/operations/spend.ts";
import { type NodeId, signature } from "../protocol/units.ts";

/** As `identity` lists it: `m/84'/0'/0'`. */
export interface AccountPath {
  readonly path: string;
}

export interface PsbtSpend {
  readonly node: NodeId;
  readonly psbt: Psbt;
  readonly accounts: readonly AccountPath[];
  /** Of an input that no account has: a claim on a channel. By default it is foreign. */
  readonly claim?: (input: PsbtInput, index: number) => Partial<SpendInput> | undefined;
  /** Of an output that no account has: a channel's. By default it is somebody else's. */
  readonly pays?: (index: number) => SpendOutput | undefined;
}

const hardenedFrom = 2 ** 31;
const textOf = (path: readonly number[]): string =>
  ["m", ...path.map((step) => (step < hardenedFrom ? `${step}` : `${step - hardenedFrom}'`))].join("/");

/** Of a path that ends below one of the accounts in a branch and an index; or at it, where it is a single key. */
const placeOf = (origins: readonly KeyOrigin[], accounts: readonly AccountPath[]): Place | undefined => {
  for (const { path } of origins) {
    const whole = accounts.findIndex((one) => one.path === textOf(path));
    if (whole >= 0) return { account: whole, branch: 0, index: 0 };
    const [branch, index] = path.slice(-2);
    const account = accounts.findIndex((one) => one.path === textOf(path.slice(0, -2)));
    if (account >= 0 && branch !== undefined && index !== undefined && branch < 256 && index < hardenedFrom)
      return { account, branch, index };
  }
  return undefined;
};

const silent = {
  channel: unknown,
  number: unknown,
  point: unknown,
  htlc: unknown,
  preimage: unknown,
  place: unknown,
} as const;

const saidOf = (input: PsbtInput, index: number, { accounts, claim }: PsbtSpend): SpendInput => {
  const { outpoint, value, script, prevTx } = input;
  const shown: Pick<SpendInput, "value" | "script" | "prevTx"> = {
    value,
    script,
    prevTx: isKnown(prevTx) ? encodeTx(prevTx) : unknown,
  };
  const common = { ...silent, ...shown, outpoint };
  const place = placeOf(input.keys, accounts);
  if (place !== undefined) return { ...common, kind: "wallet", place };
  const claimed = claim?.(input, index);
  return claimed === undefined ? { ...common, kind: "foreign" } : { ...common, kind: "foreign", ...claimed };
};

const paidOf = (psbt: Psbt, index: number, { accounts, pays }: PsbtSpend): SpendOutput => {
  const map = psbt.outputs[index] ?? [];
  const origins = [
    ...entriesOf(map, outputFields.derivation).map(({ value }) => originOf(value)),
    ...entriesOf(map, outputFields.taprootDerivation).map(({ value }) => taprootOriginOf(value)),
  ];
  const place = placeOf(origins, accounts);
  if (place !== undefined) return { kind: "wallet", place, channel: unknown };
  return pays?.(index) ?? { kind: "other", place: unknown, channel: unknown };
};

export const spendFromPsbt = (asked: PsbtSpend): Request<"spend"> => {
  const { node, psbt } = asked;
  const tx = unsignedTx(psbt);
  return {
    node,
    tx: encodeTx(tx),
    inputs: tx.inputs.map((_, i) => saidOf(inputOf(psbt, i), i, asked)),
    outputs: tx.outputs.map((_, i) => paidOf(psbt, i, asked)),
  };
};

/** The key that a signature of the signer is of; by default the only one that the map has. */
export type SigningKey = (input: PsbtInput, index: number) => Uint8Array | undefined;

const onlyKey: SigningKey = ({ keys }) =>
  keys.length === 1 ? (keys as readonly PsbtKey[])[0]?.key : undefined;

/** A key of 32 bytes is taproot's; any other's signature is DER with its hash type. */
export const withSignatures = (
  psbt: Psbt,
  { signatures }: Reply<"spend">,
  keyOf: SigningKey = onlyKey,
): Psbt => {
  if (signatures.length !== psbt.inputs.length)
    throw new Malformed("signatures", `${signatures.length} for ${psbt.inputs.length} inputs`);
  return signatures.reduce<Psbt>((so, made, index) => {
    if (!isKnown(made)) return so;
    const key = keyOf(inputOf(so, index), index);
    if (key === undefined) throw new Malformed(`inputs[${index}]`, "no key that the signature could be of");
    const entry =
      key.length === 32
        ? { type: inputFields.taprootKeySignature.type, key: new Uint8Array(0), value: made }
        : {
            type: inputFields.partialSignature.type,
            key,
            value: witnessSignature(signature(made), sighash.all),
          };
    return withInputEntries(so, index, [entry]);
  }, psbt);
};
