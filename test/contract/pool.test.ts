import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import {
  type Curve,
  loadNative,
  nobleCurve,
  type SignJob,
  type VerifyJob,
} from "../../protocol/curve/index.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point, Signature } from "../../protocol/units.ts";
import { batchOver, keysIn, packSign, packVerify, signJobAt } from "../../signer/threads/batch.ts";
import { type CurvePool, type CurvePoolOptions, curvePool } from "../../signer/threads/pool.ts";
import { workersFor } from "../../signer/threads/workers.ts";

const curve = await loadNative();
const bytes = (length: number) => new Uint8Array(randomBytes(length));
const below = (n: number) => Math.floor(Math.random() * n);

const pools: CurvePool[] = [];
const faults: unknown[] = [];
const open = (options: Partial<CurvePoolOptions> = {}): CurvePool => {
  const pool = curvePool({
    curve,
    threads: 2,
    threshold: 1,
    report: (error) => faults.push(error),
    ...options,
  });
  pools.push(pool);
  return pool;
};
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close()));
  faults.length = 0;
});

const secrets = Array.from({ length: 3 }, () => new Secret(bytes(32)));
const newJobs = (count: number): SignJob[] =>
  Array.from({ length: count }, (_, i) => ({
    digest: bytes(32),
    key: secrets[i % secrets.length] as Secret,
    lowR: i % 5 !== 0,
  }));
const checksOf = (jobs: readonly SignJob[]): VerifyJob[] => {
  const signatures = curve.signBatch(jobs);
  return jobs.map(({ digest, key }, i) => ({
    digest,
    key: curve.publicKey(key),
    signature: signatures[i] as Signature,
  }));
};
/** Some spoiled, in each way that still has the right lengths. */
const spoiled = (checks: readonly VerifyJob[]): VerifyJob[] =>
  checks.map((check) => {
    switch (below(12)) {
      case 0:
        return { ...check, digest: bytes(32) };
      case 1:
        return { ...check, signature: bytes(64) as Signature };
      case 2:
        return { ...check, key: bytes(33) as Point };
      case 3:
        return { ...check, key: new Uint8Array(33) as Point };
      default:
        return check;
    }
  });

/** As long as workers take to start: they are of no use before, and the answers must be right all the same. */
const started = () => new Promise((done) => setTimeout(done, 300));
/** A curve of the asking thread that is slow, so that the workers get most of a batch, and counts what it does. */
const slow = (milliseconds: number): { readonly curve: Curve; readonly done: () => number } => {
  let count = 0;
  const delayed =
    <J, A>(act: (job: J) => A) =>
    (job: J): A => {
      count++;
      const end = performance.now() + milliseconds;
      while (performance.now() < end);
      return act(job);
    };
  return { curve: { ...curve, verify: delayed(curve.verify), sign: delayed(curve.sign) }, done: () => count };
};

/** Whether others do a part of the work, sooner or later: when depends on the machine. */
const isHelped = async (pool: CurvePool, { done }: ReturnType<typeof slow>): Promise<boolean> => {
  const checks = checksOf(newJobs(200));
  for (let round = 0; round < 40; round++) {
    const before = done();
    expect(await pool.verify(checks)).toStrictEqual(checks.map(() => true));
    if (done() - before < checks.length) return true;
    await started();
  }
  return false;
};

