/**
 * When a number is revoked, what every live commitment now says of a hash is certain: it is counted for the node,
 * and a hash that no channel speaks of any more is closed.
 */

import { toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Tier } from "../../../protocol/operations/fields.ts";
import type { ChannelId } from "../../../protocol/units.ts";
import { max, min } from "../balance.ts";
import type { Policy } from "../policy.ts";
import {
  freshPayment,
  type Live,
  type NodeState,
  type Payment,
  type Settled,
  type Variant,
} from "../state.ts";
import { type Change, given, type Settings, type View } from "../step.ts";
import { oldestOf } from "../sweeping.ts";
import { charge, giveBack, offset } from "../velocity.ts";
import { covers } from "./cover.ts";
import { speaksOf } from "./flow.ts";
import { isRebalance } from "./judge.ts";
import { linesOf, settledBy, variantsOf } from "./lines.ts";
import { common, minus, worst } from "./settlement.ts";

interface Squared {
  readonly live: Live;
  readonly certain: readonly Settled[];
}

/**
 * Nothing of these is on its way in any live commitment, so that one history is true of them all. From a host that can't
 * list every HTLC the two sides need never come to say the same: dust limits differ, and value alone tells what became of
 * it. Then the worst holds that one of them says.
 */
const overIn = (all: readonly Variant[], tier: Tier): ReadonlySet<string> => {
  const hashes = new Set<string>();
  if (tier === "full") return hashes;
  for (const variant of all) for (const hash of settledBy(variant).keys()) hashes.add(hash);
  for (const variant of all) for (const hash of linesOf(variant).keys()) hashes.delete(hash);
  return hashes;
};

export const square = (live: Live, tier: Tier = "full"): Squared => {
  const { holder, counterparty } = live;
  const all = variantsOf(live);
  if (holder.variants.length === 0 || counterparty.variants.length === 0) return { live, certain: [] };
  const over = overIn(all, tier);
  const isOver = ({ hash }: Settled): boolean => over.has(toHex(hash));
  const open = ({ settled }: Variant): readonly Settled[] => settled.filter((one) => !isOver(one));
  const agreed = all.map(open).reduce(common);
  const closed = ({ settled }: Variant): readonly Settled[] => settled.filter(isOver);
  const ended = all.map(closed).reduce(worst);
  if (agreed.length === 0 && over.size === 0) return { live, certain: [] };
  const rest = <V extends Variant>(variant: V): V => ({ ...variant, settled: minus(open(variant), agreed) });
  return {
    live: {
      ...live,
      holder: { ...holder, variants: holder.variants.map(rest) },
      counterparty: { ...counterparty, variants: counterparty.variants.map(rest) },
    },
    certain: [...agreed, ...ended],
  };
};

/** Of a channel: what it hides at worst. */
export const hiddenIn = (live: Live): bigint =>
  variantsOf(live).reduce((most, { hidden }) => max(most, hidden.lost - hidden.gained), 0n);

/** The node's window, as what a channel hides grows or comes back. */
export const withHidden = (node: NodeState, now: number, before: Live, after: Live): NodeState => {
  const grown = hiddenIn(after) - hiddenIn(before);
  if (grown === 0n) return node;
  const { trimmed } = node.windows;
  const window = grown > 0n ? charge(trimmed, now, grown) : offset(trimmed, -grown);
  return { ...node, time: now, windows: { ...node.windows, trimmed: window } };
};

/** Nothing of the hash is on its way any more. */
export const close = (
  payment: Payment,
  node: NodeState,
  now: number,
): readonly [Payment | undefined, NodeState] => {
  const { hash, settledOut, settledIn, intent, issued } = payment;
  const receipt = isKnown(issued) && !isRebalance(payment);
  const gone = max(settledOut - (receipt ? 0n : settledIn), 0n);
  const approved = isKnown(intent) ? intent.amount + intent.feeLimit : 0n;
  const lost = max(gone - approved, 0n);
  // What an intent paid stays: a host may have announced a further part before it heard of the settlement.
  const kept: Payment | undefined =
    isKnown(intent) || isKnown(issued)
      ? { ...freshPayment(hash), intent, issued, settledOut: min(gone, approved) }
      : undefined;
  if (lost === 0n) return [kept, node];
  const windows = { ...node.windows, lost: charge(node.windows.lost, now, lost) };
  return [kept, { ...node, time: now, windows }];
};

