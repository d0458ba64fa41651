/**
 * Writes `dist/`, the package as it is published: JavaScript with types, because Node does not strip types under
 * node_modules, and a package.json without what only this repository needs.
 */

import { spawnSync } from "node:child_process";
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "..");
const dist = join(root, "dist");

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** Only for work on this repository, or only true of it. */
const own = ["private", "scripts", "devDependencies", "optionalDependencies", "exports"];

/** The pinned Node of this repository; who installs the package has one. */
const isOwnTool = (name: string): boolean => name.startsWith("node-linux-");

const optional = (manifest: Manifest): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(manifest.optionalDependencies).filter(([name]) => !isOwnTool(name)));

const published = (manifest: Manifest): Manifest => ({
  ...Object.fromEntries(Object.entries(manifest).filter(([key]) => !own.includes(key))),
  optionalDependencies: optional(manifest),
  exports: Object.fromEntries(
    Object.entries(manifest.exports).map(([name, source]) => [name, source.replace(/\.ts$/, ".js")]),
  ),
});

rmSync(dist, { recursive: true, force: true });
const compiler = join(root, "node_modules", ".bin", "tsc");
const { status } = spawnSync(compiler, ["-p", join(root, "tsconfig.build.json")], { stdio: "inherit" });
if (status !== 0) process.exit(1);

// Types for packages that have none are written by hand, and the compiler does not carry them over.
for (const path of globSync("{protocol,signer,host,chain}/**/*.d.ts", { cwd: root })) {
  mkdirSync(dirname(join(dist, path)), { recursive: true });
  cpSync(join(root, path), join(dist, path));
}
for (const path of [
  "bin",
  "protocol/countersign.proto",
  "share",
  "README.md",
  "CHANGELOG.md",
  "LICENSE",
  "SECURITY.md",
])
  cpSync(join(root, path), join(dist, path), { recursive: true });
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
writeFileSync(join(dist, "package.json"), `${JSON.stringify(published(manifest), undefined, 2)}\n`);
process.stdout.write(`dist/ is ready: \`npm pack ./dist\` or \`npm publish ./dist\`\n`);
