/**
 * What a hostile test did, counted where it happens: each attempt, whether it was refused, and each honest request that
 * passed. The rig counts by itself; a test that attacks something else says so with `attack` and `honest`.
 */

export interface Tally {
  readonly attempts: number;
  readonly refused: number;
  readonly honest: number;
}

let attempts = 0;
let refused = 0;
let passed = 0;

/** One attempt; say `true` only once it is seen to have failed. */
export const attempted = (wasRefused: boolean): void => {
  attempts += 1;
  if (wasRefused) refused += 1;
};

export const honestPassed = (): void => {
  passed += 1;
};

/** Throws, and counts an attempt that was not refused, unless `held` returns: it holds the expectations. */
export const attack = async <T>(what: string, held: () => Promise<T> | T): Promise<T> => {
  let result: T;
  try {
    result = await held();
  } catch (error) {
    attempted(false);
    throw new Error(`not refused: ${what}`, { cause: error });
  }
  attempted(true);
  return result;
};

/** The same for what an honest party does beside an attack. */
export const honest = async <T>(passes: () => Promise<T> | T): Promise<T> => {
  const result = await passes();
  honestPassed();
  return result;
};

/** What was counted since the last call. */
export const takeTally = (): Tally => {
  const tally = { attempts, refused, honest: passed };
  attempts = 0;
  refused = 0;
  passed = 0;
  return tally;
};
