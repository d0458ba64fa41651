import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import type { Terms } from "../../protocol/operations/fields.ts";
import { delay, feerate, msat, sat } from "../../protocol/units.ts";
import { judgePayments } from "../../signer/core/payments/judge.ts";
import {
  type ChannelState,
  freshNode,
  type Live,
  type NodeState,
  type Payment,
} from "../../signer/core/state.ts";
import { hourOf } from "../../signer/core/velocity.ts";
import { plainTerms } from "../scripted/channel.ts";
import {
  agreed,
  atHeight,
  counterpartyOf,
  idOf,
  intentOf,
  into,
  now,
  openOf,
  out,
  paymentOf,
  paymentsOf,
  type Said,
  settingsOf,
  settled,
  viewOf,
} from "./payments.kit.ts";

interface Asked {
  readonly before?: ChannelState & Live;
  readonly says: Said;
  readonly payments?: readonly Payment[];
  readonly others?: readonly ChannelState[];
  readonly policy?: Parameters<typeof settingsOf>[0];
  readonly tier?: "full" | "commitments";
  readonly height?: number;
  readonly node?: NodeState;
}

/** One more commitment of the counterparty on channel 0, that says so much. */
const refusalOf = ({
  before = agreed({}),
  says,
  payments = [],
  others = [],
  policy,
  tier = "full",
  ...rest
}: Asked) => {
  const { height, node = freshNode } = rest;
  const variant = counterpartyOf(says);
  const view = viewOf([before, ...others], {
    payments: paymentsOf(...payments),
    node,
    ...(height === undefined ? {} : { outlook: atHeight(height) }),
  });
  const counterparty = { ...before.counterparty, variants: [...before.counterparty.variants, variant] };
  const next = { ...before, counterparty };
  const settings = settingsOf({ minForwardDelta: 6, ...policy }, { tier });
  const refusal = judgePayments({ view, settings, id: idOf(0), next }, { before, variant });
  if (refusal === undefined) return undefined;
  return { rule: refusal.rule, ...Object.fromEntries(refusal.facts.map(({ name, value }) => [name, value])) };
};
const ruleOf = (asked: Asked) => refusalOf(asked)?.rule;

const uncovered = "commitment-htlc-offered-hash-matches";
const early = into(100n, "tea", 900);
const timely = into(100n, "tea", 1_006);

