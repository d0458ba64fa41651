/** Two LDK nodes on a chain in memory: one whose keys are a signer's in a process of its own, one with keys in the process. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type ChannelDetails, Result_ChannelIdAPIErrorZ_OK } from "lightningdevkit";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { openCommon } from "../../host/ldk/common.ts";
import type { NodeConfig } from "../../host/ldk/config.ts";
import { type Engine, openEngine } from "../../host/ldk/engine.ts";
import type { Keys } from "../../host/ldk/keys/keys.ts";
import { openLocalKeys } from "../../host/ldk/keys/local.ts";
import { openRemoteKeys } from "../../host/ldk/keys/remote.ts";
import type { KeysEvent } from "../../host/ldk/keys/remote-events.ts";
import { loadLdk } from "../../host/ldk/library.ts";
import { type NodeStore, openNodeStore } from "../../host/ldk/store.ts";
import type { NodeEvent } from "../../host/ldk/told.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { script } from "../../protocol/units.ts";
import { environment as env } from "../environment.ts";

const root = join(import.meta.dirname, "../..");
const main = join(root, "cli/main.ts");

export interface SignerProcess {
  readonly home: string;
  readonly bundle: string;
  start(): Promise<void>;
  kill(): Promise<void>;
  countersign(...args: readonly string[]): {
    readonly status: number | null;
    readonly stdout: string;
    readonly stderr: string;
  };
  /** Of `countersign status`. The nodes of this process go on meanwhile. */
  status(): Promise<SignerStatus>;
  remove(): Promise<void>;
}

