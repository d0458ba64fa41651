/**
 * Where a channel's value is, as exactly as a commitment tells. Outputs are whole satoshi, what is under the dust
 * limit has none, and an opener may be too poor for its fee: so a balance is an interval, in millisatoshi.
 */

import { commitmentFee } from "../../protocol/bolt/weight.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import { toMsat } from "../../protocol/units.ts";
import type { Policy } from "./policy.ts";
import type { Facts } from "./rule.ts";
import type { Content, Setup } from "./state.ts";

export interface Accounts {
  readonly owner: Side;
  readonly setup: Setup;
  readonly policy: Policy;
  readonly content: Content;
}

interface Interval {
  readonly low: bigint;
  readonly high: bigint;
}

/** What the opener pays before anything is its own (BOLT 3, "Fee Payment"; both anchors, also where one is absent). */
const due = ({ setup: { terms }, content }: Accounts): bigint =>
  1000n *
  (commitmentFee(terms.type, content.htlcs.length, content.feerate) + (terms.type === "anchors" ? 660n : 0n));

const total = (htlcs: readonly Htlc[]): bigint => htlcs.reduce((sum, { amount }) => sum + amount, 0n);

const dustOf = ({ owner, setup, policy }: Accounts): bigint => {
  const { dustLimit } = setup.terms[owner];
  return 1000n * (isKnown(dustLimit) ? dustLimit : policy.maxDustLimit);
};

/** Before fee and anchors; from its own output alone. */
const gross = (accounts: Accounts, side: Side): Interval => {
  const { setup, content } = accounts;
  const output = side === "holder" ? content.toHolder : content.toCounterparty;
  const paid = setup.terms.opener === side ? due(accounts) : 0n;
  if (output > 0n) return { low: toMsat(output) + paid, high: toMsat(output) + paid + 999n };
  return { low: 0n, high: paid + dustOf(accounts) - 1n };
};

export interface Spread {
  readonly holder: Interval;
  readonly counterparty: Interval;
  /** Millisatoshi that no output, fee or listed HTLC accounts for: rounding, dust, and what the host can't list. */
  readonly unexplained: bigint;
}

export const spread = (accounts: Accounts): Spread => {
  const { setup, content } = accounts;
  const holder = gross(accounts, "holder");
  const counterparty = gross(accounts, "counterparty");
  const listed = total(content.htlcs) + (isKnown(content.trimmed) ? total(content.trimmed) : 0n);
  const rest = toMsat(setup.terms.value) - listed;
  const unexplained = rest - holder.low - counterparty.low;
  if (!isKnown(content.trimmed)) return { holder, counterparty, unexplained };
  // The whole is known, so what one side has bounds what the other can have.
  const within = (one: Interval, opposite: Interval): Interval => ({
    low: one.low > rest - opposite.high ? one.low : rest - opposite.high,
    high: one.high < rest - opposite.low ? one.high : rest - opposite.low,
  });
  return { holder: within(holder, counterparty), counterparty: within(counterparty, holder), unexplained };
};

/** Nothing when outputs, fee, anchors, HTLCs and rounding make up the channel's value; else the facts. */
export const explained = (accounts: Accounts): Facts | undefined => {
  const { setup, content } = accounts;
  const holder = gross(accounts, "holder");
  const counterparty = gross(accounts, "counterparty");
  const listed = total(content.htlcs) + (isKnown(content.trimmed) ? total(content.trimmed) : 0n);
  const value = toMsat(setup.terms.value);
  const least = holder.low + counterparty.low + listed;
  const most = holder.high + counterparty.high + listed;
  const outputs = toMsat(content.toHolder) + toMsat(content.toCounterparty) + listed;
  if (value < least || outputs > value) return { value, accountedFor: least };
  // A host that can't list its trimmed HTLCs leaves a remainder: the trimmed budget bounds it.
  return isKnown(content.trimmed) && value > most ? { value, accountedForAtMost: most } : undefined;
};

/** Alike in everything that a commitment shows. Two HTLCs may be: they are counted. */
const keyOf = ({ offeredBy, amount, hash, expiry }: Htlc): string =>
  `${offeredBy} ${amount} ${expiry} ${toHex(hash)}`;

const listOf = ({ htlcs, trimmed }: Content): readonly Htlc[] =>
  isKnown(trimmed) ? [...htlcs, ...trimmed] : htlcs;

const minus = (from: readonly Htlc[], those: readonly Htlc[]): readonly Htlc[] => {
  const counts = new Map<string, number>();
  for (const htlc of those) counts.set(keyOf(htlc), (counts.get(keyOf(htlc)) ?? 0) + 1);
  return from.filter((htlc) => {
    const left = counts.get(keyOf(htlc)) ?? 0;
    if (left > 0) counts.set(keyOf(htlc), left - 1);
    return left === 0;
  });
};

const by = (htlcs: readonly Htlc[], side: Side): readonly Htlc[] =>
  htlcs.filter(({ offeredBy }) => offeredBy === side);

export interface Succession extends Accounts {
  readonly paid: ReadonlySet<string> | "unknown";
}

/** Nothing when the step from `before` is one that HTLCs and fees explain; else the facts. */
export const bearable = (next: Succession, before: Content): Facts | undefined => {
  const then = spread({ ...next, content: before });
  const now = spread(next);
  const added = minus(listOf(next.content), listOf(before));
  const removed = minus(listOf(before), listOf(next.content));
  const newlyOffered = total(by(added, "holder"));
  const offeredBack = by(removed, "holder");
  // Without lists of trimmed HTLCs one may have come or gone unseen; the trimmed budget bounds how much that is.
  const unseen =
    isKnown(next.content.trimmed) && isKnown(before.trimmed) ? 0n : max(then.unexplained, now.unexplained);
  const { paid } = next;
  const failed =
    paid === "unknown" || unseen > 0n ? 0n : total(offeredBack.filter(({ hash }) => !paid.has(toHex(hash))));

  const least = then.holder.low - newlyOffered + failed - unseen;
  if (now.holder.high < least) return { holderHasAtMost: now.holder.high, holderMustHave: least };
  const most =
    then.holder.high - newlyOffered + total(offeredBack) + total(by(removed, "counterparty")) + unseen;
  if (now.holder.low > most) return { holderHasAtLeast: now.holder.low, holderCanHave: most };
  return undefined;
};

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