describe("a pool answers as one thread does", () => {
  test("verifying batches of any size, with bad ones anywhere, many at once", async () => {
    const slowed = slow(0.2);
    const pool = open({ curve: slowed.curve });
    expect(await isHelped(pool, slowed)).toBe(true);
    const base = checksOf(newJobs(300));
    const sizes = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100, 300];
    const batches = [...sizes, ...sizes].map((size) => spoiled(base.slice(0, size)));
    const answers = await Promise.all(batches.map((batch) => pool.verify(batch)));
    for (const [i, batch] of batches.entries()) expect(answers[i]).toStrictEqual(curve.verifyBatch(batch));
    expect(answers.flat().filter((valid) => !valid).length).toBeGreaterThan(100);
    expect(faults).toEqual([]);
  });

  test("signing the same bytes, with several keys", async () => {
    const slowed = slow(0.2);
    const pool = open({ curve: slowed.curve });
    expect(await isHelped(pool, slowed)).toBe(true);
    const batches = [1, 8, 63, 64, 200].map(newJobs);
    const answers = await Promise.all(batches.map((batch) => pool.sign(batch)));
    for (const [i, batch] of batches.entries())
      expect(answers[i]?.map(toHex)).toEqual(curve.signBatch(batch).map(toHex));
    expect(faults).toEqual([]);
  });

  test("with the portable backend too", async () => {
    const noble = nobleCurve();
    const pool = open({ curve: noble });
    await started();
    const checks = spoiled(checksOf(newJobs(60)));
    expect(await pool.verify(checks)).toStrictEqual(curve.verifyBatch(checks));
    const jobs = newJobs(60);
    expect((await pool.sign(jobs)).map(toHex)).toEqual(curve.signBatch(jobs).map(toHex));
  });

  test("jobs that are none of the right form are the curve's to judge", async () => {
    const pool = open();
    await started();
    const checks = checksOf(newJobs(40));
    const odd: VerifyJob[] = [
      ...checks,
      { ...(checks[0] as VerifyJob), signature: bytes(63) as Signature },
      { ...(checks[1] as VerifyJob), key: bytes(32) as Point },
    ];
    expect(await pool.verify(odd)).toStrictEqual([...checks.map(() => true), false, false]);
    const short = { ...(checks[0] as VerifyJob), digest: bytes(31) };
    await expect(pool.verify([...checks, short])).rejects.toThrow(Malformed);
    const jobs = newJobs(40);
    const last = jobs[39] as SignJob;
    for (const bad of [new Secret(new Uint8Array(32)), new Secret(bytes(31))])
      await expect(pool.sign([...jobs, { ...last, key: bad }])).rejects.toThrow(Malformed);
    await expect(pool.sign([...jobs, { ...last, digest: bytes(33) }])).rejects.toThrow(Malformed);
    expect((await pool.sign(jobs)).length).toBe(40);
    expect(pool.workers()).toBe(2);
    expect(faults).toEqual([]);
  });

  test("without workers, and below the threshold, on the asking thread alone", async () => {
    for (const options of [{ threads: 0 }, { threads: 1, threshold: 101 }]) {
      const { curve: counted, done } = slow(0);
      const batched = { ...counted, verifyBatch: (jobs: readonly VerifyJob[]) => jobs.map(counted.verify) };
      const pool = open({ curve: batched, ...options });
      expect(await pool.verify(checksOf(newJobs(100)))).toStrictEqual(new Array(100).fill(true));
      expect(done()).toBe(100);
    }
  });

  test("and no key goes anywhere else if it must not", async () => {
    const { curve: counted, done } = slow(0);
    const alone = { ...counted, signBatch: (jobs: readonly SignJob[]) => jobs.map(counted.sign) };
    const pool = open({ curve: alone, signInWorkers: false });
    await started();
    const jobs = newJobs(200);
    expect((await pool.sign(jobs)).map(toHex)).toEqual(curve.signBatch(jobs).map(toHex));
    expect(done()).toBe(200);
  });
});

