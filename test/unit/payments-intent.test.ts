import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { msat, type NodeId } from "../../protocol/units.ts";
import { maxIssued, withIssued } from "../../signer/core/issued.ts";
import type { Proof } from "../../signer/core/payments/proposal.ts";
import { presetNames, presetPolicy } from "../../signer/core/policy/presets.ts";
import { routingFeeLimit } from "../../signer/core/policy.ts";
import { refuse } from "../../signer/core/rule.ts";
import { textOf } from "../../signer/core/rules/table.ts";
import { type Approval, freshNode, type NodeState, type Payment } from "../../signer/core/state.ts";
import { type Change, type Settings, unwatched, type View } from "../../signer/core/step.ts";
import {
  approvalOf,
  checkPayment,
  proposePayment,
  withdrawPayment,
} from "../../signer/core/steps/payment.ts";
import { hourOf, spent } from "../../signer/core/velocity.ts";
import {
  agreed,
  hashOf,
  intentOf,
  issuedUntil,
  keyOf,
  now,
  out,
  paymentOf,
  paymentsOf,
  settingsOf,
  turnOf,
  viewOf,
} from "./payments.kit.ts";

type Proposal = Request<"proposePayment">;
const day = 86_400;
const node = fromHex(`02${"11".repeat(32)}`) as NodeId;
const payee = fromHex(`03${"22".repeat(32)}`) as NodeId;

const proposal = (changes: Partial<Proposal> = {}, label = "tea"): Proposal => ({
  ...{ node, kind: "keysend", hash: hashOf(label), amount: msat(1_000n), feeLimit: msat(10n) },
  ...{ invoice: "", source: "", payee: unknown },
  ...changes,
});
const proofOf = (changes: Partial<Proof> = {}, label = "tea"): Proof => ({
  ...{ signed: false, payee: unknown, network: unknown, hash: hashOf(label), amount: unknown },
  ...{ expires: unknown, description: "", unbound: undefined },
  ...changes,
});
const signed = (changes: Partial<Proof> = {}): Proof =>
  proofOf({ signed: true, payee, network: "regtest", expires: now + 600, ...changes });
/** An invoice that says what it asks for. */
const full = (changes: Partial<Proof> = {}): Proof => signed({ amount: 1_000n, ...changes });
const givenPreset = (name: (typeof presetNames)[number]) => {
  const preset = presetPolicy(name, "regtest");
  if (preset === undefined) throw new Error(name);
  return preset;
};

type Policy = Parameters<typeof settingsOf>[0];
interface Asked {
  readonly body?: Proposal;
  readonly view?: View;
  readonly proof?: Proof;
  readonly policy?: Policy;
  readonly settings?: Partial<Settings>;
}
const proposed = ({
  body = proposal(),
  view = viewOf([]),
  proof = proofOf(),
  policy,
  settings = {},
}: Asked = {}) => {
  const turn = turnOf<"proposePayment", Proof>(body, view, {
    settings: { ...settingsOf(policy), ...settings },
    prepared: proof,
  });
  const check = checkPayment.decide(
    turnOf<"checkPayment", Proof>(body, view, { settings: settingsOf(policy), prepared: proof }),
  );
  const decision = proposePayment.decide(turn);
  const change: Change = "change" in decision ? decision.change : {};
  if (decision.is === "refused") {
    const facts = Object.fromEntries(decision.refusal.facts.map(({ name, value }) => [name, value]));
    // To ask beforehand takes no room among what waits.
    if (!("waiting" in facts)) expect(check).toEqual(decision);
    return { is: decision.is, rule: decision.refusal.rule, facts, change };
  }
  if (decision.is !== "told" && decision.is !== "kept") throw new Error(decision.is);
  const reply = decision.reply({ points: [] });
  expect(check.is === "told" && check.reply({ points: [] })).toEqual({ standing: reply.standing });
  return { is: decision.is, reply, change };
};
/** The view after it. */
const after = (view: View, change: Change): View => ({
  ...view,
  node: change.node ?? view.node,
  payments: applied(view.payments, change.payments),
  approvals: applied(view.approvals, change.approvals),
});
const applied = <T>(
  before: ReadonlyMap<string, T>,
  changes: ReadonlyMap<string, T | undefined> = new Map(),
) =>
  new Map(
    [...new Map([...before, ...changes])].flatMap(([key, value]) =>
      value === undefined ? [] : [[key, value]],
    ),
  ) as ReadonlyMap<string, T>;
