/** btcd, built by Go from its module and run for a test: never longer than the test itself. */

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const version = "v0.26.2";

export type Built =
  | { readonly is: "built"; readonly path: string }
  | { readonly is: "not"; readonly why: string };

/** Ours alone: what lies there is run. */
const cacheFolder = (): string => {
  const uid = process.getuid?.() ?? 0;
  const folder = join(process.env["XDG_CACHE_HOME"] ?? tmpdir(), `countersign-btcd-${uid}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid: owner, mode } = statSync(folder);
  if (owner !== uid || (mode & 0o022) !== 0) throw new Error(`${folder} is open to others`);
  return folder;
};

const run = async (
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number | null; readonly said: string }> => {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const said: string[] = [];
  child.stdout.on("data", (part) => said.push(String(part)));
  child.stderr.on("data", (part) => said.push(String(part)));
  try {
    const [status] = (await once(child, "close")) as [number | null];
    return { status, said: said.join("") };
  } catch {
    return { status: null, said: "" };
  }
};

const unreachable =
  /dial tcp|lookup .* (no such host|on )|i\/o timeout|connection (refused|reset)|proxyconnect|TLS handshake|EOF|50[0-9] |module lookup disabled/;

/** Once: the next time it is there. */
export const build = async (): Promise<Built> => {
  if ((await run("go", ["version"])).status !== 0) return { is: "not", why: "there is no go on the PATH" };
  const folder = cacheFolder();
  const bin = join(folder, version);
  const path = join(bin, process.platform === "win32" ? "btcd.exe" : "btcd");
  if (existsSync(path)) return { is: "built", path };
  const { status, said } = await run("go", ["install", `github.com/btcsuite/btcd@${version}`], {
    GOBIN: bin,
    GOPATH: join(folder, "go"),
    GOCACHE: join(folder, "cache"),
    GOFLAGS: "-buildvcs=false -modcacherw",
    CGO_ENABLED: "0",
  });
  if (status === 0) return { is: "built", path };
  if (unreachable.test(said)) return { is: "not", why: "Go's module proxy can't be reached" };
  throw new Error(`go can't build btcd:\n${said}`);
};

export interface Btcd {
  readonly url: string;
  readonly user: string;
  readonly password: string;
  ask(method: string, ...params: readonly unknown[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** When this process ends, however it does, the pipe does: then btcd is killed. */
const guard = '"$@" & child=$!; trap "kill -9 $child" TERM INT; cat > /dev/null; kill -9 $child; wait $child';

export const startBtcd = async (path: string, ...more: readonly string[]): Promise<Btcd> => {
  const home = mkdtempSync(join(tmpdir(), "countersign-btcd-run-"));
  const config = join(home, "btcd.conf");
  writeFileSync(config, "");
  const user = "countersign";
  const password = randomBytes(16).toString("hex");
  const child = spawn(
    "sh",
    [
      ...["-c", guard, "sh", path, "--regtest", "--notls", "--nolisten", "--nodnsseed", "--noonion"],
      ...[`--configfile=${config}`, `--datadir=${join(home, "data")}`, `--logdir=${join(home, "logs")}`],
      ...[`--rpcuser=${user}`, `--rpcpass=${password}`, "--rpclisten=127.0.0.1:0", ...more],
    ],
    { stdio: ["pipe", "pipe", "pipe"] },
  );
  const ended = once(child, "close");
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended;
    rmSync(home, { recursive: true, force: true });
  };
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line);
    const [, port] = /RPC server listening on 127\.0\.0\.1:(\d+)/.exec(line) ?? [];
    if (port === undefined) continue;
    child.stdout.resume();
    child.stderr.resume();
    const url = `http://127.0.0.1:${port}`;
    const authorization = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    return {
      ...{ url, user, password, stop },
      ask: async (method, ...params) => {
        const body = JSON.stringify({ jsonrpc: "1.0", id: 1, method, params });
        const response = await fetch(url, { method: "POST", headers: { authorization }, body });
        const { result, error } = (await response.json()) as { result: unknown; error: unknown };
        if (error !== null) throw new Error(`${method}: ${JSON.stringify(error)}`);
        return result;
      },
    };
  }
  await stop();
  throw new Error(`btcd did not start:\n${lines.join("\n")}`);
};