describe("a commitment is asked about a hash", () => {
  test("of which it lets anything out that none did before", () => {
    expect(ruleOf({ says: { htlcs: [out(1n)] } })).toBe(uncovered);
    const less = openOf([{ htlcs: [out(50n)] }], [{ htlcs: [out(99n)] }]);
    expect(ruleOf({ before: less, says: { htlcs: [out(100n)] } })).toBe(uncovered);
  });

  test("not where one lets as much out already, for as long", () => {
    const before = openOf([{}], [{ htlcs: [out(100n)] }]);
    expect(refusalOf({ before, says: { htlcs: [out(100n)] } })).toBeUndefined();
    expect(refusalOf({ before, says: { htlcs: [out(100n, "tea", 500_000)] } })).toBeUndefined();
    expect(refusalOf({ says: { htlcs: [into(100n)] } })).toBeUndefined();
  });

  test("of which as much is out as before, and one like it was paid beside", () => {
    const payments = [paymentOf({ intent: intentOf({ amount: 100n }) })];
    const asked = { before: agreed({ htlcs: [out(100n)] }), payments };
    expect(ruleOf({ ...asked, says: { htlcs: [out(100n)], settled: [settled(0n, 100n)] } })).toBe(
      "payment-once",
    );
    const later = [out(100n, "tea", 700_000)];
    const paidBefore = agreed({ htlcs: later, settled: [settled(0n, 100n)] });
    const again = { htlcs: later, settled: [settled(0n, 100n)] };
    expect(refusalOf({ before: paidBefore, payments, says: again })).toBeUndefined();
  });

  test("of which something lasts longer than in any other", () => {
    const before = openOf([{ htlcs: [out(100n, "tea", 1_000), timely] }], [{ htlcs: [timely] }]);
    const lasting = (...htlcs: Said["htlcs"] & {}) =>
      refusalOf({ before, says: { htlcs: [timely, ...htlcs] } });
    expect(lasting(out(100n, "tea", 1_000))).toBeUndefined();
    expect(lasting(out(100n, "tea", 1_001))?.rule).toBe("routing-cltv-delta");
    expect(lasting(out(50n, "tea", 1_000), out(50n, "tea", 1_001))?.rule).toBe("routing-cltv-delta");
    const held = openOf([{ htlcs: [out(100n, "tea", 1_001), timely] }], [{ htlcs: [timely] }]);
    expect(refusalOf({ before: held, says: { htlcs: [timely, out(100n, "tea", 1_001)] } })).toBeUndefined();
  });

  test("not for what was paid of it alone", () => {
    const before = agreed({ htlcs: [into(20n)] });
    expect(refusalOf({ before, says: { htlcs: [into(20n)], settled: [settled(0n, 30n)] } })).toBeUndefined();
    expect(refusalOf({ says: { htlcs: [into(20n)], settled: [settled(0n, 30n)] } })).toBeUndefined();
  });

  test("of which the least more was paid beside, and not for what came in", () => {
    const before = agreed({ htlcs: [out(100n)] });
    const beside = (...all: Said["settled"] & {}) =>
      refusalOf({ before, says: { htlcs: [out(100n)], settled: all } });
    expect(beside(settled(0n, 1n))?.rule).toBe(uncovered);
    expect(beside(settled(5n, 0n))).toBeUndefined();
  });

  test("anew as blocks pass, where something is let out", () => {
    const before = agreed({ htlcs: [timely] });
    const given = (height: number) =>
      ruleOf({ before, says: { htlcs: [timely, out(100n, "tea", 1_000)] }, height });
    expect([given(1_000), given(1_001)]).toEqual([undefined, "routing-cltv-delta"]);
  });

  test("of a payment to ourselves, and nothing of it came in before it went out, however late", () => {
    const payments = [paymentOf({ intent: intentOf({ kind: "rebalance" }) })];
    const given = (inward: bigint) => {
      const htlcs = [out(60n, "tea", 1_000), into(inward, "tea", 900)];
      return ruleOf({
        before: agreed({ htlcs }),
        payments,
        says: { htlcs: [...htlcs, out(1n, "tea", 1_000)] },
      });
    };
    expect([given(60n), given(61n)]).toEqual([undefined, "receipt-not-cover"]);
  });

  test("each in turn, until one is refused", () => {
    const payments = [paymentOf({ intent: intentOf({ amount: 100n }) })];
    expect(refusalOf({ payments, says: { htlcs: [out(100n)] } })).toBeUndefined();
    const both = [out(100n), out(1n, "milk")];
    expect(refusalOf({ payments, says: { htlcs: both } })).toMatchObject({ rule: uncovered, out: "1" });
  });
});

