/** Who imports whom when it runs, so that a mutant is seen by all that stand on it and by nobody else. */

import { existsSync, globSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { importsOf } from "./syntax.ts";

export interface Graph {
  /** Files from the root, packages by their name. */
  imports(path: string): readonly string[];
  /** All that a file stands on, itself among them. */
  reached(path: string): ReadonlySet<string>;
}

export const graphOf = (root: string): Graph => {
  const direct = new Map<string, readonly string[]>();
  const closures = new Map<string, ReadonlySet<string>>();

  const imports = (path: string): readonly string[] => {
    const known = direct.get(path);
    if (known !== undefined) return known;
    const whole = join(root, path);
    const found = !path.endsWith(".ts") || !existsSync(whole) ? [] : importsOf(readFileSync(whole, "utf8"));
    const named = found.map((to) => (to.startsWith(".") ? relative(root, join(whole, "..", to)) : to));
    direct.set(path, named);
    return named;
  };

  const reached = (path: string): ReadonlySet<string> => {
    const known = closures.get(path);
    if (known !== undefined) return known;
    const seen = new Set([path]);
    for (const at of seen) for (const to of imports(at)) seen.add(to);
    closures.set(path, seen);
    return seen;
  };

  return { imports, reached };
};

/** Their processes and threads load the sources from disk, so no mutant is in them. */
const outside = ["node:child_process", "node:worker_threads", "node:cluster"];

/** It sets up the tests of other files, once more, for another rig: in one process it would be the rig of all that follow. */
const again = "test/scripted/on-devices.ts";

/** Test files that stand on one of these sources and run in one process. */
export const suitesFor = (root: string, graph: Graph, paths: readonly string[]): readonly string[] =>
  globSync("test/{unit,redteam}/**/*.test.ts", { cwd: root })
    .sort()
    .filter((suite) => {
      const all = graph.reached(suite);
      const own = [...all].filter((path) => path.startsWith("test/"));
      const forks = own.some((path) => graph.imports(path).some((to) => outside.includes(to)));
      return !forks && !all.has(again) && paths.some((path) => all.has(path));
    });
