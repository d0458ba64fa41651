import { describe, expect, test } from "vitest";
import { msat, sat } from "../../protocol/units.ts";
import {
  afterRevocation,
  close,
  expired,
  hiddenIn,
  square,
  withHidden,
} from "../../signer/core/payments/square.ts";
import {
  type ChannelState,
  freshNode,
  type Live,
  type Payment,
  type Settled,
} from "../../signer/core/state.ts";
import { unwatched } from "../../signer/core/step.ts";
import { hourOf, spent } from "../../signer/core/velocity.ts";
import {
  agreed,
  hashOf,
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

const day = 86_400;
const lostIn = (node: typeof freshNode): bigint => spent(node.windows.lost, now);

describe("a hash of which nothing is on its way any more", () => {
  const closed = (changes: Partial<Payment>) => {
    const [kept, node] = close(paymentOf(changes), freshNode, now);
    return { kept, node, lost: lostIn(node) };
  };

  test("leaves a forward's loss, and nothing where as much came in", () => {
    expect(closed({ settledOut: 100n, settledIn: 30n })).toMatchObject({ kept: undefined, lost: 70n });
    expect(closed({ settledOut: 1n }).lost).toBe(1n);
    expect(closed({ settledOut: 100n, settledIn: 30n }).node.time).toBe(now);
    for (const settledIn of [100n, 101n])
      expect(closed({ settledOut: 100n, settledIn })).toEqual({ kept: undefined, lost: 0n, node: freshNode });
  });

  test("is kept as what was paid of an approval, and what is beyond it is lost", () => {
    const intent = intentOf({ amount: 60n, feeLimit: 10n });
    const kept = (settledOut: bigint) => paymentOf({ intent, settledOut });
    expect(closed({ intent, settledOut: 69n })).toEqual({ kept: kept(69n), lost: 0n, node: freshNode });
    expect(closed({ intent, settledOut: 75n })).toMatchObject({ kept: kept(70n), lost: 5n });
    expect(closed({ intent, settledOut: 75n, settledIn: 20n })).toMatchObject({ kept: kept(55n), lost: 0n });
    expect(closed({ intent, settledIn: 20n })).toMatchObject({ kept: kept(0n), lost: 0n });
  });

  test("was not covered by what somebody paid to us, unless we paid it ourselves", () => {
    const issued = issuedUntil(now);
    const paid = { issued, settledOut: 100n, settledIn: 100n };
    expect(closed(paid)).toMatchObject({ kept: paymentOf({ issued }), lost: 100n });
    const rebalance = intentOf({ kind: "rebalance", feeLimit: 5n });
    expect(closed({ ...paid, intent: rebalance })).toMatchObject({
      ...{ kept: paymentOf({ issued, intent: rebalance }), lost: 0n },
    });
  });
});

describe("square", () => {
  test("takes what all live commitments say, and waits until both sides have one", () => {
    // Something of each is still on its way.
    const htlcs = [out(1n), into(1n, "milk")];
    const live = openOf(
      [{ settled: [settled(5n, 9n), settled(1n, 0n, "milk")] }],
      [{ htlcs, settled: [settled(7n, 4n)] }],
    );
    const { live: rest, certain } = square(live, "commitments");
    expect(certain).toEqual([settled(5n, 4n)]);
    expect(rest.holder.variants[0]?.settled).toEqual([settled(0n, 5n), settled(1n, 0n, "milk")]);
    expect(rest.counterparty.variants[0]?.settled).toEqual([settled(2n, 0n)]);
    for (const half of [
      openOf([{ settled: [settled(5n, 9n)] }], []),
      openOf([], [{ settled: [settled(5n, 9n)] }]),
    ])
      expect(square(half)).toEqual({ live: half, certain: [] });
    const apart = openOf([{ settled: [settled(5n, 0n)] }], [{ trimmed: [out(1n)] }]);
    expect(square(apart, "commitments").live).toBe(apart);
    // A host that lists everything brings both to say the same.
    const listed = openOf([{ settled: [settled(5n, 0n)] }], [{}]);
    expect(square(listed).live).toBe(listed);
  });

  test("from a host that can't list everything, takes the worst that any says of what is over, and leaves nothing", () => {
    const sides = (ours: readonly Settled[], theirs: readonly Settled[]) => {
      const { live, certain } = square(
        openOf([{ settled: ours }], [{ settled: theirs, htlcs: [out(1n, "eggs")] }]),
        "commitments",
      );
      for (const { settled: left } of [...live.holder.variants, ...live.counterparty.variants])
        expect(left).toEqual([]);
      return certain;
    };
    expect(sides([settled(0n, 9_000n)], [])).toEqual([settled(0n, 9_000n)]);
    expect(sides([], [settled(9_000n, 0n)])).toEqual([]);
    expect(sides([settled(9_000n, 2_000n)], [settled(5_000n, 4_000n)])).toEqual([settled(5_000n, 4_000n)]);
    expect(sides([settled(0n, 9n)], [settled(0n, 9n), settled(0n, 3_000n, "milk")])).toEqual([
      settled(0n, 9n),
      settled(0n, 3_000n, "milk"),
    ]);
  });
});

describe("what is hidden", () => {
  const hiding = (lost: bigint, gained = 0n) => ({ hidden: { lost, gained } });

  test("of a channel is the most that any live commitment hides", () => {
    expect(hiddenIn(openOf([hiding(10n, 4n), hiding(7n)], [hiding(20n, 19n)]))).toBe(7n);
    expect(hiddenIn(openOf([hiding(1n, 5n)], []))).toBe(0n);
  });

  test("is charged as it grows, and comes back as it falls", () => {
    const window = (before: bigint, after: bigint, charged: bigint) => {
      const trimmed = [{ hour: hourOf(now), amount: charged }];
      const node = { ...freshNode, windows: { ...freshNode.windows, trimmed } };
      return withHidden(node, now, agreed(hiding(before)), agreed(hiding(after)));
    };
    expect(window(3n, 10n, 50n)).toMatchObject({ time: now });
    expect(spent(window(3n, 10n, 50n).windows.trimmed, now)).toBe(57n);
    expect(spent(window(10n, 3n, 50n).windows.trimmed, now)).toBe(43n);
    expect(spent(window(10n, 3n, 50n).windows.lost, now)).toBe(0n);
    // Of an older hour nothing stays longer than it would have.
    const older = { ...freshNode.windows, trimmed: [{ hour: hourOf(now) - 5, amount: 50n }] };
    const back = withHidden({ ...freshNode, windows: older }, now, agreed(hiding(10n)), agreed(hiding(9n)));
    expect(back.windows.trimmed).toEqual([{ hour: hourOf(now) - 5, amount: 49n }]);
    const more = withHidden({ ...freshNode, windows: older }, now, agreed(hiding(9n)), agreed(hiding(10n)));
    expect(more.windows.trimmed).toEqual([...older.trimmed, { hour: hourOf(now), amount: 1n }]);
    expect(window(5n, 5n, 50n)).toMatchObject({ time: 0, windows: { trimmed: [{ amount: 50n }] } });
  });
});

const { policy } = settingsOf();

describe("a channel that leaves a commitment behind", () => {
  const left = (
    before: ChannelState & Live,
    dropped: Live,
    { payments = [], others = [] }: { payments?: readonly Payment[]; others?: readonly ChannelState[] } = {},
  ) => {
    const view = viewOf([before, ...others], { payments: paymentsOf(...payments) });
    return afterRevocation({ view, policy, id: idOf(0), before, dropped });
  };

  test("has nothing to tell the node where nothing settled and nothing left", () => {
    const one = agreed({ htlcs: [out(100n)] });
    const { channel, ...rest } = left(one, one);
    expect(rest).toStrictEqual({});
    expect(channel).toMatchObject({ phase: "open" });
    const at = { view: viewOf([one]), policy, id: idOf(0) };
    expect(afterRevocation({ ...at, before: one, dropped: one, phase: "closing" }).channel).toMatchObject({
      phase: "closing",
    });
  });

  test("counts nothing that came in on a funding that may vanish, and all that went out", () => {
    const outlook = { ...unwatched, isDeep: () => false };
    const one = agreed({ settled: [settled(5n, 7n)] }, { value: sat(1_000_000n), contribution: sat(0n) });
    const known = viewOf([one, agreed({ htlcs: [out(1n)] })], { outlook });
    const told = (maxZeroConfExposure: bigint) =>
      afterRevocation({
        ...{ view: known, id: idOf(0), before: one, dropped: one },
        policy: { ...policy, maxZeroConfExposure: msat(maxZeroConfExposure) },
      }).payments?.get(keyOf());
    expect(told(999_999_999n)).toMatchObject({ settledIn: 0n, settledOut: 7n });
    expect(told(1_000_000_000n)).toMatchObject({ settledIn: 5n, settledOut: 7n });
  });

  test("adds what is certain to what settled of the hash before", () => {
    const one = agreed({ htlcs: [out(100n)], settled: [settled(5n, 7n)] });
    const payments = [paymentOf({ settledIn: 20n, settledOut: 30n })];
    expect(left(one, one, { payments }).payments).toEqual(
      new Map([[keyOf(), paymentOf({ settledIn: 25n, settledOut: 37n })]]),
    );
    expect(left(one, one).payments?.get(keyOf())).toEqual(paymentOf({ settledIn: 5n, settledOut: 7n }));
  });

  test("closes a hash that no channel speaks of any more, with what became certain just now", () => {
    const before = openOf(
      [{ htlcs: [out(100n)] }, { settled: [settled(0n, 100n)] }],
      [{ settled: [settled(0n, 100n)] }],
    );
    const dropped = agreed({ settled: [settled(0n, 100n)] });
    const { payments, node } = left(before, dropped);
    expect(payments).toEqual(new Map([[keyOf(), undefined]]));
    expect(node === undefined ? undefined : lostIn(node)).toBe(100n);
    const approved = [paymentOf({ intent: intentOf({ amount: 100n }) })];
    const paid = left(before, dropped, { payments: approved });
    expect(paid.payments?.get(keyOf())).toEqual({ ...approved[0], settledOut: 100n });
    expect(paid.node).toBeUndefined();
  });

  test("closes it also where only what settled spoke of it, and each of several", () => {
    const all = [settled(0n, 100n), settled(0n, 20n, "milk")];
    const one = agreed({ settled: all });
    const { node, payments } = left(one, one);
    expect(node === undefined ? undefined : lostIn(node)).toBe(120n);
    expect([...(payments ?? [])].map(([key, kept]) => [key, kept])).toEqual([
      [keyOf(), undefined],
      [keyOf("milk"), undefined],
    ]);
  });

  test("closes none that another channel speaks of, or that it speaks of itself", () => {
    const others = [agreed({ htlcs: [into(100n)] })];
    const before = agreed({ htlcs: [out(100n)], settled: [settled(0n, 40n)] });
    const rest = left(before, agreed({ settled: [settled(0n, 40n)] }), { others });
    expect(rest.payments).toEqual(new Map([[keyOf(), paymentOf({ settledOut: 40n })]]));
    expect(rest.node).toBeUndefined();
    expect(left(before, before).payments).toEqual(new Map([[keyOf(), paymentOf({ settledOut: 40n })]]));
  });

  test("closes a payment that came back, and knows nothing of a hash that nobody approved", () => {
    const before = agreed({ htlcs: [out(100n)] });
    const payments = [paymentOf({ intent: intentOf({ amount: 100n }) })];
    expect(left(before, agreed({}), { payments }).payments).toEqual(new Map([[keyOf(), payments[0]]]));
    expect(left(before, agreed({}))).not.toHaveProperty("payments");
  });
});

describe("a payment whose time is over", () => {
  const over = now - day;
  const swept = (payments: readonly Payment[], most = 16, channels: readonly ChannelState[] = []) => {
    const sent = [{ hour: hourOf(over), amount: 1_000n }];
    const node = { ...freshNode, windows: { ...freshNode.windows, sent } };
    const change = expired(viewOf(channels, { payments: paymentsOf(...payments), node }), { most });
    return { gone: [...(change.payments ?? [])], left: change.node?.windows.sent[0]?.amount, change };
  };
  const intent = (until: number) => intentOf({ amount: 90n, feeLimit: 10n, at: over, until });

  test("is forgotten a day later, and what it reserved is free again but for what was paid", () => {
    const one = paymentOf({ intent: intent(over), settledOut: 30n });
    expect(swept([one])).toMatchObject({ gone: [[keyOf(), undefined]], left: 930n });
    expect(swept([{ ...one, intent: intent(over + 1) }]).change).toStrictEqual({});
  });

  test("is kept while an invoice of the hash may be paid, or a channel speaks of it", () => {
    const issued = (until: number) => issuedUntil(until);
    const one = paymentOf({ intent: intent(over) });
    expect(swept([{ ...one, issued: issued(over + 1) }]).gone).toEqual([]);
    expect(swept([{ ...one, issued: issued(over) }]).gone.length).toBe(1);
    expect(swept([paymentOf({ issued: issued(over) })])).toMatchObject({
      ...{ gone: [[keyOf(), undefined]], left: 1_000n },
    });
    expect(swept([one], 16, [agreed({ htlcs: [out(1n)] })]).change).toStrictEqual({});
    expect(swept([one], 16, [agreed({ htlcs: [out(1n, "milk")] })]).gone.length).toBe(1);
  });

  test("is kept where no clock is, if it is an invoice of ours, or was paid", () => {
    const [unpaid, received] = [
      paymentOf({ intent: intent(over) }, "a"),
      paymentOf({ issued: issuedUntil(over) }),
    ];
    const both = paymentOf({ intent: intent(over), issued: issuedUntil(over) }, "b");
    const paid = paymentOf({ intent: intent(over), settledOut: 1n }, "c");
    const payments = paymentsOf(unpaid, received, both, paid);
    const change = expired(viewOf([], { payments }), { most: 16 }, { clockless: true });
    expect([...(change.payments?.keys() ?? [])]).toEqual([keyOf("a")]);
  });

  test("is forgotten with others, so many at once", () => {
    const all = ["a", "b", "c"].map((label) => paymentOf({ intent: intent(over) }, label));
    // Of the same age those whose hash is lower, in whatever order they came to memory.
    const first = ["a", "b", "c"].map((label) => keyOf(label)).toSorted();
    const gone = first.slice(0, 2).map((key) => [key, undefined]);
    expect(swept(all, 2)).toMatchObject({ gone, left: 800n });
    expect(swept(all.toReversed(), 2)).toMatchObject({ gone, left: 800n });
    expect(swept(all, 3).gone.length).toBe(3);
    expect(swept(all, 3).change.payments?.has(keyOf("c"))).toBe(true);
    expect(swept([paymentOf({}, "a")]).gone).toEqual([[keyOf("a"), undefined]]);
    expect(hashOf("a")).not.toEqual(hashOf("b"));
  });
});
