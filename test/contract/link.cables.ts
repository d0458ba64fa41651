/** Cables that the operating system has a part in: a Unix socket, and a serial line on a pseudo-terminal. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Transport } from "../../protocol/link.ts";
import { connectSerial } from "../../protocol/wire/links/serial.ts";
import { connectSocket, listenSocket, type SocketListener } from "../../protocol/wire/links/socket.ts";
import type { Pair } from "./link.kit.ts";

export const hasSocat = spawnSync("socat", ["-V"]).status === 0;

const folder = (): Promise<string> => mkdtemp(join(tmpdir(), "cs-link-"));

interface Device {
  readonly transport: Promise<Transport>;
  readonly listener: SocketListener;
}

/** The device's end: what a simulator has. */
const listening = async (path: string): Promise<Device> => {
  const { promise, resolve } = Promise.withResolvers<Transport>();
  return { transport: promise, listener: await listenSocket({ path, onTransport: resolve }) };
};

/** After the device has seen it for itself. */
const clear = async (directory: string, device: Device): Promise<void> => {
  await (await device.transport).closed;
  await device.listener.close();
  await rm(directory, { recursive: true, force: true });
};

/** With a process in between that can be pulled out; here it is a relay. */
export const socketPair = async (): Promise<Pair> => {
  const directory = await folder();
  const device = await listening(join(directory, "device"));
  const between: Socket[] = [];
  const relay = createServer((near) => {
    const far = connect(device.listener.path);
    between.push(near, far);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.pipe(other);
      one.on("error", () => undefined);
      one.on("close", () => other.destroy());
    }
  });
  const path = join(directory, "host");
  await new Promise<void>((resolve) => void relay.listen(path, resolve));
  const host = await connectSocket({ path });
  return {
    host,
    device: await device.transport,
    unplug: () => {
      for (const socket of between) socket.destroy();
      relay.close();
      void clear(directory, device);
    },
  };
};

const appeared = async (path: string, process: ChildProcess): Promise<void> => {
  while (!existsSync(path)) {
    if (process.exitCode !== null) throw new Error(`socat ended with ${process.exitCode}`);
    await pause(5);
  }
};

interface Terminal extends Pair {
  readonly path: string;
  /** The device takes no more bytes. */
  freeze(): void;
}

export const terminalPair = async (options: { readonly stuckMs?: number } = {}): Promise<Terminal> => {
  const directory = await folder();
  const device = await listening(join(directory, "device"));
  const path = join(directory, "tty");
  const socat = spawn("socat", [`pty,raw,echo=0,link=${path}`, `unix-connect:${device.listener.path}`], {
    stdio: "ignore",
  });
  await appeared(path, socat);
  const host = await connectSerial({ ...options, path });
  // A device on USB is told of it by the line DTR; a pseudo-terminal has none.
  void host.closed.then(() => socat.kill("SIGKILL"));
  return {
    path,
    freeze: () => void socat.kill("SIGSTOP"),
    host,
    device: await device.transport,
    unplug: () => {
      socat.kill("SIGKILL");
      void clear(directory, device);
    },
  };
};
