/** Where recordings are made: a chain in memory, a keyless LDK node before a recorded signer, and peers with keys of their own. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeConfig } from "../../../host/ldk/config.ts";
import { fromHex, toHex } from "../../../protocol/bytes.ts";
import { type Script, script } from "../../../protocol/units.ts";
import {
  begin,
  channelOf,
  complaints,
  link,
  newChain,
  openNode,
  type TestNode,
  until,
  usable,
} from "../../e2e/ldk-remote.kit.ts";
import { made, output, subsidy } from "../../unit/chain-embedded.kit.ts";
import type { SceneName } from "./names.ts";
import { type RecordedSigner, startRecorded } from "./process.ts";
import type { Recording } from "./recording.ts";
import type { Head } from "./signer.ts";

export { channelOf, link, type TestNode, until, usable as wellBetween };

interface Sums {
  readonly value?: bigint;
  readonly push?: bigint;
}

export interface Town {
  readonly chain: ReturnType<typeof newChain>;
  readonly signer: RecordedSigner;
  readonly home: string;
  /** The node whose keys are the recorded signer's; a second call opens it again from its directory. */
  keyless(config?: NodeConfig): Promise<TestNode>;
  /** By the name of its directory; with the keys of another, it is that one. */
  peer(name: string, config?: NodeConfig, as?: string): Promise<TestNode>;
  /** Blocks that all nodes have seen. */
  mine(count?: number): Promise<void>;
  /** Each gets so many coins of a million satoshi and more. */
  fund(...nodes: readonly TestNode[]): Promise<void>;
  /** As `mine`, in steps that leave the nodes time for what each brings. */
  pass(blocks: number, step?: number): Promise<void>;
  /** Until the funding transaction is published; the channel's id. */
  begin(by: TestNode, to: TestNode, sums?: Sums): Promise<string>;
  /** Until it can be used. */
  open(by: TestNode, to: TestNode, sums?: Sums): Promise<string>;
  stop(node: TestNode): Promise<void>;
}

export interface Scene {
  /** What differs from the preset of the network. */
  readonly policy?: Readonly<Record<string, number | string | boolean>>;
  play(town: Town): Promise<void>;
}

export type Scenes = Readonly<Record<SceneName, Scene>>;

export const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Coins that anybody may spend: the subsidies of the first blocks, once they are old enough (BIP 30 aside, 100 blocks). */
const openPurse = (chain: Town["chain"]) => {
  let next = 1;
  chain.mine(110);
  return (to: Script, values: readonly bigint[]): void => {
    const coinbase = chain.blockAt(next++)?.entries[0]?.txid;
    if (coinbase === undefined) throw new Error("no coins are left");
    const change = subsidy - values.reduce((sum, value) => sum + value, 10_000n);
    const { raw } = made({
      inputs: [{ txid: coinbase, index: 0 }],
      outputs: [...values.map((value) => output(value, to)), change],
    });
    const published = chain.publish([raw]);
    if (published.is !== "accepted" && published.is !== "known")
      throw new Error(`coins are not given: ${JSON.stringify(published)}`);
  };
};

const openTown = async (home: string, signer: RecordedSigner) => {
  const chain = newChain();
  const give = openPurse(chain);
  const nodes = new Set<TestNode>();
  let seeds = 20;
  const names = new Map<string, number>();

  const opened = async (parts: Parameters<typeof openNode>[0]): Promise<TestNode> => {
    const node = await openNode(parts);
    nodes.add(node);
    return node;
  };
  const mine = async (count = 1): Promise<void> => {
    chain.mine(count);
    await Promise.all([...nodes].map(({ engine }) => engine.sync()));
  };
  const town: Town = {
    ...{ chain, signer, home, mine },
    keyless: (config = {}) =>
      opened({
        ...{ directory: join(home, "keyless"), chain, bundle: signer.bundle },
        config: { minimumDepth: 1, ...config },
      }),
    peer: (name, config = {}, as = name) => {
      const seed = names.get(as) ?? seeds++;
      names.set(as, seed);
      return opened({ directory: join(home, name), chain, seed, config: { minimumDepth: 1, ...config } });
    },
    fund: async (...funded) => {
      for (const { engine } of funded)
        give(script(await engine.coins.address()), [3_000_000n, 1_500_000n, 200_000n]);
      await mine(1);
    },
    pass: async (blocks, step = 6) => {
      for (let left = blocks; left > 0; left -= step) {
        await mine(Math.min(step, left));
        await rest(80);
      }
    },
    begin: (by, to, sums = {}) => begin(chain, by, to, sums),
    open: async (by, to, sums = {}) => {
      const channel = await begin(chain, by, to, sums);
      await mine(6);
      await usable(channel, by, to);
      return channel;
    },
    stop: async (node) => {
      nodes.delete(node);
      await node.stop();
    },
  };
  return { town, nodes };
};

