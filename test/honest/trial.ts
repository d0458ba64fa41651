/** Many runs, and what they come to. */

import { type Run, type RunOptions, run } from "./run.ts";
import { type Counts, noCounts } from "./world.ts";

export interface Trial {
  readonly played: ReadonlyMap<string, number>;
  readonly later: ReadonlyMap<string, number>;
  readonly counts: Counts;
  readonly final: number;
  readonly stuck: number;
}

export interface TrialOptions extends RunOptions {
  readonly runs: number;
  readonly progress?: (run: Run, done: number) => void;
}

const addAll = (into: Map<string, number>, from: ReadonlyMap<string, number>): void => {
  for (const [name, times] of from) into.set(name, (into.get(name) ?? 0) + times);
};

/** The first of `runs` has the seed itself, so that a run that is named can be played alone. */
const seedOf = (seed: string, at: number): string => (at === 0 ? seed : `${seed}-${at}`);

export const trial = async ({ runs, progress, ...options }: TrialOptions): Promise<Trial> => {
  const played = new Map<string, number>();
  const later = new Map<string, number>();
  const counts = noCounts();
  let final = 0;
  let stuck = 0;
  for (let at = 0; at < runs; at++) {
    const one = await run({ ...options, seed: seedOf(options.seed, at) });
    addAll(played, one.played);
    addAll(later, one.later);
    for (const name of Object.keys(counts) as (keyof Counts)[]) counts[name] += one.counts[name];
    stuck += one.stuck;
    if (one.failure !== undefined && one.stuck === 0) final += 1;
    progress?.(one, at + 1);
  }
  return { played, later, counts, final, stuck };
};

/** As it is printed for a machine. */
export const total = ({ played, counts, final, stuck }: Trial) => ({
  flows: [...played.values()].reduce((sum, times) => sum + times, 0),
  requests: counts.requests,
  final_refusals: final,
  temporary_refusals: counts.temporary,
  stuck,
});
