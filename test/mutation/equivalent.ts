/** Mutants that a person found to mean the same, each with the reason. A changed line is judged anew. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Mutant } from "./mutants.ts";

const list = z.array(
  z.strictObject({
    file: z.string(),
    /** The whole line, without its indentation. */
    line: z.string().min(1),
    /** As the report prints it. */
    change: z.string().regex(/=>/),
    /** Why no test can see it. */
    reason: z.string().min(20),
  }),
);

export const equivalents: z.infer<typeof list> = list.parse(
  JSON.parse(readFileSync(join(import.meta.dirname, "equivalent.json"), "utf8")),
);

export const isEquivalent = ({ path, source, change }: Mutant): boolean =>
  equivalents.some((one) => one.file === path && one.line === source && one.change === change);

/** Entries that are of these files and no mutant's any more: the line has changed since. */
export const outdated = (files: readonly string[], mutants: readonly Mutant[]): typeof equivalents =>
  equivalents.filter(
    (one) =>
      files.includes(one.file) &&
      !mutants.some(
        ({ path, source, change }) => path === one.file && source === one.line && change === one.change,
      ),
  );