const sent = (state: NodeState | undefined, at = now): bigint => spent(state?.windows.sent ?? [], at);
const charged = (amount: bigint, at = now): NodeState => ({
  ...freshNode,
  windows: { ...freshNode.windows, sent: [{ hour: hourOf(at), amount }] },
});

describe("a proposal that needs no person", () => {
  test("is charged with its fee limit, and found by its hash", () => {
    const { is, reply, change } = proposed();
    expect({ is, standing: reply?.standing, until: reply?.until }).toEqual({
      ...{ is: "kept", standing: "approved", until: BigInt(now + day) },
    });
    expect(reply?.approval).toEqual(approvalOf(proposal()));
    expect(sent(change.node)).toBe(1_010n);
    expect(change.node?.time).toBe(now);
    const intent = intentOf({ content: approvalOf(proposal()), amount: 1_000n, feeLimit: 10n });
    expect(change.payments).toEqual(new Map([[keyOf(), paymentOf({ intent })]]));
  });

  test("is approved until its invoice expires, and for a day at most", () => {
    const until = (expires: number) => proposed({ proof: signed({ expires }) }).reply?.until;
    expect([until(now), until(now + 600), until(now + day + 1)]).toEqual([
      ...[BigInt(now), BigInt(now + 600), BigInt(now + day)],
    ]);
    expect(proposed({ proof: signed({ expires: now - 1 }) }).rule).toBe("invoice-not-expired");
  });

  test("asked again is approved still, and charged once", () => {
    const once = after(viewOf([]), proposed().change);
    const again = proposed({ view: { ...once, now: now + day } });
    expect(again).toMatchObject({ is: "told", reply: { standing: "approved", until: BigInt(now + day) } });
    const late = proposed({ view: { ...once, now: now + day + 1 } });
    expect(late).toMatchObject({
      is: "kept",
      reply: { standing: "approved", until: BigInt(now + 2 * day + 1) },
    });
  });

  test("of which something is paid is settled, whatever its time", () => {
    const intent = intentOf({ content: approvalOf(proposal()), amount: 1_000n, until: now - 1 });
    const view = viewOf([], { payments: paymentsOf(paymentOf({ intent, settledOut: 1n })) });
    expect(proposed({ view })).toMatchObject({ is: "told", reply: { standing: "settled" } });
    expect(proposed({ view, body: proposal({ feeLimit: msat(11n) }) }).rule).toBe("payment-once");
  });

  test("keeps what is known of its hash, and takes the place of what was approved for it before", () => {
    const issued = issuedUntil(now + 5);
    const intent = intentOf({ amount: 400n, feeLimit: 5n });
    const known = paymentOf({ issued, intent });
    const view = viewOf([], { payments: paymentsOf(known), node: charged(405n) });
    const { change } = proposed({ view });
    expect(change.payments?.get(keyOf())).toMatchObject({ issued, intent: { amount: 1_000n } });
    expect(sent(change.node)).toBe(1_010n);
  });

  test("waits while the chain tells of trouble", () => {
    const trouble = refuse(textOf("chain-not-stale"), { alarm: "stale" });
    expect(proposed({ view: viewOf([], { outlook: { ...unwatched, trouble } }) }).rule).toBe(
      "chain-not-stale",
    );
  });

  test("may not change while it is on its way", () => {
    const payments = paymentsOf(paymentOf({ intent: intentOf({ amount: 400n }) }));
    const onItsWay = [agreed({ htlcs: [out(1n)] })];
    expect(proposed({ view: viewOf(onItsWay, { payments }) })).toMatchObject({
      ...{ rule: "commitment-payment-approved", facts: { onItsWay: "true" } },
    });
    const least = paymentsOf(paymentOf({ intent: intentOf({ amount: 1n }) }));
    expect(proposed({ view: viewOf(onItsWay, { payments: least }) }).is).toBe("refused");
    // Where nothing is reserved it is no proposal that changes: a forward, or an intent of nothing.
    expect(proposed({ view: viewOf(onItsWay) }).is).toBe("kept");
    expect(proposed({ view: viewOf([], { payments }) }).is).toBe("kept");
  });
});

