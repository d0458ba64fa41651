/** Small steps of the core, asked alone: what an administrator allows, what a dry run says, what is remembered of invoices. */

import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import { type NodeId, paymentHash, type Script, script } from "../../protocol/units.ts";
import { explained, malformedBecause } from "../../signer/core/explain.ts";
import { maxIssued, withIssued } from "../../signer/core/issued.ts";
import type { Policy } from "../../signer/core/policy.ts";
import { refuse } from "../../signer/core/rule.ts";
import { textOf } from "../../signer/core/rules/table.ts";
import type { Payment } from "../../signer/core/state.ts";
import { type Decision, type Outlook, unwatched } from "../../signer/core/step.ts";
import { changeAllowlist, showPolicy, status } from "../../signer/core/steps/admin.ts";
import { curve } from "../scripted/road.ts";
import { bob, carol } from "../scripted/scene.ts";
import {
  hashOf,
  issuedUntil,
  keyOf,
  now,
  paymentOf,
  paymentsOf,
  settingsOf,
  turnOf,
  viewOf,
} from "./payments.kit.ts";

const node = fromHex(`02${"11".repeat(32)}`) as NodeId;

describe("a change of the allowlist", () => {
  const [one, two]: readonly [Script, Script] = [script(Uint8Array.of(1)), script(Uint8Array.of(2))];
  const allowlist = { scripts: [one], payees: [bob.id] };
  const none = { addScripts: [], removeScripts: [], addPayees: [], removePayees: [] };
  const changing = (changes: Partial<Request<"changeAllowlist">>) => {
    const body = { node, ...none, ...changes } as Request<"changeAllowlist">;
    const view = viewOf([], { allowlist });
    const decision = changeAllowlist.decide(
      turnOf<"changeAllowlist", undefined>(body, view, { settings: settingsOf({}, { curve }) }),
    );
    if (decision.is !== "kept" && decision.is !== "told") throw new Error(decision.is);
    const reply = decision.reply({ points: [] });
    if (decision.is === "told") return { reply };
    expect(decision.change).toEqual({ allowlist: reply });
    return { reply, detail: decision.detail };
  };

  test.each([
    [{ addScripts: [two] }, { scripts: [one, two], payees: [bob.id] }, "scripts: 1 added, 0 removed"],
    [{ removeScripts: [one] }, { scripts: [], payees: [bob.id] }, "scripts: 0 added, 1 removed"],
    [{ addPayees: [carol.id] }, { scripts: [one], payees: [bob.id, carol.id] }, "payees: 1 added, 0 removed"],
    [{ removePayees: [bob.id] }, { scripts: [one], payees: [] }, "payees: 0 added, 1 removed"],
  ])("is kept, whichever list it is of: %#", (changes, wanted, told) => {
    const { reply, detail } = changing(changes);
    expect(reply).toEqual(wanted);
    expect(detail).toContain(told);
  });

  test("that changes nothing only tells what is there", () => {
    expect(changing({})).toEqual({ reply: allowlist });
  });
});

test("a policy is shown in words where it has no number", () => {
  const shown = (policy: Partial<Policy>, name: keyof Policy) => {
    const body = { node } as Request<"showPolicy">;
    const decision = showPolicy.decide(turnOf(body, viewOf([]), { settings: settingsOf(policy) }));
    const reply = decision.is === "told" ? decision.reply({ points: [] }) : undefined;
    return reply?.limits.find((one) => one.name === name)?.value;
  };
  expect([true, false].map((forwarding) => shown({ forwarding }, "forwarding"))).toEqual(["yes", "no"]);
  expect(shown({ payees: [] }, "payees")).toBe("none");
  expect(shown({ payees: [bob.id, carol.id] }, "payees")).toBe(`${toHex(bob.id)} ${toHex(carol.id)}`);
});

test("a status says why nothing new may be begun", () => {
  const trouble = refuse(textOf("chain-not-stale"), {});
  const alarms = (outlook: Outlook) => {
    const body = { node } as Request<"status">;
    const settings = settingsOf({}, { curve });
    const decision = status.decide(turnOf(body, viewOf([], { outlook }), { settings }));
    return decision.is === "told" ? decision.reply({ points: [] }).alarms : undefined;
  };
  expect(alarms({ ...unwatched, trouble })).toEqual([`${trouble.sentence} ${trouble.hint}`]);
  expect(alarms(unwatched)).toEqual([]);
});

