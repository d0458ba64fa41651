/** A process that is told and tells in lines of JSON, and is killed without a word. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

export interface Child<Said, Heard> {
  say(line: Said): void;
  /** The next line of this kind, or undefined where it ended before. */
  next(fits: (line: Heard) => boolean): Promise<Heard | undefined>;
  readonly isOver: boolean;
  /** Resolves to the signal. */
  readonly ended: Promise<NodeJS.Signals | null>;
  kill(): Promise<NodeJS.Signals | null>;
  /** Nothing of it moves until the function that it gives is called. */
  stop(): Promise<() => void>;
}

/** Of all its threads; the signal alone says nothing of when. */
const isStopped = (pid: number): boolean => {
  const path = `/proc/${pid}/stat`;
  if (!existsSync("/proc/self/stat")) return true;
  if (!existsSync(path)) return true;
  const text = readFileSync(path, "utf8");
  return /^\) [TtZX]/.test(text.slice(text.lastIndexOf(")")));
};

export const spawnChild = <Said, Heard>(file: string, onLine: (line: Heard) => void): Child<Said, Heard> => {
  const child: ChildProcess = spawn(process.execPath, [file], { stdio: ["pipe", "pipe", "inherit"] });
  const waiting = new Set<{ fits: (line: Heard) => boolean; resolve: (line: Heard | undefined) => void }>();
  let isOver = false;
  const ended = once(child, "exit").then(([, signal]) => {
    isOver = true;
    for (const { resolve } of waiting) resolve(undefined);
    waiting.clear();
    return signal as NodeJS.Signals | null;
  });
  // What is said to a process that just died is lost with it.
  child.stdin?.on("error", () => {});
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (text) => {
    const line = JSON.parse(text) as Heard;
    onLine(line);
    for (const one of [...waiting])
      if (one.fits(line)) {
        waiting.delete(one);
        one.resolve(line);
      }
  });
  return {
    say: (line) => void child.stdin?.write(`${JSON.stringify(line)}\n`),
    next: (fits) =>
      isOver ? Promise.resolve(undefined) : new Promise((resolve) => void waiting.add({ fits, resolve })),
    get isOver() {
      return isOver;
    },
    ended,
    kill: () => {
      child.kill("SIGKILL");
      return ended;
    },
    stop: async () => {
      child.kill("SIGSTOP");
      while (!isOver && child.pid !== undefined && !isStopped(child.pid)) await pause(1);
      return () => void child.kill("SIGCONT");
    },
  };
};
