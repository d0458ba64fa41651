import { describe, expect, test } from "vitest";
import { sat } from "../../protocol/units.ts";
import {
  approvedBy,
  exposureOf,
  isRebalance,
  type Strictness,
  strict,
  sumsOf,
} from "../../signer/core/payments/judge.ts";
import type { ChannelState, Live, Payment } from "../../signer/core/state.ts";
import {
  agreed,
  atHeight,
  idOf,
  intentOf,
  into,
  issuedUntil,
  keyOf,
  now,
  openOf,
  out,
  paymentOf,
  paymentsOf,
  settingsOf,
  settled,
  viewOf,
} from "./payments.kit.ts";

type Policy = Parameters<typeof settingsOf>[0];

interface Asked {
  readonly payment?: Payment;
  readonly how?: Partial<Strictness>;
  readonly policy?: Policy;
  readonly others?: readonly ChannelState[];
  readonly outlook?: ReturnType<typeof atHeight>;
}

/** Of the channel 0 as it would be, beside others. */
const sceneOf = (next: ChannelState & Live, { payment, policy, others = [], outlook }: Asked = {}) => {
  const view = viewOf([next, ...others], {
    payments: payment === undefined ? new Map() : paymentsOf(payment),
    ...(outlook === undefined ? {} : { outlook }),
  });
  // Six blocks lie between what goes out and what comes in.
  return { view, settings: settingsOf({ minForwardDelta: 6, ...policy }), id: idOf(0), next };
};
const sums = (next: ChannelState & Live, asked: Asked = {}) =>
  sumsOf(sceneOf(next, asked), keyOf(), asked.payment, { ...strict, ...asked.how });

const early = 900;
const timely = 1_006;
const given = (...htlcs: ReturnType<typeof out>[]) => agreed({ htlcs: [...htlcs] });

describe("what comes in", () => {
  test("covers what expires as many blocks before it as the policy asks for", () => {
    expect(sums(given(out(100n, "tea", 1_000), into(100n, "tea", timely)))).toEqual({
      ...{ out: 100n, in: 100n, settledIn: 0n },
    });
    expect(sums(given(out(100n, "tea", 1_000), into(100n, "tea", timely - 1))).in).toBe(0n);
    const late = given(out(100n, "tea", 1_000), into(100n, "tea", early));
    expect(sums(late, { how: { delta: false } }).in).toBe(100n);
  });

  test("must be in time for each part that is out", () => {
    const parts = [out(50n, "tea", 1_000), out(40n, "tea", 2_000)];
    expect(sums(given(...parts, into(50n, "tea", timely), into(40n, "tea", 2_006))).in).toBe(90n);
    expect(sums(given(...parts, into(90n, "tea", timely))).in).toBe(50n);
    expect(sums(given(...parts, into(90n, "tea", 2_006))).in).toBe(90n);
  });

  test("must leave time from the tip on where something is newly let out", () => {
    const next = given(out(100n, "tea", 1_000), into(100n, "tea", timely));
    const at = (height: number, fresh: boolean) =>
      sums(next, { how: { fresh }, outlook: atHeight(height) }).in;
    expect([at(1_000, true), at(1_001, true), at(1_001, false)]).toEqual([100n, 0n, 100n]);
    // Nobody says how high the chain is.
    expect(sums(next, { how: { fresh: true } }).in).toBe(100n);
  });

  test("counts as every live commitment has it at least, and what is out as any has it at most", () => {
    const next = openOf(
      [{ htlcs: [out(70n), into(50n)] }, { htlcs: [out(90n), into(80n)] }],
      [{ htlcs: [out(60n), into(40n)] }],
    );
    expect(sums(next, { how: { delta: false } })).toEqual({ out: 90n, in: 40n, settledIn: 0n });
  });

  test("counts in all channels of the hash", () => {
    const others = [
      given(into(30n, "tea", 5_000)),
      agreed({ settled: [settled(7n, 5n)] }),
      given(out(9n, "milk")),
    ];
    expect(sums(given(out(20n, "tea", 1_000)), { others })).toEqual({ out: 25n, in: 37n, settledIn: 7n });
  });

  test("counts also where it has just settled, or settled long ago", () => {
    const next = agreed({ htlcs: [out(100n, "tea", 1_000)], settled: [settled(30n, 0n)] });
    const payment = paymentOf({ settledIn: 50n, settledOut: 5n });
    expect(sums(next, { payment })).toEqual({ out: 105n, in: 80n, settledIn: 80n });
  });

  test("counts in the channel that is asked about, also where it did not speak of the hash before", () => {
    const next = given(into(50n));
    const view = viewOf([agreed({}), given(out(20n))]);
    const scene = { view, settings: settingsOf(), id: idOf(0), next };
    expect(sumsOf(scene, keyOf(), undefined, { ...strict, delta: false })).toMatchObject({
      out: 20n,
      in: 50n,
    });
  });
});