export interface SignerStatus {
  readonly chain: { readonly height: number };
  readonly alarms: readonly string[];
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

export interface SignerOptions {
  /** The node shows it the chain. Else it follows none. */
  readonly follows?: boolean;
  /** Lines of the configuration. */
  readonly policy?: string;
}

export const signerProcess = async ({
  follows = false,
  policy = "",
}: SignerOptions = {}): Promise<SignerProcess> => {
  const home = mkdtempSync(join(tmpdir(), "countersign-ldk-"));
  const dir = join(home, "signer");
  const pass = join(home, "passphrase");
  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  const countersign = (...args: readonly string[]) =>
    spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8", timeout: 60_000 });
  const made = countersign(
    ...["init", "--dir", dir, "--yes", "--passphrase-file", pass],
    ...["--network", "regtest", "--listen", `127.0.0.1:${await freePort()}`, "--json"],
  );
  if (made.status !== 0) throw new Error(made.stderr);
  const table = follows ? '\n[chain]\nsource = "host"\n' : "";
  appendFileSync(join(dir, "countersign.toml"), `\n${policy}\n${table}`);
  let child: ChildProcess | undefined;
  const kill = async (): Promise<void> => {
    if (child === undefined) return;
    const gone = once(child, "exit");
    child.kill("SIGKILL");
    await gone;
    child = undefined;
  };
  return {
    home,
    bundle: join(dir, "host"),
    countersign: (...args) => countersign(...args, "--dir", dir),
    start: async () => {
      child = spawn(process.execPath, [main, "signer", "--dir", dir, "--passphrase-file", pass, "--json"], {
        env,
        stdio: ["ignore", "pipe", "ignore"],
      });
      await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
    },
    kill,
    status: async () => {
      const asked = spawn(process.execPath, [main, "status", "--dir", dir, "--json"], {
        env,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const said: string[] = [];
      asked.stdout.on("data", (data) => said.push(String(data)));
      const [status] = await once(asked, "close");
      if (status !== 0) throw new Error(`countersign status ended with ${status}`);
      const { nodes } = JSON.parse(said.join("")) as { readonly nodes: readonly SignerStatus[] };
      const [only] = nodes;
      if (only === undefined) throw new Error("a signer without nodes");
      return only;
    },
    remove: async () => {
      await kill();
      rmSync(home, { recursive: true, force: true });
    },
  };
};

export interface TestNode {
  readonly engine: Engine;
  readonly keys: { -readonly [K in keyof Keys]: Keys[K] };
  readonly id: string;
  readonly events: NodeEvent[];
  readonly database: NodeStore["database"];
  /** Of remote keys. */
  readonly said: KeysEvent[];
  channels(): readonly ChannelDetails[];
  stop(): Promise<void>;
}

export const curve = await loadNative();
await loadLdk();

export interface NodeOptions {
  readonly directory: string;
  readonly chain: EmbeddedChain;
  readonly config?: NodeConfig;
  readonly bundle?: string;
  readonly seed?: number;
}

const silent = (event: NodeEvent): boolean => event.is === "log" || event.is === "block";

export const openNode = async ({
  directory,
  chain,
  config = {},
  bundle,
  seed = 9,
}: NodeOptions): Promise<TestNode> => {
  const store: NodeStore = openNodeStore(directory);
  const events: NodeEvent[] = [];
  const said: KeysEvent[] = [];
  const keys =
    bundle === undefined
      ? openLocalKeys({ seed: new Secret(new Uint8Array(32).fill(seed)), database: store.database, curve })
      : await openRemoteKeys({ bundle, database: store.database, curve, tell: (event) => said.push(event) });
  await keys.prepare();
  const tell = (event: NodeEvent): void => void events.push(event);
  const common = openCommon({
    ...{ network: "regtest", source: chain.source, lookEveryMs: 60_000, logLevel: "error", tell },
    graph: join(directory, "graph"),
  });
  const engine = await openEngine({
    ...{ keys, store, common, curve, config, tell },
    // Every test looks at what was said.
    fatal: (error) => said.push({ is: "defect", where: "engine", error }),
  });
  return {
    ...{ engine, keys, said },
    database: store.database,
    id: toHex(keys.nodeId),
    get events() {
      return events.filter((event) => !silent(event));
    },
    channels: () => engine.manager.list_channels(),
    stop: async () => {
      await engine.stop();
      await common.close();
      store.close();
    },
  };
};

/** What people would see happen, sooner or later. */
export const until = async <T>(what: string, look: () => T | undefined | false, ms = 15_000): Promise<T> => {
  const end = Date.now() + ms;
  for (;;) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`${what}: nothing of it within ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

export const fund = async (chain: EmbeddedChain, node: TestNode, coins = 1): Promise<void> => {
  const to = script(await node.engine.coins.address());
  chain.mine(coins, { to });
  chain.mine(100);
  await node.engine.sync();
};

export const newChain = (): EmbeddedChain => openChain({});

/** Begins; resolves when the funding transaction is in the pool, with the channel's id. */
export const begin = async (
  chain: EmbeddedChain,
  by: TestNode,
  to: TestNode,
  { value = 1_000_000n, push = 0n }: { readonly value?: bigint; readonly push?: bigint } = {},
): Promise<string> => {
  await by.keys.prepare();
  const opened = await by.engine.turns.take(() => {
    const made = by.engine.manager.create_channel(fromHex(to.id), value, push, 0n, null, null);
    if (!(made instanceof Result_ChannelIdAPIErrorZ_OK)) throw new Error("LDK does not open");
    return { waits: by.engine.openings.wait(toHex(made.res.get_a())) };
  });
  const before = chain.pool().length;
  const channel = await opened.waits;
  await until("the funding transaction", () => chain.pool().length > before);
  return channel;
};

export const channelOf = (node: TestNode, channel: string): ChannelDetails | undefined =>
  node.channels().find((one) => toHex(one.get_channel_id().get_a()) === channel);

export const usable = async (channel: string, ...nodes: readonly TestNode[]): Promise<void> => {
  for (const node of nodes) await until("a usable channel", () => channelOf(node, channel)?.get_is_usable());
};

/**
 * Refusals and troubles: nothing that an honest node meets may be refused for good. That the signer came and went is no
 * complaint, nor is a refusal that waits: the signer may not have the newest block yet, and is asked again when it has.
 */
export const complaints = ({ said }: TestNode): readonly string[] =>
  said
    .filter((one) => one.is !== "signer" && !(one.is === "refused" && one.waits))
    .map((one) => JSON.stringify(one, (_, v) => (typeof v === "bigint" ? `${v}` : v)));

export const link = async (from: TestNode, to: TestNode): Promise<void> => {
  const address = await to.engine.peers.listen({ host: "127.0.0.1", port: 0 });
  await from.engine.peers.connect(to.id, address);
};
