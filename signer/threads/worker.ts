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
} from "./batch.ts";

export interface Start {
  readonly curve: Curve["name"];
  /** Not 0, and no other thread's. */
  readonly owner: number;
}

const verify = (curve: Curve, batch: Batch, owner: number): void => {
  for (let claimed = batch.claim(owner); claimed !== undefined; claimed = batch.claim(owner)) {
    for (let at = claimed.at; at < claimed.end; at++)
      batch.output(at)[0] = curve.verify(verifyJobAt(batch, at)) ? answers.yes : answers.no;
    batch.finish(claimed.at);
  }
};

/**
 * The keys are copied before anything is claimed. They are wiped when all is, so whoever has a claim has whole keys; or
 * when the batch failed, and then nobody reads what is written.
 */
const sign = (curve: Curve, batch: Batch, owner: number): void => {
  const keys = keysIn(batch);
  try {
    for (let claimed = batch.claim(owner); claimed !== undefined; claimed = batch.claim(owner)) {
      for (let at = claimed.at; at < claimed.end; at++)
        batch.output(at).set(curve.sign(signJobAt(batch, at, keys)));
      batch.finish(claimed.at);
    }
  } finally {
    for (const key of keys) key.wipe();
  }
};

const { curve: name, owner } = workerData as Start;
const curve = await openCurve(name);
// The environment may hold what only the main thread needs.
for (const variable of Object.keys(process.env)) delete process.env[variable];

parentPort?.on("message", (shared: Shared | typeof leave) => {
  if (shared === leave) {
    parentPort?.close();
    return;
  }
  const batch = batchOver(shared);
  try {
    if (shared.work === "verify") verify(curve, batch, owner);
    else sign(curve, batch, owner);
  } catch {
    // Malformed jobs: asked again, the main thread's curve says so to whoever sent them.
  }
  parentPort?.postMessage(shared.number);
});
