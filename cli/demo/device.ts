/** The demo's device: the simulator in a process of its own, and the person who holds it. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Screen } from "../../firmware-sim/screen.ts";
import { environment, main, type OnProcess } from "./process.ts";

export const pin = "4711";

export interface DemoDevice {
  /** Where a signer finds it. */
  readonly address: string;
  start(): Promise<void>;
  /** What is done to it: a line of its script. */
  tell(line: string): void;
  /** The next screen of which this is true; the one that is there counts. */
  shows(what: string, is: (screen: Screen) => boolean): Promise<Screen>;
  /** The cable is out and the power gone, in the middle of whatever it does. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

interface Shown {
  readonly event: string;
  readonly screen?: Screen;
  readonly lines?: readonly string[];
}

export interface DemoDeviceOptions {
  readonly directory: string;
  /** What a person is asked, as the screen shows it. */
  readonly onAsked: (lines: readonly string[]) => void;
  readonly onProcess?: OnProcess;
}

const patienceMs = 20_000;

export const makeDevice = ({ directory, onAsked, onProcess }: DemoDeviceOptions): DemoDevice => {
  mkdirSync(directory, { mode: 0o700 });
  const socket = join(directory, "device.sock");
  let child: ChildProcess | undefined;
  let screen: Screen | undefined;
  const waiting = new Set<() => void>();

  const take = (line: string): void => {
    const shown = JSON.parse(line) as Shown;
    if (shown.screen === undefined) return;
    screen = shown.screen;
    if (screen.is === "consent" && screen.page === 0) onAsked(shown.lines ?? []);
    for (const look of waiting) look();
  };

  const tell = (line: string): void => void child?.stdin?.write(`${line}\n`);

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const one = child;
    child = undefined;
    screen = undefined;
    if (one === undefined || one.exitCode !== null || one.signalCode !== null) return;
    const gone = once(one, "exit");
    one.kill(signal);
    await gone;
  };

  return {
    address: `unix:${socket}`,
    start: async () => {
      const args = ["device", "sim", "--dir", join(directory, "case"), "--socket", socket, "--json"];
      const started = spawn(process.execPath, ["--disable-sigusr1", main, ...args], {
        env: environment(),
        stdio: ["pipe", "pipe", "ignore"],
      });
      child = started;
      onProcess?.(started);
      const lines = createInterface({ input: started.stdout });
      const ready = Promise.withResolvers<void>();
      lines.on("line", (line) => {
        take(line);
        if ((JSON.parse(line) as Shown).event === "ready") ready.resolve();
      });
      const ended = once(started, "exit").then(([code]) => {
        throw new Error(`the device ended with code ${code} before it was ready`);
      });
      ended.catch(() => {});
      await Promise.race([ready.promise, ended]);
      for (const line of ["person on", `pin ${pin}`, "consent all"]) tell(line);
    },
    tell,
    shows: (what, is) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (screen === undefined || !is(screen)) return;
          done();
          resolve(screen);
        };
        const late = setTimeout(() => {
          done();
          reject(new Error(`the device did not show ${what}`));
        }, patienceMs);
        const done = (): void => {
          clearTimeout(late);
          waiting.delete(look);
        };
        waiting.add(look);
        look();
      }),
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
};