describe("workers that fail change no answer", () => {
  const start =
    (way: string): NonNullable<CurvePoolOptions["start"]> =>
    (_, started) =>
      new Worker(pathToFileURL(join(import.meta.dirname, "pool-worker.ts")), {
        ...started,
        workerData: { ...started.workerData, way },
      });
  const failing = (way: string, options: Partial<CurvePoolOptions> = {}) =>
    open({ start: start(way), ...options });

  test.each(["at-start", "throws", "exits", "sleeps", "answers-without-work"])("%s", async (way) => {
    const pool = failing(way, { curve: slow(0.1).curve });
    for (let round = 0; round < 2; round++) {
      await started();
      const checks = spoiled(checksOf(newJobs(120)));
      const jobs = newJobs(120);
      const [valid, again, signatures] = await Promise.all([
        pool.verify(checks),
        pool.verify(checks),
        pool.sign(jobs),
      ]);
      expect(valid).toStrictEqual(curve.verifyBatch(checks));
      expect(again).toStrictEqual(valid);
      expect(signatures.map(toHex)).toEqual(curve.signBatch(jobs).map(toHex));
    }
    const dies = ["at-start", "throws", "exits"].includes(way);
    if (dies && way !== "exits")
      await expect.poll(() => faults.length, { timeout: 20_000 }).toBeGreaterThan(0);
    if (!dies) expect(pool.workers()).toBe(2);
  });

  test.each(["exits", "throws", "sleeps"])("one that %s is replaced, and the new one works", async (way) => {
    const slowed = slow(0.2);
    let hired = 0;
    const pool = open({
      curve: slowed.curve,
      stuckAfter: 500,
      start: (url, options) => (hired++ < 2 ? start(way)(url, options) : new Worker(url, options)),
    });
    await started();
    const checks = spoiled(checksOf(newJobs(200)));
    for (let round = 0; round < 2; round++) {
      expect(await pool.verify(checks)).toStrictEqual(curve.verifyBatch(checks));
      await started();
    }
    // On a busy machine a new thread takes its time to begin, is given up for that too, and others come.
    for (let round = 0; round < 40 && hired < 4; round++) {
      expect(await pool.verify(checks)).toStrictEqual(curve.verifyBatch(checks));
      await started();
    }
    expect(hired).toBeGreaterThanOrEqual(4);
    expect(await isHelped(pool, slowed)).toBe(true);
    expect(pool.workers()).toBe(2);
  });

  test("where no thread can be started, one does it all", async () => {
    const pool = open({
      start: () => {
        throw new Error("access to worker threads is restricted");
      },
    });
    const checks = spoiled(checksOf(newJobs(50)));
    expect(await pool.verify(checks)).toStrictEqual(curve.verifyBatch(checks));
    expect([pool.workers(), faults.length]).toEqual([0, 2]);
  });

  test("those that always die are given up, once and with a word", async () => {
    const pool = failing("at-start");
    await expect.poll(() => pool.workers(), { timeout: 20_000 }).toBe(0);
    expect(faults.filter((fault) => /keep failing/.test(String(fault))).length).toBe(1);
    const checks = spoiled(checksOf(newJobs(50)));
    expect(await pool.verify(checks)).toStrictEqual(curve.verifyBatch(checks));
  });
});

describe("the end", () => {
  test("close ends the workers in the middle of a batch, and asking afterwards works", async () => {
    const pool = open();
    await started();
    const checks = spoiled(checksOf(newJobs(300)));
    const jobs = newJobs(300);
    const [valid, signatures] = [pool.verify(checks), pool.sign(jobs)];
    await pool.close();
    expect(pool.workers()).toBe(0);
    expect(await valid).toStrictEqual(curve.verifyBatch(checks));
    expect((await signatures).map(toHex)).toEqual(curve.signBatch(jobs).map(toHex));
    expect(await pool.verify(checks)).toStrictEqual(curve.verifyBatch(checks));
    await pool.close();
    expect(faults).toEqual([]);
  });
});

