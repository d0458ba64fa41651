/**
 * Held against every commitment, for each payment hash in which it lets more out or keeps less in: over all
 * channels, what goes out is covered by what comes in and by what was approved.
 */

import { htlcTransactionFee } from "../../../protocol/bolt/weight.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Side } from "../../../protocol/operations/fields.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import type { ChannelId, Feerate } from "../../../protocol/units.ts";
import { dustLimitOf, max, min } from "../balance.ts";
import { judge } from "../rule.ts";
import { type AddedView, addedRules, type DroppedView, droppedRules } from "../rules/payment.ts";
import type { Live, Payment, Variant } from "../state.ts";
import type { Settings, View } from "../step.ts";
import { spent } from "../velocity.ts";
import { covers } from "./cover.ts";
import { type Flow, liveIn, sumOf } from "./flow.ts";
import { type Line, lineOf, linesOf, settledBy, variantsOf } from "./lines.ts";

/** What makes received HTLCs count for nothing; each can be left aside to tell which one it was. */
export interface Strictness {
  readonly issued: boolean;
  readonly profile: boolean;
  readonly delta: boolean;
  readonly funding: boolean;
  /** Also from now on there must be time to claim it; what was covered once stays so as blocks pass. */
  readonly fresh: boolean;
}

export const strict: Strictness = { issued: true, profile: true, delta: true, funding: true, fresh: false };
/**
 * Whether less is covered than before is asked of each of these sums: in a stricter one what came in may count for nothing
 * already, as when an invoice of its hash was issued meanwhile, and would be given up for nothing.
 */
const measures: readonly Strictness[] = [
  strict,
  ...[true, false].flatMap((funding) =>
    [true, false].map((delta) => ({ issued: false, profile: false, delta, funding, fresh: false })),
  ),
];

export interface Scene {
  readonly view: View;
  readonly settings: Settings;
  readonly id: ChannelId;
  /** The channel as it would be. */
  readonly next: Live;
}

const channelsOf = (
  { view, settings, id, next }: Scene,
  hash: string,
  how: Strictness,
): readonly { readonly live: Live; readonly counts: boolean }[] => {
  const ids = view.ledger.channelsOf(hash);
  const result = [...(ids.has(id) ? ids : [...ids, id])].map((one) => {
    const live = one === id ? next : liveIn(view.channels.get(one));
    return { one, live: live === undefined ? undefined : view.outlook.remaining(one, live) };
  });
  return result.flatMap(({ one, live }) =>
    live === undefined ? [] : [{ live, counts: !how.funding || covers(one, live, view, settings.policy) }],
  );
};

export interface Sums {
  readonly out: bigint;
  readonly in: bigint;
  readonly settledIn: bigint;
}

export const sumsOf = (scene: Scene, hash: string, payment: Payment | undefined, how: Strictness): Sums => {
  const { policy } = scene.settings;
  const channels = channelsOf(scene, hash, how);
  const open: Flow = sumOf(channels, hash, { earliest: 0 });
  const out = open.out + (payment?.settledOut ?? 0n);
  const ours = payment !== undefined && isKnown(payment.issued) && !isRebalance(payment);
  if ((how.issued && ours) || (how.profile && !policy.forwarding && !isRebalance(payment)))
    return { out, in: 0n, settledIn: 0n };
  const squared = payment?.settledIn ?? 0n;
  let short = out - open.in - squared;
  if (how.delta) {
    const soonest = how.fresh ? scene.view.outlook.height : undefined;
    for (const offeredFrom of expiriesOf(channels, hash)) {
      const earliest = Math.max(offeredFrom, soonest ?? offeredFrom) + policy.minForwardDelta;
      const all = sumOf(channels, hash, { earliest, offeredFrom });
      const onTheWay = sumOf(channels, hash, { earliest, offeredFrom, settled: false });
      // What settled uses up what settled in and what was approved, or an incoming one that may be claimed at once.
      const late = min(
        all.out + (payment?.settledOut ?? 0n) - all.in - squared,
        onTheWay.out - onTheWay.in + approvedBy(payment),
      );
      short = max(short, late);
    }
  }
  return { out, in: out - short, settledIn: open.settledIn + squared };
};

