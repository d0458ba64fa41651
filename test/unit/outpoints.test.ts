import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import { type Outpoint, sat, type Txid } from "../../protocol/units.ts";
import {
  afterCharges,
  afterCosts,
  afterFee,
  afterSigning,
  type Costs,
  dueFor,
  keyOf,
  maxForeign,
  maxOutpoints,
  type OutpointState,
  type Signing,
  stateOf,
} from "../../signer/core/outpoints.ts";
import { freshNode } from "../../signer/core/state.ts";
import type { View } from "../../signer/core/step.ts";

const txidOf = (label: string): Txid => sha256(new TextEncoder().encode(label)) as Txid;
const outpoint = (label: string): Outpoint => ({ txid: txidOf(label), index: 3 });
const [a, b, c] = [outpoint("a"), outpoint("b"), outpoint("c")];

const now = 1_700_000_000;
const day = 86_400;
const costs = (fees: bigint, sent = 0n): Costs => ({ fees, sent });

const state = (of: Outpoint, changes: Partial<OutpointState> = {}): OutpointState => ({
  ...{ outpoint: of, value: unknown, foreign: false, funds: [], fees: 0n, sent: 0n, at: now },
  ...changes,
});

const viewOf = (states: readonly OutpointState[] = [], node = freshNode): View =>
  ({ outpoints: new Map(states.map((one) => [keyOf(one.outpoint), one])), node, now }) as unknown as View;

const sign = (view: View, signing: Partial<Signing>) =>
  afterSigning(view, { inputs: [a], costs: costs(0n), said: new Map(), foreign: [], ...signing });

const changedBy = (view: View, signing: Partial<Signing>): ReadonlyMap<string, OutpointState | undefined> => {
  const change = sign(view, signing);
  if (change === undefined) throw new Error("no room");
  return change.outpoints;
};

/** As if there were so many, all of this kind: a hundred of them are there to be looked at. */
const crowded = (
  count: number,
  changes: Partial<OutpointState> = {},
  also: readonly OutpointState[] = [],
): View => {
  const one = state(c, changes);
  const crowd = Array.from({ length: 100 }, (_, i) => [`crowd ${i}`, one] as const);
  const outpoints = new Map([...crowd, ...also.map((some) => [keyOf(some.outpoint), some] as const)]);
  Object.defineProperty(outpoints, "size", { value: count });
  return { ...viewOf(), outpoints };
};

describe("what is known of an outpoint", () => {
  test("is nothing before anything was signed or said", () => {
    expect(stateOf(viewOf(), a)).toEqual(state(a, { at: 0 }));
    expect(stateOf(viewOf([state(a, { fees: 7n })]), { ...a, index: 4 }).fees).toBe(0n);
  });

  test("is kept: a value, that it is somebody else's, and what it funds", () => {
    const before = state(a, { at: now - 5, value: sat(9n), foreign: true, funds: [txidOf("x")], fees: 4n });
    const funds = txidOf("y");
    const changed = changedBy(viewOf([before]), {
      inputs: [a],
      said: new Map([[a, sat(10n)]]),
      foreign: [a, b],
      funds,
    });
    expect([...changed]).toEqual([
      [keyOf(a), { ...before, at: now, value: sat(10n), funds: [txidOf("x"), funds] }],
      [keyOf(b), state(b, { foreign: true })],
    ]);
  });

  test("changes nothing where it is known already", () => {
    const known = [
      state(a, { at: 1, funds: [txidOf("x"), txidOf("y")] }),
      state(b, { at: 1, foreign: true }),
    ];
    expect(changedBy(viewOf(known), { inputs: [a], foreign: [b], funds: txidOf("x") }).size).toBe(0);
  });

  test("is kept of every input that funds a channel", () => {
    const funds = txidOf("x");
    const changed = changedBy(viewOf(), { inputs: [a, b], funds });
    expect([...changed.values()]).toEqual([state(a, { funds: [funds] }), state(b, { funds: [funds] })]);
  });
});

