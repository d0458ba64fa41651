/**
 * A channel as an honest host drives it: one update is four requests, in an order that BOLT 2 allows. The requests
 * are data, so that tests may change, repeat, reorder and replay them.
 */

import type { Basepoints } from "../../protocol/bolt/channel.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name, Reply, Request } from "../../protocol/operations/index.ts";
import {
  type ChannelId,
  commitmentNumber,
  delay,
  type Feerate,
  feerate,
  height,
  type Msat,
  msat,
  type NodeId,
  type Outpoint,
  type Point,
  type Preimage,
  paymentHash,
  preimage,
  type Script,
  sat,
  script,
  txid,
} from "../../protocol/units.ts";
import { type Balances, contentOf, opening } from "./content.ts";
import type { Peer, Shared } from "./peer.ts";

export type Call = <N extends Name>(name: N, body: Request<N>) => Promise<Reply<N>>;

export const plainTerms = (changes: Partial<Terms> = {}): Terms => {
  const side = {
    toSelfDelay: delay(144),
    dustLimit: sat(354n),
    reserve: sat(10_000n),
    maxAcceptedHtlcs: 483,
    maxInFlight: msat(1_000_000_000n),
    upfrontScript: script(new Uint8Array(0)),
  };
  return {
    type: "anchors",
    opener: "holder",
    value: sat(1_000_000n),
    push: msat(0n),
    contribution: sat((changes.opener ?? "holder") === "holder" ? (changes.value ?? 1_000_000n) : 0n),
    holder: side,
    counterparty: side,
    ...changes,
  };
};

export const plainFeerate = feerate(1_000);

export interface Opened {
  readonly node: NodeId;
  readonly channel: ChannelId;
  readonly shared: Shared;
  readonly closingScript: Script;
  readonly points: readonly Point[];
}

/** One request with its name, as data. */
export const ask = <N extends Name>(name: N, body: Request<N>): AnyRequest =>
  ({ name, body }) as unknown as AnyRequest;

export const fundingOf = (label: string): Outpoint => ({
  txid: txid(sha256(new TextEncoder().encode(label))),
  index: 1,
});

/** `new` and `setup`. */
export const open = async (
  call: Call,
  node: NodeId,
  peer: Peer,
  terms: Terms,
  label: string,
): Promise<Opened> => {
  const { channel, basepoints, points, closingScript } = await call("new", { node, wanted: unknown });
  const funding = fundingOf(label);
  await call("setup", { node, channel, peer: peer.id, terms, counterparty: peer.basepoints, funding });
  const shared = { terms, holder: basepoints as Basepoints, counterparty: peer.basepoints, funding };
  return { node, channel, shared, closingScript, points };
};

export type Requests = {
  readonly sign: Request<"signCounterpartyCommitment">;
  readonly validate: Request<"validateHolderCommitment">;
  readonly revoke: Request<"revokeHolderCommitment"> | undefined;
  readonly revocation: Request<"validateCounterpartyRevocation"> | undefined;
};

/** All four requests that bring both sides to `number`; the first commitment has nothing to revoke. */
export const update = (
  { node, channel, shared }: Opened,
  peer: Peer,
  holderPoint: Point,
  n: bigint,
  balances: Balances,
  preimages: readonly Preimage[] = [],
): Requests => {
  const number = commitmentNumber(n);
  const theirs = contentOf(shared.terms, "counterparty", number, balances);
  const ours = contentOf(shared.terms, "holder", number, balances);
  const common = { node, channel, funding: shared.funding, preimages, expected: unknown } as const;
  const before = n === 0n ? undefined : commitmentNumber(n - 1n);
  return {
    sign: { ...common, ...theirs, point: peer.point(number) },
    validate: { ...common, ...ours, ...peer.countersign(shared, holderPoint, ours) },
    revoke: before === undefined ? undefined : { node, channel, number: before },
    revocation:
      before === undefined ? undefined : { node, channel, number: before, secret: peer.secret(before) },
  };
};

export const preimageOf = (label: string): Preimage => preimage(sha256(new TextEncoder().encode(label)));

export const htlcOf = (offeredBy: Side, amount: bigint, label: string, expiry = 700_000): Htlc => ({
  offeredBy,
  amount: msat(amount),
  hash: paymentHash(sha256(preimageOf(label))),
  expiry: height(expiry),
});

const plus = (a: Msat, b: bigint): Msat => msat(a + b);

/** The changes that an honest channel makes to its balances. */
export const add = (now: Balances, htlc: Htlc): Balances => ({
  ...now,
  [htlc.offeredBy]: plus(now[htlc.offeredBy], -htlc.amount),
  htlcs: [...now.htlcs, htlc],
});

export const remove = (now: Balances, htlc: Htlc, how: "fulfil" | "fail"): Balances => {
  const receiver: Side = htlc.offeredBy === "holder" ? "counterparty" : "holder";
  const to = how === "fulfil" ? receiver : htlc.offeredBy;
  return { ...now, [to]: plus(now[to], htlc.amount), htlcs: now.htlcs.filter((one) => one !== htlc) };
};

export const withFeerate = (now: Balances, rate: Feerate): Balances => ({ ...now, feerate: rate });

export const start = (terms: Terms): Balances => opening(terms, plainFeerate);

/** What an honest host proposes before it offers this HTLC: the payee of a keysend is whoever has the preimage. */
export const keysendOf = (
  node: NodeId,
  { hash, amount }: Pick<Htlc, "hash" | "amount">,
  feeLimit = msat(0n),
): Request<"proposePayment"> => ({
  node,
  kind: "keysend",
  hash,
  amount,
  feeLimit,
  invoice: "",
  source: "",
  payee: unknown,
});