describe("what came in may not be given up", () => {
  const covered = [out(100n, "tea", 1_000), timely];
  const before = agreed({ htlcs: covered });
  const facts = { rule: "routing-balanced", out: "100", in: "0", approved: "0" };

  test("while what it covers is out", () => {
    expect(refusalOf({ before, says: { htlcs: [out(100n, "tea", 1_000)] } })).toMatchObject(facts);
    expect(refusalOf({ before, says: { htlcs: [out(100n, "tea", 1_000), early] } })).toMatchObject(facts);
    const others = [agreed({ htlcs: [out(100n, "tea", 1_000)] })];
    expect(refusalOf({ before: agreed({ htlcs: [timely] }), others, says: {} })).toMatchObject(facts);
  });

  test("nor for as long only in part", () => {
    const lasting = into(50n, "tea", 2_000);
    const parts = agreed({ htlcs: [...covered, lasting] });
    const says = { htlcs: [out(100n, "tea", 1_000), early, lasting] };
    expect(refusalOf({ before: parts, says })).toMatchObject({ ...facts, in: "50" });
  });

  test("but what was covered stays covered as blocks pass", () => {
    const parts = agreed({ htlcs: [...covered, into(50n, "tea", 2_000)] });
    expect(refusalOf({ before: parts, says: { htlcs: covered }, height: 1_002 })).toBeUndefined();
  });

  test("but taken, or kept for as long", () => {
    expect(refusalOf({ before, says: { htlcs: covered } })).toBeUndefined();
    const taken = { htlcs: [out(100n, "tea", 1_000)], settled: [settled(100n, 0n)] };
    expect(refusalOf({ before, says: taken })).toBeUndefined();
    const others = [agreed({ htlcs: [out(100n, "tea", 1_000)] })];
    const settledBefore = agreed({ settled: [settled(100n, 0n)] });
    expect(refusalOf({ before: settledBefore, others, says: {} })).toMatchObject(facts);
  });

  test("but in part, as far as nothing needs it", () => {
    const more = agreed({ htlcs: [...covered, into(50n, "tea", 1_006)] });
    expect(refusalOf({ before: more, says: { htlcs: covered } })).toBeUndefined();
    expect(refusalOf({ before: agreed({ htlcs: [timely] }), says: {} })).toBeUndefined();
  });

  test("and what was short before is no reason, if it is no shorter now", () => {
    const short = agreed({ htlcs: [out(100n, "tea", 1_000), into(30n, "tea", 1_006)] });
    expect(refusalOf({ before: short, says: { htlcs: [out(100n, "tea", 1_000)] } })).toBeDefined();
    const gone = { htlcs: [out(100n, "tea", 1_000)] };
    const lost = openOf([{ htlcs: [out(100n, "tea", 1_000), timely] }], [gone]);
    expect(refusalOf({ before: lost, says: { htlcs: [out(100n, "tea", 1_000)] } })).toBeUndefined();
  });

  test("unless as much was approved", () => {
    const payments = (amount: bigint) => [paymentOf({ intent: intentOf({ amount }) })];
    const given = { before, says: { htlcs: [out(100n, "tea", 1_000)] } };
    expect(refusalOf({ ...given, payments: payments(100n) })).toBeUndefined();
    expect(refusalOf({ ...given, payments: payments(99n) })).toMatchObject({ ...facts, approved: "99" });
  });

  test("unless the other side can take it back on chain in three blocks", () => {
    const given = (height: number, maxForwardExposure = 100n) =>
      refusalOf({
        before: agreed({ htlcs: [...covered, into(50n, "tea", 2_000)] }),
        says: { htlcs: [out(100n, "tea", 1_000)] },
        height,
        policy: { maxForwardExposure: msat(maxForwardExposure) },
      });
    expect(given(1_002)).toMatchObject(facts);
    expect(given(1_003)).toBeUndefined();
    expect(given(1_003, 99n)).toMatchObject(facts);
  });

  test("unless it is a payment to ourselves, or no preimage tells what became of it", () => {
    const given = { before, says: { htlcs: [out(100n, "tea", 1_000)] } };
    const payments = [paymentOf({ intent: intentOf({ kind: "rebalance", feeLimit: 10n }) })];
    expect(refusalOf({ ...given, payments })).toBeUndefined();
    expect(refusalOf({ ...given, tier: "commitments" })).toBeUndefined();
    const policy = { maxForwardExposure: msat(99n) };
    expect(refusalOf({ ...given, policy, tier: "commitments" })).toMatchObject(facts);
    // What was ours for good is so no more, and no exposure before.
    const others = [agreed({ htlcs: [out(100n, "tea", 1_000)] })];
    const taken = { before: agreed({ settled: [settled(100n, 0n)] }), others, says: {} };
    expect(refusalOf({ ...taken, policy, tier: "commitments" })).toMatchObject(facts);
    expect(refusalOf({ ...taken, tier: "commitments" })).toBeUndefined();
  });

  test("and where nothing is live there is nothing to give up", () => {
    const before = openOf([], []);
    expect(refusalOf({ before, says: { htlcs: [into(100n)] } })).toBeUndefined();
  });
});

