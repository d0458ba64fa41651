/** A person's word: what it lets out, what it cannot wave through, how it ends. */

import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { msat, sat } from "../../protocol/units.ts";
import { readRecord } from "../../signer/audit.ts";
import { add, htlcOf, keysendOf, open, plainTerms, start, update } from "../scripted/channel.ts";
import { peer } from "../scripted/peer.ts";
import { curve, plainTime, type Rig, type RigOptions, rig } from "../scripted/road.ts";

const bob = peer("bob", curve);
const day = 86_400;

/** Above it a person is asked. */
const policy = { unattendedPayment: msat(1_000_000n), maxSentPerDay: msat(200_000_000n) };

interface Desk {
  rig: Rig;
  now: number;
}

const desk = async (options: RigOptions = {}): Promise<Desk> => {
  const at: { now: number } = { now: plainTime };
  const made = await rig({ policy, proposes: false, time: () => at.now, ...options });
  return Object.assign(at, { rig: made });
};

const proposal = (
  { keyring }: Rig,
  label: string,
  amount: bigint,
  feeLimit = 0n,
): Request<"proposePayment"> => keysendOf(keyring.node, htlcOf("holder", amount, label), msat(feeLimit));

const propose = (at: Desk, label: string, amount = 50_000_000n) =>
  at.rig.call("proposePayment", proposal(at.rig, label, amount));

const decision = (at: Desk, id: Uint8Array, verdict: "approve" | "deny", by = "alice") => ({
  node: at.rig.keyring.node,
  id,
  verdict,
  by,
});
const decide = (at: Desk, id: Uint8Array, verdict: "approve" | "deny", by?: string) =>
  at.rig.call("decideApproval", decision(at, id, verdict, by));
const refusedDecision = (at: Desk, id: Uint8Array, verdict: "approve" | "deny") =>
  at.rig.refusal("decideApproval", decision(at, id, verdict));
const listed = async (at: Desk, state: "all" | "pending" = "all") =>
  (await at.rig.call("listApprovals", { node: at.rig.keyring.node, state })).approvals;
const sent = async ({ rig: { call, keyring } }: Desk): Promise<bigint> =>
  (await call("status", { node: keyring.node })).windows.find(({ name }) => name === "sent")?.spent ?? -1n;

/** Offers an HTLC of the hash in a channel of its own. */
const pay = async (at: Desk, label: string, amount = 50_000_000n): Promise<Outcome<Name>> => {
  const { call, outcome, keyring } = at.rig;
  const terms = plainTerms({ value: sat(10_000_000n) });
  const channel = await open(call, keyring.node, bob, terms, `${label} ${at.now}`);
  const [zero, one] = channel.points;
  const first = update(channel, bob, zero as never, 0n, start(terms));
  await call("validateHolderCommitment", first.validate);
  await call("signCounterpartyCommitment", first.sign);
  const paid = add(start(terms), htlcOf("holder", amount, label));
  return outcome("signCounterpartyCommitment", update(channel, bob, one as never, 1n, paid).sign);
};

