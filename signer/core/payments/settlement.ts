/**
 * What the HTLCs that left a commitment settled, as its balance tells. With preimages it is known which were meant
 * to be paid; without them removals are told apart by value, and what stays ambiguous is taken to our worst case.
 */

import { toHex } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe } from "../../../protocol/codec.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { PaymentHash } from "../../../protocol/units.ts";
import type { Interval, Settled } from "../state.ts";

export interface Removals {
  /** Hashes, in hexadecimal, of what was paid with a preimage. */
  readonly paid: Maybe<ReadonlySet<string>>;
  /** Offered by us, and gone. */
  readonly offers: readonly Htlc[];
  /** Offered to us, and gone. */
  readonly received: readonly Htlc[];
  /** Offered by us and still there, or there again. */
  readonly kept: readonly Htlc[];
  /** Of our balance, beside what we newly offer. */
  readonly rise: Interval;
}

class Sums {
  readonly #of = new Map<string, { hash: PaymentHash; in: bigint; out: bigint }>();

  add({ hash, amount }: Pick<Htlc, "hash" | "amount">, way: "in" | "out"): void {
    const key = toHex(hash);
    const sum = this.#of.get(key) ?? { hash, in: 0n, out: 0n };
    this.#of.set(key, { ...sum, [way]: sum[way] + amount });
  }

