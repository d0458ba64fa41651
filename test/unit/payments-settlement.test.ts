import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { lineOf } from "../../signer/core/payments/lines.ts";
import {
  common,
  creditOf,
  minus,
  plus,
  type Removals,
  settlementOf,
  takenAtLeast,
  worst,
} from "../../signer/core/payments/settlement.ts";
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

describe("what left a commitment, where the balance agrees with preimages only for some of a hash", () => {
  const milk = (amount: bigint) => out(amount, "milk");
  const spilt = toHex(milk(1n).hash);
  /** a is paid and b failed, which preimages alone don't tell. */
  const both = { offers: [a, b], paid: preimages(a) };

  test("what is of another hash and had no preimage failed, though by value it may be the one that was paid", () => {
    expect(said(of(8_000_000n, { ...both, offers: [a, b, milk(5_000_000n)] }))).toEqual([
      [tea, 0n, 5_000_000n],
    ]);
    // Also where there are several of it.
    const several = [milk(5_000_000n), milk(2_000_000n)];
    const told = of(10_000_000n, { offers: [a, b, ...several], paid: preimages(milk(1n)) });
    expect(said(told)).toEqual([[spilt, 0n, 5_000_000n]]);
    const theirs = [x, y, into(7_000_000n, "milk")];
    expect(said(of(7_000_000n, { received: theirs, paid: preimages(x) }))).toEqual([[tea, 7_000_000n, 0n]]);
  });

  test("what is the only one of its hash and had a preimage was paid, though by value it may have failed", () => {
    const offers = [a, b, milk(3_000_000n)];
    expect(said(of(3_000_000n, { offers, paid: preimages(a, milk(1n)) }))).toEqual([
      [tea, 0n, 5_000_000n],
      [spilt, 0n, 3_000_000n],
    ]);
    // One that we offered and one like it that came in are two of a hash as well.
    const mixed = { offers: [a, milk(7_000_000n)], received: [x] };
    expect(said(of(5_000_000n, { ...mixed, paid: preimages(a, milk(1n)) }))).toEqual([
      [spilt, 0n, 7_000_000n],
    ]);
  });

  test("what is still there may have been settled and added again, or something else was lost", () => {
    // Both look alike: the balance lacks five, and two of five may be what it lacks.
    const again = { offers: [milk(5_000_000n)], kept: [a], paid: preimages(a) };
    expect(new Set(said(of(0n, again)).map(([hash, , gone]) => [hash, gone].join()))).toEqual(
      new Set([`${tea},5000000`, `${spilt},5000000`]),
    );
    expect(said(of(5_000_000n, again))).toEqual([]);
  });

  test("however many others are told for certain", () => {
    const others = Array.from({ length: 9 }, (_, at) => out(1_000_000n, `other ${at}`));
    expect(said(of(12_000_000n, { ...both, offers: [a, b, ...others] }))).toEqual([[tea, 0n, 5_000_000n]]);
  });

  test("what is still there and had no preimage says nothing", () => {
    const kept = [milk(5_000_000n)];
    expect(said(of(0n, { offers: [a], kept, paid: preimages(a) }))).toEqual([[tea, 0n, 5_000_000n]]);
  });

  test("what a preimage is told for and the balance shows as failed is not counted as paid", () => {
    const one = { offers: [milk(3_000_000n)], kept: [a], paid: preimages(a, milk(1n)) };
    expect(said(of(3_000_000n, one))).toEqual([]);
  });

  test("what adds up in no way is out as far as preimages go, and in for the smallest of each hash", () => {
    const bread = out(1_000_000n, "bread");
    const odd = of(90_000_000n, {
      ...{ offers: [a, bread], kept: [b], received: [into(6_000_000n, "milk"), into(4_000_000n, "milk")] },
      paid: preimages(a, milk(1n)),
    });
    expect(said(odd)).toEqual([
      [tea, 0n, 8_000_000n],
      [spilt, 4_000_000n, 0n],
    ]);
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

  test("may be one that is still there, or there again: nothing else takes anything from us", () => {
    expect(said(of(-5_000_000n, { kept: [a, milk] }))).toEqual([[tea, 0n, 5_000_000n]]);
    expect(said(of(1_000_000n, { kept: [milk], offers: [b] }))).toEqual([[toHex(milk.hash), 0n, 2_000_000n]]);
    expect(said(of(0n, { kept: [milk], received: [x] }))).toEqual([]);
    expect(said(of(5_000_000n, { kept: [milk], received: [x] }))).toEqual([
      [tea, 7_000_000n, 0n],
      [toHex(milk.hash), 0n, 2_000_000n],
    ]);
    // What is no sum of any of them is more than any of them explains.
    const each = [
      [tea, 0n, 5_000_000n],
      [toHex(milk.hash), 0n, 2_000_000n],
    ];
    expect(said(of(-1_000_000n, { kept: [a, milk] }))).toEqual(each);
    const many = Array.from({ length: 9 }, (_, at) => out(1_000_000n, `many ${at}`));
    expect(said(of(-1_000_000n, { kept: many })).length).toBe(9);
    expect(said(of(0n, { kept: many }))).toEqual([]);
  });

  test("is credited to us as far as it did not go", () => {
    const { hash } = a;
    expect(creditOf([], [])).toBe(0n);
    expect(creditOf([{ hash, in: 3n, out: 5n }], [])).toBe(-2n);
    expect(creditOf([{ hash, in: 0n, out: 5_000_000n }], [a, b])).toBe(3_000_000n);
  });

  test("and less than a satoshi, is taken for failed: no output tells it", () => {
    expect(said(of(0n, { offers: [out(500n, "tea")] }))).toEqual([]);
  });

  test("is tried in every way up to eight, and not beyond", () => {
    // Powers of two: only one ending adds up.
    const powers = (count: number) =>
      Array.from({ length: count }, (_, at) => out(1_000_000n << BigInt(at), `power ${at}`));
    const gone = (count: number, rise: bigint) =>
      settlementOf(of(rise * 1_000_000n, { offers: powers(count) })).map((one) => one.out / 1_000_000n);
    expect(gone(8, 0b1010_1010n)).toEqual([1n, 4n, 16n, 64n]);
    expect(gone(9, 0b0_1010_1010n)).toEqual(powers(9).map(({ amount }) => amount / 1_000_000n));
  });

  test("is ours where too many are to be tried, if the others together could not have raised the balance so far", () => {
    const small = Array.from({ length: 8 }, (_, at) => out(1_000_000n, `small ${at}`));
    const ended = (amount: bigint, low: bigint) => {
      const all = settlementOf({
        ...{ paid: unknown, offers: small, kept: [], received: [into(amount, "big")] },
        rise: { low, high: low + 999n },
      });
      return [all.reduce((sum, one) => sum + one.in, 0n), all.reduce((sum, one) => sum + one.out, 0n)];
    };
    expect(ended(100_000_000n, 8_000_001n)).toEqual([100_000_000n, 8_000_000n]);
    // Just what all the others can have brought back.
    expect(ended(100_000_000n, 8_000_000n)).toEqual([0n, 8_000_000n]);
    // And so many were ours that none can be missing.
    expect(ended(1_000_000n, 9_000_000n)).toEqual([1_000_000n, 0n]);
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
  // A satoshi is the least that outputs tell.
  expect(worst(one(5_000_000n, 4_999_000n), [])).toEqual([]);
  expect(worst([], one(5_000_000n, 4_999_000n))).toEqual([]);
  // Alike but for what outputs round off: it went through, and left us no more than if it had not.
  expect(worst(one(5_000_000n, 4_999_001n), [])).toEqual(one(4_999_001n, 4_999_001n));
  expect(worst([], one(5_000_000n, 4_999_500n))).toEqual(one(4_999_500n, 4_999_500n));
  expect(worst(one(4_999_500n, 5_000_000n), [])).toEqual(one(4_999_500n, 5_000_000n));
  // Nothing went out: nothing speaks for the larger. Nor where it is better both ways.
  expect(worst(one(900n, 0n), one(200n, 0n))).toEqual(one(200n, 0n));
  expect(worst(one(200n, 0n), one(900n, 0n))).toEqual(one(200n, 0n));
  expect(worst(one(500n, 100n), one(200n, 300n))).toEqual(one(200n, 300n));
  // And the other way round too little went out to tell.
  expect(worst(one(0n, 300n), [])).toEqual([]);
});

test("of what came in with a preimage at least the smallest is ours, if no other of the hash was out", () => {
  const [large, small] = [into(7_000_000n, "tea"), into(4_000_000n, "tea")];
  const other = into(1_000_000n, "milk");
  expect(takenAtLeast([large, small, other], [], preimages(large))).toEqual([small]);
  expect(takenAtLeast([small, large, other], [], preimages(large, other))).toEqual([small, other]);
  expect(takenAtLeast([large, other], [out(1n, "tea")], preimages(large, other))).toEqual([other]);
  expect(takenAtLeast([large, small], [], unknown)).toEqual([]);
});

test("with nothing to add or to take the list stays the very same, for what is read off it is kept with it", () => {
  const none: readonly Settled[] = [];
  const some: readonly Settled[] = [{ hash: a.hash, in: 1n, out: 0n }];
  expect(plus(some, [])).toBe(some);
  expect(common(none, [])).toBe(none);
  expect(common(none, some)).toEqual([]);
  expect(minus(some, some)).toEqual([]);
  expect(minus(plus(some, some), some)).toEqual(some);
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
