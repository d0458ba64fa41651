import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import { commitmentNumber, feerate, sat } from "../../protocol/units.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import type { Keyring, Store } from "../../signer/core/ports.ts";
import { openSession } from "../../signer/core/session.ts";
import { journal } from "../../signer/journal.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { add, htlcOf, preimageOf, remove, withFeerate } from "../scripted/channel.ts";
import { verifyOf } from "../scripted/checks.ts";
import type { Balances } from "../scripted/content.ts";
import { reordered } from "../scripted/duplex.ts";
import { peer } from "../scripted/peer.ts";
import { curve, rig } from "../scripted/road.ts";
import { bob, evenTerms, scene } from "../scripted/scene.ts";

describe("a channel opens and advances", () => {
  test.each(["anchors", "static_remotekey"] as const)("%s: every signature verifies", async (type) => {
    const on = await scene({ terms: evenTerms({ type }) });
    const sent = htlcOf("holder", 50_000_000n, "a");
    const held = add(on.start, sent);
    const settled = remove(held, sent, "fulfil");
    const steps: readonly Balances[] = [
      on.start,
      held,
      settled,
      add(settled, htlcOf("counterparty", 20_000_000n, "b")),
    ];
    for (const [n, balances] of steps.entries()) {
      const { sign } = await on.at(BigInt(n), balances, n === 2 ? [preimageOf("a")] : []);
      const reply = await on.advance(BigInt(n), balances, n === 2 ? [preimageOf("a")] : []);
      expect(verifyOf(curve, on.opened, bob, sign, reply)).toEqual([]);
    }
    expect(on.signer.faults).toEqual([]);
  });

  test("hello tells what this signer is, and what to stay inside", async () => {
    const signer = await rig({ policy: { maxFeerate: feerate(4_321) } });
    const { node } = signer.session;
    const told = await signer.call("hello", {
      node,
      version: 9,
      network: "regtest",
      software: "a later host",
    });
    expect(told).toMatchObject({
      version: 1,
      network: "regtest",
      tier: "full",
      bounds: { maxFeerate: 4_321 },
    });
    expect(told.operations).toContain(0x20);
  });

  test("points of any number are told, also of a channel that is not set up", async () => {
    const signer = await rig();
    const { node } = signer.session;
    const { channel, points } = await signer.call("new", { node, wanted: unknown });
    const numbers = [0n, 1n, 1n << 40n, (1n << 48n) - 1n].map(commitmentNumber);
    const told = await signer.call("points", { node, channel, numbers });
    expect(told.points.slice(0, 2)).toEqual(points);
    expect(new Set(told.points.map(String)).size).toBe(4);
  });
});

