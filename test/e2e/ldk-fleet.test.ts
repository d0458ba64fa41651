/** Many nodes in few workers: what they share, and that what befalls one of them is its own. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { nodeOf } from "../../host/ldk/handle.ts";
import {
  type FleetNode,
  type LdkNode,
  type NodeConfig,
  type NodeEvent,
  openFleet,
} from "../../host/ldk/index.ts";
import { startOf, startWorker } from "../../host/ldk/launch.ts";
import { supervise } from "../../host/ldk/supervise.ts";
import { Secret } from "../../protocol/secret.ts";
import { script } from "../../protocol/units.ts";
import { until } from "./ldk-local.kit.ts";
import { type SignerProcess, signerProcess } from "./ldk-remote.kit.ts";

const home = mkdtempSync(join(tmpdir(), "countersign-fleet-"));
const chain = openChain();
const shared = { network: "regtest", chain: chain.source, lookEveryMs: 60_000 } as const;

/** One worker, at hand so that it can be killed. */
let worker: Worker | undefined;
const shard = supervise({
  mostRestarts: 5,
  start: () => {
    worker = startWorker({ ...shared, graph: join(home, "graph-near") });
    return worker;
  },
});
const far = openFleet({ ...shared, directory: join(home, "far"), workers: 2 });

interface Resident {
  readonly node: LdkNode;
  readonly events: NodeEvent[];
  readonly parts: FleetNode;
}

let seeds = 0;
const parts = (name: string, config: NodeConfig = {}, bundle?: string): FleetNode => ({
  directory: join(home, name),
  keys:
    bundle === undefined
      ? { kind: "local", seed: new Secret(new Uint8Array(32).fill(++seeds)) }
      : { kind: "remote", bundle },
  listen: { host: "127.0.0.1", port: 0 },
  config: { minimumDepth: 1, ...config },
});
const attend = (node: LdkNode, of: FleetNode): Resident => {
  const events: NodeEvent[] = [];
  void (async () => {
    for await (const event of node.events()) events.push(event);
  })();
  return { node, events, parts: of };
};
const near = async (of: FleetNode): Promise<Resident> =>
  attend(nodeOf(await shard.begin(() => startOf(of))), of);
const away = async (of: FleetNode): Promise<Resident> => attend(await far.start(of), of);

const announced = { announced: true };
let signer: SignerProcess;
let a: Resident;
let b: Resident;
/** Its keys are the signer's. */
let k: Resident;
let c: Resident;
let d: Resident;

const connect = async (from: Resident, to: Resident): Promise<void> => {
  const { listening } = await to.node.info();
  if (listening === undefined) throw new Error("it does not listen");
  await from.node.connect({ node: to.node.id, address: listening });
};
/** Whoever opened goes to the other side. */
const meet = (): Promise<unknown> =>
  Promise.all([connect(a, b), connect(a, c), connect(b, d), connect(k, a)]);
const sync = (): Promise<unknown> => Promise.all([a, b, c, d, k].map(({ node }) => node.sync()));
const areUsable = (count: number, { node }: Resident): Promise<unknown> =>
  until("usable channels", async () => {
    const channels = await node.channels().catch(() => []);
    return channels.filter(({ isUsable }) => isUsable).length === count;
  });
const allUsable = (): Promise<unknown> =>
  Promise.all([areUsable(3, a), areUsable(2, b), areUsable(1, c), areUsable(1, d), areUsable(1, k)]);
const counted = ({ events }: Resident, is: NodeEvent["is"]): number =>
  events.filter((event) => event.is === is).length;
/** Until it finds a way: gossip takes its time. */
const send = (from: Resident, to: Resident): Promise<unknown> =>
  until("a payment", () =>
    from.node.keysend({ node: to.node.id, msat: 1_000_000n }).then(
      () => true,
      () => false,
    ),
  );

beforeAll(async () => {
  chain.mine(1);
  signer = await signerProcess();
  await signer.start();
  [a, b, k, c, d] = await Promise.all([
    near(parts("a", announced)),
    near(parts("b", announced)),
    near(parts("k", {}, signer.bundle)),
    away(parts("c", announced)),
    away(parts("d", announced)),
  ]);
  for (const { node } of [a, b])
    for (let i = 0; i < 4; i++) chain.mine(1, { to: script((await node.address()).script) });
  chain.mine(101);
  await sync();
  await meet();
  const open = (from: Resident, to: Resident, isAnnounced = true): Promise<string> =>
    from.node.open({
      ...{ node: to.node.id, valueSat: 1_000_000n, pushMsat: 400_000_000n },
      announced: isAnnounced,
    });
  for (const [from, to, isAnnounced] of [
    [a, b, true],
    [a, c, true],
    [b, d, true],
    [a, k, false],
  ] as const) {
    const before = chain.pool().length;
    await open(from, to, isAnnounced);
    await until("the funding transaction", () => chain.pool().length > before);
  }
  for (let i = 0; i < 7; i++) {
    chain.mine(1);
    await sync();
  }
  await allUsable();
}, 60_000);

afterAll(async () => {
  await Promise.all([shard.stop(), far.stop()]);
  await signer?.remove();
  rmSync(home, { recursive: true, force: true });
});