describe("what comes in late", () => {
  const parts = (...theirs: ReturnType<typeof out>[]) => [out(50n, "tea", 1_000), ...theirs];

  test("does not free what is on its way by what settled before it", () => {
    const next = agreed({ htlcs: parts(into(50n, "tea", early)), settled: [settled(0n, 100n)] });
    expect(sums(next)).toEqual({ out: 150n, in: 50n, settledIn: 0n });
  });

  test("is missed at most by what is out and not in", () => {
    const htlcs = parts(into(30n, "tea", timely), into(20n, "tea", early));
    const payment = paymentOf({ settledIn: 10n, settledOut: 100n, intent: intentOf({ amount: 500n }) });
    // Out 150; in time 30, and 10 that settled.
    expect(sums(agreed({ htlcs }), { payment })).toEqual({ out: 150n, in: 40n, settledIn: 10n });
    const paid = agreed({ htlcs: parts(into(20n, "tea", early)), settled: [settled(40n, 0n)] });
    expect(sums(paid)).toEqual({ out: 50n, in: 40n, settledIn: 40n });
  });

  test("is missed at most by what is on its way and was approved", () => {
    const htlcs = parts(into(30n, "tea", timely), into(20n, "tea", early));
    const payment = paymentOf({ settledOut: 10n, intent: intentOf({ amount: 6n, feeLimit: 1n }) });
    // All of 60 that is out lacks 30, but of what is on its way 20 is not there in time, and 7 is approved.
    expect(sums(agreed({ htlcs }), { payment })).toEqual({ out: 60n, in: 33n, settledIn: 0n });
  });
});

describe("nothing is covered", () => {
  const next = agreed({
    htlcs: [out(100n, "tea", 1_000), into(60n, "tea", timely)],
    settled: [settled(20n, 0n)],
  });
  const uncovered = { out: 100n, in: 0n, settledIn: 0n };

  test("by what somebody pays to us, unless we pay it to ourselves", () => {
    const issued = issuedUntil(now);
    const payment = paymentOf({ issued, settledIn: 5n });
    expect(sums(next, { payment })).toEqual(uncovered);
    expect(sums(next, { payment, how: { issued: false } })).toEqual({ out: 100n, in: 85n, settledIn: 25n });
    const rebalance = paymentOf({ issued, intent: intentOf({ kind: "rebalance" }) });
    expect(sums(next, { payment: rebalance }).in).toBe(80n);
    const keysend = paymentOf({ issued, intent: intentOf() });
    expect(sums(next, { payment: keysend })).toEqual(uncovered);
    // Nobody issued it.
    expect(sums(next, { payment: paymentOf({ intent: intentOf() }) }).in).toBe(80n);
  });

  test("where nothing is forwarded, unless we pay it to ourselves", () => {
    const policy = { forwarding: false };
    expect(sums(next, { policy })).toEqual(uncovered);
    expect(sums(next, { policy, how: { profile: false } }).in).toBe(80n);
    const payment = paymentOf({ intent: intentOf({ kind: "rebalance" }) });
    expect(sums(next, { policy, payment }).in).toBe(80n);
  });
});

describe("a funding that is not deep", () => {
  // One million satoshi, of which the other side paid one.
  const shared = { value: sat(1_000_000n), contribution: sat(999_999n) };
  const on = (contribution: bigint) => {
    const terms = { ...shared, contribution: sat(contribution) };
    return agreed({ htlcs: [into(60n)], settled: [settled(20n, 0n)] }, terms);
  };
  const shallow = atHeight(800_000, { isDeep: (id) => id !== idOf(0) });

  test("counts for nothing, what settled on it included", () => {
    expect(sums(on(999_999n), { outlook: shallow })).toMatchObject({ in: 0n, settledIn: 0n });
    expect(sums(on(999_999n), { outlook: shallow, how: { funding: false } }).in).toBe(80n);
    expect(sums(on(999_999n), { outlook: atHeight(800_000) }).in).toBe(80n);
  });

  test("counts as a deep one where all of it is ours", () => {
    expect(sums(on(1_000_000n), { outlook: shallow }).in).toBe(80n);
  });

  test("counts as a deep one up to the value that the policy trusts", () => {
    const trusting = (maxZeroConfExposure: bigint) =>
      sums(on(999_999n), { outlook: shallow, policy: { maxZeroConfExposure: maxZeroConfExposure as never } })
        .in;
    expect([trusting(999_999_999n), trusting(1_000_000_000n)]).toEqual([0n, 80n]);
  });

  test("is asked about for each channel of the hash", () => {
    const others = [on(999_999n)];
    expect(sums(on(999_999n), { outlook: shallow, others }).in).toBe(80n);
  });
});

test("a channel that is forgotten covers nothing, and lets nothing out", () => {
  const next = given(into(30n));
  const { ledger } = viewOf([next, given(out(20n), into(40n))]);
  const view = { ...viewOf([next, { phase: "forgotten" }]), ledger };
  const scene = { view, settings: settingsOf(), id: idOf(0), next };
  expect(sumsOf(scene, keyOf(), undefined, strict)).toEqual({ out: 0n, in: 30n, settledIn: 0n });
});

describe("an approval", () => {
  test("adds its amount and its fee to the cover, and a rebalance is told by its kind", () => {
    const keysend = paymentOf({ intent: intentOf({ amount: 100n, feeLimit: 7n }) });
    const rebalance = paymentOf({ intent: intentOf({ kind: "rebalance", feeLimit: 7n }) });
    const all = [undefined, paymentOf(), keysend, rebalance];
    expect(all.map(approvedBy)).toEqual([0n, 0n, 107n, 7n]);
    expect(all.map(isRebalance)).toEqual([false, false, false, true]);
  });

  test("is no exposure, and what has not come in is", () => {
    const exposed = (amount: bigint, approved: bigint) =>
      exposureOf(
        sceneOf(agreed({ htlcs: [out(amount), into(50n, "tea", 800_000)], settled: [settled(30n, 0n)] }), {
          payment: paymentOf({ intent: intentOf({ amount: approved }) }),
        }),
        keyOf(),
      );
    expect([exposed(100n, 20n), exposed(100n, 0n), exposed(50n, 20n), exposed(20n, 20n)]).toEqual([
      ...[50n, 70n, 0n, 0n],
    ]);
  });
});
