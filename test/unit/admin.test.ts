/** status, allowlist, policy and the dry run: what an administrator sees, and that looking changes nothing. */

import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { maxAllowed } from "../../protocol/operations/admin.ts";
import {
  type Name,
  namesOf,
  operations,
  packRequest,
  type Request,
} from "../../protocol/operations/index.ts";
import { msat, point, sat, script } from "../../protocol/units.ts";
import { figures } from "../../signer/core/policy/figures.ts";
import { steps } from "../../signer/core/steps/index.ts";
import { faulty } from "../../signer/store/faulty.ts";
import { htlcOf, keysendOf, open, plainTerms, start, update } from "../scripted/channel.ts";
import { closeOf } from "../scripted/close.ts";
import { peer } from "../scripted/peer.ts";
import { curve, type Rig, rig } from "../scripted/road.ts";

const bob = peer("bob", curve);
const foreignScript = script(Uint8Array.of(0x00, 0x14, ...new Uint8Array(20).fill(9)));
const payee = bob.id;

const allow = ({ call, keyring: { node } }: Rig, change: Partial<Request<"changeAllowlist">>) =>
  call("changeAllowlist", {
    node,
    addScripts: [],
    removeScripts: [],
    addPayees: [],
    removePayees: [],
    ...change,
  });

const explain = <N extends Name>({ call, keyring: { node } }: Rig, name: N, body: Request<N>) =>
  call("explain", { node, request: packRequest(name, body) });

const rows = async ({ disk }: Rig) => await disk.open().audit(0, 10_000);

describe("status", () => {
  test("says what is there and what is left of each limit", async () => {
    const made = await rig({ proposes: false, policy: { unattendedPayment: msat(1_000n) } });
    const { call, keyring } = made;
    const { node } = keyring;
    await open(call, node, bob, plainTerms(), "status");
    await call("new", { node, wanted: unknown });
    await call("proposePayment", keysendOf(node, htlcOf("holder", 900n, "small"), msat(100n)));
    await call("proposePayment", keysendOf(node, htlcOf("holder", 9_000n, "large")));
    const status = await call("status", { node });
    expect(status).toMatchObject({
      network: "regtest",
      tier: "full",
      curve: "native",
      constantTime: true,
      channels: 1,
      pending: 1,
      alarms: [],
      fault: "",
    });
    const spent = Object.fromEntries(status.windows.map((one) => [one.name, one.spent]));
    expect(spent).toEqual({ sent: 1_000n, funded: 1_000_000_000n, trimmed: 0n, fees: 0n, lost: 0n });
    expect(status.windows.every(({ limit }) => limit > 0n)).toBe(true);
  });

  test("is answered though something broke, when nothing else is", async () => {
    const made = await rig({
      wrap: (store) => faulty(store as never, { commit: 1, when: "before", how: "throw" }),
    });
    const { node } = made.keyring;
    expect((await made.outcome("new", { node, wanted: unknown })).is).toBe("fault");
    expect((await made.outcome("listApprovals", { node, state: "all" })).is).toBe("fault");
    const request = packRequest("points", { node, channel: 0n as never, numbers: [] });
    expect((await made.outcome("explain", { node, request })).is).toBe("fault");
    expect((await made.outcome("status", { node })).is).toBe("reply");
  });
});

describe("showPolicy", () => {
  test("shows every limit with its sentence, and what was allowed beside the file", async () => {
    const made = await rig();
    await allow(made, { addScripts: [foreignScript], addPayees: [payee] });
    const { limits } = await made.call("showPolicy", { node: made.keyring.node });
    expect(limits.map(({ name }) => name)).toEqual(Object.keys(figures));
    const shown = (name: string) => limits.find((one) => one.name === name)?.value;
    expect(shown("allowlist")).toBe(toHex(foreignScript));
    expect(shown("payees")).toBe(toHex(payee));
    expect(shown("forwarding")).toBe("yes");
    expect(shown("maxOfferedHtlcs")).toBe("483");
    expect(shown("maxPush")).toMatch(/^[0-9]+ msat$/);
  });
});

