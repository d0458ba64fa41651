/** The engine of the LDK host, with keys in its own process: what remote keys are then held against. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, openBetween, openTown, type TestNode, type Town, until, usable } from "./ldk-local.kit.ts";

const confirmed = async ({ node }: TestNode): Promise<bigint> => (await node.balance()).wallet.confirmed;

const nothingLeft = async ({ node }: TestNode): Promise<boolean> => {
  const { channelsMsat, closingSat, sweepingSat } = await node.balance();
  return channelsMsat === 0n && closingSat === 0n && sweepingSat === 0n;
};

describe.each([{ anchors: true }, { anchors: false }])("two LDK nodes, anchors $anchors", ({ anchors }) => {
  let town: Town;
  let a: TestNode;
  let b: TestNode;

  beforeAll(async () => {
    town = openTown();
    [a, b] = await Promise.all([
      town.start("a", { anchors, toSelfDelay: 144 }),
      town.start("b", { anchors, toSelfDelay: 144, holdsPayments: true }),
    ]);
    await town.fund(a, b);
    await connect(a, b);
  });
  afterAll(() => town.close());

  const claimAt = async (at: TestNode, hash: string): Promise<void> => {
    await until("the payment", () => at.events.some((e) => e.is === "paymentHeld" && e.hash === hash));
    await at.node.claim({ hash });
  };

  /** Until all that the channels left is in the wallets. */
  const mineAway = async (most: number): Promise<void> => {
    for (let mined = 0; mined < most; mined += 10) {
      await town.skip(10);
      if ((await nothingLeft(a)) && (await nothingLeft(b))) return;
    }
    throw new Error("something is left on the chain");
  };

  test("open, pay both ways, restart one, pay again, close together", async () => {
    const channel = await openBetween(town, a, b);
    expect((await a.node.channels())[0]?.hasAnchors).toBe(anchors);

    const bill = await b.node.invoice({ msat: 10_000_000n, description: "tea" });
    const paying = a.node.pay({ invoice: bill.invoice });
    await claimAt(b, bill.hash);
    expect((await paying).hash).toBe(bill.hash);
    await expect(a.node.pay({ invoice: bill.invoice })).rejects.toThrow(/paid before/);
    expect((await b.node.keysend({ node: a.node.id, msat: 2_000_000n })).preimage).toMatch(/^[0-9a-f]{64}$/);

    // With a payment that is held across the restart.
    const second = await b.node.invoice({ msat: 1_000_000n, description: "cake" });
    const slow = a.node.pay({ invoice: second.invoice });
    await until("the payment", () => b.events.some((e) => e.is === "paymentHeld" && e.hash === second.hash));
    await b.restart();
    await connect(a, b);
    await usable(b, channel);
    await b.node.claim({ hash: second.hash });
    expect((await slow).hash).toBe(second.hash);
    expect((await b.node.payments()).filter(({ state }) => state === "done").length).toBe(3);

    const before = [await confirmed(a), await confirmed(b)] as const;
    await a.node.close({ channel, node: b.node.id });
    await until("the closing transaction", () => town.chain.pool().length > 0);
    await mineAway(40);
    expect(await confirmed(b)).toBeGreaterThan(before[1] + 258_000n);
    expect(await confirmed(a)).toBeGreaterThan(before[0] + 730_000n);
  });

  test("force close with a payment on its way, claimed on the chain, and swept", async () => {
    const channel = await openBetween(town, a, b);
    const before = [await confirmed(a), await confirmed(b)] as const;
    const bill = await b.node.invoice({ msat: 50_000_000n, description: "a long way" });
    const paying = a.node.pay({ invoice: bill.invoice });
    await until("the payment", () => b.events.some((e) => e.is === "paymentHeld" && e.hash === bill.hash));
    await a.node.disconnect({ node: b.node.id });

    await b.node.forceClose({ channel, node: a.node.id });
    await b.node.claim({ hash: bill.hash });
    await until("the commitment", () => town.chain.pool().length > 0);
    if (anchors) await until("its child", () => town.chain.pool().length > 1);
    await town.mine(1);
    await until("the claim of the payment", () => town.chain.pool().length > 0);
    await town.mine(1);
    expect((await paying).hash).toBe(bill.hash);
    await mineAway(250);
    expect(await confirmed(a)).toBeGreaterThan(before[0] + 690_000n);
    expect(await confirmed(b)).toBeGreaterThan(before[1] + 290_000n);
  });

  test("force close with a payment that nobody claims: it comes back when its time is over", async () => {
    await expect(a.node.open({ node: b.node.id, valueSat: 1_000_000n })).rejects.toThrow(/not connected/);
    await connect(a, b);
    const channel = await openBetween(town, a, b);
    const before = await confirmed(a);
    const bill = await b.node.invoice({ msat: 50_000_000n, description: "never" });
    const paying = a.node.pay({ invoice: bill.invoice });
    const lost = expect(paying).rejects.toThrow(/the payment failed/);
    await until("the payment", () => b.events.some((e) => e.is === "paymentHeld" && e.hash === bill.hash));
    await a.node.disconnect({ node: b.node.id });
    await a.node.forceClose({ channel, node: b.node.id });
    await until("the commitment", () => town.chain.pool().length > 0);
    // LDK adds up to a day's blocks to the expiry, so that the payee's place in the route can't be read from it.
    const isBack = () => a.events.some((e) => e.is === "paymentFailed" && e.hash === bill.hash);
    for (let mined = 0; mined < 250 && !isBack(); mined += 10) await town.skip(10);
    await lost;
    await mineAway(250);
    // All of it but fees, though the quarter that was pushed is the peer's.
    expect(await confirmed(a)).toBeGreaterThan(before + 740_000n);
    const ends = [...a.events, ...b.events].filter(({ is }) => is === "restarted" || is === "failed");
    expect(ends).toEqual([]);
  });
});