describe("a request that comes again", () => {
  test("is answered with the same bytes in any order of its HTLCs, without its proofs, and after a restart", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const [one, other] = [htlcOf("holder", 30_000_000n, "a"), htlcOf("counterparty", 20_000_000n, "b")];
    const held = add(add(add(on.start, one), other), htlcOf("counterparty", 100_000n, "dust"));
    await on.advance(1n, held);
    const { sign, validate } = await on.at(2n, remove(held, one, "fulfil"), [preimageOf("a")]);
    const first = await on.signer.call("signCounterpartyCommitment", sign);
    await on.signer.call("validateHolderCommitment", validate);
    const record = await on.record();
    const again = await on.signer.restart();
    for (const body of [sign, reordered(sign), { ...sign, preimages: [] }])
      expect(await again.call("signCounterpartyCommitment", body)).toEqual(first);
    await again.call("validateHolderCommitment", reordered(validate));
    expect(await on.on(again).record()).toEqual(record);
  });

  test("with other signatures that are valid takes no place of its own; with wrong ones it is refused", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const htlcs = ["a", "b", "c", "d", "e", "f"].map((label) => htlcOf("holder", 5_000_000n, label));
    const held = htlcs.reduce(add, on.start);
    const { validate } = await on.at(1n, held);
    await on.signer.call("validateHolderCommitment", validate);
    const record = await on.record();
    const { points } = await on.signer.call("points", { ...on.opened, numbers: [commitmentNumber(1n)] });
    const others = peer("bob", curve, true).countersign(on.opened.shared, points[0] as never, {
      ...validate,
      trimmed: [],
    });
    expect(others).not.toEqual({ signature: validate.signature, htlcSignatures: validate.htlcSignatures });
    await on.signer.call("validateHolderCommitment", { ...validate, ...others });
    const wrong = { ...validate, signature: validate.htlcSignatures[0] as never };
    expect((await on.signer.refusal("validateHolderCommitment", wrong)).rule).toBe(
      "revoke-new-commitment-signed",
    );
    expect(await on.record()).toEqual(record);
  });

  test("of the number that was revoked last is still answered", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const held = add(on.start, htlcOf("holder", 30_000_000n, "a"));
    const { sign, validate } = await on.at(1n, held);
    const reply = await on.advance(1n, held);
    await on.advance(2n, withFeerate(held, feerate(1_100)));
    expect(await on.signer.call("signCounterpartyCommitment", sign)).toEqual(reply);
    await on.signer.call("validateHolderCommitment", validate);
    // Two numbers back nobody asks any more.
    await on.advance(3n, withFeerate(held, feerate(1_200)));
    expect((await on.signer.refusal("signCounterpartyCommitment", sign)).rule).toBe(
      "commitment-previous-revoked",
    );
    expect((await on.signer.refusal("validateHolderCommitment", validate)).rule).toBe(
      "commitment-holder-not-revoked",
    );
  });

  test("may follow any of several contents of the number before", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const offered = htlcOf("holder", 10_000_000n, "a");
    const forgotten = await on.at(1n, add(on.start, offered));
    await on.signer.call("signCounterpartyCommitment", forgotten.sign);
    await on.advance(1n, withFeerate(on.start, feerate(1_500)));
    // One from each: an HTLC that goes on being held, and one that was never there.
    for (const balances of [add(on.start, offered), withFeerate(on.start, feerate(1_600))]) {
      const { sign } = await on.at(2n, balances);
      await on.signer.call("signCounterpartyCommitment", sign);
    }
    // And one that follows from the forgotten content alone.
    const { sign } = await on.at(2n, remove(add(on.start, offered), offered, "fulfil"), [preimageOf("a")]);
    await on.signer.call("signCounterpartyCommitment", sign);
  });
});

test.each(["holder", "counterparty"] as const)("BOLT 2 knows no 484th HTLC of the %s", async (side) => {
  const value = sat(100_000_000n);
  const on = await scene({ terms: evenTerms({ value, contribution: value }) });
  await on.advance(0n, on.start);
  let now = on.start;
  for (let i = 0; i < 483; i++) now = add(now, htlcOf(side, 500_000n, `${i}`));
  const { sign } = await on.at(1n, add(now, htlcOf(side, 500_000n, "one more")));
  expect((await on.signer.refusal("signCounterpartyCommitment", sign)).rule).toBe(
    "commitment-htlc-count-limit",
  );
  const { sign: full } = await on.at(1n, now);
  await on.signer.call("signCounterpartyCommitment", full);
});

describe("a limit that was lowered", () => {
  test("refuses what is new, and never what is on its way out", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const htlcs = ["a", "b", "c"].map((label) => htlcOf("holder", 20_000_000n, label));
    const three = withFeerate(htlcs.reduce(add, on.start), feerate(5_000));
    const { sign } = await on.at(1n, three);
    await on.signer.call("signCounterpartyCommitment", sign);
    const lowered = {
      maxOfferedHtlcs: 1,
      maxOfferedInFlight: 20_000_000n as never,
      maxFeerate: feerate(2_000),
    };
    const again = on.on(await on.signer.restart(lowered));
    // Our own commitment gets what the counterparty's has already.
    await again.advance(1n, three);
    const { sign: more } = await again.at(2n, add(three, htlcOf("holder", 1_000_000n, "d")));
    expect(await again.signer.refusal("signCounterpartyCommitment", more)).toMatchObject({
      rule: "commitment-htlc-count-limit",
      final: false,
    });
    const { sign: dearer } = await again.at(2n, withFeerate(three, feerate(5_001)));
    expect((await again.signer.refusal("signCounterpartyCommitment", dearer)).rule).toBe(
      "commitment-fee-range",
    );
    const [a] = htlcs;
    if (a === undefined) throw new Error("there is one");
    // One for another is one more, as long as there are too many.
    const { sign: swapped } = await again.at(
      2n,
      add(remove(three, a, "fail"), htlcOf("holder", 1_000_000n, "d")),
    );
    expect((await again.signer.refusal("signCounterpartyCommitment", swapped)).rule).toBe(
      "commitment-htlc-count-limit",
    );
    await again.advance(2n, remove(three, a, "fail"));
    await again.advance(3n, withFeerate(remove(three, a, "fail"), feerate(4_000)));
  });

  test("lets a host ask again once it is raised", async () => {
    const on = await scene({ signer: await rig({ policy: { maxOfferedHtlcs: 1 } }) });
    await on.advance(0n, on.start);
    const two = ["a", "b"].map((label) => htlcOf("holder", 20_000_000n, label)).reduce(add, on.start);
    const { sign } = await on.at(1n, two);
    expect((await on.signer.refusal("signCounterpartyCommitment", sign)).final).toBe(false);
    await on.on(await on.signer.restart({ maxOfferedHtlcs: 2 })).advance(1n, two);
  });
});

