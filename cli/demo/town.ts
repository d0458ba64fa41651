/** The demo's world: a chain of blocks in this process, and three nodes in workers. One of them has no keys. */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { type LdkNode, type NodeConfig, type NodeEvent, startNode } from "../../host/ldk/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { script } from "../../protocol/units.ts";

export interface Resident {
  readonly name: string;
  node: LdkNode;
  readonly directory: string;
  readonly events: NodeEvent[];
}

export interface Town {
  readonly chain: EmbeddedChain;
  readonly residents: ReadonlyMap<string, Resident>;
  /** Keys in the process: for the peers of the node that has none. */
  settle(name: string, directory?: string): Promise<Resident>;
  settleKeyless(name: string, bundle: string): Promise<Resident>;
  leave(name: string): Promise<void>;
  connect(a: Resident, b: Resident): Promise<void>;
  /** Blocks that all nodes have seen. */
  mine(blocks: number): Promise<void>;
  close(): Promise<void>;
}

const config: NodeConfig = { minimumDepth: 1, forwardsPrivately: true, toSelfDelay: 144 };

export const until = async <T>(
  what: string,
  look: () => T | Promise<T>,
  ms = 20_000,
): Promise<NonNullable<T>> => {
  const end = performance.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== null && found !== false) return found;
    if (performance.now() > end) throw new Error(`waited ${ms / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
};

export const openTown = (directory: string): Town => {
  const chain = openChain();
  chain.mine(1);
  const residents = new Map<string, Resident>();
  const seeds = new Map<string, Secret>();

  const start = async (
    name: string,
    home: string,
    keys: Parameters<typeof startNode>[0]["keys"],
  ): Promise<Resident> => {
    const node = await startNode({
      ...{ network: "regtest", chain: chain.source, lookEveryMs: 60_000, directory: home, keys, config },
      listen: { host: "127.0.0.1", port: 0 },
    });
    const resident: Resident = { name, node, directory: home, events: [] };
    void (async () => {
      for await (const event of node.events()) resident.events.push(event);
    })();
    residents.set(name, resident);
    return resident;
  };

  const sync = async (): Promise<void> => {
    await Promise.all([...residents.values()].map(({ node }) => node.sync()));
  };

  return {
    ...{ chain, residents },
    settle: async (name, home = join(directory, name)) => {
      const seed = seeds.get(name) ?? new Secret(Uint8Array.from(randomBytes(32)));
      seeds.set(name, seed);
      return await start(name, home, { kind: "local", seed });
    },
    settleKeyless: (name, bundle) => start(name, join(directory, name), { kind: "remote", bundle }),
    leave: async (name) => {
      const resident = residents.get(name);
      residents.delete(name);
      await resident?.node.stop();
    },
    connect: async (a, b) => {
      const { listening } = await b.node.info();
      if (listening === undefined) throw new Error(`${b.name} does not listen`);
      await a.node.connect({ node: b.node.id, address: listening });
    },
    mine: async (blocks) => {
      for (let i = 0; i < blocks; i++) {
        chain.mine(1);
        await sync();
      }
    },
    close: async () => {
      await Promise.all([...residents.values()].map(({ node }) => node.stop()));
      residents.clear();
      for (const seed of seeds.values()) seed.wipe();
    },
  };
};

/** Coins for a wallet, ripe to be spent. */
export const fund = async ({ chain, mine }: Town, to: readonly Resident[], each: number): Promise<void> => {
  for (const { node } of to)
    for (let i = 0; i < each; i++) chain.mine(1, { to: script((await node.address()).script) });
  chain.mine(100);
  await mine(1);
};

/** Usable on both sides. */
export const openChannel = async (
  town: Town,
  [from, to]: readonly [Resident, Resident],
  { valueSat, pushMsat }: { readonly valueSat: bigint; readonly pushMsat: bigint },
): Promise<string> => {
  const channel = await from.node.open({ node: to.node.id, valueSat, pushMsat });
  await until("the funding transaction", () => town.chain.pool().length > 0);
  await town.mine(6);
  for (const { node, name } of [from, to])
    await until(`a usable channel of ${name}`, async () =>
      (await node.channels()).some((one) => one.channel === channel && one.isUsable),
    );
  return channel;
};
