/** All mutants of one file, by position: nothing else of its text changes. */

import { type Kind, mutators } from "./mutators.ts";
import { parse, walk } from "./syntax.ts";

export interface Mutant {
  /** From the project's root. */
  readonly path: string;
  readonly kind: Kind;
  readonly start: number;
  readonly end: number;
  readonly to: string;
  /** For people and for the list of equivalent ones: where, and what became what. */
  readonly line: number;
  readonly source: string;
  readonly change: string;
}

const plain = (text: string): string => text.replace(/\s+/g, " ").trim();

export const applied = (text: string, { start, end, to }: Mutant): string =>
  text.slice(0, start) + to + text.slice(end);

export const mutantsOf = (path: string, text: string): readonly Mutant[] => {
  const found = new Map<string, Mutant>();
  walk(parse(text), (node, within) => {
    for (const [kind, mutator] of Object.entries(mutators)) {
      for (const { start, end, to } of mutator(node, text, within)) {
        const before = text.slice(0, start);
        const line = before.split("\n").length;
        const mutant: Mutant = {
          ...{ path, kind: kind as Kind, start, end, to, line },
          source: plain(text.split("\n")[line - 1] ?? ""),
          change: `${plain(text.slice(start, end))} => ${plain(to)}`.trim(),
        };
        const text2 = applied(text, mutant);
        // Two mutators may come to the same text.
        if (text2 !== text && !found.has(text2)) found.set(text2, mutant);
      }
    }
  });
  return [...found.values()].sort((a, b) => a.start - b.start);
};
