/** The rules of payments, each bound from both sides, asked of what they look at alone. */

import { describe, expect, test } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { type Height, msat, type NodeId } from "../../protocol/units.ts";
import { type Strictness, strict } from "../../signer/core/payments/judge.ts";
import { lineOf } from "../../signer/core/payments/lines.ts";
import { judge } from "../../signer/core/rule.ts";
import { consentRules, intentRules, type ProposalView, proofRules } from "../../signer/core/rules/intent.ts";
import {
  type AddedView,
  addedRules,
  type DroppedView,
  droppedRules,
} from "../../signer/core/rules/payment.ts";
import { freshNode, type Intent } from "../../signer/core/state.ts";
import { hourOf } from "../../signer/core/velocity.ts";
import { counterpartyOf, hashOf, intentOf, keyOf, now, out, paymentOf, settingsOf } from "./payments.kit.ts";

const payee = fromHex(`03${"22".repeat(32)}`) as NodeId;

interface Added {
  readonly out?: bigint;
  readonly in?: bigint;
  readonly settledIn?: bigint;
  /** What would cover it if the one thing did not count. */
  readonly but?: Partial<Record<keyof Strictness, bigint>>;
  readonly intent?: Intent | undefined;
  readonly settledOut?: bigint;
  readonly view?: Partial<AddedView>;
}

const added = ({
  out: sent = 100n,
  in: covered = 100n,
  settledIn = 0n,
  but = {},
  intent,
  settledOut = 0n,
  view,
}: Added) => {
  const sumsBy = (how: Partial<Strictness> = {}) => {
    const asides = (Object.keys(strict) as (keyof Strictness)[]).filter((name) => how[name] === false);
    const relaxed = asides.reduce(
      (most, name) => (but[name] !== undefined && but[name] > most ? but[name] : most),
      covered,
    );
    return { out: sent, in: relaxed, settledIn };
  };
  const whole: AddedView = {
    hash: keyOf(),
    payment: intent === undefined ? undefined : paymentOf({ intent }),
    line: lineOf(counterpartyOf({ htlcs: [out(100n, "tea", 1_000)] }), keyOf()),
    sums: sumsBy,
    before: () => ({ out: 0n, in: 0n, settledIn: 0n }),
    settledOut,
    ...{ tier: "full", approved: intent === undefined ? 0n : intent.amount + intent.feeLimit },
    unlisted: () => 0n,
    policy: settingsOf().policy,
    ...{ now, height: undefined, isSpent: false },
    exposed: () => 0n,
    ...view,
  };
  const refusal = judge(addedRules, whole);
  if (refusal === undefined) return undefined;
  return { rule: refusal.rule, ...Object.fromEntries(refusal.facts.map(({ name, value }) => [name, value])) };
};
const ruleOf = (one: Added) => added(one)?.rule;

describe("what is let out", () => {
  test("is covered by all that comes in, and what was approved", () => {
    expect([ruleOf({}), ruleOf({ in: 99n })]).toEqual([undefined, "commitment-payment-invoiced"]);
    expect(added({ in: 0n })).toEqual({
      ...{
        rule: "commitment-htlc-offered-hash-matches",
        hash: keyOf(),
        out: "100",
        covered: "0",
        approved: "0",
      },
    });
    const intent = intentOf({ amount: 50n, feeLimit: 5n });
    expect(added({ in: 45n, intent })).toBeUndefined();
    expect(added({ in: 44n, intent })).toEqual({
      ...{
        rule: "commitment-htlc-routing-balance",
        hash: keyOf(),
        out: "100",
        covered: "44",
        approved: "55",
      },
    });
    // Something is known of the hash, though nobody approved a payment of it.
    expect(ruleOf({ in: 0n, view: { payment: paymentOf() } })).toBe("commitment-payment-invoiced");
  });

  test("may go out of a payment to ourselves before it comes in", () => {
    expect(ruleOf({ in: 0n, intent: intentOf({ kind: "rebalance" }) })).toBeUndefined();
  });

  test("may be more by what a lesser tier can't list", () => {
    const unlisted = () => 10n;
    expect(ruleOf({ in: 90n, view: { unlisted } })).toBeUndefined();
    expect(ruleOf({ in: 89n, view: { unlisted } })).toBe("commitment-payment-invoiced");
    expect(ruleOf({ in: 0n, view: { unlisted: () => 100n } })).toBeUndefined();
    // Of what looks paid less may have been so: nothing is short for it.
    expect(ruleOf({ in: 100n, view: { unlisted: () => -5n } })).toBeUndefined();
  });

  test("is told what stops it, where one thing alone does", () => {
    const reasons = {
      issued: "receipt-not-cover",
      profile: "no-routing",
      delta: "routing-cltv-delta",
      funding: "commitment-htlc-received-spends-active-utxo",
    } as const;
    for (const [name, rule] of Object.entries(reasons)) {
      expect(added({ in: 10n, but: { [name]: 100n } })).toEqual({
        ...{ rule, hash: keyOf(), out: "100", covered: "10", approved: "0" },
      });
      expect(ruleOf({ in: 0n, but: { [name]: 99n } })).toBe("commitment-payment-invoiced");
      expect(ruleOf({ in: 100n, but: { [name]: 200n } })).toBeUndefined();
    }
  });

  test("is nothing on a funding that is spent", () => {
    expect(added({ view: { isSpent: true } })).toEqual({
      rule: "commitment-spends-active-utxo",
      funding: "spent",
    });
  });

  test("of a rebalance is no payment of somebody else to us", () => {
    const standing = (received: bigint) => () => ({ out: 30n, in: received, settledIn: 0n });
    const rebalance = intentOf({ kind: "rebalance" });
    expect(added({ intent: rebalance, view: { before: standing(31n) } })).toEqual({
      ...{ rule: "receipt-not-cover", hash: keyOf(), received: "31", out: "30" },
    });
    expect(ruleOf({ intent: rebalance, view: { before: standing(30n) } })).toBeUndefined();
    expect(ruleOf({ intent: intentOf({ amount: 100n }), view: { before: standing(31n) } })).toBeUndefined();
  });

  test("expires no later than the policy says, and the six blocks that a host may be ahead", () => {
    const at = (height: number) =>
      added({ view: { height: height as Height, policy: settingsOf({ maxHtlcExpiry: 500 }).policy } });
    expect(at(494)).toBeUndefined();
    expect(at(493)).toEqual({
      rule: "commitment-htlc-cltv-range",
      expiry: "1000",
      latest: "999",
      height: "493",
    });
  });
});

