/** Mutates good inputs, and those that had an outcome of their own, and checks what every target makes of them. */

import { check, type Target, type Verdict } from "./check.ts";
import { keptFor } from "./corpus.ts";
import { mutated } from "./mutate.ts";
import { type Random, random } from "./random.ts";
import { shrunk } from "./shrink.ts";

export interface Failure {
  readonly target: string;
  readonly why: string;
  readonly input: Uint8Array;
}

export interface Tally {
  readonly name: string;
  runs: number;
  malformed: number;
  accepted: number;
  failures: number;
}

export interface Campaign {
  readonly targets: readonly Target[];
  readonly seed: number;
  /** Asked every few inputs. */
  readonly goesOn: (tallies: readonly Tally[]) => boolean;
  /** Before an input is tried, so that a decoder that never returns can be named. */
  readonly trying?: (target: Target, input: Uint8Array) => void;
  /** Once for each way in which a target fails. */
  readonly onFailure?: (failure: Failure) => void;
}

/** One target at work. */
export interface Work {
  readonly target: Target;
  readonly tally: Tally;
  /** The shortest input for each outcome met. */
  readonly outcomes: Map<string, Uint8Array>;
  readonly failures: Map<string, Failure>;
}

interface Running extends Work {
  readonly pool: Uint8Array[];
}

const seedsPerTarget = 200;
/** Bounds what an outcome with endless variety (a text quoted in an error) can take. */
const longestPool = 4_000;

const begin = (target: Target, seed: number): Running => ({
  target,
  tally: { name: target.name, runs: 0, malformed: 0, accepted: 0, failures: 0 },
  outcomes: new Map(),
  failures: new Map(),
  pool: [...target.seeds(seed, seedsPerTarget), ...keptFor(target.name).map(({ bytes }) => bytes)],
});

const next = ({ pool }: Running, random: Random): Uint8Array => {
  if (random.chance(50)) return random.bytes(random.int(80));
  const base = random.pick(pool);
  return random.chance(100) ? base : mutated(base, random, random.pick(pool));
};

const fails = (target: Target, sign: string) => (bytes: Uint8Array) => {
  const verdict = check(target, bytes);
  return verdict.is === "failed" && verdict.sign === sign;
};

const note = (work: Running, input: Uint8Array, verdict: Verdict, campaign: Campaign): void => {
  const { target, tally, outcomes, failures, pool } = work;
  tally.runs++;
  if (verdict.is === "failed") {
    tally.failures++;
    if (failures.has(verdict.sign)) return;
    const shortest = shrunk(input, fails(target, verdict.sign));
    const failure = { target: target.name, why: verdict.why, input: shortest };
    failures.set(verdict.sign, failure);
    campaign.onFailure?.(failure);
    return;
  }
  tally[verdict.is]++;
  const outcome = `${verdict.is} ${verdict.sign}`;
  const known = outcomes.get(outcome);
  if (known === undefined || input.length < known.length) outcomes.set(outcome, input);
  if (known === undefined && pool.length < longestPool) pool.push(input);
};

/** Ends when `goesOn` says so; gives all that was found. */
export const fuzz = (campaign: Campaign): readonly Work[] => {
  const { targets, seed, goesOn, trying } = campaign;
  const dice = random(seed);
  const all = targets.map((target) => begin(target, seed));
  const tallies = all.map(({ tally }) => tally);
  const attempt = (work: Running, input: Uint8Array): void => {
    trying?.(work.target, input);
    note(work, input, check(work.target, input), campaign);
  };
  // What is good has to be taken before anything is damaged.
  for (const work of all) {
    for (const good of [...work.pool]) attempt(work, good);
    if (work.tally.malformed === work.tally.runs)
      throw new Error(`${work.target.name} takes none of its own seeds`);
  }
  while (goesOn(tallies))
    for (const work of all) for (let i = 0; i < 10; i++) attempt(work, next(work, dice));
  return all;
};
