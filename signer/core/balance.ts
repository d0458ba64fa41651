/**
 * Where a channel's value is, as exactly as a commitment tells. Outputs are whole satoshi, what is under the dust
 * limit has none, and an opener may be too poor for its fee: so a balance is an interval, in millisatoshi.
 */

import { anchorValue } from "../../protocol/bolt/channel.ts";
import { anchorsOf } from "../../protocol/bolt/trim.ts";
import { commitmentFee } from "../../protocol/bolt/weight.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, type Maybe } from "../../protocol/codec.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import { type Sat, sat, toMsat } from "../../protocol/units.ts";
import { creditOf, plus, settlementOf, takenAtLeast } from "./payments/settlement.ts";
import type { Facts } from "./rule.ts";
import type { RuleName } from "./rules/table.ts";
import type { Content, Hidden, Interval, Settled, Setup } from "./state.ts";

export interface Accounts {
  /** Whose commitment it is: who may broadcast it. */
  readonly owner: Side;
  readonly setup: Setup;
  readonly content: Content;
}

/**
 * What a dust limit that no host told can be: least of BOLT 3, most that any implementation takes. Deliberately no
 * figures of the policy, under which a channel that was opened yesterday could be refused tomorrow.
 */
export const untoldDust = { least: sat(354n), most: sat(1_062n) } as const;

export const dustLimitOf = (limit: Maybe<Sat>): { readonly least: Sat; readonly most: Sat } =>
  isKnown(limit) ? { least: limit, most: limit } : untoldDust;

/** Of the holder before the first commitment: exact, and where all later balances begin. */
export const openingBalance = ({ contribution, push, opener }: Terms): bigint =>
  toMsat(contribution) + (opener === "holder" ? -push : push);

export const listOf = ({ htlcs, trimmed }: Content): readonly Htlc[] =>
  isKnown(trimmed) ? [...htlcs, ...trimmed] : htlcs;

export const by = (htlcs: readonly Htlc[], side: Side): readonly Htlc[] =>
  htlcs.filter(({ offeredBy }) => offeredBy === side);

export const total = (htlcs: readonly Htlc[]): bigint => htlcs.reduce((sum, { amount }) => sum + amount, 0n);

/** What the opener pays before anything is its own (BOLT 3, "Fee Payment"; both anchors, also where one is absent). */
const due = ({ setup: { terms }, content }: Accounts): bigint =>
  1000n *
  (commitmentFee(terms.type, content.htlcs.length, content.feerate) +
    (terms.type === "anchors" ? 2n * anchorValue : 0n));

/** Before fee and anchors; from its own output alone. */
const gross = (accounts: Accounts, side: Side): Interval => {
  const { setup, content, owner } = accounts;
  const output = side === "holder" ? content.toHolder : content.toCounterparty;
  const paid = setup.terms.opener === side ? due(accounts) : 0n;
  if (output > 0n) return { low: toMsat(output) + paid, high: toMsat(output) + paid + 999n };
  return { low: 0n, high: paid + toMsat(dustLimitOf(setup.terms[owner].dustLimit).most) - 1n };
};

export interface Spread {
  readonly holder: Interval;
  readonly counterparty: Interval;
  /** What HTLCs that nobody listed can be worth at most; nothing where all are listed. */
  readonly unlisted: bigint;
}

export const spread = (accounts: Accounts): Spread => {
  const { setup, content } = accounts;
  const holder = gross(accounts, "holder");
  const counterparty = gross(accounts, "counterparty");
  const rest = toMsat(setup.terms.value) - total(listOf(content));
  if (!isKnown(content.trimmed))
    return { holder, counterparty, unlisted: rest - holder.low - counterparty.low };
  // The whole is known, so what one side has bounds what the other can have.
  const within = (one: Interval, opposite: Interval): Interval => ({
    low: max(one.low, rest - opposite.high),
    high: min(one.high, rest - opposite.low),
  });
  return { holder: within(holder, counterparty), counterparty: within(counterparty, holder), unlisted: 0n };
};

/** What the transaction itself pays out: no more than it spends, and something. */
const exists = ({ owner, setup: { terms }, content }: Accounts): Facts | undefined => {
  const [toBroadcaster, toCountersignatory] =
    owner === "holder"
      ? [content.toHolder, content.toCounterparty]
      : [content.toCounterparty, content.toHolder];
  // Whose HTLCs they are makes no difference to the anchors.
  const htlcs = content.htlcs.map((htlc) => ({ ...htlc, offeredBy: "broadcaster" as const }));
  const anchors = anchorsOf({ type: terms.type, toBroadcaster, toCountersignatory, htlcs });
  const outputs =
    toBroadcaster +
    toCountersignatory +
    BigInt(anchors.length) * anchorValue +
    content.htlcs.reduce((sum, { amount }) => sum + amount / 1000n, 0n);
  return outputs === 0n || outputs > terms.value ? { outputs, value: terms.value } : undefined;
};

