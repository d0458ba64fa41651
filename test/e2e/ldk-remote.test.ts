/** An LDK node whose keys are in another process: everything that its channels, and their ends, ask for. */

import { cpSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import {
  complaints as complaintsOf,
  fund,
  link,
  newChain,
  openNode,
  type SignerProcess,
  signerProcess,
  type TestNode,
  until,
} from "./ldk-remote.kit.ts";

describe.each([
  { anchors: true, follows: true, name: "anchors, a signer that is shown the chain" },
  { anchors: false, follows: true, name: "static_remotekey, a signer that is shown the chain" },
])("an LDK node with remote keys, $name", ({ anchors, follows }) => {
  let signer: SignerProcess;
  let a: TestNode;
  let b: TestNode;
  const chain = newChain();
  const config = { anchors, minimumDepth: 1 };

  const mine = async (count: number): Promise<void> => {
    chain.mine(count);
    await a.engine.sync();
    await b.engine.sync();
  };

  /** Nothing that an honest node meets may be refused. */
  const complaints = () => complaintsOf(a);

  const openA = () => openNode({ directory: join(signer.home, "a"), chain, config, bundle: signer.bundle });
  let directoryB = "b";
  const openB = () => openNode({ directory: join(signer.home, directoryB), chain, config });

  const ours = (node: TestNode) => {
    const [channel] = node.channels();
    if (channel === undefined) throw new Error("no channel");
    return channel;
  };

  /** Who opens gives the other side a part of it. */
  const open = async (by = b, to = a, push = 400_000_000n): Promise<void> => {
    await by.engine.turns.take(() => {
      const made = by.engine.manager.create_channel(fromHex(to.id), 1_000_000n, push, 0n, null, null);
      expect(made.is_ok()).toBeTruthy();
    });
    await until("funding", () => chain.pool().length > 0);
    await mine(6);
    await until("a usable channel", () =>
      [a, b].every((one) => one.channels().some((c) => c.get_is_usable())),
    );
  };

  const pay = async (from: TestNode, to: TestNode, msat: bigint): Promise<void> => {
    // What was paid a moment ago is spent when both sides have left the commitment before it.
    await until("enough to pay with", () => ours(from).get_outbound_capacity_msat() >= msat);
    const { invoice } = await to.engine.payments.invoice({ msat, description: "coffee" });
    await from.engine.payments.pay({ invoice });
  };

  /** What comes in is not claimed before `release`. */
  const hold = (node: TestNode) => {
    const { manager } = node.engine;
    const held: Uint8Array[] = [];
    const claim = manager.claim_funds;
    manager.claim_funds = (preimage) => void held.push(Uint8Array.from(preimage));
    return {
      held,
      release: () => {
        manager.claim_funds = claim;
        node.engine.turns
          .take(() => {
            for (const preimage of held) manager.claim_funds(preimage);
          })
          .catch(() => undefined);
      },
    };
  };

  /** One payment each way that hangs. */
  const hang = async (out: bigint, back: bigint) => {
    const [ofA, ofB] = [hold(a), hold(b)];
    pay(a, b, out).catch(() => undefined);
    pay(b, a, back).catch(() => undefined);
    await until("both HTLCs", () => ofA.held.length === 1 && ofB.held.length === 1);
    return { ofA, ofB };
  };

  const settle = async (blocks = 4, times = 6): Promise<void> => {
    for (let i = 0; i < times; i++) {
      await new Promise((resolve) => setTimeout(resolve, 150));
      await mine(blocks);
    }
  };

  beforeAll(async () => {
    signer = await signerProcess({ follows });
    await signer.start();
    chain.mine(101);
    a = await openA();
    b = await openB();
    await fund(chain, b, 8);
    await fund(chain, a, 2);
    await b.engine.sync();
    await link(a, b);
  }, 60_000);

  afterAll(async () => {
    await a?.stop();
    await b?.stop();
    await signer?.remove();
  });

  test("pays, is paid, and closes together", async () => {
    await open();
    await pay(b, a, 20_000_000n);
    await pay(a, b, 10_000_000n);
    await Promise.all(
      [1_000n, 50_000n, 300_000n, 5_000_000n].flatMap((msat) => [pay(a, b, msat), pay(b, a, msat)]),
    );
    const before = a.engine.coins.balance().confirmed;
    await a.engine.turns.take(() => {
      const closed = a.engine.manager.close_channel(ours(a).get_channel_id(), fromHex(b.id));
      expect(closed.is_ok()).toBeTruthy();
    });
    await until("the close", () => a.channels().length === 0 && b.channels().length === 0);
    await settle();
    await until("the sweep", () => a.engine.coins.balance().confirmed > before + 400_000n);
    expect(complaints()).toEqual([]);
  }, 30_000);

  test("opens by itself, pays and closes", async () => {
    await link(a, b).catch(() => undefined);
    await open(a, b, 0n);
    await pay(a, b, 300_000_000n);
    await pay(b, a, 40_000_000n);
    await b.engine.turns.take(() => {
      const closed = b.engine.manager.close_channel(ours(b).get_channel_id(), fromHex(a.id));
      expect(closed.is_ok()).toBeTruthy();
    });
    await until("the close", () => a.channels().length === 0 && b.channels().length === 0);
    await settle();
    expect(complaints()).toEqual([]);
  }, 30_000);

  test("sends nothing that was not approved, says so, and can still leave", async () => {
    await link(a, b).catch(() => undefined);
    await open();
    const { propose } = a.keys;
    a.keys.propose = async () => undefined;
    pay(a, b, 5_000_000n).catch(() => undefined);
    await until("a refusal", () => a.said.some((one) => one.is === "refused"));
    a.keys.propose = propose;
    expect(a.said.filter(({ is }) => is === "refused")).toMatchObject([
      { operation: "signCounterpartyCommitment", refusal: { rule: "commitment-htlc-offered-hash-matches" } },
    ]);
    const due = ours(a).get_outbound_capacity_msat() / 1000n;
    const before = a.engine.coins.balance().confirmed;
    await a.engine.turns.take(() => {
      const { manager } = a.engine;
      manager.force_close_broadcasting_latest_txn(ours(a).get_channel_id(), fromHex(b.id), "bye");
    });
    await until("the commitment", () => chain.pool().length > 0);
    await settle(40, 6);
    await until("the sweep", () => a.engine.coins.balance().confirmed > before + due - 15_000n, 2_000);
    a.said.length = 0;
  }, 60_000);

  test("goes on after a restart of its own, and of the signer", async () => {
    await open();
    await pay(b, a, 30_000_000n);
    await a.stop();
    a = await openA();
    await link(a, b);
    await until("usable again", () => ours(a).get_is_usable());
    await pay(a, b, 7_000_000n);
    const paid = Promise.all([pay(a, b, 3_000_000n), pay(a, b, 2_000_000n), pay(b, a, 4_000_000n)]);
    await signer.kill();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await signer.start();
    await paid;
    expect(complaints()).toEqual([]);
  }, 40_000);

  /** A has the preimage of what came in, and B keeps silent about what went out: in the end A has both. */
  const forceClose = async (by: TestNode, other: TestNode): Promise<void> => {
    const due = ours(a).get_outbound_capacity_msat() / 1000n + 80_000n;
    const { ofA } = await hang(60_000_000n, 80_000_000n);
    const before = a.engine.coins.balance().confirmed;
    await by.engine.turns.take(() => {
      const { manager } = by.engine;
      manager.force_close_broadcasting_latest_txn(ours(by).get_channel_id(), fromHex(other.id), "bye");
    });
    await until("the commitment", () => chain.pool().length > 0);
    await mine(1);
    ofA.release();
    await settle(4, 10);
    await settle(50, 10);
    // All of it but the fees of half a dozen transactions: less than either HTLC.
    await until("the sweep", () => a.engine.coins.balance().confirmed > before + due - 15_000n, 2_000);
    expect(complaints()).toEqual([]);
  };

  test("claims what is its own after its own force close", () => forceClose(a, b), 60_000);

  test("claims what is its own after the peer's force close", async () => {
    await link(a, b).catch(() => undefined);
    await open();
    await forceClose(b, a);
  }, 60_000);

  /** B as it is now, for later; B itself goes on. */
  const keepOld = async (name: string): Promise<void> => {
    await b.stop();
    cpSync(join(signer.home, directoryB), join(signer.home, name), { recursive: true });
    b = await openB();
    await link(a, b);
  };

  /** B publishes what it had when it was kept. */
  const cheat = async (name: string): Promise<void> => {
    await b.stop();
    directoryB = name;
    b = await openB();
    await b.engine.turns.take(() => {
      const { manager } = b.engine;
      manager.force_close_broadcasting_latest_txn(ours(b).get_channel_id(), fromHex(a.id), "bye");
    });
    await until("the old commitment", () => chain.pool().length > 0);
  };

  test("punishes a peer that publishes what it has revoked", async () => {
    await link(a, b).catch(() => undefined);
    await open();
    const { ofA, ofB } = await hang(9_000_000n, 8_000_000n);
    await keepOld("thief");
    ofA.release();
    ofB.release();
    await until("usable again", () => ours(a).get_is_usable());
    await pay(a, b, 100_000_000n);
    const before = a.engine.coins.balance().confirmed;
    await cheat("thief");
    await settle(1, 12);
    await until("all of it", () => a.engine.coins.balance().confirmed > before + 950_000n, 2_000);
    expect(complaints()).toEqual([]);
  }, 60_000);

  test("punishes one that was quick to take HTLCs with what it has revoked", async () => {
    await link(a, b).catch(() => undefined);
    await open();
    const { held } = hold(b);
    for (const msat of [60_000_000n, 70_000_000n, 80_000_000n]) pay(a, b, msat).catch(() => undefined);
    await until("the HTLCs", () => held.length === 3);
    await keepOld("quick");
    const claim = (preimages: readonly Uint8Array[]) =>
      b.engine.turns.take(() => {
        for (const one of preimages) b.engine.manager.claim_funds(one);
      });
    await until("usable again", () => ours(a).get_is_usable());
    await claim(held);
    await until("the HTLCs to be settled", () => ours(b).get_outbound_capacity_msat() > 700_000_000n);
    await pay(b, a, 100_000_000n);
    const before = a.engine.coins.balance().confirmed;
    await cheat("quick");
    chain.mine(1);
    await b.engine.sync();
    await claim(held);
    await until("the HTLC transactions", () => chain.pool().length > 0);
    await new Promise((resolve) => setTimeout(resolve, 300));
    chain.mine(1);
    expect(chain.pool()).toEqual([]);
    await settle(1, 12);
    await until("all of it", () => a.engine.coins.balance().confirmed > before + 950_000n, 2_000);
    expect(complaints()).toEqual([]);
  }, 60_000);
});