describe("the allowlist", () => {
  test("lets a close pay a listed script, until it is removed; a restart changes nothing", async () => {
    let made = await rig();
    const terms = plainTerms();
    const channel = await open(made.call, made.keyring.node, bob, terms, "allowed");
    const first = update(channel, bob, channel.points[0] as never, 0n, start(terms));
    await made.call("validateHolderCommitment", first.validate);
    await made.call("signCounterpartyCommitment", first.sign);
    const close = {
      ...closeOf(channel, start(terms), 1_000n),
      holderScript: foreignScript,
    } as Request<"signClosing">;
    const refused = async () => (await explain(made, "signClosing", close)).verdict === "refused";
    expect(await refused()).toBe(true);
    expect(await allow(made, { addScripts: [foreignScript] })).toEqual({
      scripts: [foreignScript],
      payees: [],
    });
    expect(await refused()).toBe(false);
    made = await made.restart();
    expect(await allow(made, {})).toEqual({ scripts: [foreignScript], payees: [] });
    expect(await refused()).toBe(false);
    expect(await allow(made, { removeScripts: [foreignScript] })).toEqual({ scripts: [], payees: [] });
    expect(await refused()).toBe(true);
    expect((await made.refusal("signClosing", close)).rule).toBe("mutual-destination-allowlisted");
  });

  test("the same change twice is one, and each change is audited with what it did", async () => {
    const made = await rig();
    await allow(made, { addScripts: [foreignScript, foreignScript], addPayees: [payee] });
    expect(await allow(made, { addScripts: [foreignScript] })).toEqual({
      scripts: [foreignScript],
      payees: [payee],
    });
    await allow(made, {});
    const details = (await rows(made)).map(({ bytes }) => new TextDecoder().decode(bytes)).join("|");
    expect(details.match(/scripts: \d added/g)).toEqual(["scripts: 2 added", "scripts: 1 added"]);
  });

  test.each([
    ["an empty script", { addScripts: [script(new Uint8Array(0))] }, "addScripts[0]"],
    [
      "a payee that is no point",
      { addPayees: [payee, point(new Uint8Array(33).fill(2).fill(0xff, 1))] },
      "addPayees[1]",
    ],
    [
      "what is added and removed",
      { addScripts: [foreignScript], removeScripts: [foreignScript] },
      "addScripts[0]",
    ],
  ] as const)("%s is malformed, and changes nothing", async (_, change, path) => {
    const made = await rig();
    const body = {
      ...{ node: made.keyring.node, addScripts: [], removeScripts: [], addPayees: [], removePayees: [] },
      ...change,
    };
    expect(await made.outcome("changeAllowlist", body)).toMatchObject({
      is: "malformed",
      malformed: { path },
    });
    expect(await allow(made, {})).toEqual({ scripts: [], payees: [] });
  });

  test("is bounded", async () => {
    const made = await rig();
    const many = (from: number) =>
      Array.from({ length: maxAllowed }, (_, at) =>
        script(Uint8Array.of(1, (from + at) >> 8, (from + at) & 0xff)),
      );
    await allow(made, { addScripts: many(0) });
    const body = {
      node: made.keyring.node,
      addScripts: many(1),
      removeScripts: [],
      addPayees: [],
      removePayees: [],
    };
    expect(await made.outcome("changeAllowlist", body)).toMatchObject({
      is: "malformed",
      malformed: { path: "addScripts" },
    });
  });
});