describe("a payment that was approved", () => {
  const intent = intentOf({ amount: 100n, feeLimit: 20n, until: now - 3_600 });

  test("may be added to for an hour after its time, but for what is covered anyway", () => {
    const late = { view: { now: now + 1 } };
    expect(ruleOf({ in: 0n, intent })).toBeUndefined();
    expect(added({ in: 0n, intent, ...late })).toEqual({
      ...{
        rule: "commitment-payment-approved",
        hash: keyOf(),
        approvedUntil: `${now - 3_600}`,
        now: `${now + 1}`,
      },
    });
    expect(ruleOf({ in: 100n, intent, ...late })).toBeUndefined();
    expect(ruleOf({ in: 99n, intent, ...late })).toBe("commitment-payment-approved");
  });

  test("is paid once, but for what is covered anyway", () => {
    expect(added({ in: 0n, intent, settledOut: 100n })).toEqual({
      ...{ rule: "payment-once", hash: keyOf(), settled: "100" },
    });
    expect(ruleOf({ in: 0n, intent, settledOut: 99n })).toBeUndefined();
    expect(ruleOf({ in: 100n, intent, settledOut: 100n })).toBeUndefined();
    expect(ruleOf({ in: 0n, intent, settledOut: 100n, view: { tier: "commitments" } })).toBeUndefined();
  });

  test("of nothing is a payment to ourselves, and may go out again", () => {
    const rebalance = intentOf({ kind: "rebalance", feeLimit: 5n });
    expect(ruleOf({ in: 95n, intent: rebalance, settledOut: 50n })).toBeUndefined();
    // Nothing of it was paid yet.
    expect(ruleOf({ out: 5n, in: 0n, intent: intentOf({ feeLimit: 5n }), settledOut: 0n })).toBeUndefined();
    expect(ruleOf({ out: 5n, in: 0n, intent: intentOf({ feeLimit: 5n }), settledOut: 1n })).toBe(
      "payment-once",
    );
  });

  test("is no forward: only what is beyond it, and has not settled, is exposed", () => {
    const exposing = (settledIn: bigint, approved: bigint, exposed: bigint) => {
      const policy = settingsOf({ maxForwardExposure: msat(70n) }).policy;
      const intended = approved === 0n ? undefined : intentOf({ amount: approved });
      return added({ settledIn, intent: intended, view: { policy, exposed: () => exposed } });
    };
    expect(exposing(0n, 0n, 70n)).toBeUndefined();
    expect(exposing(0n, 0n, 71n)).toEqual({ rule: "forward-exposure", exposed: "71", max: "70" });
    expect([exposing(60n, 40n, 71n), exposing(100n, 0n, 71n), exposing(0n, 100n, 71n)]).toEqual([
      ...[undefined, undefined, undefined],
    ]);
    expect(exposing(60n, 39n, 71n)?.rule).toBe("forward-exposure");
  });
});

describe("what is given up", () => {
  const dropped = (changes: Partial<DroppedView> = {}) =>
    judge(droppedRules, {
      ...{ hash: keyOf(), sums: { out: 100n, in: 40n, settledIn: 0n }, approved: 59n, isRebalance: false },
      ...{ tier: "full", height: undefined, expiry: 1_000 },
      policy: settingsOf({ maxForwardExposure: msat(70n) }).policy,
      exposed: () => 70n,
      ...changes,
    });

  test("may lack nothing of what is out", () => {
    expect(dropped()?.rule).toBe("routing-balanced");
    expect(dropped({ approved: 60n })).toBeUndefined();
    expect(dropped()?.facts).toContainEqual({ name: "in", value: "40" });
  });

  test("may, as far as the limit on exposure bears it, where it is late, ours, or can't be told", () => {
    const late = { height: 997 as Height };
    for (const reason of [late, { isRebalance: true }, { tier: "commitments" }] as const) {
      expect(dropped(reason)).toBeUndefined();
      expect(dropped({ ...reason, exposed: () => 71n })?.rule).toBe("routing-balanced");
    }
    expect(dropped({ height: 996 as Height })?.rule).toBe("routing-balanced");
  });
});

