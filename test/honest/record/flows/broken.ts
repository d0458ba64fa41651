/** What breaks in the midst of things: connections, nodes, the signer, the chain. */

import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import type { Answer, Asked, CommandName } from "../../../../host/ldk/commands.ts";
import { startOf, startWorker } from "../../../../host/ldk/launch.ts";
import { supervise } from "../../../../host/ldk/supervise.ts";
import { openFerry } from "../ferry.ts";
import { link, pairOf, pay, rest, type Scenes, type TestNode, type Town, until } from "../town.ts";
import { rowOf } from "./routes.ts";

const isWell = (node: TestNode): boolean => node.channels().every((one) => one.get_is_usable());

/** After a cut a payment may have to be tried again; what was under way is then settled or given back. */
const insist = async (from: TestNode, to: TestNode, msat: bigint, well: () => boolean): Promise<void> => {
  for (let tries = 0; tries < 5; tries++) {
    await until("usable again", well);
    const paid = await pay(from, to, msat).then(
      () => true,
      () => false,
    );
    if (paid) return;
  }
  throw new Error("no payment passes");
};

/** Pieces after which a connection goes down; a second count falls into the conversation by which it comes back. */
const cuts: readonly (readonly number[])[] = [
  ...Array.from({ length: 10 }, (_, count) => [count]),
  ...[2, 4, 6].flatMap((first) => [3, 5, 6, 7, 8].map((second) => [first, second])),
];

const ferried = async (from: TestNode, to: TestNode) => {
  const { port } = await to.engine.peers.listen({ host: "127.0.0.1", port: 0 });
  const ferry = await openFerry(port);
  await from.engine.peers.disconnect(to.id);
  await from.engine.peers.connect(to.id, { host: "127.0.0.1", port: ferry.port });
  return ferry;
};

const reestablished = (isSending: boolean) => async (town: Town) => {
  const { keyless, bob } = await pairOf(town, { anchors: isSending });
  const ferry = await ferried(keyless, bob);
  const well = () => isWell(keyless) && isWell(bob);
  const [from, to] = isSending ? [keyless, bob] : [bob, keyless];
  for (const some of cuts) {
    await until("usable", well);
    const before = ferry.sunk();
    ferry.sinkAfter(...some);
    for (let payments = 0; ferry.sunk() < before + some.length; payments++) {
      if (payments > 6) throw new Error(`no cut after ${some.join()}`);
      await insist(from, to, 1_000_000n, well);
    }
  }
  await until("usable", well);
  await ferry.close();
};

const reestablishedBetween = async (town: Town): Promise<void> => {
  const { bob, keyless, carol } = await rowOf(town);
  const ferries = [await ferried(keyless, bob), await ferried(keyless, carol)];
  const well = () => [bob, keyless, carol].every(isWell);
  for (let count = 0; count < 10; count++) {
    await until("usable", well);
    for (const [i, ferry] of ferries.entries()) if (count % 3 !== i) ferry.sinkAfter(count);
    await insist(count % 2 === 0 ? bob : carol, count % 2 === 0 ? carol : bob, 1_000_000n, well);
  }
  for (const ferry of ferries) await ferry.close();
};

const openWorker = async (town: Town) => {
  let worker: Worker | undefined;
  const shard = supervise({
    mostRestarts: 1_000,
    start: () => {
      worker = startWorker({
        ...{ network: "regtest", chain: town.chain.source, lookEveryMs: 200 },
        graph: join(town.home, "keyless", "graph"),
      });
      return worker;
    },
  });
  const node = await shard.begin(() =>
    startOf({
      directory: join(town.home, "keyless"),
      keys: { kind: "remote", bundle: town.signer.bundle },
      config: { minimumDepth: 1 },
    }),
  );
  const told: string[] = [];
  void (async () => {
    for await (const event of node.events()) {
      const isTrouble = event.is === "failed" || event.is === "channelClosed";
      if (isTrouble || (event.is === "refused" && !event.waits)) told.push(JSON.stringify(event));
    }
  })();
  const ask = async <N extends CommandName>(name: N, asked: Asked<N>): Promise<Answer<N>> =>
    (await node.ask(name, asked)) as Answer<N>;
  return {
    ...{ node, ask, told },
    kill: async (): Promise<void> => {
      await worker?.terminate();
    },
  };
};

/** At any moment: it goes on from its disk. */
const killed = async (town: Town): Promise<void> => {
  const first = await town.keyless();
  await town.fund(first);
  await town.stop(first);
  const { node, ask, told, kill } = await openWorker(town);
  const bob = await town.peer("bob");
  await town.fund(bob);
  const address = await bob.engine.peers.listen({ host: "127.0.0.1", port: 0 });
  await ask("connect", { node: bob.id, address });
  await town.begin(bob, { ...bob, id: first.id }, { push: 400_000_000n });
  await town.mine(3);
  await until("usable", () => bob.channels()[0]?.get_is_usable());
  let isOver = false;
  const going = async (send: () => Promise<unknown>): Promise<void> => {
    while (!isOver) await send().catch(() => rest(30));
  };
  const both = [
    going(() => ask("keysend", { node: bob.id, msat: 200_000n })),
    going(() => bob.engine.payments.keysend({ node: first.id, msat: 150_000n })),
  ];
  const seen = () => bob.events.filter(({ is }) => is === "paymentReceived" || is === "paymentSent").length;
  for (let round = 0; round < 8; round++) {
    const before = seen();
    await until("payments", () => seen() > before + 3, 30_000);
    await rest(3 * round);
    await kill();
    await until("usable", () => bob.channels()[0]?.get_is_usable(), 30_000);
  }
  isOver = true;
  await Promise.all(both);
  await rest(500);
  await node.stop();
  if (told.length > 0) throw new Error(`the killed node complains: ${told.join("\n")}`);
};

const restarted = async (town: Town): Promise<void> => {
  const { keyless, bob } = await pairOf(town);
  for (let round = 0; round < 8; round++) {
    const all = [pay(keyless, bob, 3_000_000n), pay(bob, keyless, 4_000_000n), pay(keyless, bob, 2_000_000n)];
    await rest(15 * round);
    await town.signer.restart();
    await Promise.all(all);
    if (round % 3 === 0) await town.mine(1);
  }
};

const reorganised = async (town: Town): Promise<void> => {
  const { keyless, bob } = await pairOf(town);
  await pay(bob, keyless, 5_000_000n);
  town.chain.reorganise(3, 5);
  await town.mine(1);
  await pay(keyless, bob, 2_000_000n);
  await town.stop(keyless);
  town.chain.reorganise(2, 4);
  const again = await town.keyless();
  await link(again, bob);
  await town.mine(1);
  await until("usable", () => isWell(again) && isWell(bob));
  await pay(again, bob, 3_000_000n);
};

export const brokenScenes = {
  "reestablish-sending": { play: reestablished(true) },
  "reestablish-receiving": { play: reestablished(false) },
  "reestablish-forwarding": { play: reestablishedBetween },
  "node-killed": { play: killed },
  "signer-restarted": { play: restarted },
  reorganised: { play: reorganised },
} satisfies Partial<Scenes>;