/** Plays it, and gives what the signer heard. Nothing that the keyless node met may have been refused for good. */
export const record = async (name: SceneName, { policy = {}, play }: Scene): Promise<Recording> => {
  const home = mkdtempSync(join(tmpdir(), "countersign-record-"));
  const head: Head = { network: "regtest", policy: JSON.stringify(policy), seed: name };
  const signer = await startRecorded(head, join(home, "host"));
  const { town, nodes } = await openTown(home, signer);
  const isKeyless = (node: TestNode): boolean => node.id === toHex(signer.node);
  const said: string[] = [];
  try {
    const { stop, keyless } = town;
    const own: TestNode[] = [];
    await play({
      ...town,
      keyless: async (config) => {
        const node = await keyless(config);
        own.push(node);
        return node;
      },
      stop,
    });
    // What is under way is heard as well.
    await rest(300);
    for (const node of nodes) await node.stop();
    said.push(...own.filter(isKeyless).flatMap(complaints));
    nodes.clear();
    const recording = await signer.end();
    if (said.length > 0) throw new Error(`${name}: the node complains: ${said.join("\n")}`);
    return recording;
  } finally {
    for (const node of nodes) await node.stop().catch(() => undefined);
    signer.kill();
    rmSync(home, { recursive: true, force: true });
  }
};

export const pay = async (from: TestNode, to: TestNode, msat: bigint): Promise<void> => {
  // What was paid a moment ago is spent when both sides have left the commitment before it.
  await until("enough to pay with", () =>
    from.channels().some((one) => one.get_next_outbound_htlc_limit_msat() >= msat),
  );
  const { invoice } = await to.engine.payments.invoice({ msat, description: "coffee" });
  await from.engine.payments.pay({ invoice });
};

/** What comes in is claimed, or failed, only when it is said. */
export const hold = (node: TestNode) => {
  const { manager } = node.engine;
  const held: Uint8Array[] = [];
  const claim = manager.claim_funds;
  manager.claim_funds = (preimage) => void held.push(Uint8Array.from(preimage));
  const over = (action: (preimage: Uint8Array) => void): Promise<void> => {
    manager.claim_funds = claim;
    return node.engine.turns.take(() => held.splice(0).forEach(action));
  };
  return { held, claim: () => over((preimage) => manager.claim_funds(preimage)), over };
};

/** A channel of a million, of which each has a part. */
export const pairOf = async (
  town: Town,
  {
    anchors = true,
    opener = "bob",
  }: { readonly anchors?: boolean; readonly opener?: "bob" | "keyless" } = {},
): Promise<{ readonly keyless: TestNode; readonly bob: TestNode }> => {
  const keyless = await town.keyless({ anchors });
  const bob = await town.peer("bob", { anchors });
  await town.fund(keyless, bob);
  await link(keyless, bob);
  const push = { push: 400_000_000n };
  if (opener === "bob") await town.open(bob, keyless, push);
  else await town.open(keyless, bob, push);
  return { keyless, bob };
};

export const peerOf = (node: TestNode): Uint8Array => fromHex(node.id);

const only = (node: TestNode, channel?: string) => {
  const found = channel === undefined ? node.channels()[0] : channelOf(node, channel);
  if (found === undefined) throw new Error("no channel");
  return found;
};

export const closeTogether = async (by: TestNode, other: TestNode, channel?: string): Promise<void> => {
  const id = only(by, channel).get_channel_id();
  await by.engine.turns.take(() => {
    if (!by.engine.manager.close_channel(id, peerOf(other)).is_ok()) throw new Error("it does not close");
  });
  const name = toHex(id.get_a());
  await until("the close", () => [by, other].every((one) => channelOf(one, name) === undefined));
};

export const closeByForce = async (
  town: Town,
  by: TestNode,
  other: TestNode,
  channel?: string,
): Promise<void> => {
  const id = only(by, channel).get_channel_id();
  const before = town.chain.pool().length;
  await by.engine.turns.take(() => {
    by.engine.manager.force_close_broadcasting_latest_txn(id, peerOf(other), "bye");
  });
  await until("the commitment", () => town.chain.pool().length > before);
};