describe("memory that threads share", () => {
  test("holds the keys of a batch until it is wiped, each once", () => {
    const jobs = newJobs(100);
    const batch = packSign(1, jobs);
    if (batch === undefined) throw new Error("not packed");
    expect(batch.shared.keys).toBe(3);
    const memory = Buffer.from(new Uint8Array(batch.shared.buffer).buffer);
    const holds = (secret: Secret) =>
      secret.use((key) => memory.indexOf(key) >= 0 && memory.indexOf(key) === memory.lastIndexOf(key));
    expect(secrets.map(holds)).toEqual([true, true, true]);
    const seen = batchOver(batch.shared);
    const keys = keysIn(seen);
    for (const [at, { digest, key, lowR }] of jobs.entries()) {
      const job = signJobAt(seen, at, keys);
      expect([toHex(job.digest), job.key.use(toHex), job.lowR]).toEqual([
        toHex(digest),
        key.use(toHex),
        lowR,
      ]);
    }
    batch.wipe();
    expect(secrets.map((secret) => secret.use((key) => memory.indexOf(key)))).toEqual([-1, -1, -1]);
  });

  test("is wiped when the batch is done, and when it fails", async () => {
    const buffers: SharedArrayBuffer[] = [];
    const Real = globalThis.SharedArrayBuffer;
    globalThis.SharedArrayBuffer = class extends Real {
      constructor(size?: number) {
        super(size);
        buffers.push(this);
      }
    };
    try {
      const pool = open({
        curve: {
          ...curve,
          sign: (job) => {
            if (job.digest[0] === 255) throw new Malformed("", "planted");
            return curve.sign(job);
          },
        },
      });
      const jobs = newJobs(64).map((job) => ({ ...job, digest: bytes(32).fill(1, 0, 1) }));
      await pool.sign(jobs);
      await expect(
        pool.sign([{ ...(jobs[0] as SignJob), digest: new Uint8Array(32).fill(255) }, ...jobs]),
      ).rejects.toThrow("planted");
    } finally {
      globalThis.SharedArrayBuffer = Real;
    }
    // One for each batch, and one for each worker.
    expect(buffers.length).toBe(4);
    for (const buffer of buffers)
      for (const secret of secrets)
        expect(secret.use((key) => Buffer.from(new Uint8Array(buffer)).indexOf(key))).toBe(-1);
  });

  test("gives each chunk to one thread", () => {
    const first = packVerify(1, checksOf(newJobs(20)));
    if (first === undefined) throw new Error("not packed");
    const second = batchOver(first.shared);
    expect(first.claim(1)).toEqual({ at: 0, end: 8 });
    expect(second.claim(2)).toEqual({ at: 8, end: 16 });
    expect(second.claim(2)).toEqual({ at: 16, end: 20 });
    expect(first.claim(1)).toBe(undefined);
    second.finish(16);
    expect(first.unfinished()).toEqual([
      { at: 0, end: 8 },
      { at: 8, end: 16 },
    ]);
  });
});

describe("in a hardened process", () => {
  const line = async (child: ChildProcess): Promise<string> =>
    String((await once(child.stdout ?? child, "data"))[0]);

  const hardened = (...args: string[]) => {
    const { PATH } = process.env;
    return spawn(process.execPath, [join(import.meta.dirname, "pool.child.ts"), ...args], { env: { PATH } });
  };

  test("an exit in the middle of a batch is no abort, though workers are in native code", async () => {
    const ends = Array.from({ length: 6 }, async () => {
      const child = hardened("exits");
      expect(await line(child)).toBe("ready\n");
      await started();
      const ended = once(child, "exit");
      child.stdin.write("?\n");
      return ended;
    });
    expect(await Promise.all(ends)).toEqual(ends.map(() => [7, null]));
  });

  test("SIGUSR1 opens no debugger, the answers are right, and the pool keeps nobody from ending", async () => {
    const child = hardened();
    let errors = "";
    child.stderr.on("data", (data) => {
      errors += data;
    });
    expect(await line(child)).toBe("ready\n");
    child.kill("SIGUSR1");
    await started();
    const ended = once(child, "exit");
    child.stdin.write("?\n");
    expect(await line(child)).toBe("closed 400 2\n");
    child.stdin.end();
    expect(await ended).toEqual([0, null]);
    expect(errors).toBe("");
  });
});

test("how many workers a configuration asks for", () => {
  expect([1, 2, 4, 5, 16].map((cores) => workersFor(0, cores))).toEqual([0, 1, 3, 4, 4]);
  expect([1, 2, 9].map((threads) => workersFor(threads, 2))).toEqual([0, 1, 8]);
});
