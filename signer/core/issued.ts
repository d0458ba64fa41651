/** Invoices of ours: who pays one brings no cover for anything else, so their hashes are remembered. */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown, type Maybe, unknown } from "../../protocol/codec.ts";
import type { PaymentHash } from "../../protocol/units.ts";
import { crowdedOut, expired } from "./payments/square.ts";
import { freshPayment, type Issued, type Payment } from "./state.ts";
import type { Change, Changes, Settings, View } from "./step.ts";

export interface Issue {
  readonly hash: PaymentHash;
  /** Absent where the payer chooses it. */
  readonly amount: bigint | undefined;
  /** Seconds since 1970, as the invoice says. */
  readonly timestamp: bigint;
  /** Seconds from then. */
  readonly expiry: bigint;
}

/** What fits into the record: the year 2106. */
const lastSecond = 0xffff_ffffn;
/** Each invoice looks at some, so that more goes than comes and neither the look nor the commit grows long. */
const looked = 512;
const forgotten = 16;
/** Where there is no room, all are looked at. */
const forgottenAtMost = 1_000;
export const maxIssued = 50_000;
/** Of those that expire later than any that a node makes by itself (Core Lightning: a week): else none comes back in years. */
const far = 8 * 86_400;
export const maxFar = 40_000;

/** A timestamp that lies behind makes nothing be forgotten sooner. */
const untilOf = ({ timestamp, expiry }: Issue, now: number): number => {
  const from = timestamp > BigInt(now) ? timestamp : BigInt(now);
  const until = from + expiry;
  return Number(until < lastSecond ? until : lastSecond);
};

/**
 * A hash may be issued again, with another amount or expiry too: hold invoices are, and a lost reply is asked for
 * again. What is remembered covers all that were signed.
 */
const merged = (before: Maybe<Issued>, amount: Maybe<bigint>, until: number): Issued => {
  if (!isKnown(before)) return { amount, until };
  return { amount: before.amount === amount ? amount : unknown, until: Math.max(before.until, until) };
};

const isFull = (
  { payments }: View,
  gone: Changes<Payment> | undefined,
  { most, from }: { readonly most: number; readonly from: number },
): boolean => {
  if (payments.size < most) return false;
  let count = 0;
  for (const [key, { issued }] of payments)
    if (isKnown(issued) && issued.until >= from && gone?.has(key) !== true) count++;
  return count >= most;
};

/** About so many, and the same in whatever order they came to memory: those whose hash begins as this one does. */
const some = (view: View, key: string): View => {
  const digits = Math.max(0, Math.ceil(Math.log(view.payments.size / looked) / Math.log(16)));
  const begin = key.slice(0, digits);
  return { ...view, payments: new Map(view.payments.entries().filter(([one]) => one.startsWith(begin))) };
};

/** Undefined where there is no room. */
export const withIssued = (
  view: View,
  issue: Issue,
  settings: Pick<Settings, "clockless"> = {},
): Change | undefined => {
  const key = toHex(issue.hash);
  const before = view.payments.get(key) ?? freshPayment(issue.hash);
  const until = untilOf(issue, view.now);
  const from = view.now + far;
  const known = isKnown(before.issued) ? before.issued.until : undefined;
  // Without a clock there is no later.
  const isFarther = settings.clockless !== true && until >= from && (known ?? 0) < from;
  const needsRoom = (gone: Change["payments"]): boolean =>
    (known === undefined && isFull(view, gone, { most: maxIssued, from: 0 })) ||
    (isFarther && isFull(view, gone, { most: maxFar, from }));
  const making = (): Pick<Change, "payments" | "node"> =>
    settings.clockless === true
      ? crowdedOut(view, { most: forgotten, but: key })
      : expired(view, { most: forgottenAtMost, but: key }, settings);
  const few = expired(some(view, key), { most: forgotten, but: key }, settings);
  const { payments: gone, ...rest } = needsRoom(few.payments) ? making() : few;
  if (needsRoom(gone)) return undefined;
  const issued = merged(before.issued, issue.amount ?? unknown, until);
  return { ...rest, payments: new Map([...(gone ?? []), [key, { ...before, issued }]]) };
};
