/** `countersign node` as people type it: each node and each signer is a process of its own, on a chain served here. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { bech32, bech32m } from "@scure/base";
import { expect } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { serveEsplora } from "../../chain/embedded/faces/esplora.ts";
import { withNode } from "../../cli/node/client.ts";
import type { Answer, Asked, ControlName } from "../../cli/node/control.ts";
import { script } from "../../protocol/units.ts";
import { environment as env } from "../environment.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");

export interface Ran {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const collect = (stream: NodeJS.ReadableStream): (() => string) => {
  let text = "";
  stream.on("data", (bytes: Buffer) => {
    text += bytes.toString("utf8");
  });
  return () => text;
};

/** Not `spawnSync`: this process serves the chain meanwhile. */
export const countersign = async (...args: readonly string[]): Promise<Ran> => {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout: stdout(), stderr: stderr() };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

export interface Line {
  readonly event: string;
  readonly [key: string]: unknown;
}

const served = async (lines: Line[], ...args: readonly string[]) => {
  const child = spawn(process.execPath, [main, ...args, "--json"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stderr = collect(child.stderr);
  const reader = createInterface({ input: child.stdout });
  reader.on("line", (line) => void lines.push(JSON.parse(line) as Line));
  await Promise.race([
    once(reader, "line"),
    once(child, "exit").then(() => Promise.reject(new Error(stderr()))),
  ]);
  return child;
};

export const until = async <T>(
  what: string,
  look: () => T | Promise<T>,
  limit = 30_000,
): Promise<NonNullable<T>> => {
  const end = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

export interface CliNode {
  readonly dir: string;
  readonly signerDir: string;
  readonly bundle: string;
  readonly id: string;
  /** All that it printed, over all its lives. */
  readonly lines: Line[];
  readonly at: string;
  run(...args: readonly string[]): Promise<Ran>;
  /** Its output with `--json`; anything but success fails the test. */
  json(...args: readonly string[]): Promise<Record<string, never>>;
  text(...args: readonly string[]): Promise<string>;
  /** Without a process in between, where a test asks again and again. */
  ask<N extends ControlName>(name: N, asked: Asked<N>): Promise<Answer<N>>;
  start(): Promise<void>;
  end(signal: NodeJS.Signals): Promise<number | null>;
}

export const openTown = async () => {
  const home = mkdtempSync(join(tmpdir(), "cs-node-"));
  const chain = openChain();
  chain.mine(1);
  const face = await serveEsplora({ chain });
  const children = new Set<ChildProcess>();
  const nodes: CliNode[] = [];
  const pass = join(home, "passphrase");
  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });

  const live = async (lines: Line[], ...args: readonly string[]): Promise<ChildProcess> => {
    const child = await served(lines, ...args);
    children.add(child);
    child.once("exit", () => children.delete(child));
    return child;
  };

  const settle = async (name: string, policy: string): Promise<CliNode> => {
    const signerDir = join(home, `${name}-signer`);
    const dir = join(home, name);
    const bundle = join(signerDir, "host");
    const made = await countersign(
      ...["init", "--dir", signerDir, "--yes", "--passphrase-file", pass, "--json"],
      ...["--network", "regtest", "--listen", `127.0.0.1:${await freePort()}`],
    );
    expect([made.status, made.stderr]).toEqual([0, ""]);
    appendFileSync(join(signerDir, "countersign.toml"), policy);
    await live([], "signer", "--dir", signerDir, "--passphrase-file", pass);
    const init = await countersign(
      ...["node", "init", "--dir", dir, "--signer", bundle, "--esplora", face.url, "--json"],
      ...["--listen", `127.0.0.1:${await freePort()}`, "--confirmations", "1", "--look", "1"],
    );
    expect([init.status, init.stderr]).toEqual([0, ""]);
    let child: ChildProcess | undefined;
    const lines: Line[] = [];
    const run: CliNode["run"] = (...args) => countersign("node", ...args, "--dir", dir);
    const text: CliNode["text"] = async (...args) => {
      const { status, stdout, stderr } = await run(...args);
      expect([status, stderr]).toEqual([0, ""]);
      return stdout;
    };
    const it: CliNode = {
      ...{ dir, signerDir, bundle, lines, run, text },
      id: (JSON.parse(init.stdout) as { node: string }).node,
      get at() {
        const ready = lines.findLast(({ event }) => event === "ready");
        const { host, port } = (ready?.["listening"] ?? {}) as { host?: string; port?: number };
        return `${it.id}@${host}:${port}`;
      },
      json: async (...args) => JSON.parse(await text(...args, "--json")) as Record<string, never>,
      ask: async (name, asked) => {
        const found: Answer<typeof name>[] = [];
        await withNode(dir, async (client) => void found.push(await client.ask(name, asked)));
        const [answer] = found;
        if (answer === undefined) throw new Error("no answer");
        return answer;
      },
      start: async () => {
        child = await live(lines, "node", "start", "--dir", dir);
      },
      end: async (signal) => {
        if (child === undefined) return null;
        const gone = once(child, "exit");
        child.kill(signal);
        const [code] = (await gone) as [number | null];
        return code;
      },
    };
    await it.start();
    nodes.push(it);
    return it;
  };

  return {
    ...{ home, chain, settle },
    /** Of what was published and is in no block. */
    waiting: (): number => chain.pool().length,
    mine: async (blocks: number): Promise<void> => {
      chain.mine(blocks);
      await Promise.all(nodes.map((node) => node.ask("sync", {})));
    },
    pay: (address: string, count: number): void => {
      const form = address.length > 50 ? bech32m : bech32;
      const { words } = form.decode(address as `${string}1${string}`);
      const [version = 0, ...rest] = words;
      const program = form.fromWords(rest);
      chain.mine(count, {
        to: script(Uint8Array.of(version === 0 ? 0 : 0x50 + version, program.length, ...program)),
      });
    },
    close: async (): Promise<void> => {
      for (const child of children) child.kill("SIGKILL");
      await face.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
};

export type Town = Awaited<ReturnType<typeof openTown>>;
