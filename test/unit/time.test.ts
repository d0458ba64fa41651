/** Whatever a step forgets, asks or answers because of its time: no later step is at an earlier one. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isKnown, unknown } from "../../protocol/codec.ts";
import type { Outpoint, Txid } from "../../protocol/units.ts";
import { msat, sat } from "../../protocol/units.ts";
import { unpackApproval, unpackNode, unpackPayment } from "../../signer/core/node-records.ts";
import type { OutpointState } from "../../signer/core/outpoints.ts";
import {
  type Approval,
  freshNode,
  freshPayment,
  type NodeState,
  type Payment,
} from "../../signer/core/state.ts";
import type { Change, View } from "../../signer/core/step.ts";
import { keepingTime } from "../../signer/core/time.ts";
import { htlcOf } from "../scripted/channel.ts";
import { issueOf, keysend } from "../scripted/payments.ts";
import { plainTime, type Rig, rig } from "../scripted/road.ts";
import { toOther, toWallet, walletCoin } from "../scripted/spends.ts";
import { request } from "../scripted/thief.ts";
import { steady } from "../steady.ts";
import { intentOf, issuedUntil, now, paymentOf, paymentsOf, viewOf } from "./payments.kit.ts";

const day = 86_400;

interface Records {
  readonly node: NodeState;
  readonly nodeVersion: number;
  readonly payments: ReadonlyMap<string, Payment>;
  readonly approvals: ReadonlyMap<string, Approval>;
}

const recordsOf = async (on: Rig): Promise<Records> => {
  const all = [...(await on.store.load(on.session.node))].map(
    ([key, record]) => [key.split("/"), record] as const,
  );
  const of = <T>(kind: string, read: (bytes: Uint8Array) => T): ReadonlyMap<string, T> =>
    new Map(all.flatMap(([[, is, id = ""], { bytes }]) => (is === kind ? [[id, read(bytes)] as const] : [])));
  const [node = freshNode] = of("node", unpackNode).values();
  const nodeVersion = all.find(([[, is]]) => is === "node")?.[1].version ?? 0;
  return {
    node,
    nodeVersion,
    payments: of("payment", unpackPayment),
    approvals: of("approval", unpackApproval),
  };
};

const counted = { forgotten: 0, swept: 0, renewed: 0, asked: 0, answered: 0, back: 0, quiet: 0 };

/** What of this step has a time in it. */
const timed = (before: Records, after: Records): readonly (keyof typeof counted)[] => {
  const dropped = [...before.payments].filter(([key, { intent, issued }]) => {
    const left = after.payments.get(key);
    const has = (one: "intent" | "issued") => left !== undefined && isKnown(left[one]);
    return (isKnown(intent) && !has("intent")) || (isKnown(issued) && !has("issued"));
  });
  const approvals = [...new Set([...before.approvals.keys(), ...after.approvals.keys()])].flatMap((key) => {
    const [was, is] = [before.approvals.get(key), after.approvals.get(key)];
    if (is === undefined) return ["swept" as const];
    if (was === undefined) return ["asked" as const];
    if (is.asked !== was.asked || is.until !== was.until) return ["renewed" as const];
    return is.standing === was.standing ? [] : ["answered" as const];
  });
  return [...dropped.map(() => "forgotten" as const), ...approvals];
};

type Act = "issue" | "small" | "large" | "withdraw" | "approve" | "deny" | "spend";
const acts: readonly Act[] = ["issue", "small", "large", "withdraw", "approve", "deny", "spend"];
const moments = [0, 1, 3_600, day, day + 1, day + 3_601, 2 * day + 2, 5 * day, 9 * day];

const take = async (on: Rig, act: Act, which: number): Promise<void> => {
  const { node } = on.session;
  const label = `hash ${which}`;
  const propose = (amount: bigint) =>
    on.outcome("proposePayment", keysend(node, htlcOf("holder", amount, label)));
  switch (act) {
    case "issue":
      await on.outcome("signInvoice", issueOf(node, label, 1_000n));
      return;
    case "small":
      await propose(1_000n);
      return;
    case "large":
      await propose(50_000_000n);
      return;
    case "withdraw":
      await on.outcome("withdrawPayment", { node, hash: htlcOf("holder", 1n, label).hash });
      return;
    case "approve":
    case "deny": {
      const { approvals } = await recordsOf(on);
      const id = [...approvals.values()][which % Math.max(1, approvals.size)]?.id;
      if (id !== undefined) await on.outcome("decideApproval", { node, id, verdict: act, by: "a person" });
      return;
    }
    case "spend": {
      const coin = await walletCoin(on, 100_000n, { label });
      const pays = [toOther(10_000n + BigInt(which % 2)), await toWallet(on, 89_000n)];
      await on.outcome("spend", (await request(on, [coin], pays)).body);
    }
  }
};

