/**
 * Serves the project's sources to the worker: one file mutated, and all that stand on it loaded anew. A module that
 * does not is loaded once, which is what makes a mutant cheap.
 */

import { readFileSync } from "node:fs";
import { registerHooks, stripTypeScriptTypes } from "node:module";
import { relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Graph } from "./graph.ts";

export interface Served {
  readonly number: number;
  readonly path: string;
  readonly text: string;
}

export interface Loader {
  /** From now on this is what is loaded; undefined: the sources as they are. */
  serve(mutant: Served | undefined): void;
  load(path: string): Promise<unknown>;
  /** A file of ours by the address that V8 knows it under. */
  pathOf(url: string): string | undefined;
}

export const loader = (root: string, graph: Graph): Loader => {
  let served: Served | undefined;
  const stripped = new Map<string, string>();
  const suite = new URL("./suite.ts", import.meta.url).href;

  const pathOf = (url: string): string | undefined => {
    if (!url.startsWith("file:")) return undefined;
    const path = relative(root, fileURLToPath(url));
    return path.startsWith("..") || path.startsWith("node_modules") || !path.endsWith(".ts")
      ? undefined
      : path;
  };
  const ours = (url: string): string | undefined => {
    const path = pathOf(url);
    return path?.startsWith("test/mutation/") ? undefined : path;
  };

  /** Types become spaces, so places stay where they are. */
  const code = (path: string): string => {
    if (served?.path === path) return stripTypeScriptTypes(served.text);
    const known = stripped.get(path);
    if (known !== undefined) return known;
    const made = stripTypeScriptTypes(readFileSync(`${root}/${path}`, "utf8"));
    stripped.set(path, made);
    return made;
  };

  registerHooks({
    resolve: (specifier, context, next) => {
      const from = ours(context.parentURL ?? "");
      if (specifier === "vitest" && from !== undefined) return { url: suite, shortCircuit: true };
      const found = next(specifier, context);
      const path = ours(found.url);
      if (path === undefined || served === undefined || !graph.reached(path).has(served.path)) return found;
      return { ...found, url: `${found.url.replace(/\?.*/, "")}?mutant=${served.number}` };
    },
    load: (url, context, next) => {
      const path = ours(url);
      if (path === undefined) return next(url, context);
      return { format: "module", source: code(path), shortCircuit: true };
    },
  });

  return {
    serve: (mutant) => {
      served = mutant;
    },
    load: async (path) => await import(pathToFileURL(`${root}/${path}`).href),
    pathOf: (url) => pathOf(url),
  };
};