describe("the keyring", () => {
  test("signs nothing before the state that it follows from is on disk", async () => {
    let open: (() => void) | undefined;
    let gate = Promise.resolve();
    let signed = 0;
    const on = await scene({
      signer: await rig({
        wrap: (store) => ({ ...store, commit: async (group) => gate.then(() => store.commit(group)) }),
        watch: (keyring) => ({
          ...keyring,
          sign: async (job) => {
            signed += 1;
            return keyring.sign(job);
          },
        }),
      }),
    });
    const { sign } = await on.at(0n, on.start);
    gate = new Promise((resolve) => {
      open = resolve;
    });
    // The first time, and again: what is repeated is not on disk yet either.
    const asked = [sign, sign].map((body) => on.signer.call("signCounterpartyCommitment", body));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(signed).toBe(0);
    open?.();
    const [first, second] = await Promise.all(asked);
    expect(second).toEqual(first);
    expect(signed).toBe(2);
  });
});

describe("what breaks", () => {
  const settings = {
    network: "regtest",
    tier: "full",
    curve,
    software: "countersign test",
  } as const;

  test("a store whose record another signer changed is stale, and says so", async () => {
    let stale = false;
    const wrap = (store: Store): Store => ({
      ...store,
      commit: async (group) => (stale ? { stale: group.writes[0]?.key ?? "" } : store.commit(group)),
    });
    const on = await scene({ signer: await rig({ wrap }) });
    stale = true;
    const { sign } = await on.at(0n, on.start);
    expect(await on.signer.outcome("signCounterpartyCommitment", sign)).toMatchObject({
      is: "fault",
      fault: { code: "stale", sentence: expect.stringContaining("another signer") },
    });
  });

  test("a record that is no node's and no channel's stops the session from opening", async () => {
    const disk = memoryDisk();
    const { keyring, session } = await rig({ disk });
    const store = disk.open();
    const key = `${Buffer.from(session.node).toString("hex")}/wallet`;
    await store.commit({ epoch: store.epoch, writes: [{ key, was: 0, bytes: Uint8Array.of(1) }], audit: [] });
    await expect(
      openSession({
        settings: { ...settings, policy: defaultPolicy("regtest") },
        store,
        keyring,
        journal: journal({ now: () => 0 }),
        verify: async () => [],
        now: () => 1_700_000_000,
        report: () => {},
      }),
    ).rejects.toThrow(/unknown kind/);
  });

  test.each([
    ["throws", async () => Promise.reject(new TypeError("seed 1234"))],
    ["brings nothing", async () => []],
  ] as const)("a keyring that %s: its words stay in the log", async (_, points) => {
    const { keyring } = await rig();
    const told: unknown[] = [];
    const signer = await rig();
    const on = await scene({ signer });
    const { validate } = await on.at(0n, on.start);
    const broken = await openSession({
      settings: {
        ...settings,
        policy: { ...(await import("../../signer/core/policy.ts")).defaultPolicy("regtest") },
      },
      store: signer.disk.open(),
      keyring: { ...keyring, points } as Keyring,
      journal: journal({ now: () => 0 }),
      verify: async (jobs) => curve.verifyBatch(jobs),
      now: () => 1_700_000_000,
      report: (error) => told.push(error),
    });
    const outcome = await broken.respond({ name: "validateHolderCommitment", body: validate }, "test");
    expect(outcome).toMatchObject({ is: "fault", fault: { code: "internal" } });
    expect(JSON.stringify(outcome)).not.toContain("1234");
    expect(told).toHaveLength(1);
    expect(broken.fault()).toBeDefined();
  });
});
