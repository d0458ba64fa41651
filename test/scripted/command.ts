/** The commands as an operator types them, in a directory of their own. */

import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { environment as env } from "../environment.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

export interface Installed {
  readonly home: string;
  readonly dir: string;
  readonly store: string;
  anyCommand(...args: string[]): SpawnSyncReturns<string>;
  /** With `--dir`. */
  command(...args: string[]): SpawnSyncReturns<string>;
  /** What `command` prints as JSON, whatever its exit code. */
  json(...args: string[]): Record<string, unknown>;
  /** A signer that is expected not to start. */
  refusedStart(): SpawnSyncReturns<string>;
  start(): Promise<ChildProcess>;
  stop(child: ChildProcess, signal?: NodeJS.Signals): Promise<readonly unknown[]>;
  remove(): void;
}

/** `more`: further options of `init`; a function is given the directory above the signer's. */
export const install = async (more: (home: string) => readonly string[] = () => []): Promise<Installed> => {
  const home = mkdtempSync(join(tmpdir(), "countersign-command-"));
  const dir = join(home, "signer");
  const pass = join(home, "passphrase");
  const run = (args: readonly string[]) =>
    spawnSync(process.execPath, [main, ...args], { env, encoding: "utf8", timeout: 60_000 });
  const started = new Set<ChildProcess>();

  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  const listen = ["--listen", `127.0.0.1:${await freePort()}`];
  const made = run([
    ...["init", "--dir", dir, "--yes", "--passphrase-file", pass, "--network", "regtest", "--json"],
    ...listen,
    ...more(home),
  ]);
  expect([made.status, made.stderr]).toEqual([0, ""]);

  const command = (...args: string[]) => run([...args, "--dir", dir]);
  return {
    anyCommand: (...args) => run(args),
    ...{ home, dir, command, store: join(dir, "store.sqlite") },
    json: (...args) => JSON.parse(command(...args, "--json").stdout) as Record<string, unknown>,
    refusedStart: () => run(["signer", "--dir", dir, "--passphrase-file", pass]),
    start: async () => {
      const args = [main, "signer", "--dir", dir, "--passphrase-file", pass, "--json"];
      const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
      started.add(child);
      const said = createInterface({ input: child.stdout as NodeJS.ReadableStream });
      const ended = once(child, "exit").then(() => {
        throw new Error(`the signer did not start: ${String(child.stderr?.read())}`);
      });
      const [line] = await Promise.race([once(said, "line"), ended]);
      ended.catch(() => {});
      expect(JSON.parse(String(line))).toMatchObject({ event: "ready" });
      return child;
    },
    stop: async (child, signal = "SIGTERM") => {
      const exited = once(child, "exit");
      child.kill(signal);
      started.delete(child);
      return await exited;
    },
    remove: () => {
      for (const child of started) child.kill("SIGKILL");
      rmSync(home, { recursive: true, force: true });
    },
  };
};