describe("forwards are exposed", () => {
  const at = (max: bigint, rest: Asked) =>
    refusalOf({ ...rest, policy: { ...rest.policy, maxForwardExposure: msat(max) } });
  const covering = agreed({ htlcs: [into(100n, "tea", 9_000), into(50n, "milk", 9_000)] });
  const tea = out(100n, "tea", 1_000);
  const milk = out(50n, "milk", 1_000);
  const exposed = (amount: bigint) => ({ rule: "forward-exposure", exposed: `${amount}` });

  test("as far as they are out, over all hashes and channels", () => {
    const says = { htlcs: [into(100n, "tea", 9_000), into(50n, "milk", 9_000), tea, milk] };
    expect(at(150n, { before: covering, says })).toBeUndefined();
    expect(at(149n, { before: covering, says })).toMatchObject(exposed(150n));
    const others = [agreed({ htlcs: [out(7n, "bread"), out(5n, "tea", 1_000)] })];
    const more = { htlcs: [into(105n, "tea", 9_000), tea] };
    expect(
      at(111n, { before: agreed({ htlcs: [into(105n, "tea", 9_000)] }), says: more, others }),
    ).toMatchObject(exposed(112n));
  });

  test("and what was lost in the last day is beside them", () => {
    const node = {
      ...freshNode,
      windows: { ...freshNode.windows, lost: [{ hour: hourOf(now), amount: 30n }] },
    };
    const says = { htlcs: [into(100n, "tea", 9_000), into(50n, "milk", 9_000), tea] };
    expect(at(130n, { before: covering, says, node })).toBeUndefined();
    expect(at(129n, { before: covering, says, node })).toMatchObject(exposed(130n));
  });

  test("each once, also where a hash is spoken of already", () => {
    const before = agreed({ htlcs: [into(100n, "tea", 9_000), out(60n, "tea", 1_000)] });
    const says = { htlcs: [into(100n, "tea", 9_000), tea] };
    expect(at(99n, { before, says })).toMatchObject(exposed(100n));
  });

  test("each once, also where it takes more out and less in", () => {
    const payments = [paymentOf({ intent: intentOf({ kind: "rebalance" }) })];
    const before = agreed({ htlcs: [into(60n, "tea", 9_000), out(60n, "tea", 1_000)] });
    const says = { htlcs: [into(40n, "tea", 9_000), tea] };
    expect(at(99n, { before, says, payments })).toMatchObject(exposed(100n));
  });

  test("and what nothing speaks of any more is none, though some of it is paid for a payment", () => {
    const before = agreed({ htlcs: [into(100n, "tea", 9_000)] });
    const payments = [paymentOf({ settledIn: 5n, settledOut: 25n })];
    const says = { htlcs: [into(100n, "milk", 9_000), milk] };
    const milky = agreed({ htlcs: [into(100n, "milk", 9_000)] });
    expect(at(49n, { before: milky, says, payments })).toMatchObject(exposed(50n));
    // Spoken of again, it counts what went out before.
    const tea80 = { htlcs: [into(100n, "tea", 9_000), out(80n, "tea", 1_000)] };
    expect(at(99n, { before, says: tea80, payments })).toMatchObject(exposed(100n));
    const again = [paymentOf({ settledIn: 5n, settledOut: 25n, intent: intentOf({ kind: "rebalance" }) })];
    expect(at(29n, { says: { htlcs: [out(10n, "tea", 1_000)] }, payments: again })).toMatchObject(
      exposed(30n),
    );
  });
});

