import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { lineOf } from "../../signer/core/payments/lines.ts";
import { type Removals, settlementOf, worst } from "../../signer/core/payments/settlement.ts";
import type { Settled } from "../../signer/core/state.ts";
import { htlcOf } from "../scripted/channel.ts";

const of = (rise: bigint, parts: Partial<Removals>): Removals => ({
  ...{ paid: unknown, offers: [], received: [], kept: [] },
  // As whole outputs tell it: on either side of what it was.
  ...{ rise: { low: rise - 999n, high: rise + 999n } },
  ...parts,
});
const out = (amount: bigint, label: string): Htlc => htlcOf("holder", amount, label);
const into = (amount: bigint, label: string): Htlc => htlcOf("counterparty", amount, label);
const preimages = (...htlcs: readonly Htlc[]) => new Set(htlcs.map(({ hash }) => toHex(hash)));
const said = (removals: Removals): readonly (readonly [string, bigint, bigint])[] =>
  settlementOf(removals).map((one) => [toHex(one.hash), one.in, one.out]);

const [a, b] = [out(5_000_000n, "tea"), out(3_000_000n, "tea")];
const [x, y] = [into(7_000_000n, "tea"), into(4_000_000n, "tea")];
const tea = toHex(a.hash);

describe("what left a commitment, with preimages", () => {
  test("is paid as they say, where the balance agrees", () => {
    expect(said(of(0n, { offers: [a, b], paid: preimages(a) }))).toEqual([[tea, 0n, 8_000_000n]]);
    expect(said(of(11_000_000n, { received: [x, y], paid: preimages(x) }))).toEqual([[tea, 11_000_000n, 0n]]);
  });

  test("of two of one hash one can have failed: the balance tells which", () => {
    expect(said(of(3_000_000n, { offers: [a, b], paid: preimages(a) }))).toEqual([[tea, 0n, 5_000_000n]]);
    expect(said(of(5_000_000n, { offers: [a, b], paid: preimages(a) }))).toEqual([[tea, 0n, 3_000_000n]]);
    expect(said(of(7_000_000n, { received: [x, y], paid: preimages(x) }))).toEqual([[tea, 7_000_000n, 0n]]);
  });

  test("that are not told again after another content, what was paid shows by value", () => {
    expect(said(of(7_000_000n, { received: [x], paid: new Set() }))).toEqual([[tea, 7_000_000n, 0n]]);
    const milk = out(1_000_000n, "milk");
    expect(said(of(7_000_000n, { received: [x], offers: [milk], paid: new Set() }))).toEqual([
      [toHex(milk.hash), 0n, 1_000_000n],
      [tea, 7_000_000n, 0n],
    ]);
  });

  test("of which a host claims more than its balance shows is not believed", () => {
    // Both are said to be paid to us, and neither was.
    expect(said(of(0n, { received: [x, y], paid: preimages(x) }))).toEqual([]);
    // One like it was settled and added in one update: the balance lacks it.
    expect(said(of(-5_000_000n, { kept: [a], paid: preimages(a) }))).toEqual([[tea, 0n, 5_000_000n]]);
  });
});

describe("what left a commitment, without preimages", () => {
  const milk = out(2_000_000n, "milk");

  test("is told apart by value", () => {
    expect(said(of(2_000_000n, { offers: [a, milk] }))).toEqual([[tea, 0n, 5_000_000n]]);
    expect(said(of(5_000_000n, { offers: [a, milk] }))).toEqual([[toHex(milk.hash), 0n, 2_000_000n]]);
    expect(said(of(9_000_000n, { offers: [milk], received: [x] }))).toEqual([[tea, 7_000_000n, 0n]]);
  });

  test("is lost where it can't be told", () => {
    const like = out(5_000_000n, "milk");
    const lost = said(of(5_000_000n, { offers: [a, like] }));
    expect(new Set(lost.map(([hash]) => hash))).toEqual(new Set([tea, toHex(like.hash)]));
    expect(lost.map(([, come, gone]) => [come, gone])).toEqual([
      [0n, 5_000_000n],
      [0n, 5_000_000n],
    ]);
  });

  test("is lost where there are too many to try", () => {
    const many = Array.from({ length: 20 }, (_, at) => out(1_000_000n, `many ${at}`));
    const all = settlementOf(of(3_000_000n, { offers: many }));
    expect(all.reduce((sum, one) => sum + one.out, 0n)).toBe(20_000_000n);
  });
});

test("of two ways in which it can have been, the worse one holds, and as a whole", () => {
  const { hash } = a;
  const one = (inward: bigint, outward: bigint): readonly Settled[] => [{ hash, in: inward, out: outward }];
  expect(worst(one(5_000_000n, 4_000_000n), one(0n, 3_000_000n))).toEqual(one(0n, 3_000_000n));
  expect(worst(one(0n, 3_000_000n), one(5_000_000n, 4_000_000n))).toEqual(one(0n, 3_000_000n));
  // Alike but for what outputs round off: it went through.
  expect(worst(one(5_000_000n, 4_999_500n), [])).toEqual(one(5_000_000n, 4_999_500n));
  expect(worst([], one(5_000_000n, 4_999_500n))).toEqual(one(5_000_000n, 4_999_500n));
});

test("a line adds up what expires from each height on", () => {
  const htlcs = [
    htlcOf("holder", 1n, "tea", 100),
    htlcOf("holder", 10n, "tea", 200),
    htlcOf("holder", 100n, "tea", 200),
    htlcOf("counterparty", 1_000n, "tea", 300),
    htlcOf("holder", 5n, "milk", 400),
  ];
  const line = lineOf({ htlcs, trimmed: [] } as never, tea);
  expect([0, 100, 101, 200, 201].map((from) => line.offeredFrom(from))).toEqual([111n, 111n, 110n, 110n, 0n]);
  expect([300, 301].map((from) => line.receivedFrom(from))).toEqual([1_000n, 0n]);
  expect([line.offered, line.offers, line.latest, line.expiries.toSorted()]).toEqual([
    111n,
    3,
    200,
    [100, 200],
  ]);
});
