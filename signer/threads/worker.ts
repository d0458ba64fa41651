/** One more thread for the curve's work. What it cannot do it leaves undone: the thread that asked does it then. */

import { parentPort, workerData } from "node:worker_threads";
import { type Curve, openCurve } from "../../protocol/curve/index.ts";
import {
  answers,
  type Batch,
  batchOver,
  keysIn,
  leave,
  type Shared,
  signJobAt,
  verifyJobAt,
  words,
} from "./batch.ts";

export interface Start {
  readonly curve: Curve["name"];
  /** Not 0, and no other thread's. */
  readonly owner: number;
  /** Two words: `words.stop`, which the main thread sets, and `words.native`, 1 while this one may be in native code. */
  readonly state: SharedArrayBuffer;
}

const { curve: name, owner, state: shares } = workerData as Start;
const state = new Int32Array(shares);

const next = (batch: Batch): ReturnType<Batch["claim"]> =>
  Atomics.load(state, words.stop) === 1 ? undefined : batch.claim(owner);

const verify = (curve: Curve, batch: Batch): void => {
  for (let claimed = next(batch); claimed !== undefined; claimed = next(batch)) {
    for (let at = claimed.at; at < claimed.end; at++)
      batch.output(at)[0] = curve.verify(verifyJobAt(batch, at)) ? answers.yes : answers.no;
    batch.finish(claimed.at);
  }
};

/**
 * The keys are copied before anything is claimed. They are wiped when all is, so whoever has a claim has whole keys; or
 * when the batch failed, and then nobody reads what is written.
 */
const sign = (curve: Curve, batch: Batch): void => {
  const keys = keysIn(batch);
  try {
    for (let claimed = next(batch); claimed !== undefined; claimed = next(batch)) {
      for (let at = claimed.at; at < claimed.end; at++)
        batch.output(at).set(curve.sign(signJobAt(batch, at, keys)));
      batch.finish(claimed.at);
    }
  } finally {
    for (const key of keys) key.wipe();
  }
};

const curve = await openCurve(name);
// The environment may hold what only the main thread needs.
for (const variable of Object.keys(process.env)) delete process.env[variable];

const outOfNative = (): void => {
  Atomics.store(state, words.native, 0);
  Atomics.notify(state, words.native);
};
outOfNative();

parentPort?.on("message", (shared: Shared | typeof leave) => {
  if (shared === leave) {
    parentPort?.close();
    return;
  }
  const batch = batchOver(shared);
  Atomics.store(state, words.native, 1);
  try {
    if (shared.work === "verify") verify(curve, batch);
    else sign(curve, batch);
  } catch {
    // Malformed jobs: asked again, the main thread's curve says so to whoever sent them.
  }
  outOfNative();
  parentPort?.postMessage(shared.number);
});