describe("the limit of a day", () => {
  const policy = { maxSentPerDay: msat(2_000n) };
  const body = (amount: bigint, label = "tea") =>
    proposal({ amount: msat(amount), feeLimit: msat(0n) }, label);

  test("holds for all that is approved together", () => {
    const view = viewOf([], { node: charged(1_000n) });
    expect(proposed({ view, policy, body: body(1_000n) }).is).toBe("kept");
    expect(proposed({ view, policy, body: body(1_001n) })).toMatchObject({
      ...{ rule: "commitment-payment-velocity", facts: { withThis: "2001", maxPerDay: "2000" } },
    });
  });

  test("counts a hash that is proposed anew once, unless something of it is paid", () => {
    const view = (settledOut: bigint) =>
      viewOf([], {
        node: charged(1_500n),
        payments: paymentsOf(paymentOf({ intent: intentOf({ amount: 600n, feeLimit: 100n }), settledOut })),
      });
    expect(proposed({ view: view(0n), policy, body: body(1_200n) }).is).toBe("kept");
    expect(proposed({ view: view(0n), policy, body: body(1_201n) }).facts).toMatchObject({
      withThis: "2001",
    });
    expect(proposed({ view: view(1n), policy, body: body(1_200n) }).rule).toBe("payment-once");
  });

  test("is not made larger by a proposal that takes the place of one whose time is over", () => {
    // Of one hour: a short invoice that was never paid, and another payment beside it.
    const began = hourOf(now) * 3_600;
    const intent = intentOf({ amount: 400n, at: began, until: began });
    const old = paymentOf({ intent });
    const late = began + day;
    const view = viewOf([], { payments: paymentsOf(old), node: charged(1_000n, began), now: late });
    const { change } = proposed({ view, policy, body: body(1n) });
    expect(sent(change.node, late)).toBe(601n);
    const issue = { hash: hashOf(), amount: undefined, timestamp: BigInt(late), expiry: 600n };
    const issuing = withIssued(view, issue);
    expect(sent(issuing?.node ?? view.node, late)).toBe(1_000n);
    expect(issuing?.payments?.get(keyOf())).toMatchObject({ intent, issued: { until: late + 600 } });
  });

  test("has room again for others whose time is over", () => {
    const until = now - day;
    const all = [paymentOf({ intent: intentOf({ amount: 400n, at: until, until }) }, "milk")];
    const view = viewOf([], { payments: paymentsOf(...all), node: charged(1_000n, until) });
    const { change } = proposed({ view, policy, body: body(1_000n) });
    expect(sent(change.node)).toBe(1_600n);
    expect(change.payments?.get(keyOf("milk"))).toBeUndefined();
    expect([...(change.payments ?? [])].map(([key]) => key)).toEqual([keyOf("milk"), keyOf()]);
  });
});

