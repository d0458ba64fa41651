/**
 * Which mutants compile: what does not is no mutant, for the compiler would have caught it. One run for all of them,
 * each as a file of its own beside the file that it was made from.
 */

import { execFile } from "node:child_process";
import { cpSync, globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { applied, type Mutant } from "./mutants.ts";

const copied = "{protocol,signer,host,firmware-sim}/**/*.ts";

export interface ToCheck {
  readonly root: string;
  readonly mutants: readonly Mutant[];
  /** The text of a source. */
  readonly textOf: (path: string) => string;
}

const compile = (folder: string): Promise<string> =>
  new Promise((resolve) => {
    const tsc = join(folder, "node_modules/typescript/bin/tsc");
    const args = [tsc, "--pretty", "false", "--project", folder];
    execFile(process.execPath, args, { cwd: folder, maxBuffer: 1 << 28 }, (_, output) => resolve(output));
  });

/** Those that compile. */
export const typed = async ({ root, mutants, textOf }: ToCheck): Promise<readonly Mutant[]> => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-mutants-"));
  try {
    for (const path of globSync(copied, { cwd: root })) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      cpSync(join(root, path), join(folder, path));
    }
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    cpSync(join(root, "tsconfig.json"), join(folder, "base.json"));
    const names = mutants.map(({ path }, at) => path.replace(/\.ts$/, `.mutant-${at}.ts`));
    for (const [at, mutant] of mutants.entries())
      writeFileSync(join(folder, names[at] ?? ""), applied(textOf(mutant.path), mutant));
    // A mutant may leave something unused, or a place that is never reached: it runs all the same.
    const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, allowUnreachableCode: true };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ extends: "./base.json", compilerOptions, include: [], files: names }),
    );
    const output = await compile(folder);
    const broken = new Set(
      [...output.matchAll(/\.mutant-(\d+)\.ts\(\d+,\d+\): error/g)].map(([, at]) => Number(at)),
    );
    if (mutants.length > 0 && broken.size === 0 && output.length > 0)
      throw new Error(`the compiler says:\n${output.slice(0, 2_000)}`);
    return mutants.filter((_, at) => !broken.has(at));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
