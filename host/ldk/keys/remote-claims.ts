/** What LDK's claims on the chain spend, said input by input: LDK asks for one at a time, the signer wants them all. */

import { p2wsh } from "../../../protocol/bitcoin/script.ts";
import { decodeTx, encodeTx, type Tx, type TxInput } from "../../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../../protocol/bolt/scripts.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { Place, SpendInput, SpendOutput } from "../../../protocol/operations/spend.ts";
import type { NodeId, Outpoint, Point, Preimage, Sat, Script } from "../../../protocol/units.ts";
import type { RemoteChannel, RemoteChannels } from "./remote-channels.ts";
import type { RemoteStore } from "./remote-store.ts";

export const silent = {
  channel: unknown,
  number: unknown,
  point: unknown,
  htlc: unknown,
  preimage: unknown,
  value: unknown,
  script: unknown,
  prevTx: unknown,
  place: unknown,
} as const;

export const other: SpendOutput = { kind: "other", place: unknown, channel: unknown };

/** LDK completes its inputs one after the other, and asks for the next one with the witnesses of those before it. */
export const unsigned = (bytes: Uint8Array): Tx => decodeTx(bytes).tx;

export interface OutputKinds {
  readonly channels: RemoteChannels;
  place(script: Uint8Array): Place | undefined;
}

const fundingOf = ({ basepoints, setup }: RemoteChannel): Script | undefined =>
  setup === undefined ? undefined : p2wsh(fundingScript(basepoints.funding, setup.counterparty.funding));

/** What an output is to the signer: our wallet's, a channel's closing script or funding, or somebody else's. */
export const outputKind = (script: Uint8Array, { channels, place }: OutputKinds): SpendOutput => {
  const found = place(script);
  if (found !== undefined) return { kind: "wallet", place: found, channel: unknown };
  for (const channel of channels.all()) {
    if (channel.setup === undefined) continue;
    if (equal(channel.closingScript, script)) return { kind: "closing", place: unknown, channel: channel.id };
    const funding = fundingOf(channel);
    if (funding !== undefined && equal(funding, script))
      return { kind: "funding", place: unknown, channel: channel.id };
  }
  return other;
};

/** The input that LDK asks about, and what it says of it. */
export type AskedInput =
  | { readonly kind: "justice"; readonly value: Sat; readonly point: Point; readonly htlc?: Htlc }
  | { readonly kind: "counterpartyHtlc"; readonly htlc: Htlc };

const theirs = (
  channel: RemoteChannel,
  { outpoint }: TxInput,
  store: RemoteStore,
  revoked: boolean,
): SpendInput | undefined => {
  const commitment = store.theirs(channel.id, outpoint.txid);
  if (commitment === undefined) return undefined;
  const placed = commitment.htlcs.find(({ index }) => index === outpoint.index);
  const common = { ...silent, outpoint, channel: channel.id };
  if (!revoked)
    return placed === undefined ? undefined : { ...common, kind: "counterpartyHtlc", htlc: placed.htlc };
  return placed === undefined
    ? { ...common, kind: "justiceToLocal", number: commitment.number, value: commitment.delayed }
    : { ...common, kind: "justiceHtlc", number: commitment.number, htlc: placed.htlc };
};

/** Of outputs that LDK has asked about: it says each value with its own input alone. */
export type Values = Map<string, Sat>;

/** A cheat has 966 HTLCs at most (BOLT 2, `max_accepted_htlcs` of both sides). */
const mostValues = 4_096;

const nameOf = ({ txid, index }: Outpoint): string => `${toHex(txid)}:${index}`;

export interface ClaimParts extends OutputKinds {
  readonly node: NodeId;
  readonly store: RemoteStore;
  readonly values: Values;
}

/**
 * `index` is the input that is asked for; the others are taken for what was signed for the counterparty. Undefined while
 * LDK has not asked about all that it alone knows the value of: it goes on to the next input at once.
 */
export const claimRequest = (
  { node, store, values, ...kinds }: ClaimParts,
  channel: RemoteChannel,
  tx: Tx,
  index: number,
  asked: AskedInput,
): Request<"spend"> | undefined => {
  const revoked = asked.kind === "justice";
  const own = tx.inputs[index];
  if (asked.kind === "justice" && own !== undefined) {
    if (values.size >= mostValues) values.clear();
    values.set(nameOf(own.outpoint), asked.value);
  }
  const said = (input: TxInput): SpendInput => {
    const found = theirs(channel, input, store, revoked);
    if (found !== undefined) return found;
    const common = { ...silent, outpoint: input.outpoint, channel: channel.id };
    // An HTLC transaction of the counterparty on a revoked commitment.
    const number = asked.kind === "justice" ? store.theirsAt(channel.id, asked.point) : undefined;
    if (asked.kind === "justice" && number !== undefined)
      return {
        ...common,
        kind: "justiceSecondLevel",
        number,
        value: values.get(nameOf(input.outpoint)) ?? unknown,
      };
    return { ...silent, outpoint: input.outpoint, kind: "foreign" };
  };
  const inputs = tx.inputs.map(said);
  if (inputs.some(({ kind, value }) => kind === "justiceSecondLevel" && !isKnown(value))) return undefined;
  return {
    node,
    tx: encodeTx(tx),
    inputs,
    outputs: tx.outputs.map(({ script }) => outputKind(script, kinds)),
  };
};

/** LDK's own HTLC transaction, which nothing else may be in (BOLT 3, without anchors). */
export const holderHtlcRequest = (
  { node, ...kinds }: OutputKinds & { readonly node: NodeId },
  channel: RemoteChannel,
  tx: Tx,
  point: Point,
  preimage: Preimage | undefined,
): Request<"spend"> => ({
  node,
  tx: encodeTx(tx),
  inputs: tx.inputs.map(({ outpoint }) => ({
    ...silent,
    outpoint,
    kind: "holderHtlc",
    channel: channel.id,
    point,
    preimage: preimage ?? unknown,
  })),
  outputs: tx.outputs.map(({ script }) => outputKind(script, kinds)),
});

export const signatureAt = (
  signatures: readonly (Uint8Array | typeof unknown)[],
  index: number,
): Uint8Array | undefined => {
  const made = signatures[index];
  return made !== undefined && isKnown(made) ? made : undefined;
};
