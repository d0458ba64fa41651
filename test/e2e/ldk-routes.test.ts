/** Three nodes in a row: payments through the one in the middle, over channels that nobody announced and one that was. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect, openBetween, openTown, type TestNode, type Town, until, usable } from "./ldk-local.kit.ts";

describe("three LDK nodes", () => {
  let town: Town;
  let a: TestNode;
  let b: TestNode;
  let c: TestNode;
  let opened: string;

  beforeAll(async () => {
    town = openTown();
    [a, b] = await Promise.all([
      town.start("a", { announced: true, alias: "a" }),
      town.start("b", { announced: true, alias: "b", forwardsPrivately: true }),
    ]);
    c = await town.start("c", { zeroConfPeers: [b.node.id] });
    await town.fund(a, b);
    await connect(a, b);
    await connect(b, c);
    opened = await openBetween(town, a, b);
    await town.mine(6);
  });
  afterAll(() => town.close());

  test("a trusted peer's channel is used before a block has it, and paid through from further away", async () => {
    const height = (await b.node.info()).height;
    const channel = await b.node.open({ node: c.node.id, valueSat: 500_000n, announced: false });
    await usable(b, channel);
    await usable(c, channel);
    expect((await c.node.info()).height).toBe(height);

    const { invoice, hash } = await c.node.invoice({ msat: 20_000_000n, description: "through b" });
    const paid = await a.node.pay({ invoice });
    expect(paid.hash).toBe(hash);
    expect(paid.feeMsat).toBeGreaterThan(0n);
    expect((await a.node.keysend({ node: b.node.id, msat: 1_000_000n })).feeMsat).toBe(0n);
    await until("the forwarding to be told", () => b.events.some(({ is }) => is === "paymentForwarded"));
  });

  test("an offer is paid", async () => {
    const offer = await b.node.offer({ description: "anything" });
    const paid = await a.node.payOffer({ offer, msat: 3_000_000n });
    await until("the payment", () =>
      b.events.some((event) => event.is === "paymentReceived" && event.hash === paid.hash),
    );
  });

  test("a payment that nobody can bring fails, and says so", async () => {
    const { invoice } = await c.node.invoice({ msat: 900_000_000n, description: "too much" });
    await expect(a.node.pay({ invoice })).rejects.toThrow(/RouteNotFound|RetriesExhausted/);
    await expect(a.node.open({ node: c.node.id, valueSat: 30_000n })).rejects.toThrow();
    await expect(a.node.keysend({ node: `02${"00".repeat(32)}`, msat: 1n })).rejects.toThrow(/not a node id/);
  });

  test("a reorganisation takes blocks back, also of a node that was away, and all goes on", async () => {
    town.chain.reorganise(3, 5);
    await town.mine(1);
    await usable(a, opened);
    await c.node.stop();
    town.chain.reorganise(2, 4);
    await town.mine(1);
    await c.restart();
    await connect(b, c);
    const { height } = town.chain.tip();
    await until("the same height", async () => (await c.node.info()).height === height);
    await until("c to be reached again", async () => (await c.node.channels()).some((one) => one.isUsable));
    const { invoice } = await c.node.invoice({ msat: 1_000_000n, description: "again" });
    await a.node.pay({ invoice });
    expect([a, b, c].flatMap(({ events }) => events).filter(({ is }) => is === "restarted")).toEqual([]);
  });
});
