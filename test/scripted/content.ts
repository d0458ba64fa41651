/** Balances and HTLCs of a scripted channel, and what a commitment of either side says of them. */

import { settle } from "../../protocol/bolt/trim.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import { type CommitmentNumber, type Feerate, type Msat, msat, type Sat, sat } from "../../protocol/units.ts";

export interface Content {
  readonly number: CommitmentNumber;
  readonly feerate: Feerate;
  readonly toHolder: Sat;
  readonly toCounterparty: Sat;
  readonly htlcs: readonly Htlc[];
  readonly trimmed: readonly Htlc[];
}

/** Before fee and anchors, without the HTLCs. */
export interface Balances {
  readonly holder: Msat;
  readonly counterparty: Msat;
  readonly htlcs: readonly Htlc[];
  readonly feerate: Feerate;
}

export const opening = ({ value, push, contribution, opener }: Terms, feerate: Feerate): Balances => {
  const given = contribution * 1000n + (opener === "holder" ? -push : push);
  return { holder: msat(given), counterparty: msat(value * 1000n - given), htlcs: [], feerate };
};

export const contentOf = (terms: Terms, owner: Side, number: CommitmentNumber, now: Balances): Content => {
  const { dustLimit } = terms[owner];
  const mine = owner === "holder";
  const party = (side: Side) => (side === owner ? "broadcaster" : "countersignatory");
  const settled = settle({
    type: terms.type,
    opener: party(terms.opener),
    feerate: now.feerate,
    dustLimit: isKnown(dustLimit) ? dustLimit : sat(354n),
    toBroadcaster: mine ? now.holder : now.counterparty,
    toCountersignatory: mine ? now.counterparty : now.holder,
    htlcs: now.htlcs.map(
      (htlc) => ({ ...htlc, side: htlc.offeredBy, offeredBy: party(htlc.offeredBy) }) as const,
    ),
  });
  if (settled === undefined) throw new RangeError("no such commitment: the anchors cost more than there is");
  const back = ({ amount, hash, expiry, side }: (typeof settled.untrimmed)[number]): Htlc => ({
    offeredBy: side,
    amount,
    hash,
    expiry,
  });
  return {
    number,
    feerate: now.feerate,
    toHolder: mine ? settled.toBroadcaster : settled.toCountersignatory,
    toCounterparty: mine ? settled.toCountersignatory : settled.toBroadcaster,
    htlcs: settled.untrimmed.map(back),
    trimmed: settled.trimmed.map(back),
  };
};