describe("a proposal that a person has to see", () => {
  const policy = { unattendedPayment: msat(1_009n) };
  const body = proposal();
  const id = approvalOf(body);
  const pending = (changes: Partial<Approval> = {}): Approval => ({
    ...{
      id,
      subject: "payment",
      standing: "pending",
      amount: 1_010n,
      shown: [],
      asked: now,
      until: now + day,
    },
    ...{ by: "", intent: unknown, bound: unknown },
    ...changes,
  });
  const knowing = (...all: readonly Approval[]) =>
    viewOf([], { approvals: new Map(all.map((one) => [toHex(one.id), one])) });

  test("is put before one with what is known of it, and nothing is charged", () => {
    const proof = signed({ description: "d".repeat(300) });
    const { is, reply, change } = proposed({ body, policy, proof });
    expect([is, reply?.standing]).toEqual(["kept", "pending"]);
    expect(change).not.toHaveProperty("node");
    const asked = change.approvals?.get(toHex(id));
    const intent = intentOf({ content: id, amount: 1_000n, feeLimit: 10n, payee, until: now + 600 });
    expect(asked).toMatchObject({
      ...pending({ until: now + 600 }),
      shown: expect.anything(),
      intent: { hash: body.hash, intent },
    });
    const shown = Object.fromEntries((asked?.shown ?? []).map(({ name, value }) => [name, value]));
    expect(shown).toMatchObject({ kind: "keysend", amount: "1000 msat", feeLimit: "10 msat", hash: keyOf() });
    expect([shown["payee"], shown["description"]?.length]).toEqual([toHex(payee), 256]);
    const keysend = proposed({ body, policy, proof: proofOf({ payee }) }).change.approvals?.get(toHex(id));
    expect(keysend?.shown).toContainEqual({ name: "payee", value: "anyone" });
  });

  test("is none within what goes unattended, or where a signature names a payee of the list", () => {
    const listed = { ...policy, payees: [payee] };
    const standing = (asked: Asked) => proposed({ body, ...asked }).reply?.standing;
    expect(standing({ policy: { unattendedPayment: msat(1_010n) } })).toBe("approved");
    expect(standing({ policy: listed, proof: full() })).toBe("approved");
    expect(standing({ policy: listed, proof: proofOf({ payee, amount: 1_000n }) })).toBe("pending");
    expect(standing({ policy: listed, proof: full({ payee: node }) })).toBe("pending");
    expect(standing({ policy: listed, proof: full({ payee: unknown }) })).toBe("pending");
  });

  test("is one that a listed payee did not name the amount of, or of which much goes to others on the way", () => {
    const listed = {
      ...policy,
      payees: [payee],
      maxRoutingFee: msat(10n ** 9n),
      maxRoutingFeePpm: 1_000_000,
    };
    const standing = (amount: bigint, feeLimit: bigint, says: Proof["amount"] = amount) => {
      const asked = { ...body, amount: msat(amount), feeLimit: msat(feeLimit) };
      return proposed({ body: asked, policy: listed, proof: full({ amount: says }) }).reply?.standing;
    };
    expect(standing(1_000n, 10n, unknown)).toBe("pending");
    // 2 %, or 100 sat, and never more than what is paid.
    for (const [amount, most] of [
      [1_000n, 1_000n],
      [99_999n, 99_999n],
      [5_000_000n, 100_000n],
      [10_000_000n, 200_000n],
    ] as const) {
      expect(standing(amount, most)).toBe("approved");
      expect(standing(amount, most + 1n)).toBe("pending");
    }
  });

  test("is none that the presets let a route cost", () => {
    for (const name of presetNames)
      for (const amount of [1n, 99_999n, 4_999_999n, 50_000_001n, 1_000_000_000n]) {
        const preset = { ...givenPreset(name), sending: true, payees: [payee] };
        const feeLimit = routingFeeLimit(preset, msat(amount));
        // Where nobody is asked about little, 2 % is what the preset lets a larger one cost.
        if (preset.unattendedPayment === 0n && feeLimit > amount) continue;
        const asked = { ...body, amount: msat(amount), feeLimit };
        const { reply } = proposed({ body: asked, policy: preset, proof: full({ amount }) });
        expect(reply?.standing, `${name} ${amount}`).toBe("approved");
      }
  });

  test("is a rebalance without a fee, where nothing goes unattended", () => {
    const free = { ...body, kind: "rebalance", amount: msat(0n), feeLimit: msat(0n) } as const;
    const standing = (unattendedPayment: bigint) =>
      proposed({ body: free, policy: { unattendedPayment: msat(unattendedPayment) } }).reply?.standing;
    expect(standing(0n)).toBe("pending");
    expect(standing(1n)).toBe("approved");
  });

  test("stands as it was answered, until its time is over", () => {
    const told = (one: Approval, later = 0) => {
      const result = proposed({ body, policy, view: { ...knowing(one), now: now + later } });
      return [result.is, result.reply?.standing];
    };
    expect(told(pending())).toEqual(["told", "pending"]);
    expect(told(pending(), day)).toEqual(["told", "pending"]);
    // Nobody can answer it any more, so it is asked anew.
    expect(told(pending(), day + 1)).toEqual(["kept", "pending"]);
    expect(told(pending({ standing: "denied" }))).toEqual(["told", "denied"]);
    expect(told(pending({ standing: "denied" }), day)).toEqual(["told", "denied"]);
    expect(told(pending({ standing: "denied" }), day + 1)).toEqual(["kept", "pending"]);
    expect(told(pending({ standing: "approved" }))).toEqual(["kept", "approved"]);
  });

  test("waits beside 255 others at most, and forgets a few whose time is over", () => {
    const full = Array.from({ length: 256 }, (_, at) => pending({ id: Uint8Array.of(at, 1) }));
    expect(proposed({ body, policy, view: knowing(...full.slice(1)) }).is).toBe("kept");
    expect(proposed({ body, policy, view: knowing(...full) })).toMatchObject({
      ...{ rule: "commitment-payment-approved", facts: { waiting: "256" } },
    });
    const decided = full.map((one): Approval => ({ ...one, standing: "denied" }));
    expect(proposed({ body, policy, view: knowing(...decided) }).is).toBe("kept");
    const over = full.slice(0, 20).map((one) => ({ ...one, until: now - day - 1 }));
    const { change } = proposed({ body, policy, view: knowing(...over) });
    expect([...(change.approvals?.values() ?? [])].filter((one) => one === undefined).length).toBe(16);
    const justOver = full.slice(0, 20).map((one) => ({ ...one, until: now - day }));
    expect(proposed({ body, policy, view: knowing(...justOver) }).change.approvals?.size).toBe(1);
  });
});