/** Nothing when outputs, fee, anchors, HTLCs and rounding make up the channel's value; else the facts. */
export const explained = (accounts: Accounts): Facts | undefined => {
  const { setup, content } = accounts;
  const holder = gross(accounts, "holder");
  const counterparty = gross(accounts, "counterparty");
  const listed = total(listOf(content));
  const value = toMsat(setup.terms.value);
  const least = holder.low + counterparty.low + listed;
  const most = holder.high + counterparty.high + listed;
  if (value < least) return { value, accountedFor: least };
  // What a host can't list leaves a remainder: as far as it is our loss, the trimmed budget bounds it.
  if (isKnown(content.trimmed) && value > most) return { value, accountedForAtMost: most };
  return exists(accounts);
};

/** Alike in everything that a commitment shows. Two HTLCs may be: they are counted. */
export const keyOf = ({ offeredBy, amount, hash, expiry }: Htlc): string =>
  `${offeredBy} ${amount} ${expiry} ${toHex(hash)}`;

interface Difference {
  readonly added: readonly Htlc[];
  readonly removed: readonly Htlc[];
  readonly kept: readonly Htlc[];
}

const difference = (before: Content, now: Content): Difference => {
  const left = new Map<string, Htlc[]>();
  for (const htlc of listOf(before)) {
    const key = keyOf(htlc);
    const alike = left.get(key);
    if (alike === undefined) left.set(key, [htlc]);
    else alike.push(htlc);
  }
  const added: Htlc[] = [];
  const kept: Htlc[] = [];
  for (const htlc of listOf(now)) (left.get(keyOf(htlc))?.pop() === undefined ? added : kept).push(htlc);
  return { added, kept, removed: [...left.values()].flat() };
};

export interface Succession extends Accounts {
  /** Hashes, in hexadecimal, of the HTLCs that were paid with a preimage. */
  readonly paid: Maybe<ReadonlySet<string>>;
}

/** What the commitment before says, with all that led to it. */
export interface Before extends Content {
  readonly balance: Interval;
  readonly settled: readonly Settled[];
  readonly hidden: Hidden;
}

export type Followed =
  | { readonly is: "broken"; readonly rule: RuleName; readonly facts: Facts }
  | {
      readonly is: "borne";
      readonly balance: Interval;
      /** What left our balance for HTLCs that nobody listed. */
      readonly charge: bigint;
      readonly settled: readonly Settled[];
      readonly hidden: Hidden;
      /** Our balance is explained without HTLCs that came in unseen: by preimages that were shown. */
      readonly isPlain: boolean;
    };

/** Whether HTLCs and fees explain the step from `before`, and where it leaves our balance. */
export const follow = (next: Succession, before: Before): Followed => {
  const { setup, content, paid } = next;
  const { added, removed, kept } = difference(before, content);
  const isPaid = ({ hash }: Htlc): boolean => !isKnown(paid) || paid.has(toHex(hash));
  const offered = total(by(added, "holder"));
  const removedOffers = by(removed, "holder");
  const received = by(removed, "counterparty");
  const failed = total(removedOffers.filter((htlc) => !isPaid(htlc)));
  // One may have been settled and one like it added in the same update: hashes are reused.
  const paidAgain = total(by(kept, "holder").filter(isPaid));
  const settledAgain = total(by(kept, "counterparty"));

  const changed = added.length > 0 || removed.length > 0;
  const now = spread(next);
  const taken = total(takenAtLeast(received, removedOffers, paid));
  const low = before.balance.low - offered - paidAgain + failed + taken;
  const least = low - now.unlisted;
  if (now.holder.high < least) {
    const facts = { holderHasAtMost: now.holder.high, holderMustHave: least };
    return now.holder.high >= least - failed
      ? { is: "broken", rule: "commitment-payment-settled-preimage", facts: { ...facts, unpaid: failed } }
      : { is: "broken", rule: changed ? "commitment-value-conserved" : "routing-deltas-only-htlc", facts };
  }
  const listed = before.balance.high - offered + total(removedOffers) + total(received) + settledAgain;
  const unlistedBefore = spread({ owner: next.owner, setup, content: before }).unlisted;
  const most = listed + unlistedBefore;
  if (now.holder.low > most) {
    const facts = { holderHasAtLeast: now.holder.low, holderCanHave: most };
    return { is: "broken", rule: changed ? "commitment-value-conserved" : "routing-deltas-only-htlc", facts };
  }
  const balance = { low: max(now.holder.low, least), high: min(now.holder.high, most) };
  const settled = settlementOf({
    paid,
    offers: removedOffers,
    received,
    kept: by(kept, "holder"),
    rise: {
      low: balance.low - (before.balance.high - offered) - unlistedBefore,
      high: balance.high - (before.balance.low - offered) + now.unlisted,
    },
  });
  // What is said to have failed or come in has to be there: the rest left us unseen.
  const charge = max(before.balance.low - offered + creditOf(settled, removedOffers) - now.holder.high, 0n);
  return {
    is: "borne",
    balance,
    charge,
    isPlain: now.holder.low <= most - total(received.filter((htlc) => !isPaid(htlc))),
    settled: plus(before.settled, settled),
    hidden: {
      lost: before.hidden.lost + charge,
      gained: before.hidden.gained + max(now.holder.low - listed, 0n),
    },
  };
};

/** The smallest interval with both in it. */
export const hull = (a: Interval, b: Interval): Interval => ({
  low: min(a.low, b.low),
  high: max(a.high, b.high),
});

export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
