/** What the tests of each family come to. */

import { claims, type Family, families } from "./families.ts";

export interface Sum {
  readonly n: number;
  readonly name: string;
  readonly tests: number;
  readonly failed: number;
  readonly attempts: number;
  readonly refused: number;
  readonly honest_passed: number;
  readonly missing?: string;
}

export interface Report {
  readonly families: readonly Sum[];
  /** Of those that have tests. */
  readonly ok: boolean;
}

/** Of one test, as the runner has it. */
export interface Ran {
  readonly file: string;
  /** Its describes and its own name. */
  readonly path: readonly string[];
  readonly passed: boolean;
  readonly attempts: number;
  readonly refused: number;
  readonly honest: number;
}

const sumOf = (family: Family, ran: readonly Ran[]): Sum => {
  const { n, name, missing } = family;
  const own = ran.filter(({ file, path }) => claims(family, file, path));
  const total = (of: (one: Ran) => number): number => own.reduce((sum, one) => sum + of(one), 0);
  const sum = {
    ...{ n, name, tests: own.length, failed: own.filter(({ passed }) => !passed).length },
    ...{ attempts: total((one) => one.attempts), refused: total((one) => one.refused) },
    honest_passed: total((one) => one.honest),
  };
  return own.length > 0 ? sum : { ...sum, missing: missing ?? "there are no tests of it yet" };
};

const holds = ({ tests, failed, attempts, refused, honest_passed }: Sum): boolean =>
  tests === 0 || (failed === 0 && attempts > 0 && attempts === refused && honest_passed > 0);

export const unclaimed = (ran: readonly Ran[]): readonly Ran[] =>
  ran.filter(({ file, path }) => !families.some((family) => claims(family, file, path)));

export const reportOf = (chosen: readonly Family[], ran: readonly Ran[]): Report => {
  const sums = chosen.map((family) => sumOf(family, ran));
  return {
    families: sums,
    ok: sums.some(({ tests }) => tests > 0) && sums.every(holds) && unclaimed(ran).length === 0,
  };
};