describe("a payment that a person has to agree to", () => {
  test("waits, is approved, and lets exactly its HTLC out", async () => {
    const at = await desk();
    const { standing, approval } = await propose(at, "rent");
    expect(standing).toBe("pending");
    expect(await pay(at, "rent")).toMatchObject({
      is: "refusal",
      refusal: { rule: "commitment-htlc-offered-hash-matches", final: false },
    });
    const [waiting] = await listed(at, "pending");
    expect(waiting).toMatchObject({ id: approval, subject: "payment", standing: "pending", by: "" });
    expect(waiting?.amount).toBe(50_000_000n);
    expect(waiting?.shown).toContainEqual({ name: "payee", value: "anyone" });

    expect(await decide(at, approval, "approve")).toEqual({ standing: "approved" });
    expect(await sent(at)).toBe(50_000_000n);
    expect(await listed(at, "pending")).toEqual([]);
    expect(await listed(at)).toMatchObject([{ standing: "approved", by: "alice" }]);
    expect(await propose(at, "rent")).toMatchObject({ standing: "approved", approval });
    expect((await pay(at, "rent")).is).toBe("reply");
    expect(at.rig.faults).toEqual([]);
  });

  test("is denied, and stays so until its time is over", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    expect(await decide(at, approval, "deny")).toEqual({ standing: "denied" });
    expect(await propose(at, "rent")).toMatchObject({ standing: "denied" });
    expect((await pay(at, "rent")).is).toBe("refusal");
    const refusal = await refusedDecision(at, approval, "approve");
    expect(refusal).toMatchObject({ rule: "commitment-payment-approved", final: false });
    expect(refusal.facts).toContainEqual({ name: "standing", value: "denied" });
    expect(await sent(at)).toBe(0n);
    at.now += day + 1;
    expect(await propose(at, "rent")).toMatchObject({ standing: "pending" });
  });

  test("is asked for twice and decided twice: the same answer, charged once", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    await propose(at, "rent");
    expect(await listed(at)).toHaveLength(1);
    for (const by of ["alice", "bob"]) await decide(at, approval, "approve", by);
    expect(await sent(at)).toBe(50_000_000n);
    expect(await listed(at)).toMatchObject([{ by: "alice" }]);
    at.now += 1;
    const { approval: other } = await propose(at, "other");
    for (const by of ["alice", "bob"])
      expect(await decide(at, other, "deny", by)).toEqual({ standing: "denied" });
    expect(await listed(at)).toMatchObject([{ standing: "denied", by: "alice" }, { standing: "approved" }]);
  });

  test("expires: nobody approves it then, and an approval that was not used lets nothing out", async () => {
    const at = await desk();
    const { approval } = await propose(at, "late");
    const { approval: unused } = await propose(at, "unused");
    await decide(at, unused, "approve");
    at.now += day;
    expect(await listed(at, "pending")).toHaveLength(1);
    at.now += 1;
    expect(await listed(at, "pending")).toEqual([]);
    expect((await listed(at)).map(({ standing }) => standing)).toEqual(["expired", "expired"]);
    for (const verdict of ["approve", "deny"] as const)
      expect((await refusedDecision(at, approval, verdict)).facts[1]?.name).toBe("expired");
    at.now += day;
    expect((await pay(at, "unused")).is).toBe("refusal");
  });

  test("is taken back after its time, while a host may still be late with its HTLC", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    await decide(at, approval, "approve");
    at.now += day + 1;
    expect(await decide(at, approval, "deny")).toEqual({ standing: "denied" });
    expect((await pay(at, "rent")).is).toBe("refusal");
    expect(await sent(at)).toBe(0n);
  });

  test("survives a restart, on each side of the decision", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    at.rig = await at.rig.restart();
    expect(await listed(at)).toMatchObject([{ id: approval, standing: "pending" }]);
    await decide(at, approval, "approve");
    at.rig = await at.rig.restart();
    expect(await sent(at)).toBe(50_000_000n);
    expect((await pay(at, "rent")).is).toBe("reply");
  });

  test("of an id that nobody asked under is refused, and of nobody is malformed", async () => {
    const at = await desk();
    const none = new Uint8Array(32);
    for (const verdict of ["approve", "deny"] as const)
      expect(await refusedDecision(at, none, verdict)).toMatchObject({
        rule: "commitment-payment-approved",
        final: false,
      });
    const { approval } = await propose(at, "rent");
    expect(await at.rig.outcome("decideApproval", decision(at, approval, "approve", " "))).toMatchObject({
      is: "malformed",
      malformed: { path: "by" },
    });
    expect(await listed(at, "pending")).toHaveLength(1);
  });

  test("approves its amount and hash, not those of another", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    await decide(at, approval, "approve");
    expect((await pay(at, "rent", 50_000_001n)).is).toBe("refusal");
    expect((await pay(at, "other", 50_000_000n)).is).toBe("refusal");
    const stretched = await at.rig.call("proposePayment", proposal(at.rig, "rent", 50_000_001n));
    expect(stretched.standing).toBe("pending");
    expect(toHex(stretched.approval)).not.toBe(toHex(approval));
  });
});

