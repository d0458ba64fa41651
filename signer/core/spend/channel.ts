/** What of one channel can be claimed: its live commitments rebuilt, its revealed secrets, its plans. */

import type { TxOutput } from "../../../protocol/bitcoin/tx.ts";
import type { ChannelClaim, ChannelPlan } from "../../../protocol/bolt/claim.ts";
import { lookup } from "../../../protocol/bolt/shachain.ts";
import { claimPlanner } from "../../../protocol/bolt/spend.ts";
import { commitmentWeight } from "../../../protocol/bolt/weight.ts";
import { equal, toHex } from "../../../protocol/bytes.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import type {
  ChannelId,
  CommitmentNumber,
  Feerate,
  Point,
  RevocationSecret,
  Txid,
} from "../../../protocol/units.ts";
import { type Live, other } from "../state.ts";
import { type Rebuild, rebuild } from "../steps/commitment.ts";

/** A live commitment, as our own state has it. */
export interface Origin {
  readonly owner: Side;
  readonly number: CommitmentNumber;
  readonly point: Point;
  readonly feerate: Feerate;
  readonly outputs: readonly TxOutput[];
  readonly weight: number;
  htlcAt(index: number): Htlc | undefined;
}

export interface ChannelClaims {
  readonly channel: ChannelId;
  readonly live: Live;
  originOf(txid: Txid): Origin | undefined;
  /** Of a commitment that the counterparty has revoked. */
  revealed(number: CommitmentNumber): RevocationSecret | undefined;
  plan(claim: ChannelClaim): ChannelPlan;
}

const originOf = (rebuilt: Rebuild, curve: Curve): Origin => {
  const { owner, setup, point, content } = rebuilt;
  const { commitment } = rebuild(rebuilt, curve);
  const htlcs = new Map(
    commitment.htlcs.map(({ htlc: { offeredBy, ...htlc }, index }): [number, Htlc] => [
      index,
      { ...htlc, offeredBy: offeredBy === "broadcaster" ? owner : other(owner) },
    ]),
  );
  return {
    owner,
    number: content.number,
    point,
    feerate: content.feerate,
    outputs: commitment.tx.outputs,
    weight: commitmentWeight(setup.terms.type, htlcs.size),
    htlcAt: (index) => htlcs.get(index),
  };
};

const originIn = (
  { setup, holder, counterparty }: Live,
  txid: Txid,
  curve: Curve,
  pointOf: (number: CommitmentNumber) => Point | undefined,
): Origin | undefined => {
  const ours = holder.variants.find((variant) => equal(variant.txid, txid));
  if (ours !== undefined) {
    const point = pointOf(ours.number);
    // Only of what was signed for broadcast is the point known.
    return point === undefined
      ? undefined
      : originOf({ owner: "holder", setup, point, content: ours }, curve);
  }
  const theirs = counterparty.variants.find((variant) => equal(variant.txid, txid));
  if (theirs === undefined) return undefined;
  return originOf({ owner: "counterparty", setup, point: theirs.point, content: theirs }, curve);
};

export const claimsOf = (
  channel: ChannelId,
  live: Live,
  curve: Curve,
  pointOf: (number: CommitmentNumber) => Point | undefined,
): ChannelClaims => {
  const { terms, holder, counterparty } = live.setup;
  const plan = claimPlanner(curve, {
    type: terms.type,
    holder,
    counterparty,
    // Each waits as long as the other side demands.
    delays: { holder: terms.counterparty.toSelfDelay, counterparty: terms.holder.toSelfDelay },
  });
  const origins = new Map<string, Origin | undefined>();
  return {
    channel,
    live,
    originOf: (txid) => {
      const key = toHex(txid);
      if (!origins.has(key)) origins.set(key, originIn(live, txid, curve, pointOf));
      return origins.get(key);
    },
    revealed: (number) =>
      number < live.counterparty.revoked ? lookup(live.counterparty.secrets, number) : undefined,
    plan,
  };
};
