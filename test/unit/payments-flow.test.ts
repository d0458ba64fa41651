import { expect, test } from "vitest";
import {
  type Cover,
  leastSettledIn,
  liveIn,
  mostOut,
  speaksOf,
  sumOf,
} from "../../signer/core/payments/flow.ts";
import { agreed, into, keyOf, openOf, out, settled } from "./payments.kit.ts";

const earlier = out(10n, "tea", 1_000);
const later = out(20n, "tea", 2_000);
const live = openOf(
  [{ htlcs: [earlier, later, into(70n, "tea", 1_500)], settled: [settled(5n, 3n)] }],
  [{ htlcs: [earlier, into(60n, "tea", 3_000)], settled: [settled(8n, 40n)] }],
);
const of = (cover: Cover, counts = true) => sumOf([{ live, counts }], keyOf(), cover);

test("of each kind the worst of all live commitments counts", () => {
  expect(of({ earliest: 0 })).toEqual({ out: 50n, in: 68n, settledIn: 5n });
  expect(mostOut(live, keyOf())).toBe(50n);
  expect(leastSettledIn(live, keyOf())).toBe(5n);
});

test("what comes in too early does not count, nor what goes out before it is asked about", () => {
  expect(of({ earliest: 1_501 })).toEqual({ out: 50n, in: 5n, settledIn: 5n });
  expect(of({ earliest: 1_500, offeredFrom: 1_001 })).toEqual({ out: 40n, in: 68n, settledIn: 5n });
  expect(mostOut(live, keyOf(), { offeredFrom: 1_001, settled: false })).toBe(20n);
});

test("what is on its way is told apart from what settled", () => {
  expect(of({ earliest: 0, settled: false })).toEqual({ out: 30n, in: 60n, settledIn: 0n });
  expect(of({ earliest: 0, settled: true })).toEqual({ out: 50n, in: 68n, settledIn: 5n });
});

test("a channel that covers nothing still counts what it let out, and nothing that settled", () => {
  expect(of({ earliest: 0 }, false)).toEqual({ out: 50n, in: 0n, settledIn: 0n });
});

test("channels add up, and a hash that none of them speaks of is nothing", () => {
  const both = [live, agreed({ htlcs: [out(1n), into(2n)], settled: [settled(4n, 8n)] })];
  const all = both.map((one) => ({ live: one, counts: true }));
  expect(sumOf(all, keyOf(), { earliest: 0 })).toEqual({ out: 59n, in: 74n, settledIn: 9n });
  const nothing = { out: 0n, in: 0n, settledIn: 0n };
  expect(sumOf(all, keyOf("milk"), { earliest: 0 })).toEqual(nothing);
  expect(sumOf([{ live: openOf([], []), counts: true }], keyOf(), { earliest: 0 })).toEqual(nothing);
});

test("a commitment speaks of what is offered, received or settled in it", () => {
  const speaks = (said: Parameters<typeof agreed>[0]) => speaksOf(openOf([{}], [said]), keyOf());
  expect(speaks({ htlcs: [out(1n)] })).toBe(true);
  expect(speaks({ htlcs: [into(1n)] })).toBe(true);
  expect(speaks({ settled: [settled(1n, 0n)] })).toBe(true);
  expect(speaks({ htlcs: [out(1n, "milk"), into(1n, "milk")], settled: [settled(1n, 1n, "milk")] })).toBe(
    false,
  );
});

test("only a channel that was set up and is not forgotten is live", () => {
  expect([undefined, { phase: "stub" } as const, { phase: "forgotten" } as const].map(liveIn)).toEqual([
    ...[undefined, undefined, undefined],
  ]);
  expect(liveIn(live)).toBe(live);
});