describe("a charge", () => {
  test("is what the inputs of ours were not charged before, all of them together", () => {
    const view = viewOf([state(a, { fees: 300n, sent: 10n }), state(b, { fees: 200n, sent: 5n })]);
    expect(dueFor(view, [a, b, c], costs(501n, 14n))).toEqual(costs(1n, 0n));
    expect(dueFor(view, [a, b], costs(500n, 16n))).toEqual(costs(0n, 1n));
    expect(dueFor(view, [a], costs(300n, 10n))).toEqual(costs(0n, 0n));
    expect(dueFor(view, [c], costs(300n, 10n))).toEqual(costs(300n, 10n));
  });

  test("is borne by the first input, and counts in the windows of the day", () => {
    const view = viewOf([state(a, { fees: 300n, sent: 10n, at: now - 9 })]);
    const change = sign(view, { inputs: [a, b], costs: costs(1_000n, 60n) });
    expect([...(change?.outpoints ?? [])]).toEqual([[keyOf(a), state(a, { fees: 1_000n, sent: 60n })]]);
    const hour = Math.floor(now / 3_600);
    expect(change?.node).toEqual({
      ...{ ...freshNode, time: now },
      windows: { ...freshNode.windows, fees: [{ hour, amount: 700n }], sent: [{ hour, amount: 50n }] },
    });
  });

  test("of fees alone, or of what is sent alone, is a charge too", () => {
    expect([...changedBy(viewOf(), { costs: costs(1n) }).values()]).toEqual([state(a, { fees: 1n })]);
    expect([...changedBy(viewOf(), { costs: costs(0n, 5n) }).values()]).toEqual([state(a, { sent: 5n })]);
    expect([...changedBy(viewOf(), { costs: costs(0n) })]).toEqual([]);
  });

  test("comes on top of what is said in the same step", () => {
    const changed = changedBy(viewOf(), { said: new Map([[a, sat(9n)]]), costs: costs(5n) });
    expect([...changed.values()]).toEqual([state(a, { value: sat(9n), fees: 5n })]);
  });

  test("counts for the day also where no input of ours bears it", () => {
    const { outpoints, node } = afterCosts(viewOf(), [], costs(5n, 6n));
    expect(outpoints.size).toBe(0);
    expect([node.windows.fees, node.windows.sent].map(([one]) => one?.amount)).toEqual([5n, 6n]);
  });
});

describe("the fee of a commitment", () => {
  const feeOf = (view: View, satoshi: bigint) => afterFee(view, a, satoshi);

  test("is charged to the funding output once, whatever number it is of", () => {
    const first = feeOf(viewOf(), 7n);
    const charged = [...(first.outpoints?.values() ?? [])];
    expect(charged).toEqual([state(a, { fees: 7_000n })]);
    expect(first.node?.windows.fees).toEqual([{ hour: Math.floor(now / 3_600), amount: 7_000n }]);
    const view = viewOf(charged.flatMap((one) => one ?? []));
    expect(feeOf(view, 7n)).toEqual({});
    expect([...(feeOf(view, 8n).outpoints?.values() ?? [])]).toEqual([state(a, { fees: 8_000n })]);
  });

  test("changes nothing where there is none", () => {
    expect(feeOf(viewOf(), 0n)).toEqual({});
    expect(feeOf(viewOf(), -1n)).toEqual({});
  });
});

describe("charges of transactions that never confirmed", () => {
  const old = { at: now - 14 * day - 1, fees: 5n };
  const gone = (view: View): number =>
    [...changedBy(view, {}).values()].filter((one) => one === undefined).length;
  const half = maxOutpoints / 2;

  test("are forgotten after two weeks, a few with one step, once there are many", () => {
    expect(gone(crowded(half, old))).toBe(64);
    expect(gone(crowded(half - 1, old))).toBe(0);
    expect(gone(crowded(half, { ...old, at: now - 14 * day }))).toBe(0);
    expect([...changedBy(crowded(half, old), {}).keys()]).toHaveLength(64);
  });

  test("may be few among many that are younger", () => {
    expect(gone(crowded(half, { at: now }, [state(b, old)]))).toBe(1);
  });

  test.each([
    ["a value that was said", { value: sat(1n) }],
    ["that it is somebody else's", { foreign: true }],
    ["what it funds", { funds: [txidOf("x")] }],
  ])("but never %s", (_, kept) => {
    expect(gone(crowded(half, { ...old, ...kept }))).toBe(0);
  });

  test("stay where the step charges them again", () => {
    const view = crowded(half, { at: now }, [state(a, { ...old, fees: 5n })]);
    expect(changedBy(view, { costs: costs(9n) }).get(keyOf(a))).toEqual(state(a, { fees: 9n }));
  });
});

