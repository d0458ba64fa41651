/**
 * The curve on several threads. The one that asks works too, and it alone answers: what a worker has not done when
 * there is nothing left to take, it does itself. So no worker's death or sleep is a wrong answer, or none.
 */

import { Worker, type WorkerOptions } from "node:worker_threads";
import type { Curve, SignJob, VerifyJob } from "../../protocol/curve/curve.ts";
import { type Signature, signature } from "../../protocol/units.ts";
import { answers, type Batch, leave, packSign, packVerify, type Shared, words } from "./batch.ts";
import type { Start } from "./worker.ts";

export interface CurvePoolOptions {
  readonly curve: Curve;
  /** Workers beside the thread that asks. */
  readonly threads: number;
  /** Batches below it stay on the thread that asks. */
  readonly threshold?: number;
  /**
   * On, because two idle cores sign 483 HTLCs in 0.57 of the time of one. Other threads then read the keys of the
   * batch from shared memory, which is wiped after it, into copies that they wipe.
   */
  readonly signInWorkers?: boolean;
  /** Told of workers that died; nothing depends on it. */
  readonly report?: (error: unknown) => void;
  /** Milliseconds after which a worker that owes an answer gets no more work, and another takes its place. */
  readonly stuckAfter?: number;
  /** For tests: `new Worker`, or something that fails as one may. */
  readonly start?: (url: URL, options: WorkerOptions) => Worker;
}

export interface CurvePool {
  /** The workers that run: for status and tests. */
  readonly workers: () => number;
  verify(jobs: readonly VerifyJob[]): Promise<readonly boolean[]>;
  sign(jobs: readonly SignJob[]): Promise<readonly Signature[]>;
  /** Ends the workers. What is asked afterwards is done by the thread that asks. */
  close(): Promise<void>;
}

/** Below it a worker wakes too late to be of use. */
const defaultThreshold = 32;
/** How long the thread that asks waits for chunks that others hold, each of half a millisecond. */
const patience = 2;
/** Batches that a worker may be behind: what one that is stuck keeps in memory is bounded. */
const maxOwed = 64;
/** Workers that fail so often in a row and never answer will not do better the next time. */
const maxFailures = 5;

/** How long the end waits for workers that are in the middle of a chunk, or stuck. */
const goodbye = 2_000;

/** And how long an exit without an end waits for each of them to be out of native code. */
const calmAfter = 500;

/** The owner's number of the thread that asks; the workers count up from it. */
const self = 1;

interface Member {
  readonly worker: Worker;
  readonly state: Int32Array;
  /** Since when it owes an answer. */
  busySince: number | undefined;
  owes: number;
}