describe("a host that lists no trimmed HTLC", () => {
  const terms = (
    dusts: { readonly holder?: bigint; readonly counterparty?: bigint } = {},
  ): Partial<Terms> => {
    const plain = plainTerms();
    return {
      type: "static_remotekey" as const,
      holder: { ...plain.holder, toSelfDelay: delay(144), dustLimit: sat(dusts.holder ?? 354n) },
      counterparty: { ...plain.counterparty, dustLimit: sat(dusts.counterparty ?? 354n) },
    };
  };
  const blind = { tier: "commitments" as const, policy: { maxTrimmed: msat(10_000_000n) } };
  /** At 1000 per kiloweight an HTLC-success transaction costs 703 satoshi (BOLT 3, "Fees"). */
  const each = 1_000n * (354n + 703n);
  const offering = (amount: bigint, changes: Partial<Asked> = {}) =>
    ruleOf({ ...blind, before: agreed({}, terms()), says: { htlcs: [out(amount)] }, ...changes });

  test("may have had as much come in as may be there unseen", () => {
    expect([offering(each), offering(each + 1n)]).toEqual([undefined, uncovered]);
    expect(offering(1n, { tier: "full" })).toBe(uncovered);
  });

  test("for each HTLC that it offers, in every channel", () => {
    const two = { says: { htlcs: [out(each), out(each)] } };
    expect(offering(0n, two)).toBeUndefined();
    expect(offering(0n, { says: { htlcs: [out(each), out(each + 1n)] } })).toBe(uncovered);
    const others = [agreed({ htlcs: [out(each)] }, terms())];
    expect(offering(each, { others })).toBeUndefined();
    expect(offering(each + 1n, { others })).toBe(uncovered);
    const none = [agreed({ htlcs: [into(5n, "tea", 900)] }, terms())];
    expect(offering(each + 1n, { others: none })).toBe("commitment-payment-invoiced");
  });

  test("by the larger dust limit, and the highest feerate of any channel", () => {
    for (const dusts of [{ holder: 500n }, { counterparty: 500n }]) {
      const before = agreed({}, terms(dusts));
      expect(offering(each + 146_000n, { before })).toBeUndefined();
      expect(offering(each + 146_001n, { before })).toBe(uncovered);
    }
    const untold: Partial<Terms> = {
      ...terms(),
      counterparty: { ...plainTerms().counterparty, dustLimit: unknown },
    };
    // The most that any implementation takes.
    const most = 1_000n * (1_062n + 703n);
    expect(offering(most, { before: agreed({}, untold) })).toBeUndefined();
    expect(offering(most + 1n, { before: agreed({}, untold) })).toBe(uncovered);
    const others = [openOf([{ feerate: feerate(2_000) }], [{}], terms()), { phase: "stub" } as const];
    expect(offering(each + 703_000n, { others })).toBeUndefined();
    expect(offering(each + 703_001n, { others })).toBe(uncovered);
  });

  test("and by what the policy lets it hide", () => {
    const policy = { maxTrimmed: msat(1_000n) };
    expect([offering(1_000n, { policy }), offering(1_001n, { policy })]).toEqual([undefined, uncovered]);
  });

  test("and what failed beside others like it can look paid: it may be tried again", () => {
    const before = openOf([{ settled: [settled(0n, 50n)] }], [{ settled: [settled(0n, 70n)] }], terms());
    const payments = [paymentOf({ settledOut: 5n, intent: intentOf({ amount: 75n }) })];
    const says = (amount: bigint) => ({ htlcs: [out(amount)], settled: [settled(0n, 60n)] });
    // Out are 65 with it, of which 75 may be; and 75 that look paid came back perhaps.
    const limit = { policy: { maxTrimmed: msat(0n) }, payments, before };
    expect(offering(0n, { ...limit, says: says(85n) })).toBeUndefined();
    expect(offering(0n, { ...limit, says: says(86n) })).toBe("commitment-htlc-routing-balance");
  });
});

test("what an offered HTLC's hash was paid for is told", () => {
  const payments = [paymentOf({ settledOut: 5n, issued: unknown, intent: intentOf({ amount: 70n }) })];
  const others = [openOf([{ settled: [settled(0n, 20n)] }], [{ settled: [settled(0n, 65n)] }])];
  const asked = { payments, others, says: { htlcs: [out(10n)] } };
  expect(refusalOf(asked)).toMatchObject({ rule: "payment-once", settled: "70" });
  const less = [paymentOf({ settledOut: 4n, intent: intentOf({ amount: 70n, feeLimit: 100n }) })];
  expect(refusalOf({ ...asked, payments: less })).toBeUndefined();
});