describe("what was paid, where no clock is", () => {
  const over = now - 2 * day;
  const paid = (label: string): Payment =>
    paymentOf({ intent: intentOf({ until: over }), settledOut: 1n }, label);

  test("makes room when there are too many, and not before", () => {
    const one = paid("one");
    const gone = (size: number) => {
      const payments = new Map(Array.from({ length: size }, (_, at) => [`${at}`, one] as const));
      const view = viewOf([], { payments });
      const { change } = proposed({ view, settings: { clockless: true } });
      return [...(change.payments?.values() ?? [])].filter((each) => each === undefined).length;
    };
    expect([gone(maxIssued - 1), gone(maxIssued)]).toEqual([0, 16]);
  });
});

describe("a payment that is withdrawn", () => {
  const intent = intentOf({ amount: 600n, feeLimit: 100n });
  const withdraw = (
    payment: Payment | undefined,
    channels: Parameters<typeof viewOf>[0] = [],
    tier: "full" | "commitments" = "full",
  ) => {
    const payments = payment === undefined ? new Map() : paymentsOf(payment);
    const view = viewOf(channels, { payments, node: charged(1_000n) });
    return withdrawPayment.decide(
      turnOf<"withdrawPayment", undefined>({ node, hash: hashOf() }, view, {
        settings: settingsOf({}, { tier }),
      }),
    );
  };

  test("frees what was reserved, and what was issued stays known", () => {
    const issued = issuedUntil(now);
    const alone = withdraw(paymentOf({ intent }));
    const both = withdraw(paymentOf({ intent, issued }));
    if (alone.is !== "kept" || both.is !== "kept") throw new Error("refused");
    expect(alone.reply({ points: [] })).toEqual({});
    expect(sent(alone.change.node)).toBe(300n);
    expect(alone.change.payments).toEqual(new Map([[keyOf(), undefined]]));
    expect(both.change.payments).toEqual(new Map([[keyOf(), paymentOf({ issued })]]));
  });

  test("that nobody proposed is withdrawn already", () => {
    for (const payment of [undefined, paymentOf({ issued: issuedUntil(now) })])
      expect(withdraw(payment).is).toBe("told");
  });

  test("may not be on its way, or paid: of which the first may pass later", () => {
    const onItsWay = [agreed({ htlcs: [out(1n)] })];
    const paid = paymentOf({ intent, settledOut: 1n });
    const final = (decision: ReturnType<typeof withdraw>) =>
      decision.is === "refused" ? [decision.refusal.rule, decision.refusal.final] : decision.is;
    const refusal = withdraw(paid);
    expect(refusal.is === "refused" && refusal.refusal.facts).toContainEqual({
      name: "onItsWay",
      value: "true",
    });
    expect(final(withdraw(paymentOf({ intent }), onItsWay))).toEqual(["payment-once", false]);
    expect(final(withdraw(paid))).toEqual(["payment-once", true]);
    expect(final(withdraw(paid, [], "commitments"))).toEqual(["payment-once", false]);
  });
});
