/** What lets an HTLC out, and what may be given up: see `payments/judge.ts` for when these are asked. */

import { isKnown } from "../../../protocol/codec.ts";
import type { Tier } from "../../../protocol/operations/fields.ts";
import type { Height } from "../../../protocol/units.ts";
import type { Strictness, Sums } from "../payments/judge.ts";
import type { Line } from "../payments/lines.ts";
import type { Policy } from "../policy.ts";
import type { Facts, Rule } from "../rule.ts";
import type { Payment } from "../state.ts";
import { rule } from "./table.ts";

export interface AddedView {
  readonly hash: string;
  readonly payment: Payment | undefined;
  /** Of the commitment that is asked for. */
  readonly line: Line;
  sums(how?: Partial<Strictness>): Sums;
  /** As things stand without this commitment. */
  before(): Sums;
  readonly settledOut: bigint;
  readonly tier: Tier;
  readonly approved: bigint;
  /** What may have come in for it that a host of a lesser tier can't list. */
  unlisted(): bigint;
  readonly policy: Policy;
  readonly now: number;
  /** Undefined where no chain is followed. */
  readonly height: Height | undefined;
  readonly isSpent: boolean;
  exposed(): bigint;
}

const lacking = ({ sums, approved }: AddedView, how?: Partial<Strictness>): bigint => {
  const { out, in: covered } = sums(how);
  return out - covered - approved;
};

/** Of what can't be seen to have come in, the limit on exposure bears as much as can be there unseen. */
const isShort = (view: AddedView): boolean => {
  const short = lacking(view);
  return short > 0n && short > view.unlisted();
};

/** Not covered as things are; would it be, if this one thing did not count? */
const because = (view: AddedView, how: Partial<Strictness>): Facts | undefined => {
  if (!isShort(view) || lacking(view, how) > 0n) return undefined;
  const { out, in: covered } = view.sums();
  return { hash: view.hash, out, covered, approved: view.approved };
};

const intentOf = ({ payment }: AddedView) =>
  payment !== undefined && isKnown(payment.intent) ? payment.intent : undefined;

const short = (view: AddedView): Facts => {
  const { out, in: covered } = view.sums();
  return { hash: view.hash, out, covered, approved: view.approved };
};

/** Seconds: what was announced in time is signed when the other side is there again. */
const grace = 3_600;

/** Blocks that a host may know before us. */
const ahead = 6;

export const addedRules: readonly Rule<AddedView>[] = [
  rule("commitment-spends-active-utxo", ({ isSpent }) => (isSpent ? { funding: "spent" } : undefined)),
  rule("payment-once", (view) => {
    const intent = intentOf(view);
    // Without preimages what failed can look paid: then sums alone bound what is tried again.
    if (intent === undefined || view.tier !== "full") return undefined;
    const { out, in: covered } = view.sums();
    // Parts that were announced before the first one settled are signed after it: within the approval they may.
    const done = view.settledOut > 0n && view.settledOut >= intent.amount && intent.kind !== "rebalance";
    return done && out > covered ? { hash: view.hash, settled: view.settledOut } : undefined;
  }),
  rule("commitment-payment-approved", (view) => {
    const intent = intentOf(view);
    const { out, in: covered } = view.sums();
    return intent !== undefined && out > covered && view.now > intent.until + grace
      ? { hash: view.hash, approvedUntil: intent.until, now: view.now }
      : undefined;
  }),
  rule("receipt-not-cover", (view) => {
    // What came in before it went out is somebody's payment to us, and no rebalance of it makes it another.
    const { out, in: received } = view.before();
    if (intentOf(view)?.kind === "rebalance" && received > out) return { hash: view.hash, received, out };
    return because(view, { issued: false });
  }),
  rule("no-routing", (view) => because(view, { profile: false })),
  rule("routing-cltv-delta", (view) => because(view, { delta: false })),
  rule("commitment-htlc-received-spends-active-utxo", (view) => because(view, { funding: false })),
  rule("commitment-htlc-offered-hash-matches", (view) => {
    const { in: covered } = view.sums({ issued: false, profile: false, delta: false, funding: false });
    return covered === 0n && view.payment === undefined && isShort(view) ? short(view) : undefined;
  }),
  rule("commitment-payment-invoiced", (view) =>
    isShort(view) && intentOf(view) === undefined ? short(view) : undefined,
  ),
  // A rebalance goes out before it comes in: until then the limit on exposure bears it.
  rule("commitment-htlc-routing-balance", (view) =>
    isShort(view) && intentOf(view)?.kind !== "rebalance" ? short(view) : undefined,
  ),
  rule("commitment-htlc-cltv-range", ({ line, height, policy }) => {
    if (height === undefined) return undefined;
    const latest = height + policy.maxHtlcExpiry + ahead;
    return line.latest > latest ? { expiry: line.latest, latest, height } : undefined;
  }),
  rule("forward-exposure", (view) => {
    const { out, settledIn } = view.sums();
    // What was approved as a payment is no forward.
    if (out <= settledIn + view.approved) return undefined;
    const exposed = view.exposed();
    return exposed > view.policy.maxForwardExposure
      ? { exposed, max: view.policy.maxForwardExposure }
      : undefined;
  }),
];

export interface DroppedView {
  readonly hash: string;
  readonly sums: Sums;
  readonly approved: bigint;
  /** Fails from its last hop, which is ours: what comes in goes first. */
  readonly isRebalance: boolean;
  readonly tier: Tier;
  readonly height: Height | undefined;
  /** Of what was received: from then on the other side can take it back on chain. */
  readonly expiry: number;
  readonly policy: Policy;
  exposed(): bigint;
}

/** So close to its expiry a channel is worth more than the HTLC (BOLT 2, "cltv_expiry_delta Selection"). */
const nearExpiry = 3;

export const droppedRules: readonly Rule<DroppedView>[] = [
  rule("routing-balanced", ({ hash, sums, approved, isRebalance, tier, height, expiry, policy, exposed }) => {
    const lacking = sums.out - sums.in - approved;
    if (lacking <= 0n) return undefined;
    const near = height !== undefined && height + nearExpiry >= expiry;
    // Without preimages a removal can be taken for a loss that it is not: the limit on exposure bears it.
    if ((near || isRebalance || tier !== "full") && exposed() <= policy.maxForwardExposure) return undefined;
    return { hash, out: sums.out, in: sums.in, approved };
  }),
];
