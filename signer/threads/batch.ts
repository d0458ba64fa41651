/**
 * A batch in memory that all threads see. Each takes the next chunk that nobody has, so the slowest never holds up the
 * others, and a core that is busy elsewhere costs nothing.
 */

import type { SignJob, VerifyJob } from "../../protocol/curve/curve.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point, Signature } from "../../protocol/units.ts";

export type Work = "sign" | "verify";

/** Of the memory that the main thread shares with each worker for as long as both live. */
export const words = { stop: 0, native: 1, count: 2 } as const;

/** Sent to a worker instead of a batch: it ends when it has nothing more to do. */
export const leave = "leave";

/** What a worker is sent. It answers with the number once it finds nothing more to do. */
export interface Shared {
  readonly number: number;
  readonly work: Work;
  readonly count: number;
  readonly keys: number;
  readonly buffer: SharedArrayBuffer;
}

/** Half a millisecond of work: what a thread that comes late can keep the others waiting. */
const chunk = 8;
const free = 0;
const done = -1;

/** digest, signature, key; or digest, low R, number of the key. */
const inputSize = { verify: 32 + 64 + 33, sign: 32 + 1 + 2 } as const;
/** Of a verification 1 for false and 2 for true, so that what nobody wrote is neither. */
const outputSize = { verify: 1, sign: 64 } as const;
export const answers = { no: 1, yes: 2 } as const;

const chunksOf = (count: number): number => Math.ceil(count / chunk);

export interface Batch {
  readonly shared: Shared;
  /** Jobs from here to before `end` are the caller's now. Undefined where nothing is left. */
  claim(owner: number): { readonly at: number; readonly end: number } | undefined;
  finish(at: number): void;
  /** The first jobs of the chunks that were claimed and not finished. */
  unfinished(): readonly { readonly at: number; readonly end: number }[];
  input(at: number): Uint8Array;
  output(at: number): Uint8Array;
  key(at: number): Uint8Array;
  wipe(): void;
}

/** One thread's view. */
export const batchOver = (shared: Shared): Batch => {
  const { work, count, keys, buffer } = shared;
  const chunks = chunksOf(count);
  const states = new Int32Array(buffer, 0, chunks);
  const inputs = chunks * 4;
  const secrets = inputs + count * inputSize[work];
  const outputs = secrets + keys * 32;
  const view = (start: number, size: number) => (at: number) =>
    new Uint8Array(buffer, start + at * size, size);
  const range = (index: number) => ({ at: index * chunk, end: Math.min(count, (index + 1) * chunk) });
  let cursor = 0;
  return {
    shared,
    claim: (owner) => {
      for (; cursor < chunks; cursor++)
        if (Atomics.compareExchange(states, cursor, free, owner) === free) return range(cursor++);
      return undefined;
    },
    finish: (at) => {
      Atomics.store(states, at / chunk, done);
    },
    unfinished: () => {
      const left: { readonly at: number; readonly end: number }[] = [];
      for (let index = 0; index < chunks; index++)
        if (Atomics.load(states, index) !== done) left.push(range(index));
      return left;
    },
    input: view(inputs, inputSize[work]),
    output: view(outputs, outputSize[work]),
    key: view(secrets, 32),
    wipe: () => {
      new Uint8Array(buffer, secrets, keys * 32).fill(0);
    },
  };
};

const newBatch = (number: number, work: Work, count: number, keys: number): Batch => {
  const size = chunksOf(count) * 4 + count * (inputSize[work] + outputSize[work]) + keys * 32;
  return batchOver({ number, work, count, keys, buffer: new SharedArrayBuffer(size) });
};

/** Of the right lengths, or undefined: then it is for the Curve to say what is wrong with it. */
export const packVerify = (number: number, jobs: readonly VerifyJob[]): Batch | undefined => {
  if (
    jobs.some(
      ({ digest, signature, key }) => digest.length !== 32 || signature.length !== 64 || key.length !== 33,
    )
  )
    return undefined;
  const batch = newBatch(number, "verify", jobs.length, 0);
  for (const [at, job] of jobs.entries()) {
    const into = batch.input(at);
    into.set(job.digest);
    into.set(job.signature, 32);
    into.set(job.key, 96);
  }
  return batch;
};

/** Copies, because native code must not see memory that another thread could change. */
export const verifyJobAt = (batch: Batch, at: number): VerifyJob => {
  const bytes = batch.input(at).slice();
  return {
    digest: bytes.subarray(0, 32),
    signature: bytes.subarray(32, 96) as Signature,
    key: bytes.subarray(96) as Point,
  };
};

const maxKeys = 0xffff;

export const packSign = (number: number, jobs: readonly SignJob[]): Batch | undefined => {
  const keys = [...new Set(jobs.map(({ key }) => key))];
  if (keys.length > maxKeys || keys.some((key) => key.use(({ length }) => length !== 32))) return undefined;
  if (jobs.some(({ digest }) => digest.length !== 32)) return undefined;
  const indexes = new Map(keys.map((key, index) => [key, index]));
  const batch = newBatch(number, "sign", jobs.length, keys.length);
  for (const [index, key] of keys.entries()) key.use((bytes) => batch.key(index).set(bytes));
  for (const [at, job] of jobs.entries()) {
    const index = indexes.get(job.key) ?? 0;
    const into = batch.input(at);
    into.set(job.digest);
    into[32] = job.lowR ? 1 : 0;
    into[33] = index >> 8;
    into[34] = index & 0xff;
  }
  return batch;
};

/** To be wiped by whoever asked. */
export const keysIn = (batch: Batch): readonly Secret[] =>
  Array.from({ length: batch.shared.keys }, (_, index) => new Secret(batch.key(index)));

export const signJobAt = (batch: Batch, at: number, keys: readonly Secret[]): SignJob => {
  const bytes = batch.input(at).slice();
  const key = keys[((bytes[33] as number) << 8) | (bytes[34] as number)];
  if (key === undefined) throw new Error("a job without a key");
  return { digest: bytes.subarray(0, 32), key, lowR: bytes[32] === 1 };
};
