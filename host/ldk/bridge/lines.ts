/** The thread of the lines: one for as many as want it, and none before the first. */

import { type MessagePort, Worker } from "node:worker_threads";
import type { Start } from "./thread-messages.ts";

export interface Lines {
  open(start: Start): void;
  /** The thread ended, and nobody had asked it to. Gives what forgets whoever is told. */
  onGone(told: (reason: string) => void): () => void;
  /** After the lines. */
  close(): Promise<void>;
}

export const openLines = (): Lines => {
  const listeners = new Set<(reason: string) => void>();
  let worker: Worker | undefined;
  let isClosing = false;

  const gone = (reason: string): void => {
    if (isClosing) return;
    isClosing = true;
    for (const told of listeners) told(reason);
  };

  const launch = (): Worker => {
    const url = new URL(import.meta.url.replace(/lines(\.[jt]s)$/, "thread$1"));
    const made = new Worker(url, { name: "signer-lines" });
    // A node that is idle may end; whoever asks holds the process for as long as the answer takes.
    made.unref();
    made.on("error", (error) => gone(`the signer's thread ended: ${(error as Error).message}`));
    made.on("exit", () => gone("the signer's thread ended"));
    return made;
  };

  return {
    open: (start) => {
      worker ??= launch();
      const ports: MessagePort[] = [start.talk, start.blocking];
      if (start.watch !== undefined) ports.push(start.watch);
      worker.postMessage(start, ports);
    },
    onGone: (told) => {
      listeners.add(told);
      return () => void listeners.delete(told);
    },
    close: async () => {
      isClosing = true;
      await worker?.terminate();
    },
  };
};