describe("nodes that share workers", () => {
  test("pay each other, in one worker and across workers", async () => {
    await Promise.all([send(a, b), send(a, k), send(a, c), send(b, d)]);
    await Promise.all([send(b, a), send(k, a), send(c, a), send(d, b)]);
  });

  test("pass on to their own peers what another node of the worker heard", async () => {
    // d heard of a and c from b alone, and b's graph had it from a.
    await send(d, c);
    await send(c, d);
  });

  test("one that can't begin fails by itself, with its reason", async () => {
    writeFileSync(join(home, "file"), "");
    await expect(near(parts("file"))).rejects.toThrow(/could not begin/);
    await expect(near({ ...parts("e"), directory: a.parts.directory })).rejects.toThrow(/locked/);
    await expect(near(parts("f", {}, home))).rejects.toThrow(/host\.json/);
    const taken = (await a.node.info()).listening;
    if (taken === undefined) throw new Error("it does not listen");
    await expect(near({ ...parts("g"), listen: taken })).rejects.toThrow(/EADDRINUSE/);
    expect(shard.load()).toBe(3);
    await send(a, b);
    expect([a, b, k].map((one) => counted(one, "restarted"))).toEqual([0, 0, 0]);
  });

  test("one's signer is killed: the others go on, and so does it when the signer is back", async () => {
    await signer.kill();
    const bill = k.node.id;
    const paying = a.node.keysend({ node: bill, msat: 2_000_000n });
    await until("the node to give up", () => counted(k, "restarted") === 1);
    expect(k.events.find(({ is }) => is === "restarted")).toMatchObject({
      reason: expect.stringMatching(/signer/),
    });
    await Promise.all([send(a, b), send(b, a), send(a, c)]);
    await expect(k.node.info()).rejects.toMatchObject({ name: "Interrupted" });
    await signer.start();
    // Nothing that was not said was lost.
    await paying;
    await until("the payment", () =>
      k.events.some((event) => event.is === "paymentReceived" && event.msat === 2_000_000n),
    );
    await send(k, a);
    expect([a, b].map((one) => counted(one, "restarted"))).toEqual([0, 0]);
    expect(k.events.filter(({ is }) => is === "refused" || is === "channelClosed")).toEqual([]);
  });

  test("all begin anew when their worker dies, and the other workers don't notice", async () => {
    const flows = [send(a, c), send(b, a), send(d, b)];
    await worker?.terminate();
    for (const one of [a, b]) await until("a restart", () => counted(one, "restarted") === 1);
    for (const one of [a, b, k]) await until("a start", () => one.node.info().catch(() => undefined));
    await meet();
    await allUsable();
    await Promise.all(flows);
    await Promise.all([send(d, c), send(a, k)]);
    expect([c, d].map((one) => counted(one, "restarted"))).toEqual([0, 0]);
    expect(
      [a, b, c, d, k].flatMap(({ events }) => events).filter(({ is }) => is === "channelClosed"),
    ).toEqual([]);
  });

  test("one stops and comes back while the others go on", async () => {
    await b.node.stop();
    expect(shard.load()).toBe(2);
    await expect(b.node.info()).rejects.toMatchObject({ name: "Interrupted" });
    expect(b.events.at(-1)).toEqual({ is: "stopped" });
    await send(a, c);
    b = await near(b.parts);
    await Promise.all([connect(a, b), connect(b, d)]);
    await allUsable();
    await send(d, c);
  });

  test("one's file takes no more: it begins anew by itself, and the others don't notice", async () => {
    const alter = (sql: string): void => {
      const database = new DatabaseSync(join(b.parts.directory, "node.sqlite"));
      database.exec(sql);
      database.close();
    };
    const again = async (): Promise<void> => {
      b = await near(b.parts);
      await Promise.all([connect(a, b), connect(b, d)]);
      await allUsable();
    };
    await b.node.stop();
    alter("CREATE TRIGGER full BEFORE INSERT ON payment BEGIN SELECT RAISE(ABORT, 'the disk is full'); END");
    await again();
    const before = [a, k].map((one) => counted(one, "restarted"));
    await expect(b.node.keysend({ node: a.node.id, msat: 1_000n })).rejects.toMatchObject({
      name: "Interrupted",
    });
    await until("a start", () => b.node.info().catch(() => undefined));
    expect(b.events.find(({ is }) => is === "restarted")).toMatchObject({ reason: "the disk is full" });
    await send(a, c);
    await b.node.stop();
    alter("DROP TRIGGER full");
    await again();
    await Promise.all([send(b, a), send(d, c)]);
    expect([a, k].map((one) => counted(one, "restarted"))).toEqual(before);
  });

  test("all stop, also one that waits for its signer", async () => {
    await signer.kill();
    await k.node.stop();
    const waiting = expect(near(k.parts)).rejects.toThrow(/was stopped/);
    await send(a, b);
    await Promise.all([shard.stop(), far.stop()]);
    await waiting;
    expect([a, b, c, d].map(({ events }) => events.at(-1))).toEqual(Array(4).fill({ is: "stopped" }));
  });
});
