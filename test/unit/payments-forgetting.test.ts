import { describe, expect, test } from "vitest";
import { type Height, msat, sat } from "../../protocol/units.ts";
import type { Onchain } from "../../signer/core/chain/onchain.ts";
import { afterForgetting } from "../../signer/core/payments/forgetting.ts";
import { type ChannelState, freshNode, type Live, type Payment } from "../../signer/core/state.ts";
import { unwatched } from "../../signer/core/step.ts";
import { spent } from "../../signer/core/velocity.ts";
import {
  agreed,
  hashOf,
  idOf,
  intentOf,
  into,
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

const { policy } = settingsOf();

/** The channel 0 is forgotten, of which `left` remained; beside it are `others`. */
const forgotten = (
  before: ChannelState & Live,
  left: Live,
  { payments = [], others = [] }: { payments?: readonly Payment[]; others?: readonly ChannelState[] } = {},
) => {
  const view = viewOf([before, ...others], { payments: paymentsOf(...payments) });
  const { node = view.node, ...change } = afterForgetting({ view, policy, id: idOf(0), before, left });
  return { ...change, node, view, lost: spent(node.windows.lost, now) };
};

const empty = agreed({});

describe("the last channel of a hash", () => {
  test("leaves nothing to a hash that nobody approved and nothing went out for", () => {
    const before = agreed({ htlcs: [out(5_000n), into(4_000n, "milk")] });
    const view = viewOf([before]);
    expect(afterForgetting({ view, policy, id: idOf(0), before, left: empty })).toStrictEqual({});
  });

  test.each([1n, 7_000n])("charges %d msat that went out for others and never came in", (amount) => {
    const { payments, lost, node } = forgotten(
      agreed({ htlcs: [out(amount)] }),
      agreed({ htlcs: [out(amount)] }),
    );
    expect(payments).toEqual(new Map([[keyOf(), undefined]]));
    expect(lost).toBe(amount);
    expect(node.time).toBe(now);
  });

  test("charges what settled, though no HTLC is left of it", () => {
    const one = agreed({ settled: [settled(0n, 9_000n)] });
    expect(forgotten(one, one).lost).toBe(9_000n);
  });

  test("charges each of several hashes", () => {
    const one = agreed({ htlcs: [out(5_000n), out(3_000n, "milk")] });
    expect(forgotten(one, one).lost).toBe(8_000n);
  });

  test("charges the most that a live commitment lets out, against the least that one brings in", () => {
    const one = openOf(
      [{ htlcs: [out(5_000n)], settled: [settled(1_000n, 0n)] }],
      [{ settled: [settled(3_000n, 0n)] }],
    );
    expect(forgotten(one, one).lost).toBe(4_000n);
  });

  test("charges nothing where as much came in, here and elsewhere before", () => {
    const one = agreed({ settled: [settled(4_000n, 9_000n)] });
    const payments = [paymentOf({ settledIn: 5_000n })];
    const { lost, payments: kept, node, view } = forgotten(one, one, { payments });
    expect(lost).toBe(0n);
    expect(kept).toEqual(new Map([[keyOf(), undefined]]));
    expect(node).toBe(view.node);
  });

  test("counts what is claimed of a payment of ours, and keeps its approval", () => {
    const intent = intentOf({ amount: 20_000n });
    const one = agreed({ htlcs: [out(6_000n)] });
    const { lost, payments } = forgotten(one, one, { payments: [paymentOf({ intent, settledOut: 5_000n })] });
    expect(lost).toBe(0n);
    expect(payments).toEqual(new Map([[keyOf(), paymentOf({ intent, settledOut: 11_000n })]]));
  });

  test("counts nothing of a payment of ours that came back", () => {
    const intent = intentOf({ amount: 20_000n });
    const known = paymentOf({ intent });
    const { payments } = forgotten(agreed({ htlcs: [out(6_000n)] }), empty, { payments: [known] });
    expect(payments).toEqual(new Map([[keyOf(), known]]));
  });
});

describe("a channel beside others of the hash", () => {
  const others = [agreed({ htlcs: [into(9_000n)] })];

  test("leaves with the payment what went out and came in", () => {
    const one = agreed({ settled: [settled(30n, 500n)] });
    const payments = [paymentOf({ settledIn: 100n, settledOut: 1_000n })];
    const result = forgotten(one, one, { payments, others });
    expect(result.payments).toEqual(new Map([[keyOf(), paymentOf({ settledIn: 130n, settledOut: 1_500n })]]));
    expect(result.node).toBe(freshNode);
  });

  test.each([
    ["out", settled(0n, 1n)],
    ["in", settled(1n, 0n)],
  ])("leaves it also where it only went %s", (_, one) => {
    const channel = agreed({ settled: [one] });
    expect(forgotten(channel, channel, { others }).payments).toEqual(
      new Map([[keyOf(), paymentOf({ settledIn: one.in, settledOut: one.out })]]),
    );
  });

  test("leaves nothing that came in on a funding that may vanish", () => {
    const one = agreed({ settled: [settled(5n, 7n)] }, { value: sat(1_000n), contribution: sat(0n) });
    const left = (isDeep: boolean) => {
      const view = viewOf([one, ...others], { outlook: { ...unwatched, isDeep: () => isDeep } });
      return afterForgetting({ view, policy, id: idOf(0), before: one, left: one }).payments?.get(keyOf());
    };
    expect(left(true)).toMatchObject({ settledIn: 5n, settledOut: 7n });
    expect(left(false)).toMatchObject({ settledIn: 0n, settledOut: 7n });
  });

  test("leaves what is known of it as it is, where nothing settled", () => {
    const payments = [paymentOf({ intent: intentOf({ amount: 5n }) })];
    const before = agreed({ htlcs: [out(500n)] });
    const view = viewOf([before, ...others], { payments: paymentsOf(...payments) });
    expect(afterForgetting({ view, policy, id: idOf(0), before, left: empty })).toStrictEqual({});
  });

  test("does not hinder the end of another hash", () => {
    const one = agreed({ htlcs: [out(500n), out(70n, "milk")] });
    const { payments, lost } = forgotten(one, one, { others });
    expect(payments?.get(keyOf())).toMatchObject({ hash: hashOf(), settledOut: 500n });
    expect(payments?.has(keyOf("milk"))).toBe(true);
    expect(lost).toBe(70n);
  });
});

describe("a funding that was never there", () => {
  const terms = { value: sat(1_000n), contribution: sat(0n) };
  const balance = { low: 400n, high: 600n };
  const before = {
    ...agreed({}, terms),
    holder: { ...empty.holder, variants: empty.holder.variants.map((one) => ({ ...one, balance })) },
    counterparty: { ...empty.counterparty, variants: [] },
  };
  const height = 7 as Height;
  const lostWith = (funding: Onchain["funding"], trusted: bigint) => {
    const onchain = new Map([[idOf(0), { funding, close: undefined }]]);
    const view = viewOf([before], { chain: { view: undefined, onchain, upload: undefined } });
    const { node } = afterForgetting({
      ...{ view, id: idOf(0), before, left: before },
      policy: { ...policy, maxZeroConfExposure: msat(trusted) },
    });
    return node === undefined ? undefined : [spent(node.windows.lost, now), node.time];
  };

  test("costs what came in on it, as far as it was trusted", () => {
    expect(lostWith({ is: "false", height }, 1_000n)).toEqual([600n, now]);
    expect(lostWith({ is: "false", height }, 500n)).toEqual([500n, now]);
    expect(lostWith({ is: "false", height }, 0n)).toBeUndefined();
    expect(lostWith({ is: "confirmed", height }, 1_000n)).toBeUndefined();
    expect(lostWith({ is: "unseen" }, 1_000n)).toBeUndefined();
  });
});
