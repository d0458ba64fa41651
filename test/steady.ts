/** What keeps a test from failing by chance. */

import * as fc from "fast-check";

interface Runs {
  readonly numRuns: number;
  readonly endOnFailure?: boolean;
}

/**
 * A property that counts what its runs reach. Half of them are the same each time, so that a count that they reach is
 * reached always; the other half look where nobody has looked yet.
 */
export function steady<T>(property: fc.IAsyncProperty<T>, runs: Runs): Promise<void>;
export function steady<T>(property: fc.IProperty<T>, runs: Runs): void;
export function steady<T>(
  property: fc.IAsyncProperty<T> | fc.IProperty<T>,
  { numRuns, ...rest }: Runs,
): Promise<void> | void {
  const check = (some: fc.Parameters<T>): Promise<void> | void =>
    fc.assert(property as fc.IAsyncProperty<T>, { ...rest, ...some });
  const known = check({ numRuns: Math.ceil(numRuns / 2), seed: 1 });
  const others = (): Promise<void> | void => check({ numRuns: Math.floor(numRuns / 2) });
  return known === undefined ? others() : known.then(others);
}

/** Milliseconds that this process worked: what else the machine does meanwhile is not the action's. */
export const workOf = (action: () => unknown): number => {
  const before = process.cpuUsage();
  action();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
};
