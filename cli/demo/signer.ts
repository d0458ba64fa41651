/** The demo's signer: the real commands in processes of their own, in a directory that goes with the demo. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { toHex } from "../../protocol/bytes.ts";
import { configFile } from "../../signer/config.ts";
import type { DemoDevice } from "./device.ts";
import { environment, main, type OnProcess } from "./process.ts";

const run = promisify(execFile);

/** Below what systems give to outgoing connections: while the signer is dead, none of them takes its port. */
const [lowestPort, highestPort] = [20_000, 32_000];

export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(lowestPort, highestPort);
    const server = createServer().listen(port, "127.0.0.1");
    const isFree = await once(server, "listening").then(
      () => true,
      () => false,
    );
    server.close();
    if (isFree) return port;
  }
};

export interface DemoSigner {
  readonly directory: string;
  /** What the node is given: certificates and an address, and no key of any money. */
  readonly bundle: string;
  readonly node: string;
  /** Of the process that serves, while one does. */
  pid(): number | undefined;
  start(): Promise<void>;
  /** SIGKILL: it has no time for anything. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** `countersign ...` as a person would type it; what it prints. */
  command(...args: readonly string[]): Promise<string>;
}

export interface DemoSignerOptions {
  readonly directory: string;
  /** Which is to have the keys. */
  readonly device?: DemoDevice;
  /** Lines for the table [policy]. */
  readonly policy: Readonly<Record<string, string | number | boolean>>;
  readonly onProcess?: OnProcess;
}

/** Of those who hold the device: they open the pairing on it, and read its digits out. */
const init = async (
  args: readonly string[],
  { device, onProcess }: Pick<DemoSignerOptions, "device" | "onProcess">,
): Promise<string> => {
  const onDevice = device === undefined ? [] : ["--device", device.address, "--code-on-stdin"];
  const child = run(process.execPath, ["--disable-sigusr1", main, "init", ...args, ...onDevice], {
    env: environment(),
  });
  onProcess?.(child.child);
  if (device !== undefined) {
    device.tell("hold");
    const screen = await device.shows("the digits of a pairing", ({ is }) => is === "pairing");
    if (screen.is !== "pairing") throw new Error("no digits");
    device.tell(`code ${screen.code}`);
    child.child.stdin?.end(`${screen.code}\n`);
  }
  const { stdout } = await child;
  return stdout.trim().split("\n").at(-1) ?? "";
};

export const makeSigner = async (options: DemoSignerOptions): Promise<DemoSigner> => {
  const { directory, policy, device, onProcess } = options;
  const passphrase = `${directory}.passphrase`;
  writeFileSync(passphrase, `${toHex(randomBytes(16))}\n`, { mode: 0o600 });
  const env = environment();
  const command = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await run(process.execPath, ["--disable-sigusr1", main, ...args], { env });
    return stdout;
  };
  const secret = ["--passphrase-file", passphrase];
  const listen = `127.0.0.1:${await freePort()}`;
  const made = await init(
    ["--dir", directory, "--yes", "--network", "regtest", "--listen", listen, ...secret, "--json"],
    options,
  );
  const { node } = JSON.parse(made) as { node: string };
  const file = join(directory, configFile);
  const limits = Object.entries(policy).map(([name, value]) => `${name} = ${JSON.stringify(value)}`);
  const text = readFileSync(file, "utf8");
  writeFileSync(
    file,
    text.replace(/^preset = .*$/m, (preset) => [preset, ...limits].join("\n")),
  );

  let process_: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const log = openSync(`${directory}.log`, "a", 0o600);
    const child = spawn(
      process.execPath,
      [
        ...["--disable-sigusr1", main, "signer", "--dir", directory, "--json"],
        ...(device === undefined ? secret : []),
      ],
      {
        env,
        stdio: ["ignore", "pipe", log],
      },
    );
    process_ = child;
    onProcess?.(child);
    closeSync(log);
    const ready = once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), "line");
    const ended = once(child, "exit").then(([code]) => {
      throw new Error(`the signer ended with code ${code} before it was ready`);
    });
    ended.catch(() => {});
    await Promise.race([ready, ended]);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = process_;
    process_ = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  return {
    directory,
    bundle: join(directory, "host"),
    node,
    pid: () => process_?.pid,
    start,
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
    command,
  };
};
