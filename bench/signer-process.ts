/** A signer as an operator starts it: its own process, its own directory, every promise kept. */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface SignerProcess {
  /** The folder that init made for the host. */
  readonly host: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const main = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

/** A process that is to hold keys refuses most of what can be said to Node this way. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("NODE_")));

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port is free");
  return address.port;
};

export const startSignerProcess = async (folder: string): Promise<SignerProcess> => {
  const dir = join(folder, "signer");
  const passphrase = join(folder, "passphrase");
  writeFileSync(passphrase, "a passphrase for the bench\n", { mode: 0o600 });
  const init = spawnSync(
    process.execPath,
    [
      ...[main, "init", "--dir", dir, "--yes", "--passphrase-file", passphrase, "--json"],
      ...["--network", "regtest", "--listen", `127.0.0.1:${await freePort()}`],
    ],
    { env: environment(), encoding: "utf8" },
  );
  if (init.status !== 0) throw new Error(`no signer could be made: ${init.stderr}`);
  const child = spawn(
    process.execPath,
    [main, "signer", "--dir", dir, "--passphrase-file", passphrase, "--json"],
    { env: environment(), stdio: ["ignore", "pipe", "pipe"] },
  );
  let log = "";
  child.stderr.on("data", (chunk) => {
    log = `${log}${chunk}`.slice(-4_000);
  });
  const exited = once(child, "exit");
  const ready = once(createInterface({ input: child.stdout }), "line").then(() => true);
  if (!(await Promise.race([ready, exited.then(() => false)])))
    throw new Error(`the signer did not start: ${log}`);
  return {
    host: join(dir, "host"),
    pid: child.pid ?? 0,
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
};
