/** LDK nodes in workers of their own, on one chain in memory. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { type LdkNode, type NodeConfig, type NodeEvent, startNode } from "../../host/ldk/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { script } from "../../protocol/units.ts";

export interface TestNode {
  node: LdkNode;
  readonly events: NodeEvent[];
  restart(): Promise<void>;
}

export interface Town {
  readonly chain: EmbeddedChain;
  start(name: string, config?: NodeConfig): Promise<TestNode>;
  /** Blocks, and all nodes have them and what they sent because of them. */
  mine(count: number): Promise<void>;
  /** Many at once, for a long wait. */
  skip(count: number): Promise<void>;
  fund(...nodes: readonly TestNode[]): Promise<void>;
  close(): Promise<void>;
}

export const until = async <T>(
  what: string,
  look: () => T | Promise<T>,
  // Gossip of nodes that share two cores with other tests took longer than a quarter of a minute, once.
  limit = 45_000,
): Promise<NonNullable<T>> => {
  const end = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

const quiet = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 30));

export const openTown = (): Town => {
  const directory = mkdtempSync(join(tmpdir(), "countersign-ldk-"));
  const chain = openChain();
  chain.mine(1);
  const nodes: TestNode[] = [];
  let count = 0;

  const start = async (name: string, config: NodeConfig = {}): Promise<TestNode> => {
    const seed = new Secret(new Uint8Array(32).fill(++count));
    const launch = async (): Promise<LdkNode> => {
      const node = await startNode({
        ...{ network: "regtest", chain: chain.source, lookEveryMs: 60_000, logLevel: "none" },
        directory: join(directory, name),
        keys: { kind: "local", seed },
        listen: { host: "127.0.0.1", port: 0 },
        config: { minimumDepth: 2, ...config },
      });
      const listen = async (): Promise<void> => {
        for await (const event of node.events()) it.events.push(event);
      };
      void listen();
      return node;
    };
    const it: TestNode = {
      events: [],
      node: undefined as unknown as LdkNode,
      restart: async () => {
        await it.node.stop();
        it.node = await launch();
      },
    };
    it.node = await launch();
    nodes.push(it);
    return it;
  };

  const sync = async (): Promise<void> => {
    // One that was stopped is not asked.
    await Promise.all(nodes.map(({ node }) => node.sync().catch(() => undefined)));
    await quiet();
  };

  return {
    chain,
    start,
    mine: async (blocks) => {
      for (let i = 0; i < blocks; i++) {
        chain.mine(1);
        await sync();
      }
    },
    skip: async (blocks) => {
      chain.mine(blocks);
      await sync();
    },
    fund: async (...funded) => {
      for (const { node } of funded)
        for (let i = 0; i < 3; i++) chain.mine(1, { to: script((await node.address()).script) });
      chain.mine(101);
      await sync();
    },
    close: async () => {
      for (const { node } of nodes) await node.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
};

export const connect = async (a: TestNode, b: TestNode): Promise<void> => {
  const { listening } = await b.node.info();
  if (listening === undefined) throw new Error("it does not listen");
  await a.node.connect({ node: b.node.id, address: listening });
};

/** From a to b, usable on both sides. */
export const openBetween = async (
  town: Town,
  a: TestNode,
  b: TestNode,
  valueSat = 1_000_000n,
): Promise<string> => {
  const channel = await a.node.open({ node: b.node.id, valueSat, pushMsat: (valueSat * 1000n) / 4n });
  await until("the funding transaction", () => town.chain.pool().length > 0);
  await town.mine(3);
  await usable(a, channel);
  await usable(b, channel);
  return channel;
};

export const usable = async ({ node }: TestNode, channel: string): Promise<void> => {
  await until("a usable channel", async () =>
    (await node.channels()).some((one) => one.channel === channel && one.isUsable),
  );
};