describe("a dry run", () => {
  const paying = (standing: string, is: "told" | "kept") =>
    explained(
      "proposePayment",
      { is, change: {}, reply: () => ({ standing }) } as unknown as Decision<Name>,
      ["a"],
    );

  test.each(["told", "kept"] as const)("says how a payment stands that is %s", (is) => {
    expect(paying("approved", is)).toMatchObject({
      ...{ verdict: "accepted", rule: "", facts: [{ name: "standing", value: "approved" }], applied: ["a"] },
    });
    expect(paying("pending", is)).toMatchObject({
      ...{ verdict: "accepted", rule: "commitment-payment-allowlisted", final: false },
      facts: [{ name: "standing", value: "pending" }],
    });
  });

  test("says nothing of how anything else stands", () => {
    const decision = { is: "told", reply: () => ({ standing: "approved" }) } as unknown as Decision<Name>;
    expect(explained("points", decision, [])).toMatchObject({ verdict: "accepted", facts: [] });
    const signed = { ...decision, is: "signed" } as unknown as Decision<Name>;
    expect(explained("spend", signed, [])).toMatchObject({ verdict: "accepted", facts: [] });
  });

  test("names the field that can't be read, where there is one", () => {
    expect(malformedBecause(new Malformed("", "too short"), ["a"])).toMatchObject({
      ...{ verdict: "malformed", sentence: "too short", facts: [], applied: ["a"] },
    });
    expect(malformedBecause(new Malformed("tx", "too short"), []).facts).toEqual([
      { name: "field", value: "tx" },
    ]);
  });
});

test("a fact is told as far as 256 characters", () => {
  const long = new Uint8Array(200).fill(7);
  const { facts } = refuse(textOf("message-domain"), { long, short: 5n });
  expect(facts).toEqual([
    { name: "long", value: toHex(long).slice(0, 256) },
    { name: "short", value: "5" },
  ]);
});

describe("an invoice of ours", () => {
  const issue = (
    hash = hashOf(),
    changes: { amount?: bigint; timestamp?: bigint; expiry?: bigint } = {},
  ) => ({
    ...{ hash, amount: 5n, timestamp: BigInt(now), expiry: 600n },
    ...changes,
  });
  const issuedBy = (before: readonly Payment[], changes: Parameters<typeof issue>[1] = {}) =>
    withIssued(viewOf([], { payments: paymentsOf(...before) }), issue(hashOf(), changes))?.payments?.get(
      keyOf(),
    )?.issued;

  test("is remembered until it expires, counted from now at least, and until 2106 at most", () => {
    expect(issuedBy([])).toEqual({ amount: 5n, until: now + 600 });
    expect(issuedBy([], { timestamp: BigInt(now - 500) })).toEqual({ amount: 5n, until: now + 600 });
    expect(issuedBy([], { timestamp: BigInt(now + 5) })).toEqual({ amount: 5n, until: now + 605 });
    expect(issuedBy([], { expiry: 1n << 40n })).toEqual({ amount: 5n, until: 0xffff_ffff });
  });

  test("that is signed again is remembered as all that were", () => {
    const known = (until: number, amount: bigint | "unknown" = 5n) => [
      paymentOf({ issued: { amount, until } }),
    ];
    expect(issuedBy(known(now + 900))).toEqual({ amount: 5n, until: now + 900 });
    expect(issuedBy(known(now + 100))).toEqual({ amount: 5n, until: now + 600 });
    expect(issuedBy(known(now + 100, 6n))).toEqual({ amount: unknown, until: now + 600 });
    expect(issuedBy(known(now + 100, unknown))).toEqual({ amount: unknown, until: now + 600 });
  });

  test("has no room beside 50 000 others that may be paid, unless it is one of them", () => {
    const many = Array.from({ length: maxIssued }, (_, at): Payment => {
      const hash = new Uint8Array(32);
      new DataView(hash.buffer).setUint32(0, at);
      return { ...paymentOf({ issued: issuedUntil(now) }), hash: paymentHash(hash) };
    });
    const full = viewOf([], { payments: paymentsOf(...many) });
    expect(withIssued(full, issue())).toBeUndefined();
    expect(withIssued(full, issue(many[7]?.hash))).toBeDefined();
    expect(withIssued({ ...full, payments: paymentsOf(...many.slice(1)) }, issue())).toBeDefined();
    // One whose time has been over for a day makes room, however far behind the oldest it is.
    const over = many.with(40_000, { ...(many[40_000] as Payment), issued: issuedUntil(now - 86_400) });
    const made = withIssued({ ...full, payments: paymentsOf(...over) }, issue());
    expect([...(made?.payments ?? [])].map(([key, one]) => [key, one === undefined])).toEqual([
      [toHex((many[40_000] as Payment).hash), true],
      [keyOf(), false],
    ]);
  });
});
