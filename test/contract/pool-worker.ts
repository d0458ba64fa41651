/** Workers that fail, each in its own way: what a pool must stand. The way is in their data. */

import { parentPort, workerData } from "node:worker_threads";
import { batchOver, leave, type Shared } from "../../signer/threads/batch.ts";

const { owner, way } = workerData as { readonly owner: number; readonly way: string };

if (way === "at-start") throw new Error("no such library");

/** Claims a chunk and writes a lie into it, as memory looks in the middle of the work, but does not finish it. */
const half = (shared: Shared): void => {
  const batch = batchOver(shared);
  const claimed = batch.claim(owner);
  if (claimed === undefined) return;
  for (let at = claimed.at; at < claimed.end; at++) batch.output(at).fill(2);
};

const sleep = (): never => {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
};

parentPort?.on("message", (shared: Shared | typeof leave) => {
  if (shared === leave) return parentPort?.close();
  half(shared);
  switch (way) {
    case "throws":
      throw new Error("uncaught");
    case "exits":
      return process.exit(3);
    case "sleeps":
      return sleep();
    case "answers-without-work":
      parentPort?.postMessage(shared.number);
      return;
    default:
      throw new Error(`no such way: ${way}`);
  }
});