  list(): readonly Settled[] {
    return [...this.#of.values()];
  }
}

const total = (htlcs: readonly Htlc[]): bigint => htlcs.reduce((sum, { amount }) => sum + amount, 0n);

/**
 * What we were offered and took with a preimage is ours. Another of the same hash may have failed beside it, or one
 * that we offered may be what the preimage is for: so of each hash at least the smallest.
 */
export const takenAtLeast = (
  received: readonly Htlc[],
  offers: readonly Htlc[],
  paid: Removals["paid"],
): readonly Htlc[] => {
  if (!isKnown(paid)) return [];
  const others = new Set(offers.map(({ hash }) => toHex(hash)));
  const least = new Map<string, Htlc>();
  for (const htlc of received) {
    const key = toHex(htlc.hash);
    const smallest = least.get(key);
    if (paid.has(key) && !others.has(key) && (smallest === undefined || htlc.amount < smallest.amount))
      least.set(key, htlc);
  }
  return [...least.values()];
};

/** More of one hash in one update than anybody sends, and too many endings to try. */
const maxTried = 8;

interface Item {
  readonly htlc: Htlc;
  readonly way: "in" | "out";
  /** How it ended, as far as that is settled: ours is what raised our balance. */
  readonly ours: boolean | undefined;
}

/** Every way in which they can have ended that adds up to what our balance says: for each item whether it is ours. */
const endingsOf = (items: readonly Item[], { low, high }: Interval): readonly (readonly boolean[])[] => {
  if (items.filter(({ ours }) => ours === undefined).length > maxTried) return [];
  let endings: readonly (readonly boolean[])[] = [[]];
  for (const { ours } of items) {
    const either = ours === undefined ? [false, true] : [ours];
    endings = either.flatMap((one) => endings.map((ending) => [...ending, one]));
  }
  return endings.filter((ending) => {
    const sum = items.reduce((all, { htlc }, at) => (ending[at] === true ? all + htlc.amount : all), 0n);
    return low <= sum && sum <= high;
  });
};

/** Of each hash the most that any ending lets out, and the least that it brings in. */
const worstOf = (items: readonly Item[], endings: readonly (readonly boolean[])[]): readonly Settled[] =>
  endings
    .map((ending) => {
      const sums = new Sums();
      for (const [at, { htlc, way }] of items.entries())
        if ((ending[at] === true) === (way === "in")) sums.add(htlc, way);
      return sums.list();
    })
    .reduce(worst);

/** Hashes, in hexadecimal, of which there are several. */
const repeated = (htlcs: readonly Htlc[]): ReadonlySet<string> => {
  const [once, again] = [new Set<string>(), new Set<string>()];
  for (const { hash } of htlcs) (once.has(toHex(hash)) ? again : once).add(toHex(hash));
  return again;
};

/** As far as preimages tell: of several of one hash some may have failed beside those that were paid. */
const toldOf = ({ offers, received, kept }: Removals, paid: ReadonlySet<string>): readonly Item[] => {
  const several = repeated([...offers, ...received]);
  const isOpen = ({ hash }: Htlc): boolean => paid.has(toHex(hash)) && several.has(toHex(hash));
  const isPaid = ({ hash }: Htlc): boolean => paid.has(toHex(hash));
  return [
    ...offers.map((htlc) => ({ htlc, way: "out" as const, ours: isOpen(htlc) ? undefined : !isPaid(htlc) })),
    ...received.map((htlc) => ({ htlc, way: "in" as const, ours: isOpen(htlc) ? undefined : isPaid(htlc) })),
    // One may have been settled and one like it added in the same update: then our balance lacks it.
    ...kept.filter(isPaid).map((htlc) => ({ htlc, way: "out" as const, ours: true })),
  ];
};

const withPreimages = (removals: Removals, paid: ReadonlySet<string>): readonly Settled[] => {
  const { offers, received, kept, rise } = removals;
  const isPaid = ({ hash }: Htlc): boolean => paid.has(toHex(hash));
  const again = total(kept.filter(isPaid));
  const sum = { low: rise.low + again, high: rise.high + again };
  const told = toldOf(removals, paid);
  // The preimages are those since the content that the host remembers: after another live one all shows by value.
  const free = told.map((item) => ({ ...item, ours: undefined }));
  const plain = told.map((item) => ({ ...item, ours: item.ours ?? item.way === "in" }));
  for (const items of [plain, told, free]) {
    const endings = endingsOf(items, sum);
    if (endings.length > 0) return worstOf(items, endings);
  }
  const sums = new Sums();
  for (const htlc of [...offers, ...kept]) if (isPaid(htlc)) sums.add(htlc, "out");
  for (const htlc of takenAtLeast(received, offers, paid)) sums.add(htlc, "in");
  return sums.list();
};

const openWay = (htlcs: readonly Htlc[], way: Item["way"]): readonly Item[] =>
  htlcs.map((htlc) => ({ htlc, way, ours: undefined }));

const byValue = ({ offers, received, kept, rise }: Removals): readonly Settled[] => {
  const items = [...openWay(offers, "out"), ...openWay(received, "in")];
  const endings = endingsOf(items, rise);
  if (endings.length > 0) return worstOf(items, endings);
  // Or one was settled and one like it added in the same update.
  const again = [...items, ...openWay(kept, "out")];
  const there = total(kept);
  const others = endingsOf(again, { low: rise.low + there, high: rise.high + there });
  if (others.length > 0) return worstOf(again, others);
  const whole = total(offers) + total(received);
  // Without this one the others could not have raised our balance so far.
  const isOurs = ({ amount }: Htlc): boolean => rise.low > whole - amount;
  const sums = new Sums();
  for (const htlc of offers) if (!isOurs(htlc)) sums.add(htlc, "out");
  for (const htlc of received) if (isOurs(htlc)) sums.add(htlc, "in");
  // Nothing that is gone takes anything from us.
  if (rise.high < 0n) for (const htlc of kept) sums.add(htlc, "out");
  return sums.list();
};

/** What it says that we are richer by, beside what we newly offer. */
export const creditOf = (settled: readonly Settled[], offers: readonly Htlc[]): bigint =>
  settled.reduce((sum, one) => sum + net(one), total(offers));

export const settlementOf = (removals: Removals): readonly Settled[] =>
  isKnown(removals.paid) ? withPreimages(removals, removals.paid) : byValue(removals);

const combined = (
  a: readonly Settled[],
  b: readonly Settled[],
  how: (x: Settled, y: Settled) => Settled,
): readonly Settled[] => {
  if (a.length === 0 && b.length === 0) return a;
  const zero = ({ hash }: Settled): Settled => ({ hash, in: 0n, out: 0n });
  const ofB = new Map(b.map((one) => [toHex(one.hash), one]));
  const result: Settled[] = [];
  for (const one of a) {
    const key = toHex(one.hash);
    result.push(how(one, ofB.get(key) ?? zero(one)));
    ofB.delete(key);
  }
  for (const one of ofB.values()) result.push(how(zero(one), one));
  return result.filter((one) => one.in > 0n || one.out > 0n);
};

export const plus = (a: readonly Settled[], b: readonly Settled[]): readonly Settled[] =>
  b.length === 0 ? a : combined(a, b, (x, y) => ({ hash: x.hash, in: x.in + y.in, out: x.out + y.out }));

const less = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** Below it two sums may be the same: outputs are whole satoshi. */
const rounding = 1_000n;

const net = (one: Settled): bigint => one.in - one.out;

/**
 * Where one of several is true: of each hash the one that leaves us least. In and out belong together: what looks alike
 * by value may be an HTLC that went through, or one that failed on both sides; then it went through, so that what is
 * ours counts beside the commitments that do not yet know. But it is never said to leave us more than the other.
 */
export const worst = (a: readonly Settled[], b: readonly Settled[]): readonly Settled[] => {
  if (a === b) return a;
  return combined(a, b, (x, y) => {
    const [more, less] = x.in > y.in ? [x, y] : [y, x];
    const over = net(more) - net(less);
    if (over >= rounding) return less;
    if (over <= -rounding || more.in === less.in) return more;
    if (more.out <= less.out) return less;
    return over > 0n ? { ...more, in: more.in - over } : more;
  });
};

/** What both say for certain. */
export const common = (a: readonly Settled[], b: readonly Settled[]): readonly Settled[] =>
  combined(a, b, (x, y) => ({ hash: x.hash, in: less(x.in, y.in), out: less(x.out, y.out) }));

export const minus = (a: readonly Settled[], b: readonly Settled[]): readonly Settled[] =>
  combined(a, b, (x, y) => ({ hash: x.hash, in: x.in - y.in, out: x.out - y.out }));
