/** Two LDK nodes on a chain in memory: one whose keys are a signer's in a process of its own, one with keys in the process. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ChannelDetails } from "lightningdevkit";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import type { NodeConfig } from "../../host/ldk/config.ts";
import { type Engine, openEngine } from "../../host/ldk/engine.ts";
import type { Keys } from "../../host/ldk/keys/keys.ts";
import { openLocalKeys } from "../../host/ldk/keys/local.ts";
import { openRemoteKeys } from "../../host/ldk/keys/remote.ts";
import type { KeysEvent } from "../../host/ldk/keys/remote-events.ts";
import { loadLdk } from "../../host/ldk/library.ts";
import { type NodeStore, openNodeStore } from "../../host/ldk/store.ts";
import type { NodeEvent } from "../../host/ldk/told.ts";
import { toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { script } from "../../protocol/units.ts";

const root = join(import.meta.dirname, "../..");
const main = join(root, "cli/main.ts");

/** What vitest sets for its workers is refused by a process that is to hold keys. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(NODE_|VITEST|VITE)/.test(name)),
);

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
  remove(): Promise<void>;
}

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

export const signerProcess = async (): Promise<SignerProcess> => {
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
  const engine = await openEngine({
    ...{ keys, store, curve, config },
    source: chain.source,
    network: "regtest",
    lookEveryMs: 60_000,
    logLevel: "error",
    tell: (event) => events.push(event),
    // Every test looks at what was said.
    fatal: (error) => said.push({ is: "defect", where: "engine", error }),
  });
  return {
    ...{ engine, keys, said },
    id: toHex(keys.nodeId),
    get events() {
      return events.filter((event) => !silent(event));
    },
    channels: () => engine.manager.list_channels(),
    stop: async () => {
      await engine.stop();
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

export const link = async (from: TestNode, to: TestNode): Promise<void> => {
  const address = await to.engine.peers.listen({ host: "127.0.0.1", port: 0 });
  await from.engine.peers.connect(to.id, address);
};
