/** Who gets what from a commitment (BOLT 3, "Trimmed Outputs", "Fees", "Commitment Transaction Construction"). */

import { type Feerate, type Msat, type Sat, toSat } from "../units.ts";
import { anchorValue, type ChannelType, type Htlc, type Party } from "./channel.ts";
import { commitmentFee, htlcTransactionFee, htlcTransactionKind } from "./weight.ts";

export interface TrimTerms {
  readonly type: ChannelType;
  readonly feerate: Feerate;
  /** The broadcaster's own. */
  readonly dustLimit: Sat;
}

/** Whether the HTLC is too small to have an output. */
export const isTrimmed = ({ type, feerate, dustLimit }: TrimTerms, htlc: Htlc): boolean =>
  toSat(htlc.amount) < dustLimit + htlcTransactionFee(type, htlcTransactionKind(htlc), feerate);

export interface SettleTerms<H extends Htlc = Htlc> extends TrimTerms {
  /** Pays the base fee and both anchors. */
  readonly opener: Party;
  /** Without the HTLCs. */
  readonly toBroadcaster: Msat;
  readonly toCountersignatory: Msat;
  readonly htlcs: readonly H[];
}

export interface Settlement<H extends Htlc = Htlc> {
  /** 0 where there is no output. */
  readonly toBroadcaster: Sat;
  readonly toCountersignatory: Sat;
  /** The anchors that appear. */
  readonly anchors: readonly Party[];
  readonly untrimmed: readonly H[];
  readonly trimmed: readonly H[];
  readonly baseFee: Sat;
  /** With dust and fractions of a satoshi: all that has no output. */
  readonly feePaid: Sat;
  /** What the opener lacks to pay base fee and anchors. It then has no output, and the fee is what is left. */
  readonly shortfall: Sat;
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

/** Undefined where the anchors would be worth more than what is there to pay them: no such transaction exists. */
export const settle = <H extends Htlc>(terms: SettleTerms<H>): Settlement<H> | undefined => {
  const { type, feerate, dustLimit, opener, htlcs } = terms;
  const untrimmed: H[] = [];
  const trimmed: H[] = [];
  for (const htlc of htlcs) (isTrimmed(terms, htlc) ? trimmed : untrimmed).push(htlc);

  const baseFee = commitmentFee(type, untrimmed.length, feerate);
  const due = baseFee + (type === "anchors" ? 2n * anchorValue : 0n);
  const balance = {
    broadcaster: toSat(terms.toBroadcaster),
    countersignatory: toSat(terms.toCountersignatory),
  };
  const left = balance[opener] - due;
  const output = (party: Party): Sat => {
    const value = party === opener ? left : balance[party];
    return (value >= dustLimit && value > 0n ? value : 0n) as Sat;
  };
  const toBroadcaster = output("broadcaster");
  const toCountersignatory = output("countersignatory");

  const anchors = anchorsOf({ type, toBroadcaster, toCountersignatory, htlcs: untrimmed });
  const all =
    sum([terms.toBroadcaster, terms.toCountersignatory, ...htlcs.map(({ amount }) => amount)]) / 1000n;
  const outputs = sum([
    toBroadcaster,
    toCountersignatory,
    BigInt(anchors.length) * anchorValue,
    ...untrimmed.map(({ amount }) => toSat(amount)),
  ]);
  if (outputs > all) return undefined;
  return {
    toBroadcaster,
    toCountersignatory,
    anchors,
    untrimmed,
    trimmed,
    baseFee,
    feePaid: (all - outputs) as Sat,
    shortfall: (left < 0n ? -left : 0n) as Sat,
  };
};

export interface AnchorTerms {
  readonly type: ChannelType;
  readonly toBroadcaster: Sat;
  readonly toCountersignatory: Sat;
  readonly htlcs: readonly Htlc[];
}

/** Whose anchors appear: with an output of its own, or where any HTLC has one. */
export const anchorsOf = ({
  type,
  toBroadcaster,
  toCountersignatory,
  htlcs,
}: AnchorTerms): readonly Party[] => {
  if (type !== "anchors") return [];
  const anchors: Party[] = [];
  if (toBroadcaster > 0n || htlcs.length > 0) anchors.push("broadcaster");
  if (toCountersignatory > 0n || htlcs.length > 0) anchors.push("countersignatory");
  return anchors;
};
