/** What waits for a person, in which order it is shown, and what each answer does, asked of the steps alone. */

import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { msat, type NodeId } from "../../protocol/units.ts";
import { approvedFor, ask, bind, pendingIn, type Question, stale } from "../../signer/core/approvals.ts";
import { type Approval, freshNode, type Payment } from "../../signer/core/state.ts";
import type { Change, View } from "../../signer/core/step.ts";
import { status } from "../../signer/core/steps/admin.ts";
import { decideApproval, listApprovals } from "../../signer/core/steps/approvals.ts";
import { hourOf, spent } from "../../signer/core/velocity.ts";
import { fundingOf } from "../scripted/channel.ts";
import {
  agreed,
  hashOf,
  intentOf,
  keyOf,
  now,
  openOf,
  out,
  paymentOf,
  paymentsOf,
  settingsOf,
  turnOf,
  viewOf,
} from "./payments.kit.ts";

const day = 86_400;
const node = fromHex(`02${"11".repeat(32)}`) as NodeId;
const idOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);

const approvalOf = (n: number, changes: Partial<Approval> = {}): Approval => ({
  ...{ id: idOf(n), subject: "outputs", standing: "pending", amount: 5n, shown: [], asked: now },
  ...{ until: now + day, by: "", intent: unknown, bound: unknown },
  ...changes,
});
const knowing = (all: readonly Approval[], changes: Partial<View> = {}): View =>
  viewOf([], { approvals: new Map(all.map((one) => [toHex(one.id), one])), ...changes });

describe("the list", () => {
  const listed = (all: readonly Approval[], state: "all" | "pending" = "all") => {
    const decision = listApprovals.decide(turnOf<"listApprovals", undefined>({ node, state }, knowing(all)));
    if (decision.is !== "told") throw new Error(decision.is);
    const { approvals, more } = decision.reply({ points: [] });
    return {
      ids: approvals.map(({ id }) => id[0]),
      standings: approvals.map(({ standing }) => standing),
      more,
    };
  };

  test("has what waits first, the oldest before the others, and then what was decided, the latest first", () => {
    const all = [
      approvalOf(1, { standing: "approved", asked: now - 50 }),
      approvalOf(2, { asked: now - 10 }),
      approvalOf(3, { standing: "denied", asked: now - 20 }),
      approvalOf(4, { asked: now - 30 }),
      approvalOf(5, { standing: "approved", asked: now - 40 }),
    ];
    expect(listed(all).ids).toEqual([4, 2, 3, 5, 1]);
    expect(listed(all.toReversed()).ids).toEqual([4, 2, 3, 5, 1]);
    expect(listed(all, "pending").ids).toEqual([4, 2]);
  });

  test("says when a time is over, but not of what was denied", () => {
    const over = { until: now - 1 };
    const all = [
      approvalOf(1, { until: now }),
      approvalOf(2, { ...over, asked: now - 1 }),
      approvalOf(3, { ...over, standing: "approved", asked: now - 2 }),
      approvalOf(4, { ...over, standing: "denied", asked: now - 3 }),
    ];
    expect(listed(all).standings).toEqual(["pending", "expired", "expired", "denied"]);
    expect(listed(all, "pending").ids).toEqual([1]);
  });

  test("ends after 300, and says how many more there are", () => {
    const many = (count: number) =>
      Array.from({ length: count }, (_, at) =>
        approvalOf(0, { id: Uint8Array.of(at, at >> 8), asked: now + at }),
      );
    expect([listed(many(300)).ids.length, listed(many(300)).more]).toEqual([300, 0]);
    const { ids, more } = listed(many(302));
    expect([ids.length, ids[0], more]).toEqual([300, 0, 2]);
  });
});

interface Answered {
  readonly is: "refused" | "told" | "kept";
  readonly rule?: string;
  readonly facts?: Readonly<Record<string, string>>;
  readonly standing?: string;
  readonly change?: Change;
  readonly detail?: string | undefined;
}

