/** A real signer in processes of its own, with a chain source that this process serves. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { EmbeddedChain } from "../../chain/embedded/chain.ts";
import { serveEsplora } from "../../chain/embedded/faces/esplora.ts";
import { withAdmin } from "../../cli/admin.ts";
import { environment as env } from "../environment.ts";

const main = join(import.meta.dirname, "../../cli/main.ts");

/** Not `spawnSync`: the chain is served by this process. */
const countersign = async (...args: string[]) => {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  const out: string[] = [];
  const err: string[] = [];
  child.stdout.on("data", (data) => out.push(String(data)));
  child.stderr.on("data", (data) => err.push(String(data)));
  const [status] = await once(child, "close");
  return { status, stdout: out.join(""), stderr: err.join("") };
};

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  return port;
};

export interface OwnSigner {
  /** What init made. */
  readonly dir: string;
  readonly countersign: typeof countersign;
  /** All that its processes logged. */
  log(): string;
  start(): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  until(holds: () => boolean | Promise<boolean>): Promise<void>;
  isAtTip(): Promise<boolean>;
  close(): Promise<void>;
}

/** Made, and running. */
export const ownSigner = async (chain: EmbeddedChain): Promise<OwnSigner> => {
  const home = mkdtempSync(join(tmpdir(), "countersign-own-"));
  const dir = join(home, "signer");
  const pass = join(home, "passphrase");
  const face = await serveEsplora({ chain });
  const said: string[] = [];
  let signer: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const args = [main, "signer", "--dir", dir, "--passphrase-file", pass, "--json"];
    signer = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    signer.stderr?.on("data", (data) => said.push(String(data)));
    await once(createInterface({ input: signer.stdout as NodeJS.ReadableStream }), "line");
  };
  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    const gone = signer === undefined ? undefined : once(signer, "exit");
    signer?.kill(signal);
    signer = undefined;
    await gone;
  };
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    for (let i = 0; i < 400; i++) {
      if (await holds()) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error(`never: ${holds}\n${said.join("")}`);
  };
  const isAtTip = async (): Promise<boolean> => {
    let seen: unknown;
    await withAdmin({ dir }, async ({ ask }) => {
      seen = (await ask("status", {})).chain.height;
    });
    return seen === chain.tip().height;
  };

  writeFileSync(pass, "correct horse battery staple\n", { mode: 0o600 });
  const listen = `127.0.0.1:${await freePort()}`;
  const init = ["init", "--dir", dir, "--yes", "--passphrase-file", pass, "--network", "regtest"];
  const made = await countersign(...init, "--listen", listen, "--json");
  if (made.status !== 0) throw new Error(made.stderr);
  appendFileSync(
    join(dir, "countersign.toml"),
    `\n[chain]\nsource = "own"\n\n[chain.esplora]\nurl = "${face.url}"\n`,
  );
  await start();
  await until(isAtTip);
  return {
    ...{ dir, countersign, start, kill, until, isAtTip, log: () => said.join("") },
    close: async () => {
      await kill();
      await face.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
};