const policy = { unattendedPayment: msat(10_000n), unattendedFunding: sat(0n) };

describe("what a step forgets, asks or answers", () => {
  test("lies behind every later one, whatever the clock says", async () => {
    const step = fc.record({
      act: fc.constantFrom(...acts),
      which: fc.nat(3),
      at: fc.constantFrom(...moments),
    });
    await steady(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 30 }), async (steps) => {
        let clock = plainTime;
        const on = await rig({ policy, time: () => clock, proposes: false });
        const questions = new Set<string>();
        let before = await recordsOf(on);
        for (const { act, which, at } of steps) {
          const last = clock;
          clock = plainTime + at;
          const isAt = Math.max(clock, before.node.time);
          await take(on, act, which);
          const after = await recordsOf(on);
          expect(after.node.time).toBeGreaterThanOrEqual(before.node.time);
          const events = timed(before, after);
          for (const one of events) counted[one]++;
          if (events.length > 0) expect(after.node.time, act).toBeGreaterThanOrEqual(isAt);
          else if (act === "issue") {
            // What forgets nothing has no more to write than before.
            expect(after.nodeVersion).toBe(before.nodeVersion);
            counted.quiet++;
          }
          if (clock < last) counted.back++;
          for (const [key, { asked }] of after.approvals) {
            if (before.approvals.get(key)?.asked === asked) continue;
            // Whose yes names the question and when it was asked has said it once.
            expect(questions.has(`${key} ${asked}`)).toBe(false);
            questions.add(`${key} ${asked}`);
          }
          before = after;
        }
        expect(on.faults).toEqual([]);
      }),
      { numRuns: 100 },
    );
    for (const [what, times] of Object.entries(counted)) expect(times, what).toBeGreaterThan(5);
  });
});

describe("a step's change", () => {
  const kept = (change: Change) => ({ is: "kept", change, reply: () => ({}) }) as const;
  const outpoint: Outpoint = { txid: new Uint8Array(32).fill(1) as Txid, index: 0 };
  const view = (): View => {
    const outpoints = new Map([["one", { outpoint } as OutpointState]]);
    const both = paymentOf({ intent: intentOf({}), issued: issuedUntil(now) });
    return { ...viewOf([], { payments: paymentsOf(both) }), outpoints, node: freshNode, now };
  };
  const timeOf = (change: Change, of = view()): number | undefined => {
    const decision = keepingTime(of, kept(change));
    return decision.is === "kept" ? decision.change.node?.time : undefined;
  };
  const [[key, both] = ["", freshPayment(htlcOf("holder", 1n, "none").hash)]] = view().payments;

  test("keeps its time where something is dropped or asked", () => {
    expect(timeOf({ payments: new Map([[key, undefined]]) })).toBe(now);
    expect(timeOf({ payments: new Map([[key, { ...both, intent: unknown }]]) })).toBe(now);
    expect(timeOf({ payments: new Map([[key, { ...both, issued: unknown }]]) })).toBe(now);
    expect(timeOf({ outpoints: new Map([["one", undefined]]) })).toBe(now);
    expect(timeOf({ approvals: new Map([["one", {} as Approval]]) })).toBe(now);
    expect(timeOf({ payments: new Map([[key, undefined]]), node: { ...freshNode, time: 7 } })).toBe(now);
    expect(
      keepingTime(view(), { ...kept({ approvals: new Map([["a", {} as Approval]]) }), is: "asked" } as never),
    ).toMatchObject({ change: { node: { time: now } } });
  });

  test("is what it was where nothing is, so that a commitment writes no more", () => {
    const forwarded = { ...view(), payments: paymentsOf(paymentOf({ settledIn: 5n, settledOut: 4n })) };
    for (const [of, change] of [
      [view(), {}],
      [forwarded, { payments: new Map([[key, undefined]]) }],
      [view(), { payments: new Map([[key, { ...both, settledOut: 1n }]]) }],
      [view(), { approvals: new Map([["nobody's", undefined]]) }],
      [view(), { outpoints: new Map([["two", undefined]]) }],
    ] as const) {
      const decision = kept(change);
      expect(keepingTime(of, decision)).toBe(decision);
    }
    const late = { ...view(), node: { ...freshNode, time: now } };
    const decision = kept({ payments: new Map([[key, undefined]]) });
    expect(keepingTime(late, decision)).toBe(decision);
  });
});