describe("an answer", () => {
  const intent = intentOf({ content: idOf(1), amount: 600n, feeLimit: 100n });
  const forPayment = approvalOf(1, { subject: "payment", intent: { hash: hashOf(), intent } });
  const charged = {
    ...freshNode,
    windows: { ...freshNode.windows, sent: [{ hour: hourOf(now), amount: 1_000n }] },
  };
  const answered = (
    verdict: "approve" | "deny",
    approval: Approval | undefined,
    { by = "alice", ...changes }: Partial<View> & { readonly by?: string } = {},
    policy: Parameters<typeof settingsOf>[0] = {},
  ): Answered => {
    const view = knowing(approval === undefined ? [] : [approval], changes);
    const body = { node, id: idOf(1), verdict, by };
    const decision = decideApproval.decide(
      turnOf<"decideApproval", undefined>(body, view, { settings: settingsOf(policy) }),
    );
    if (decision.is === "refused") {
      const facts = Object.fromEntries(decision.refusal.facts.map(({ name, value }) => [name, value]));
      return { is: decision.is, rule: decision.refusal.rule, facts };
    }
    if (decision.is !== "told" && decision.is !== "kept") throw new Error(decision.is);
    const kept = decision.is === "kept" ? { change: decision.change, detail: decision.detail } : {};
    return { is: decision.is, standing: decision.reply({ points: [] }).standing, ...kept };
  };
  const paying = (...payments: readonly Payment[]) => ({ payments: paymentsOf(...payments), node: charged });

  test("is somebody's, to a question that is known and whose time is not over", () => {
    expect(() => answered("approve", forPayment, { by: " " })).toThrow(Malformed);
    expect(answered("approve", undefined)).toMatchObject({
      ...{ rule: "commitment-payment-approved", facts: { known: "false" } },
    });
    for (const verdict of ["approve", "deny"] as const) {
      expect(answered(verdict, { ...forPayment, until: now }).is).toBe("kept");
      const late = answered(verdict, { ...forPayment, until: now - 1 });
      expect(late).toMatchObject({ is: "refused", facts: { expired: `${now - 1}`, now: `${now}` } });
    }
  });

  test("lets a payment out, charged as of now, and says who gave it", () => {
    const { is, standing, change, detail } = answered("approve", forPayment, { node: charged });
    expect([is, standing, detail]).toEqual(["kept", "approved", `approved ${toHex(idOf(1))} by alice`]);
    expect(change?.payments).toEqual(new Map([[keyOf(), paymentOf({ intent: { ...intent, at: now } })]]));
    expect(spent(change?.node?.windows.sent ?? [], now)).toBe(1_700n);
    expect(change?.approvals?.get(toHex(idOf(1)))).toEqual({
      ...forPayment,
      standing: "approved",
      by: "alice",
    });
  });

  test("waves no limit through", () => {
    const refused = answered("approve", forPayment, { node: charged }, { maxSentPerDay: msat(1_699n) });
    expect(refused).toMatchObject({ rule: "commitment-payment-velocity", facts: { withThis: "1700" } });
    expect(answered("approve", forPayment, { node: charged }, { maxSentPerDay: msat(1_700n) }).is).toBe(
      "kept",
    );
    expect(answered("approve", forPayment, {}, { maxPayment: msat(599n) }).rule).toBe(
      "commitment-payment-approved",
    );
    const fees = { maxRoutingFee: msat(99n) };
    expect(answered("approve", forPayment, {}, fees).rule).toBe("payment-fee-limit");
  });

  test("of what is no payment lets nothing out by itself", () => {
    const { change, standing } = answered("approve", approvalOf(1));
    expect(standing).toBe("approved");
    expect(change).toEqual({
      approvals: new Map([[toHex(idOf(1)), approvalOf(1, { standing: "approved", by: "alice" })]]),
    });
    expect(answered("deny", approvalOf(1)).change).toEqual({
      approvals: new Map([[toHex(idOf(1)), approvalOf(1, { standing: "denied", by: "alice" })]]),
    });
  });

  test("given twice is told, and nobody undoes a denial", () => {
    const approved = { ...forPayment, standing: "approved" as const, by: "bob" };
    expect(answered("approve", approved)).toEqual({ is: "told", standing: "approved" });
    expect(answered("approve", { ...approved, until: now - 1 })).toEqual({ is: "told", standing: "expired" });
    const denied = { ...forPayment, standing: "denied" as const, by: "bob" };
    expect(answered("deny", denied)).toEqual({ is: "told", standing: "denied" });
    expect(answered("approve", denied)).toMatchObject({
      is: "refused",
      facts: { standing: "denied", by: "bob" },
    });
  });

  test("takes back what was approved, as long as nothing came of it, also after its time", () => {
    const approved = { ...forPayment, standing: "approved" as const, until: now - 1 };
    const { standing, change } = answered("deny", approved, paying(paymentOf({ intent })));
    expect(standing).toBe("denied");
    expect(change?.payments).toEqual(new Map([[keyOf(), undefined]]));
    expect(spent(change?.node?.windows.sent ?? [], now)).toBe(300n);
    const paid = answered("deny", approved, paying(paymentOf({ intent, settledOut: 1n })));
    expect(paid).toMatchObject({ is: "refused", facts: { onItsWay: "true" } });
    const view = viewOf([agreed({ htlcs: [out(1n)] })]);
    const onItsWay = answered("deny", approved, { ...paying(paymentOf({ intent })), ledger: view.ledger });
    expect(onItsWay).toMatchObject({ is: "refused", facts: { onItsWay: "true" } });
  });

  test("leaves alone what was approved for the hash since, by another question or by a limit", () => {
    const approved = { ...forPayment, standing: "approved" as const };
    const since = paymentOf({ intent: { ...intent, content: idOf(9) } });
    for (const payment of [since, paymentOf({ settledOut: 5n })])
      expect(answered("deny", approved, paying(payment)).change).not.toHaveProperty("payments");
    expect(answered("deny", approved).change).not.toHaveProperty("payments");
  });

  test("can't take back what was signed", () => {
    const used = { standing: "approved" as const, bound: fundingOf("used") };
    expect(answered("deny", approvalOf(1, used))).toMatchObject({ is: "refused", facts: { used: "true" } });
  });
});