const left = (before: Live, after: Live): ReadonlySet<string> => {
  const hashes = new Set<string>();
  for (const variant of variantsOf(before)) {
    for (const hash of linesOf(variant).keys()) hashes.add(hash);
    for (const hash of settledBy(variant).keys()) hashes.add(hash);
  }
  for (const hash of hashes) if (speaksOf(after, hash)) hashes.delete(hash);
  return hashes;
};

export interface Left {
  readonly view: View;
  readonly policy: Policy;
  readonly id: ChannelId;
  readonly before: Live;
  /** Without the commitment that was left behind. */
  readonly dropped: Live;
  readonly phase?: "open" | "closing";
  readonly tier?: Tier;
}

/** What follows for the node from a channel that left a commitment behind. */
export const afterRevocation = ({
  view,
  policy,
  id,
  before,
  dropped,
  phase = "open",
  tier = "full",
}: Left): Change => {
  const { live, certain } = square(dropped, tier);
  // What came in where it may vanish is never counted, and who would be paid with it later was not owed it.
  const counts = covers(id, dropped, view, policy);
  const payments = new Map<string, Payment | undefined>();
  const paymentOf = (hash: string): Payment | undefined =>
    payments.has(hash) ? payments.get(hash) : view.payments.get(hash);
  for (const one of certain) {
    const key = toHex(one.hash);
    const known = paymentOf(key) ?? freshPayment(one.hash);
    payments.set(key, {
      ...known,
      settledIn: known.settledIn + (counts ? one.in : 0n),
      settledOut: known.settledOut + one.out,
    });
  }
  let node = withHidden(view.node, view.now, before, live);
  for (const hash of left(before, live)) {
    const others = [...view.ledger.channelsOf(hash)].some((one) => one !== id);
    const payment = paymentOf(hash);
    if (others || payment === undefined) continue;
    const [kept, charged] = close(payment, node, view.now);
    node = charged;
    payments.set(hash, kept);
  }
  return {
    channel: { ...live, phase },
    ...(payments.size > 0 ? { payments } : {}),
    ...(node === view.node ? {} : { node }),
  };
};

export interface Sweep {
  readonly most: number;
  /** The hash, in hexadecimal, of one that is approved anew in the same step, which gives back what it had reserved itself. */
  readonly but?: string;
}
type Swept = Pick<Change, "payments" | "node">;

/** Of those that nothing is on its way for the oldest: what they reserved is free again. */
const sweeping = (
  view: View,
  { most, but }: Sweep,
  is: (payment: Payment, since: number) => boolean,
): Swept => {
  const over = [...view.payments].flatMap(([key, payment]) => {
    const { hash, intent, issued } = payment;
    const since = Math.max(isKnown(intent) ? intent.until : 0, isKnown(issued) ? issued.until : 0);
    const isIdle = view.ledger.channelsOf(toHex(hash)).size === 0;
    return key !== but && isIdle && is(payment, since) ? [{ key, since }] : [];
  });
  const payments = new Map<string, undefined>();
  let { sent } = view.node.windows;
  for (const key of oldestOf(over, most)) {
    const { intent, settledOut } = given(view.payments.get(key), "payment");
    if (isKnown(intent)) sent = giveBack(sent, intent.at, intent.amount + intent.feeLimit - settledOut);
    payments.set(key, undefined);
  }
  if (payments.size === 0) return {};
  return { payments, node: { ...view.node, windows: { ...view.node.windows, sent } } };
};

const day = 86_400;

/** What a signer without a clock keeps after its time: an invoice of ours, or one that we paid and could be made to pay again. */
const outlasts = ({ issued, settledOut }: Payment): boolean => isKnown(issued) || settledOut > 0n;

/** Whose time is over. Without a clock that is no reason to forget what was paid, by us or to us. */
export const expired = (
  view: View,
  sweep: Sweep,
  { clockless = false }: Pick<Settings, "clockless"> = {},
): Swept =>
  sweeping(
    view,
    sweep,
    // A payee may still claim what was sent just before; and a settled one must not be paid again meanwhile.
    (payment, since) => since + day <= view.now && !(clockless && outlasts(payment)),
  );

/** What outlasts its time, and makes room for others: but nothing that could be paid again at this time. */
export const crowdedOut = (view: View, sweep: Sweep): Swept =>
  sweeping(
    view,
    sweep,
    (payment) => outlasts(payment) && !(isKnown(payment.intent) && payment.intent.until + day > view.now),
  );
