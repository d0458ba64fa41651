import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import { common, minus, plus, settlementOf, worst } from "../../signer/core/payments/settlement.ts";
import type { Settled } from "../../signer/core/state.ts";
import { htlcOf } from "../scripted/channel.ts";

const labels = ["a", "b", "c"];
const keyOf = (label: string): string => toHex(htlcOf("holder", 1n, label).hash);

interface Removed {
  readonly htlc: Htlc;
  readonly label: string;
  readonly paid: boolean;
}
/** Of one hash: all paid, or none; as an honest channel settles them unless it says so. */
const removed = (fates: "by hash" | "each"): fc.Arbitrary<readonly Removed[]> =>
  fc
    .tuple(
      fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
      fc.array(
        fc.record({
          side: fc.constantFrom<Side>("holder", "counterparty"),
          label: fc.constantFrom(...labels),
          // Few, so that different endings often look alike.
          amount: fc.constantFrom(1_000n, 1_001n, 1_000_000n, 2_000_000n, 3_000_000n),
          paid: fc.boolean(),
        }),
        { maxLength: 6 },
      ),
    )
    .map(([byHash, all]) =>
      all.map(({ side, label, amount, paid }) => ({
        htlc: htlcOf(side, amount, label),
        label,
        paid: fates === "by hash" ? (byHash[labels.indexOf(label)] ?? false) : paid,
      })),
    );

const offersIn = (all: readonly Removed[]) => all.filter(({ htlc }) => htlc.offeredBy === "holder");
const receivedIn = (all: readonly Removed[]) => all.filter(({ htlc }) => htlc.offeredBy === "counterparty");
const total = (all: readonly Removed[]): bigint => all.reduce((sum, { htlc }) => sum + htlc.amount, 0n);
/** What our balance gains: failed offers and paid receipts. */
const riseOf = (all: readonly Removed[]): bigint =>
  total(offersIn(all).filter(({ paid }) => !paid)) + total(receivedIn(all).filter(({ paid }) => paid));
const truth = (all: readonly Removed[], label: string): { in: bigint; out: bigint } => {
  const mine = all.filter((one) => one.label === label && one.paid);
  return { in: total(receivedIn(mine)), out: total(offersIn(mine)) };
};
const said = (list: readonly Settled[], label: string): { in: bigint; out: bigint } => {
  const one = list.find(({ hash }) => toHex(hash) === keyOf(label));
  return { in: one?.in ?? 0n, out: one?.out ?? 0n };
};

/** Between endings that differ by less than a satoshi nothing tells. */
const rounding = 3_000n;
const leaves = (one: { readonly in: bigint; readonly out: bigint }): bigint => one.in - one.out;

const settled = (all: readonly Removed[], paid: ReadonlySet<string> | "unknown", width = 0n) => {
  const rise = riseOf(all);
  return settlementOf({
    paid: paid === "unknown" ? unknown : paid,
    offers: offersIn(all).map(({ htlc }) => htlc),
    received: receivedIn(all).map(({ htlc }) => htlc),
    kept: [],
    rise: { low: rise - width, high: rise + width },
  });
};
const paidIn = (all: readonly Removed[]) =>
  new Set(all.filter(({ paid }) => paid).map(({ label }) => keyOf(label)));