describe("explain", () => {
  const policy = { unattendedPayment: msat(1_000n), maxPayment: msat(50_000n), maxPush: msat(0n) };

  test("says what a payment waits for, and what refuses it", async () => {
    const made = await rig({ policy, proposes: false });
    const { node } = made.keyring;
    const small = keysendOf(node, htlcOf("holder", 900n, "small"));
    expect(await explain(made, "proposePayment", small)).toMatchObject({
      verdict: "accepted",
      rule: "",
      facts: [{ name: "standing", value: "approved" }],
    });
    const larger = keysendOf(node, htlcOf("holder", 9_000n, "larger"));
    const waits = await explain(made, "proposePayment", larger);
    expect(waits).toMatchObject({ verdict: "accepted", rule: "commitment-payment-allowlisted" });
    expect(waits.hint).not.toBe("");
    expect(waits.applied).toContain("payment-fee-limit");
    expect(waits.applied).toContain("commitment-payment-velocity");
    const largest = keysendOf(node, htlcOf("holder", 50_001n, "largest"));
    const refused = await explain(made, "proposePayment", largest);
    expect(refused).toMatchObject({ verdict: "refused", rule: "commitment-payment-approved", final: false });
    expect(refused.facts).toContainEqual({ name: "max", value: "50000" });
    // Those behind the one that refused are not asked, as for the host.
    expect(refused.applied).not.toContain("commitment-payment-velocity");
  });

  test("refuses what the host's own request is refused for, by the same rule and facts", async () => {
    const made = await rig({ policy });
    const { node } = made.keyring;
    const { channel } = await made.call("new", { node, wanted: unknown });
    const pushes = { node, channel, peer: bob.id, terms: plainTerms({ push: msat(1n) }) };
    const dry = await explain(made, "check", pushes);
    const { rule, facts } = await made.refusal("check", pushes);
    expect(dry).toMatchObject({ verdict: "refused", rule });
    expect(dry.facts.filter(({ name }) => name !== "approval")).toEqual(
      facts.filter(({ name }) => name !== "approval"),
    );
    expect(dry.applied.at(-1)).toBe(rule);
  });

  test("keeps, signs and audits nothing, whatever is asked", async () => {
    const made = await rig({ policy, proposes: false });
    const { call, keyring } = made;
    const { node } = keyring;
    const terms = plainTerms();
    const channel = await open(call, node, bob, terms, "dry");
    const first = update(channel, bob, channel.points[0] as never, 0n, start(terms));
    const before = await call("status", { node });
    const asked = [
      ["validateHolderCommitment", first.validate],
      ["signCounterpartyCommitment", first.sign],
      ["new", { node, wanted: unknown }],
      ["setup", { node, channel: channel.channel, peer: bob.id, terms: plainTerms({ value: sat(5n) }) }],
      ["proposePayment", keysendOf(node, htlcOf("holder", 9_000n, "x"))],
      ["check", { node, channel: channel.channel, peer: bob.id, terms: plainTerms({ push: msat(1n) }) }],
    ] as const;
    const verdicts: string[] = [];
    for (const [name, body] of asked) {
      const whole =
        name === "setup" ? { ...body, counterparty: bob.basepoints, funding: channel.shared.funding } : body;
      verdicts.push((await explain(made, name, whole as never)).verdict);
    }
    expect(verdicts).toEqual(["accepted", "accepted", "accepted", "refused", "accepted", "refused"]);
    expect(await call("status", { node })).toEqual(before);
    expect((await call("listApprovals", { node, state: "all" })).approvals).toEqual([]);
    // The host's own first request is still the first.
    const again = await call("validateHolderCommitment", first.validate);
    expect(again).toEqual({});
    expect((await rows(made)).length).toBe(3);
  });

  test("of bytes that are no request, or none of a host's, is malformed", async () => {
    const made = await rig();
    const { node } = made.keyring;
    const ask = (request: Uint8Array) => made.call("explain", { node, request });
    expect(await ask(Uint8Array.of(0xff, 0xff))).toMatchObject({ verdict: "malformed", final: true });
    expect(await ask(new Uint8Array(0))).toMatchObject({ verdict: "malformed" });
    expect(await ask(packRequest("status", { node }))).toMatchObject({ verdict: "malformed" });
    const nested = packRequest("explain", { node, request: packRequest("status", { node }) });
    expect(await ask(nested)).toMatchObject({ verdict: "malformed" });
    const hello = { node, version: 0, network: "regtest", software: "x" } as const;
    expect(await ask(packRequest("hello", hello))).toMatchObject({
      verdict: "malformed",
      facts: [{ name: "field", value: "version" }],
    });
    const stranger = packRequest("hello", { ...hello, node: bob.id });
    expect(await ask(stranger)).toMatchObject({ verdict: "refused", rule: "node-known" });
    expect(made.session.fault()).toBeUndefined();
  });

  test("of one node at a time: rules of another request are not among those applied", async () => {
    const made = await rig({ policy, proposes: false });
    const { node } = made.keyring;
    const payments = Array.from({ length: 20 }, (_, at) => keysendOf(node, htlcOf("holder", 900n, `p${at}`)));
    const hello = { node, version: 1, network: "regtest", software: "x" } as const;
    const all = await Promise.all(
      payments.flatMap((one) => [
        made.call("proposePayment", one).then(() => undefined),
        explain(made, "hello", hello),
      ]),
    );
    for (const one of all) if (one !== undefined) expect(one.applied).toEqual([]);
  });
});

describe("roles", () => {
  test("hello tells a host of its own operations alone", async () => {
    const { call, keyring } = await rig();
    const hello = await call("hello", { node: keyring.node, version: 1, network: "regtest", software: "x" });
    expect(hello.operations.toSorted()).toEqual(
      namesOf("host")
        .map((name) => operations[name].number)
        .toSorted(),
    );
    for (const name of namesOf("admin")) expect(hello.operations).not.toContain(operations[name].number);
  });

  test("every operation but the dry run has a step", () => {
    expect(Object.keys(steps)).not.toContain("explain");
    expect(namesOf("admin").length).toBeGreaterThanOrEqual(6);
  });
});