/**
 * Parts of one payment come by different routes, each with its own expiry. Everything out is covered in time exactly
 * when, from each expiry on, what is out is covered by what comes in so much later.
 */
const expiriesOf = (channels: readonly { readonly live: Live }[], hash: string): ReadonlySet<number> =>
  new Set(
    channels.flatMap(({ live }) => variantsOf(live).flatMap((variant) => lineOf(variant, hash).expiries)),
  );

export const isRebalance = (payment: Payment | undefined): boolean =>
  payment !== undefined && isKnown(payment.intent) && payment.intent.kind === "rebalance";

/** What an approved payment adds to the cover of its hash. */
export const approvedBy = (payment: Payment | undefined): bigint =>
  payment !== undefined && isKnown(payment.intent) ? payment.intent.amount + payment.intent.feeLimit : 0n;

/** What was sent on for others, and has not come in. */
export const exposureOf = (scene: Scene, hash: string): bigint => {
  const payment = scene.view.payments.get(hash);
  const { out, settledIn } = sumsOf(scene, hash, payment, strict);
  return max(out - settledIn - approvedBy(payment), 0n);
};

/** Of all other hashes as they stand, and of these as they would. */
const exposure = (scene: Scene, before: Live, changed: readonly string[]): bigint => {
  const { view } = scene;
  const standing = { ...scene, next: before };
  let sum = view.ledger.total((hash) => exposureOf(standing, hash));
  for (const hash of changed) {
    if (view.ledger.channelsOf(hash).size > 0) sum -= exposureOf(standing, hash);
    sum += exposureOf(scene, hash);
  }
  return sum + spent(view.node.windows.lost, view.now);
};

const outIn = (variant: Variant, hash: string, line: Line): bigint =>
  line.offered + (settledBy(variant).get(hash)?.out ?? 0n);

/** Hashes of which this commitment offers more, or something that lasts longer, than any live one. */
const rising = (before: Live, variant: Variant): readonly string[] => {
  const standing = variantsOf(before);
  const result: string[] = [];
  for (const [hash, line] of linesOf(variant)) {
    if (line.offered === 0n) continue;
    const out = outIn(variant, hash, line);
    const isMore = standing.every((one) => outIn(one, hash, lineOf(one, hash)) < out);
    const isLonger = (expiry: number): boolean =>
      standing.every((one) => lineOf(one, hash).offeredFrom(expiry) < line.offeredFrom(expiry));
    if (isMore || line.expiries.some(isLonger)) result.push(hash);
  }
  return result;
};

const inFrom = (variant: Variant, hash: string, expiry: number): bigint =>
  lineOf(variant, hash).receivedFrom(expiry) + (settledBy(variant).get(hash)?.in ?? 0n);

/** Does it keep all that `other` has in, for as long? What settled lasts for ever. */
const keeps = (variant: Variant, other: Variant, hash: string): boolean =>
  [...lineOf(other, hash).received.map(({ expiry }) => expiry), Number.POSITIVE_INFINITY].every(
    (expiry) => inFrom(variant, hash, expiry) >= inFrom(other, hash, expiry),
  );

interface Fallen {
  readonly hash: string;
  /** As one of the measures has it. */
  readonly sums: Sums;
}

const lackingIn = (sums: Sums): bigint => sums.out - sums.in;

/** Hashes of which less is covered than before. */
const falling = (scene: Scene, { before, variant }: Step, added: readonly string[]): readonly Fallen[] => {
  const [first] = variantsOf(before);
  if (first === undefined) return [];
  const seen = new Set(added);
  const fallenOf = (hash: string): readonly Fallen[] => {
    if (seen.has(hash) || keeps(variant, first, hash)) return [];
    const payment = scene.view.payments.get(hash);
    return measures.flatMap((how) => {
      const sums = sumsOf(scene, hash, payment, how);
      const earlier = sumsOf({ ...scene, next: before }, hash, payment, how);
      return lackingIn(sums) > lackingIn(earlier) ? [{ hash, sums }] : [];
    });
  };
  // What every live commitment has in, pending or settled, is in each of them: one is enough to look through.
  return [...new Set([...linesOf(first).keys(), ...settledBy(first).keys()])].flatMap(fallenOf);
};

