/** Workers that are killed in the middle of what they do: each goes on from disk, and no payment and no channel is lost. */

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import type { Answer, Asked, CommandName } from "../../host/ldk/commands.ts";
import { startOf, startWorker } from "../../host/ldk/launch.ts";
import { supervise } from "../../host/ldk/supervise.ts";
import type { NodeEvent } from "../../host/ldk/told.ts";
import { Secret } from "../../protocol/secret.ts";
import { script } from "../../protocol/units.ts";

const chain = openChain();
const home = mkdtempSync(join(tmpdir(), "countersign-ldk-crash-"));
const rests = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

const openNode = async (number: number) => {
  const port = await freePort();
  let worker: Worker | undefined;
  const events: NodeEvent[] = [];
  const shard = supervise({
    mostRestarts: 1_000,
    start: () => {
      worker = startWorker({
        ...{ network: "regtest", chain: chain.source, lookEveryMs: 200 },
        graph: join(home, `${number}`, "graph"),
      });
      return worker;
    },
  });
  const node = await shard.begin(() =>
    startOf({
      directory: join(home, `${number}`),
      keys: { kind: "local", seed: new Secret(new Uint8Array(32).fill(number)) },
      listen: { host: "127.0.0.1", port },
      config: { minimumDepth: 1 },
    }),
  );
  void (async () => {
    for await (const event of node.events()) events.push(event);
  })();
  const ask = async <N extends CommandName>(name: N, asked: Asked<N>): Promise<Answer<N>> =>
    (await node.ask(name, asked)) as Answer<N>;
  return {
    ...{ id: node.id, events, ask, stop: node.stop, address: { host: "127.0.0.1", port } },
    kill: async (): Promise<void> => {
      await worker?.terminate();
    },
    usable: async (): Promise<void> => {
      const end = Date.now() + 30_000;
      for (;;) {
        const channels = await ask("channels", undefined).catch(() => []);
        if (channels.some(({ isUsable }) => isUsable)) return;
        if (Date.now() > end) throw new Error("the channel does not come back");
        await rests(30);
      }
    },
  };
};

let a: Awaited<ReturnType<typeof openNode>>;
let b: Awaited<ReturnType<typeof openNode>>;

beforeAll(async () => {
  chain.mine(1);
  [a, b] = await Promise.all([openNode(1), openNode(2)]);
  chain.mine(2, { to: script((await a.ask("address", undefined)).script) });
  chain.mine(101);
  await a.ask("sync", undefined);
  await b.ask("sync", undefined);
  await a.ask("connect", { node: b.id, address: b.address });
  await b.ask("connect", { node: a.id, address: a.address });
  await a.ask("open", { node: b.id, valueSat: 5_000_000n, pushMsat: 2_000_000_000n });
  while (chain.pool().length === 0) await rests(20);
  chain.mine(2);
  await a.usable();
  await b.usable();
}, 60_000);

afterAll(async () => {
  await a?.stop();
  await b?.stop();
  rmSync(home, { recursive: true, force: true });
});

test("kills at any moment lose nothing", async () => {
  let isOver = false;
  const pay = async (from: typeof a, to: typeof a): Promise<void> => {
    while (!isOver) await from.ask("keysend", { node: to.id, msat: 100_000n }).catch(() => rests(50));
  };
  const flows = [pay(a, b), pay(b, a), pay(a, b)];
  const victims = [[a], [b], [a, b], [b], [a]];
  for (const [round, some] of victims.entries()) {
    await rests(400 + 170 * round);
    await Promise.all(some.map((one) => one.kill()));
    await a.usable();
    await b.usable();
    if (round % 2 === 0) chain.mine(1);
  }
  isOver = true;
  await Promise.all(flows);

  const settled = async () => {
    const [mine, theirs] = [await a.ask("payments", undefined), await b.ask("payments", undefined)];
    return {
      waiting: [...mine, ...theirs].filter(({ state }) => state === "waiting").length,
      ids: [mine, theirs].map((rows) => ({
        in: rows
          .flatMap(({ id, direction, state }) => (direction === "in" && state === "done" ? [id] : []))
          .sort(),
        out: rows
          .flatMap(({ id, direction, state }) => (direction === "out" && state === "done" ? [id] : []))
          .sort(),
      })),
    };
  };
  const end = Date.now() + 20_000;
  while ((await settled()).waiting > 0 && Date.now() < end) await rests(100);
  const { waiting, ids } = await settled();
  expect(waiting).toBe(0);
  expect(ids[0]?.out).toEqual(ids[1]?.in);
  expect(ids[1]?.out).toEqual(ids[0]?.in);
  expect((ids[0]?.out.length ?? 0) + (ids[1]?.out.length ?? 0)).toBeGreaterThan(5);
  const all = [...a.events, ...b.events];
  expect(all.filter(({ is }) => is === "restarted").length).toBe(6);
  expect(all.filter(({ is }) => is === "channelClosed" || is === "failed")).toEqual([]);
});
