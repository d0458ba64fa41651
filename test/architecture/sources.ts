import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

export const root = resolve(import.meta.dirname, "../..");

export interface Source {
  /** From the project's root. */
  readonly path: string;
  readonly text: string;
  /** Files by their path from the root, packages by their name. */
  readonly imports: readonly string[];
  readonly dynamic: readonly string[];
  /** Of the imports, those that are there when the code runs. */
  readonly loads: readonly string[];
}

const statically = /^\s*(?:import|export)\b[^;]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"/gm;
const dynamically = /\bimport\(\s*([^)]*)\)|\bcreateRequire\(/g;

const target = (from: string, specifier: string): string =>
  specifier.startsWith(".") ? relative(root, join(dirname(from), specifier)) : specifier;

/** Comments out, so that prose about imports is none. */
const code = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");

export const parse = (path: string, text: string): Source => {
  const bare = code(text);
  const found = [...bare.matchAll(statically)];
  const targetOf = (m: RegExpMatchArray): string => target(join(root, path), m[1] ?? m[2] ?? "");
  return {
    path,
    text: bare,
    imports: found.map(targetOf),
    loads: found.filter(([whole]) => !/^\s*(import|export)\s+type\b/.test(whole)).map(targetOf),
    dynamic: [...bare.matchAll(dynamically)].map((m) => m[1] ?? "createRequire"),
  };
};

export const sources = (): readonly Source[] =>
  globSync("**/*.ts", { cwd: root, exclude: (name) => ["node_modules", "dist", ".git"].includes(name) }).map(
    (path) => parse(path, readFileSync(join(root, path), "utf8")),
  );