describe("a question", () => {
  const question: Question = { subject: "outputs", content: Uint8Array.of(1), amount: 5n, shown: [] };
  const asked = ask(knowing([]), question, "onchain-no-unknown-outputs", { value: 5n });
  if (asked.is !== "asked") throw new Error("not asked");
  const [[key, made]] = [...(asked.change.approvals ?? [])] as [[string, Approval]];
  const again = (one: Approval, later = 0) => {
    const result = ask(knowing([one], { now: now + later }), question, "onchain-no-unknown-outputs", {});
    const facts = Object.fromEntries(result.refusal.facts.map(({ name, value }) => [name, value]));
    return [result.is, facts["standing"]];
  };

  test("is for exactly what is asked, and waits for a day", () => {
    expect(made).toMatchObject({
      subject: "outputs",
      standing: "pending",
      amount: 5n,
      asked: now,
      until: now + day,
    });
    expect(asked.refusal.facts).toEqual([
      { name: "value", value: "5" },
      { name: "approval", value: key },
      { name: "standing", value: "pending" },
    ]);
    const answeredFor = (one: Approval, other: Partial<Question> = {}, later = 0) =>
      approvedFor(knowing([one], { now: now + later }), { ...question, ...other });
    const approved: Approval = { ...made, standing: "approved" };
    expect(answeredFor(made)).toBeUndefined();
    expect(answeredFor(approved)).toBe(approved);
    expect(answeredFor(approved, {}, day)).toBe(approved);
    expect(answeredFor(approved, {}, day + 1)).toBeUndefined();
    expect(answeredFor(approved, { content: Uint8Array.of(2) })).toBeUndefined();
    expect(answeredFor(approved, { subject: "opening" })).toBeUndefined();
  });

  test("asked again stands as it was answered, until its time is over", () => {
    expect(again(made)).toEqual(["refused", "pending"]);
    expect(again({ ...made, standing: "denied" }, day)).toEqual(["refused", "denied"]);
    expect(again({ ...made, standing: "denied" }, day + 1)).toEqual(["asked", "pending"]);
  });

  test("waits beside 255 others at most", () => {
    const full = Array.from({ length: 256 }, (_, at) => approvalOf(0, { id: Uint8Array.of(at), until: now }));
    expect([pendingIn(knowing(full)), pendingIn(knowing(full, { now: now + 1 }))]).toEqual([256, 0]);
    const result = ask(knowing(full), question, "onchain-no-unknown-outputs", { value: 5n });
    const facts = [
      { name: "value", value: "5" },
      { name: "waiting", value: "256" },
    ];
    expect(result).toMatchObject({ is: "refused", refusal: { facts } });
    expect(ask(knowing(full.slice(1)), question, "onchain-no-unknown-outputs", {}).is).toBe("asked");
  });

  test("takes a few with it whose time has been over for a day", () => {
    const over = Array.from({ length: 20 }, (_, at) =>
      approvalOf(0, { id: Uint8Array.of(at), until: now - day - 1 }),
    );
    expect(stale(knowing(over)).size).toBe(16);
    expect(stale(knowing(over.map((one) => ({ ...one, until: now - day })))).size).toBe(0);
    const result = ask(knowing(over), question, "onchain-no-unknown-outputs", {});
    expect(result.is === "asked" && result.change.approvals?.size).toBe(17);
  });

  test("is bound once, to the first input that it was used with", () => {
    const used = fundingOf("used");
    expect(bind(made, used)).toEqual({ approvals: new Map([[key, { ...made, bound: used }]]) });
    expect(bind({ ...made, bound: used }, fundingOf("other"))).toEqual({});
  });
});

test("status counts the channels that are set up, and what waits", () => {
  const channels = [agreed({}), { phase: "stub" } as const, openOf([], []), { phase: "forgotten" } as const];
  const view = viewOf(channels, {
    approvals: knowing([approvalOf(1), approvalOf(2, { standing: "denied" })]).approvals,
  });
  const curve = { name: "noble", constantTime: false } as unknown as ReturnType<typeof settingsOf>["curve"];
  const decision = status.decide(
    turnOf<"status", undefined>({ node }, view, { settings: settingsOf({}, { curve }) }),
  );
  expect(decision.is === "told" && decision.reply({ points: [] })).toMatchObject({
    channels: 2,
    pending: 1,
    alarms: [],
  });
});