/** The compiler renames the imports of .ts files, but not what is in a string. */
const ownWorker = (): URL =>
  new URL(`./worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export const curvePool = ({
  curve,
  threads,
  threshold = defaultThreshold,
  signInWorkers = true,
  stuckAfter = 10_000,
  report = () => undefined,
  start = (url, options) => new Worker(url, options),
}: CurvePoolOptions): CurvePool => {
  const members = new Set<Member>();
  /** Called with each answer: who waits looks then whether all is done. */
  const waiting = new Set<() => void>();
  let owners = self;
  let batches = 0;
  let failures = 0;

  const replace = (): void => {
    failures++;
    if (failures < maxFailures) hire();
    else if (failures === maxFailures)
      report(new Error("the curve's workers keep failing: one thread does their work"));
  };

  /** Undefined where Node's permissions forbid threads, or the system has no more of them. */
  const startWorker = (state: Int32Array<SharedArrayBuffer>): Worker | undefined => {
    try {
      // Its options are this process's own, which the signer has judged; given here, they would be parsed anew.
      return start(ownWorker(), {
        name: "curve",
        workerData: { curve: curve.name, owner: ++owners, state: state.buffer } satisfies Start,
        resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 },
      });
    } catch (error) {
      report(error);
      return undefined;
    }
  };

  const hire = (): void => {
    const state = new Int32Array(new SharedArrayBuffer(words.count * 4));
    // It begins with the loading of the add-on.
    state[words.native] = 1;
    const worker = startWorker(state);
    if (worker === undefined) return;
    const member: Member = { worker, state, busySince: undefined, owes: 0 };
    members.add(member);
    worker.on("message", () => {
      failures = 0;
      member.owes--;
      member.busySince = member.owes === 0 ? undefined : performance.now();
      for (const look of waiting) look();
    });
    // Without a listener it would be an uncaught exception of this thread, and end the signer.
    worker.on("error", report);
    worker.on("exit", () => {
      if (members.delete(member)) replace();
    });
    // Last, for a listener for messages takes it back.
    worker.unref();
  };

  /**
   * Left to itself: `terminate` in the middle of a native call makes the add-on abort the whole process. It keeps
   * nobody from ending.
   */
  const abandon = (member: Member): void => {
    members.delete(member);
    report(new Error("one of the curve's workers does not answer: another takes its place"));
    replace();
  };

  const post = (shared: Shared): void => {
    for (const member of [...members]) {
      if (member.busySince !== undefined && performance.now() - member.busySince > stuckAfter)
        abandon(member);
      else if (member.owes < maxOwed) {
        member.busySince ??= performance.now();
        member.owes++;
        member.worker.postMessage(shared);
      }
    }
  };

  const othersFinish = async (batch: Batch): Promise<void> => {
    if (batch.unfinished().length === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const late = setTimeout(resolve, patience);
    const look = (): void => {
      if (batch.unfinished().length === 0) resolve();
    };
    waiting.add(look);
    await promise;
    waiting.delete(look);
    clearTimeout(late);
  };

  /** `own` does the jobs here, `theirs` reads what a worker did. */
  const share = async <T>(batch: Batch, own: (at: number) => T, theirs: (at: number) => T): Promise<T[]> => {
    const results = new Map<number, T>();
    const work = ({ at, end }: { readonly at: number; readonly end: number }): void => {
      for (let index = at; index < end; index++) results.set(index, own(index));
    };
    try {
      post(batch.shared);
      for (let claimed = batch.claim(self); claimed !== undefined; claimed = batch.claim(self)) {
        work(claimed);
        batch.finish(claimed.at);
      }
      await othersFinish(batch);
      for (const left of batch.unfinished()) work(left);
      return Array.from({ length: batch.shared.count }, (_, at) => results.get(at) ?? theirs(at));
    } finally {
      batch.wipe();
    }
  };

  const verify = async (jobs: readonly VerifyJob[]): Promise<readonly boolean[]> => {
    const batch = inline(jobs) ? undefined : packVerify(batches++, jobs);
    if (batch === undefined) return curve.verifyBatch(jobs);
    return share(
      batch,
      (at) => curve.verify(jobs[at] as VerifyJob),
      (at) => batch.output(at)[0] === answers.yes,
    );
  };

  const sign = async (jobs: readonly SignJob[]): Promise<readonly Signature[]> => {
    const batch = inline(jobs) || !signInWorkers ? undefined : packSign(batches++, jobs);
    if (batch === undefined) return curve.signBatch(jobs);
    return share(
      batch,
      (at) => curve.sign(jobs[at] as SignJob),
      (at) => signature(batch.output(at).slice()),
    );
  };

  const inline = (jobs: readonly unknown[]): boolean => jobs.length < threshold || members.size === 0;

  /** Node ends the workers with the process: see `abandon` for what that does to one in native code. */
  const calm = (): void => {
    for (const { state } of members) Atomics.store(state, words.stop, 1);
    for (const { state } of members) Atomics.wait(state, words.native, 1, calmAfter);
  };

  for (let i = 0; i < threads; i++) hire();
  process.on("exit", calm);
  return {
    workers: () => members.size,
    verify,
    sign,
    close: async () => {
      const left = [...members].map(({ worker }) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        worker.once("exit", () => resolve());
        worker.postMessage(leave);
        return promise;
      });
      members.clear();
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, goodbye);
      await Promise.race([Promise.all(left), late]);
      clearTimeout(timer);
      process.off("exit", calm);
    },
  };
};
