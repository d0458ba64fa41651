/** From sources to fates: find the mutants, leave out what is none, survey the tests, try each. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isEquivalent, outdated } from "./equivalent.ts";
import { graphOf, suitesFor } from "./graph.ts";
import type { Surveyed } from "./messages.ts";
import { applied, type Mutant, mutantsOf } from "./mutants.ts";
import { type Runner, runner, surveying } from "./runner.ts";
import { typed } from "./typed.ts";

export type Fate =
  | { readonly is: "killed"; readonly by: string }
  | { readonly is: "timeout"; readonly by: string }
  /** `tests`: how many run the place and saw nothing. */
  | { readonly is: "survived"; readonly tests: number };

export interface Tried {
  readonly mutant: Mutant;
  readonly fate: Fate;
}

export interface Campaign {
  readonly root: string;
  readonly files: readonly string[];
  /** So many of all, chosen by the seed. */
  readonly sample?: number;
  readonly seed: number;
  readonly jobs: number;
  /** The most that the tests of one mutant may take together, in milliseconds: the cheapest come first. */
  readonly budget: number;
  say(line: string): void;
  onTried?(tried: Tried, done: number, of: number): void;
}

export interface Outcome {
  readonly tried: readonly Tried[];
  /** Left out: they do not compile. */
  readonly invalid: number;
  /** Left out: on the reviewed list. */
  readonly equivalent: number;
}

/** mulberry32: a shuffle that a seed repeats. */
const shuffled = <T>(list: readonly T[], seed: number): readonly T[] => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return list
    .map((item) => ({ item, at: next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
};

interface Survey {
  /** The cheapest first. */
  readonly tests: readonly Surveyed[];
  readonly running: readonly ReadonlySet<Surveyed>[];
  readonly loaded: ReadonlySet<number>;
}

/** A slow test waits its turn, also one that noticed much: before it the others cost nothing. */
const quick = 100;

/**
 * Those that run the place, and where it runs at loading all that stand on the file: first those that noticed its
 * neighbours, then the cheapest.
 */
const testsFor = (
  index: number,
  { path }: Mutant,
  { tests, running, loaded }: Survey,
  standsOn: (suite: string, path: string) => boolean,
  { noticed, budget }: { readonly noticed: readonly string[]; readonly budget: number },
): readonly Surveyed[] => {
  const fit = loaded.has(index)
    ? tests.filter((test) => running[index]?.has(test) || standsOn(fileOf(test), path))
    : tests.filter((test) => running[index]?.has(test));
  const rank = new Map(noticed.map((name, at) => [name, at]));
  const isKnown = ({ name, ms }: Surveyed): boolean => rank.has(name) && ms <= quick;
  const known = fit.filter(isKnown).sort((a, b) => (rank.get(b.name) ?? 0) - (rank.get(a.name) ?? 0));
  let spent = 0;
  return [...known, ...fit.filter((test) => !isKnown(test))].filter(({ ms }) => {
    spent += ms;
    return spent <= budget;
  });
};

const fileOf = ({ id }: Surveyed): string => id.split("#")[0] ?? "";

const survey = async (
  root: string,
  suites: readonly string[],
  places: readonly Mutant[],
  say: (line: string) => void,
): Promise<Survey> => {
  const worker = runner(root, surveying);
  const report = await worker
    .ask({
      is: "survey",
      suites,
      places: places.map(({ path, start, end }) => ({ path, start, end })),
    })
    .finally(worker.close);
  if (report.is !== "surveyed") throw new Error(`the tests did not run without a mutant: ${report.is}`);
  for (const failure of report.failed) say(`left out, for it fails without a mutant: ${failure}`);
  const running = places.map(() => new Set<Surveyed>());
  for (const test of report.tests) for (const place of test.runs) running[place]?.add(test);
  const tests = report.tests.toSorted((a, b) => a.ms - b.ms);
  return { tests, running, loaded: new Set(report.loaded) };
};

export const runCampaign = async (campaign: Campaign): Promise<Outcome> => {
  const { root, files, sample, seed, jobs, say, onTried } = campaign;
  const texts = new Map(files.map((path) => [path, readFileSync(join(root, path), "utf8")]));
  const textOf = (path: string): string => texts.get(path) ?? "";
  const all = files.flatMap((path) => mutantsOf(path, textOf(path)));
  const meant = all.filter((mutant) => !isEquivalent(mutant));
  for (const { file, line } of outdated(files, all)) say(`equivalent.json is out of date: ${file}: ${line}`);
  const compiling = await typed({ root, mutants: meant, textOf });
  const mutants = sample === undefined ? compiling : shuffled(compiling, seed).slice(0, sample);
  say(`${all.length} mutants, ${compiling.length} that compile and mean something, ${mutants.length} to try`);

  const graph = graphOf(root);
  const suites = suitesFor(root, graph, files);
  const found = await survey(root, suites, mutants, say);
  const workers = Array.from({ length: jobs }, () => runner(root));
  try {
    say(`${found.tests.length} tests of ${suites.length} files`);
    const standsOn = (suite: string, path: string): boolean => graph.reached(suite).has(path);
    const queue = [...mutants.entries()];
    const tried: Tried[] = [];
    /** Names of the tests that noticed something of a file, the latest last. */
    const noticed = new Map<string, readonly string[]>();
    const work = async (worker: Runner): Promise<void> => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [index, mutant] = next;
        const { path } = mutant;
        const before = noticed.get(path) ?? [];
        const tests = testsFor(index, mutant, found, standsOn, { noticed: before, budget: campaign.budget });
        const text = applied(textOf(path), mutant);
        const report =
          tests.length === 0
            ? { is: "survived" as const }
            : await worker.ask({ is: "trial", number: index, path, text, tests });
        const fate: Fate =
          report.is === "killed" || report.is === "timeout"
            ? report
            : report.is === "survived"
              ? { is: "survived", tests: tests.length }
              : { is: "timeout", by: "the worker hung or died" };
        if (fate.is === "killed") noticed.set(path, [...before.filter((by) => by !== fate.by), fate.by]);
        const one = { mutant, fate };
        tried.push(one);
        onTried?.(one, tried.length, mutants.length);
      }
    };
    await Promise.all(workers.map(work));
    return { tried, invalid: meant.length - compiling.length, equivalent: all.length - meant.length };
  } finally {
    for (const worker of workers) worker.close();
  }
};