export interface Step {
  readonly before: Live;
  readonly variant: Variant;
}

export const judgePayments = (scene: Scene, { before, variant }: Step): Refusal | undefined => {
  const { view, settings } = scene;
  const added = rising(before, variant);
  const dropped = falling(scene, { before, variant }, added);
  let exposed: bigint | undefined;
  const exposedNow = (): bigint => {
    exposed ??= exposure(scene, before, [...added, ...new Set(dropped.map(({ hash }) => hash))]);
    return exposed;
  };
  for (const hash of added) {
    const payment = view.payments.get(hash);
    const subject: AddedView = {
      hash,
      payment,
      line: lineOf(variant, hash),
      sums: (how) => sumsOf(scene, hash, payment, { ...strict, fresh: true, ...how }),
      before: () => sumsOf({ ...scene, next: before }, hash, payment, { ...strict, delta: false }),
      settledOut: settledOut(scene, hash, payment),
      tier: settings.tier,
      approved: approvedBy(payment),
      unlisted: () => unlistedOf(scene, hash),
      policy: settings.policy,
      now: view.now,
      height: view.outlook.height,
      isSpent: view.outlook.isSpent(scene.id),
      exposed: exposedNow,
    };
    const refusal = judge(addedRules, subject);
    if (refusal !== undefined) return refusal;
  }
  for (const { hash, sums } of dropped) {
    const payment = view.payments.get(hash);
    const subject: DroppedView = {
      hash,
      sums,
      approved: approvedBy(payment),
      isRebalance: isRebalance(payment),
      tier: settings.tier,
      height: view.outlook.height,
      expiry: earliestExpiry(before, hash),
      policy: settings.policy,
      exposed: exposedNow,
    };
    const refusal = judge(droppedRules, subject);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
};

/** The largest HTLC that has no output in some commitment of the channel. */
const trimmableIn = (live: Live): bigint => {
  const { terms } = live.setup;
  const dust = (side: Side) => dustLimitOf(terms[side].dustLimit).most;
  const feerate = variantsOf(live).reduce<number>((most, one) => Math.max(most, one.feerate), 0);
  const fee = htlcTransactionFee(terms.type, "success", feerate as Feerate);
  return max(dust("holder"), dust("counterparty")) + fee;
};

/**
 * What may have come in for the offered HTLCs of a hash without an output, so that a host of a lesser tier can't show
 * it: dust limits and feerates of two channels differ, and so one HTLC is listed and the one that it passes on is not.
 */
const unlistedOf = (scene: Scene, hash: string): bigint => {
  const { view, settings } = scene;
  if (settings.tier === "full") return 0n;
  let [each, count] = [0n, 0];
  for (const channel of view.channels.values()) {
    const live = liveIn(channel);
    if (live !== undefined) each = max(each, 1000n * trimmableIn(live));
  }
  for (const { live } of channelsOf(scene, hash, strict))
    count += variantsOf(live).reduce((most, one) => Math.max(most, lineOf(one, hash).offers), 0);
  // And what failed beside others like it can look paid: then its retry is more than was approved.
  const looksPaid = settledOut(scene, hash, view.payments.get(hash));
  return min(each, settings.policy.maxTrimmed) * BigInt(count) + looksPaid;
};

const settledOut = (scene: Scene, hash: string, payment: Payment | undefined): bigint => {
  let sum = payment?.settledOut ?? 0n;
  for (const { live } of channelsOf(scene, hash, strict)) {
    const outs = variantsOf(live).map((variant) => settledBy(variant).get(hash)?.out ?? 0n);
    sum += outs.reduce(max, 0n);
  }
  return sum;
};

const earliestExpiry = (before: Live, hash: string): number => {
  let earliest = Number.POSITIVE_INFINITY;
  for (const variant of variantsOf(before))
    for (const { expiry } of lineOf(variant, hash).received) earliest = Math.min(earliest, expiry);
  return earliest;
};