describe("with preimages", () => {
  test("what an honest channel settled is known exactly", () => {
    fc.assert(
      fc.property(removed("by hash"), (all) => {
        const list = settled(all, paidIn(all));
        for (const label of labels) expect(said(list, label)).toEqual(truth(all, label));
      }),
    );
  });

  test("whatever settled and failed side by side, all together is not said to leave us more than it did", () => {
    // To which hash it is counted matters less: whatever one is credited with, another one is charged.
    const sum = (of: (label: string) => { in: bigint; out: bigint }): bigint =>
      labels.reduce((total, label) => total + leaves(of(label)), 0n);
    fc.assert(
      fc.property(removed("each"), fc.bigInt({ min: 0n, max: 999n }), (all, width) => {
        const list = settled(all, paidIn(all), width);
        expect(sum((label) => said(list, label))).toBeLessThanOrEqual(
          sum((label) => truth(all, label)) + rounding,
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test("a preimage that nobody paid with moves nothing in", () => {
    const htlc = htlcOf("counterparty", 1_000_000n, "a");
    const list = settlementOf({
      ...{ paid: new Set([keyOf("b")]), offers: [], received: [htlc], kept: [] },
      rise: { low: 0n, high: 999n },
    });
    expect(list).toEqual([]);
  });

  test("one that was settled while one like it was added counts as out, where our balance lacks it", () => {
    const htlc = htlcOf("holder", 1_000_000n, "a");
    const settledAgain = (high: bigint) =>
      settlementOf({
        ...{ paid: new Set([keyOf("a")]), offers: [], received: [], kept: [htlc] },
        rise: { low: high - 999n, high },
      });
    expect(said(settledAgain(-1_000_000n), "a").out).toBe(1_000_000n);
    expect(said(settledAgain(0n), "a").out).toBe(0n);
  });
});

describe("by value", () => {
  test("no hash is said to leave us more than it did, whatever else looks alike", () => {
    fc.assert(
      fc.property(removed("each"), fc.bigInt({ min: 0n, max: 2_000n }), (all, width) => {
        const list = settled(all, "unknown", width);
        for (const label of labels)
          expect(leaves(said(list, label))).toBeLessThanOrEqual(leaves(truth(all, label)) + rounding);
      }),
      { numRuns: 2_000 },
    );
  });

  test("a single removal is told apart exactly, rounding and all", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Side>("holder", "counterparty"),
        fc.bigInt({ min: 3_000n, max: 5_000_000n }),
        fc.boolean(),
        (side, amount, paid) => {
          const all = [{ htlc: htlcOf(side, amount, "a"), label: "a", paid }];
          expect(said(settled(all, "unknown", 999n), "a")).toEqual(truth(all, "a"));
        },
      ),
    );
  });
});

describe("sums", () => {
  const list: fc.Arbitrary<readonly Settled[]> = fc
    .uniqueArray(fc.constantFrom(...labels), { maxLength: 3 })
    .chain((some) =>
      fc.tuple(
        ...some.map((label) =>
          fc.record({
            hash: fc.constant(htlcOf("holder", 1n, label).hash),
            in: fc.bigInt({ min: 0n, max: 5_000n }),
            out: fc.bigInt({ min: 0n, max: 5_000n }),
          }),
        ),
      ),
    );
  test("add up, and what is common taken off leaves no less than nothing", () => {
    fc.assert(
      fc.property(list, list, (a, b) => {
        for (const label of labels) {
          const [x, y] = [said(a, label), said(b, label)];
          expect(said(plus(a, b), label)).toEqual({ in: x.in + y.in, out: x.out + y.out });
          expect(said(minus(plus(a, b), b), label)).toEqual(x);
          const less = { in: x.in < y.in ? x.in : y.in, out: x.out < y.out ? x.out : y.out };
          expect(said(common(a, b), label)).toEqual(less);
          // One of the two is true, and what it says of in and out is said together: it leaves us no more than the worse.
          const chosen = said(worst(a, b), label);
          expect([x.out, y.out]).toContain(chosen.out);
          const least = leaves(x) < leaves(y) ? leaves(x) : leaves(y);
          if (x.in === y.in) expect(leaves(chosen)).toBeLessThan(least + 1_000n);
          else expect(leaves(chosen)).toBeLessThanOrEqual(least);
          const rest = said(minus(a, common(a, b)), label);
          expect(rest.in >= 0n && rest.out >= 0n).toBe(true);
        }
      }),
    );
  });

  test("of nothing are nothing: no hash stays with zeros", () => {
    fc.assert(
      fc.property(list, (a) => {
        expect(minus(a, a)).toEqual([]);
        expect(plus([], [])).toEqual([]);
        expect(worst(a, a)).toBe(a);
        expect(common(a, [])).toEqual([]);
      }),
    );
  });
});
