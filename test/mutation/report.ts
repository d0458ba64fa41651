/** What a campaign found, for people and for programs. */

import type { Outcome, Tried } from "./campaign.ts";

export interface Score {
  readonly mutants: number;
  /** Those that timed out among them. */
  readonly killed: number;
  readonly survived: number;
  readonly timeout: number;
  /** Killed of all, in percent. */
  readonly score: number;
}

export const scoreOf = (tried: readonly Tried[]): Score => {
  const survived = tried.filter(({ fate }) => fate.is === "survived").length;
  const mutants = tried.length;
  return {
    mutants,
    killed: mutants - survived,
    survived,
    timeout: tried.filter(({ fate }) => fate.is === "timeout").length,
    score: mutants === 0 ? 100 : Math.floor(((mutants - survived) / mutants) * 10_000) / 100,
  };
};

const short = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most - 1)}…`;

export const tableOf = (tried: readonly Tried[]): string => {
  const byFile = Map.groupBy(tried, ({ mutant }) => mutant.path);
  const rows = [...[...byFile].sort(([a], [b]) => (a < b ? -1 : 1)), ["all", tried] as const].map(
    ([name, some]) => {
      const { mutants, killed, survived, timeout, score } = scoreOf(some);
      return [name, ...[mutants, killed, survived, timeout].map(String), `${score.toFixed(2)} %`];
    },
  );
  return [["file", "mutants", "killed", "survived", "timeout", "score"], ...rows]
    .map(
      ([name = "", ...figures]) => `${name.padEnd(36)}${figures.map((one) => one.padStart(10)).join("")}\n`,
    )
    .join("");
};

export const survivorsOf = (tried: readonly Tried[]): string =>
  tried
    .filter(({ fate }) => fate.is === "survived")
    .toSorted((a, b) =>
      a.mutant.path === b.mutant.path
        ? a.mutant.start - b.mutant.start
        : a.mutant.path < b.mutant.path
          ? -1
          : 1,
    )
    .map(({ mutant, fate }) => {
      const tests = fate.is === "survived" ? fate.tests : 0;
      const seen = tests === 0 ? "no test runs it" : `${tests} tests`;
      return `${mutant.path}:${mutant.line} ${mutant.kind} (${seen})\n    ${short(mutant.source, 100)}\n    ${short(mutant.change, 200)}\n`;
    })
    .join("");

export const jsonOf = ({ tried }: Outcome): string => JSON.stringify(scoreOf(tried));