describe("where there is no room", () => {
  const windowOf = (change: ReturnType<typeof sign>): bigint | undefined =>
    change?.node.windows.fees[0]?.amount;
  const said = (...outpoints: readonly Outpoint[]) => new Map(outpoints.map((one) => [one, sat(1n)]));

  test("nothing is said that would have to be remembered", () => {
    expect(sign(crowded(maxOutpoints), { said: said(b) })).toBeUndefined();
    expect(sign(crowded(maxOutpoints - 1), { said: said(b, c) })).toBeUndefined();
    expect(sign(crowded(maxOutpoints - 1), { said: said(b) })?.outpoints.size).toBe(1);
    expect(sign(crowded(maxOutpoints, {}, [state(b)]), { said: said(b) })?.outpoints.size).toBe(1);
  });

  test("others' outpoints take no more than their part, and leave the rest to our own", () => {
    const others = { foreign: true };
    const full = (
      count: number,
      changes: Partial<OutpointState>,
      also: readonly OutpointState[] = [],
    ): View => {
      const one = state(c, changes);
      const crowd = Array.from({ length: count - also.length }, (_, i) => [`crowd ${i}`, one] as const);
      const known = also.map((some) => [keyOf(some.outpoint), some] as const);
      return { ...viewOf(), outpoints: new Map([...crowd, ...known]) };
    };
    const sizeOf = (view: View, signing: Partial<Signing>) => sign(view, signing)?.outpoints.size;
    expect(sizeOf(full(maxForeign, others), { foreign: [b] })).toBeUndefined();
    expect(sizeOf(full(maxForeign - 1, others), { foreign: [a, b] })).toBeUndefined();
    expect(sizeOf(full(maxForeign - 1, others), { foreign: [b] })).toBe(1);
    // Those that are known take no more room, nor do charges count.
    expect(sizeOf(full(maxForeign, others, [state(b, others)]), { foreign: [b] })).toBe(0);
    expect(sizeOf(full(maxOutpoints - 2, { fees: 5n, at: now }), { foreign: [b] })).toBe(1);
    expect(sizeOf(full(maxForeign, others), { said: said(b), funds: txidOf("f") })).toBe(2);
  });

  test("a charge counts for the day, and waits for room to be remembered", () => {
    const asked = { costs: costs(5n) };
    for (const view of [crowded(maxOutpoints), crowded(maxOutpoints + 1)]) {
      const full = afterCosts(view, [a], costs(5n));
      expect([full.outpoints.size, windowOf(full)]).toEqual([0, 5n]);
    }
    expect(sign(crowded(maxOutpoints - 1), asked)?.outpoints.size).toBe(1);
    const other = sign(crowded(maxOutpoints - 1), { ...asked, said: said(b) });
    expect([[...(other?.outpoints.keys() ?? [])], windowOf(other)]).toEqual([[keyOf(b)], 5n]);
  });

  test("what is there already can be charged", () => {
    const same = sign(crowded(maxOutpoints - 1), { costs: costs(5n), said: said(a) });
    expect([...(same?.outpoints.values() ?? [])]).toEqual([state(a, { value: sat(1n), fees: 5n })]);
    const known = sign(crowded(maxOutpoints, {}, [state(a)]), { costs: costs(5n) });
    expect([...(known?.outpoints.values() ?? [])]).toEqual([state(a, { fees: 5n })]);
  });
});

test("of several transactions each is charged to the day, and to an input of its own", () => {
  const view = viewOf([state(b, { fees: 100n })]);
  const { node, outpoints } = afterCharges(view, [
    { inputs: [a], costs: costs(1_000n, 30n) },
    { inputs: [b], costs: costs(600n) },
    { inputs: [c], costs: costs(0n) },
  ]);
  const spentOf = (of: "fees" | "sent") => node.windows[of].reduce((all, { amount }) => all + amount, 0n);
  expect([spentOf("fees"), spentOf("sent")]).toEqual([1_500n, 30n]);
  expect([...outpoints.values()].map((one) => [one?.fees, one?.sent])).toEqual([
    [1_000n, 30n],
    [600n, 0n],
  ]);
});
