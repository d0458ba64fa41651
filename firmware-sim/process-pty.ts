/** A serial line in software: socat joins a pseudo-terminal to a socket of this process. */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, existsSync, openSync, rmSync } from "node:fs";
import type { Transport } from "../protocol/link.ts";
import { listenSocket } from "../protocol/wire/links/socket.ts";

export interface PtyOptions {
  /** Where the line shows; a symbolic link that is made and removed. */
  readonly link: string;
  /** A socket for socat alone. */
  readonly socket: string;
  readonly onTransport: (transport: Transport) => void;
  /** It ended though nobody asked it to. */
  readonly onEnd: (sentence: string) => void;
}

export interface Pty {
  close(): Promise<void>;
}

/** The system has no socat, or socat could not make the line. */
export class NoPty extends Error {
  override readonly name = "NoPty";
}

const patienceMs = 5_000;
const retryMs = 10;

const started = (link: string, socket: string): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn("socat", [`pty,raw,echo=0,mode=600,link=${link}`, `unix-connect:${socket}`], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.once("spawn", () => resolve(child));
    child.once("error", () => reject(new NoPty("there is no socat on this system: apt-get install socat")));
  });

const appeared = async (link: string, child: ChildProcess): Promise<void> => {
  for (let waited = 0; !existsSync(link); waited += retryMs) {
    if (child.exitCode !== null || waited >= patienceMs)
      throw new NoPty(`socat made no serial line at ${link}`);
    await new Promise((done) => setTimeout(done, retryMs));
  }
};

export const openPty = async ({ link, socket, onTransport, onEnd }: PtyOptions): Promise<Pty> => {
  if (existsSync(link)) throw new NoPty(`${link} exists already`);
  const listener = await listenSocket({ path: socket, onTransport });
  let isClosing = false;
  let held: number | undefined;
  let child: ChildProcess | undefined;
  const close = async (): Promise<void> => {
    isClosing = true;
    if (held !== undefined) closeSync(held);
    held = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((done) => child?.once("exit", done));
      child.kill();
      await ended;
    }
    await listener.close();
    rmSync(link, { force: true });
  };
  try {
    child = await started(link, socket);
    child.once("exit", () => {
      if (!isClosing) onEnd("socat ended, and with it the serial line");
    });
    await appeared(link, child);
    // A line that nobody holds open ends when its first user closes it; a real one stays.
    held = openSync(link, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
};