describe("a proposal", () => {
  const view = (
    changes: Partial<ProposalView> = {},
    policy: Parameters<typeof settingsOf>[0] = {},
  ): ProposalView => ({
    proposed: { kind: "invoice", hash: hashOf(), amount: msat(1_000_000n), feeLimit: msat(10n) },
    proof: {
      ...{ signed: true, payee, network: "regtest", hash: hashOf(), amount: unknown, expires: now },
      ...{ description: "", unbound: undefined },
    },
    ...{
      policy: settingsOf(policy).policy,
      network: "regtest",
      node: freshNode,
      payment: undefined,
      now,
      reserved: 0n,
    },
    ...changes,
  });
  const proving = (changes: Partial<ProposalView["proof"]>, more: Partial<ProposalView> = {}) =>
    judge(proofRules, { ...view(more), proof: { ...view().proof, ...changes } })?.rule;

  test("proves its network, its offer and its time", () => {
    expect(proving({})).toBeUndefined();
    expect(proving({ network: "bitcoin" })).toBe("node-network");
    expect(proving({ network: unknown })).toBe("node-network");
    expect(proving({ network: unknown, signed: false })).toBeUndefined();
    expect(proving({ unbound: "another offer" })).toBe("bolt12-invoice-bound");
    expect(proving({}, { now: now + 1 })).toBe("invoice-not-expired");
    expect(proving({ expires: unknown }, { now: now + 1 })).toBeUndefined();
  });

  test("is sent by a node that sends, once, and within its limits", () => {
    const ruled = (changes: Partial<ProposalView> = {}, policy: Parameters<typeof settingsOf>[0] = {}) =>
      judge(intentRules, view(changes, policy))?.rule;
    expect(ruled()).toBeUndefined();
    expect(ruled({}, { sending: false, forwarding: false })).toBe("receive-only");
    expect(ruled({}, { sending: false })).toBe("merchant-no-sends");
    expect(ruled({}, { forwarding: false })).toBeUndefined();
    const intent = intentOf({ amount: 5n });
    expect(ruled({ payment: paymentOf({ intent, settledOut: 1n }) })).toBe("payment-once");
    expect(ruled({ payment: paymentOf({ intent }) })).toBeUndefined();
    // What was forwarded is no payment of ours.
    expect(ruled({ payment: paymentOf({ settledOut: 1n }) })).toBeUndefined();
    expect(ruled({}, { maxPayment: msat(1_000_000n) })).toBeUndefined();
    expect(ruled({}, { maxPayment: msat(999_999n) })).toBe("commitment-payment-approved");
  });

  test("pays no more for its route than a share, and a rebalance no more than the whole limit", () => {
    const fee = (kind: "invoice" | "rebalance", feeLimit: bigint) =>
      judge(
        intentRules,
        view(
          { proposed: { kind, hash: hashOf(), amount: msat(100_000_000n), feeLimit: msat(feeLimit) } },
          { maxRoutingFeePpm: 5_000, maxRoutingFee: msat(900_000n) },
        ),
      )?.rule;
    expect([fee("invoice", 500_000n), fee("invoice", 500_001n)]).toEqual([undefined, "payment-fee-limit"]);
    expect([fee("rebalance", 900_000n), fee("rebalance", 900_001n)]).toEqual([
      undefined,
      "payment-fee-limit",
    ]);
  });

  test("fits into the day with what was sent in it, but for what it takes the place of", () => {
    const node = {
      ...freshNode,
      windows: { ...freshNode.windows, sent: [{ hour: hourOf(now), amount: 500_000n }] },
    };
    const fits = (max: bigint, reserved: bigint) =>
      judge(intentRules, view({ node, reserved }, { maxSentPerDay: msat(max) }))?.rule;
    const over = "commitment-payment-velocity";
    expect([fits(1_500_010n, 0n), fits(1_500_009n, 0n)]).toEqual([undefined, over]);
    expect([fits(1_400_010n, 100_000n), fits(1_400_009n, 100_000n)]).toEqual([undefined, over]);
  });

  test("says whom it pays, where a person has to see it", () => {
    const asked = (changes: Partial<ProposalView["proof"]>) =>
      judge(consentRules, {
        ...view({}, { unattendedPayment: msat(1_000_009n) }),
        proof: { ...view().proof, ...changes },
      })?.facts;
    expect(asked({})).toEqual([
      { name: "amount", value: "1000010" },
      { name: "unattended", value: "1000009" },
      { name: "payee", value: `03${"22".repeat(32)}` },
    ]);
    expect(asked({ payee: unknown })).toContainEqual({ name: "payee", value: "anyone" });
  });
});
