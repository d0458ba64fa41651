/** Tests one after the other, as they all share the one bus. */

export interface Case {
  readonly name: string;
  readonly run: () => Promise<void>;
  /** Whatever is asked for: others rest on it. */
  readonly isNeeded?: boolean;
  /** Milliseconds. An emulated machine on a busy one is slow. */
  readonly limit?: number;
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

export const within = async <T>(ms: number, what: string, promise: Promise<T>): Promise<T> => {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`${what}: not within ${ms} ms`)), ms);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
};

/** The first value that is not undefined; it may also throw until then. */
export const eventually = async <T>(
  what: string,
  look: () => T | undefined | Promise<T | undefined>,
  ms = 20_000,
) => {
  const end = performance.now() + ms;
  for (let last: unknown; ; await sleep(50)) {
    try {
      const value = await look();
      if (value !== undefined) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`, { cause: last });
  }
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** Whether all passed. */
export const runCases = async (cases: readonly Case[]): Promise<boolean> => {
  const failed: string[] = [];
  for (const { name, run, limit = 60_000 } of cases) {
    const began = performance.now();
    const took = (): string => `${((performance.now() - began) / 1_000).toFixed(1)} s`;
    try {
      await within(limit, name, run());
      print(`ok      ${name} (${took()})`);
    } catch (error) {
      failed.push(name);
      print(`FAILED  ${name} (${took()})`);
      print(error instanceof Error ? `${error.stack}` : String(error));
      if (error instanceof Error && error.cause !== undefined) print(`because of ${String(error.cause)}`);
    }
  }
  for (const name of failed) print(`FAILED  ${name}`);
  print(`${cases.length - failed.length} passed, ${failed.length} failed`);
  return failed.length === 0;
};