describe("what no person can wave through is asked again when somebody approves", () => {
  test("the limit of a day", async () => {
    const at = await desk();
    const waiting = [];
    for (const label of ["a", "b", "c", "d", "e"]) waiting.push((await propose(at, label)).approval);
    for (const id of waiting.slice(0, 4)) await decide(at, id, "approve");
    const [last] = waiting.slice(4);
    const refusal = await refusedDecision(at, last as Uint8Array, "approve");
    expect(refusal).toMatchObject({ rule: "commitment-payment-velocity", kind: "limit", final: false });
    expect(await sent(at)).toBe(200_000_000n);
    expect(await listed(at, "pending")).toHaveLength(1);
    // Room again, once another is taken back.
    await decide(at, waiting[0] as Uint8Array, "deny");
    expect(await decide(at, last as Uint8Array, "approve")).toEqual({ standing: "approved" });
    expect(await sent(at)).toBe(200_000_000n);
  });

  test.each([
    ["the largest payment", { maxPayment: msat(40_000_000n) }, "commitment-payment-approved"],
    ["whether this node pays at all", { sending: false }, "merchant-no-sends"],
    ["whether it does anything but receive", { sending: false, forwarding: false }, "receive-only"],
  ] as const)("%s, after the policy was tightened", async (_, tighter, rule) => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    at.rig = await at.rig.restart({ ...policy, ...tighter });
    expect((await refusedDecision(at, approval, "approve")).rule).toBe(rule);
    expect(await decide(at, approval, "deny")).toEqual({ standing: "denied" });
  });

  test("the fee limit", async () => {
    const at = await desk();
    const body = proposal(at.rig, "dear", 50_000_000n, 400_000n);
    const { approval } = await at.rig.call("proposePayment", body);
    at.rig = await at.rig.restart({ ...policy, maxRoutingFee: msat(399_999n) });
    expect((await refusedDecision(at, approval, "approve")).rule).toBe("payment-fee-limit");
  });

  test("whether another payment of the hash is on its way", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    const { approval: larger } = await propose(at, "rent", 60_000_000n);
    await decide(at, approval, "approve");
    expect((await pay(at, "rent")).is).toBe("reply");
    const refusal = await refusedDecision(at, larger, "approve");
    expect(refusal.facts).toContainEqual({ name: "onItsWay", value: "true" });
  });
});

describe("an approval is taken back", () => {
  test("before it is used: nothing goes out, and what it reserved is free", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    await decide(at, approval, "approve");
    expect(await decide(at, approval, "deny", "bob")).toEqual({ standing: "denied" });
    expect(await sent(at)).toBe(0n);
    expect((await pay(at, "rent")).is).toBe("refusal");
    expect(await propose(at, "rent")).toMatchObject({ standing: "denied" });
    expect(await listed(at)).toMatchObject([{ standing: "denied", by: "bob" }]);
  });

  test("not while its HTLC is on its way", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    await decide(at, approval, "approve");
    await pay(at, "rent");
    expect((await refusedDecision(at, approval, "deny")).facts).toContainEqual({
      name: "onItsWay",
      value: "true",
    });
    expect(await sent(at)).toBe(50_000_000n);
    expect(await listed(at)).toMatchObject([{ standing: "approved" }]);
  });

  test("after the host has withdrawn the payment, so that it can't come back to it", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    await decide(at, approval, "approve");
    const { hash, node } = proposal(at.rig, "rent", 50_000_000n);
    await at.rig.call("withdrawPayment", { node, hash });
    expect(await sent(at)).toBe(0n);
    await decide(at, approval, "deny");
    expect(await propose(at, "rent")).toMatchObject({ standing: "denied" });
    expect(await sent(at)).toBe(0n);
  });
});

describe("an opening", () => {
  test("that a person agreed to passes, once it is asked again", async () => {
    const at = await desk({ policy: { ...policy, unattendedFunding: sat(0n) } });
    const { call, refusal, keyring } = at.rig;
    const { node } = keyring;
    const { channel } = await call("new", { node, wanted: unknown });
    const opening = { node, channel, peer: bob.id, terms: plainTerms() };
    expect((await refusal("check", opening)).rule).toBe("onchain-no-fund-inbound");
    const [waiting] = await listed(at, "pending");
    expect(waiting).toMatchObject({ subject: "opening" });
    await decide(at, waiting?.id ?? new Uint8Array(32), "approve");
    expect(await call("check", opening)).toEqual({});
    // And not on other terms.
    const larger = { ...opening, terms: plainTerms({ value: sat(1_000_001n) }) };
    expect((await refusal("check", larger)).rule).toBe("onchain-no-fund-inbound");
    await decide(at, waiting?.id ?? new Uint8Array(32), "deny");
    expect((await refusal("check", opening)).rule).toBe("onchain-no-fund-inbound");
  });
});

describe("the audit log", () => {
  test("has each decision, with who made it; what changed nothing is not in it", async () => {
    const at = await desk();
    const { approval } = await propose(at, "rent");
    await decide(at, approval, "approve", "alice");
    await decide(at, approval, "approve", "alice");
    await decide(at, approval, "deny", "bob");
    await listed(at);
    const rows = await at.rig.disk.open().audit(0, 1_000);
    const records = rows.map(({ bytes }) => readRecord(bytes));
    const told = records.filter(({ operation }) => operation === 0x82).map(({ detail }) => detail);
    expect(told).toEqual([`approved ${toHex(approval)} by alice`, `denied ${toHex(approval)} by bob`]);
  });
});
