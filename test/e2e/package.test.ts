/** The package as it is published: JavaScript that a consumer imports, and a command. */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const dist = join(root, "dist");
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(NODE_|VITEST|VITE)/.test(name)),
);
const node = (args: readonly string[], cwd = dist) =>
  spawnSync(process.execPath, args, { cwd, env, encoding: "utf8", timeout: 60_000 });

beforeAll(() => {
  expect(node([join(root, "build/publish.ts")], root)).toMatchObject({ status: 0 });
});

test("the manifest has no script, no pin and no source, and every export is there with its types", () => {
  const manifest = JSON.parse(readFileSync(join(dist, "package.json"), "utf8"));
  expect(manifest).not.toHaveProperty("scripts");
  // The cables, and not the Node that this repository is pinned to.
  expect(Object.keys(manifest.optionalDependencies)).toEqual(["node-hid", "serialport", "usb"]);
  expect(manifest).not.toHaveProperty("private");
  const exports = Object.values(manifest.exports as Record<string, string>);
  expect(exports).toHaveLength(4);
  for (const path of exports) {
    expect(path).toMatch(/\.js$/);
    expect(existsSync(join(dist, path))).toBe(true);
    expect(existsSync(join(dist, path.replace(/\.js$/, ".d.ts")))).toBe(true);
  }
});

test("the command runs, and says what it lacks on a Node that is too old", () => {
  const version = node([join(dist, "bin/countersign.cjs"), "--version"]);
  expect(version).toMatchObject({ status: 0, stdout: "0.1.0\n", stderr: "" });
  const old = 'Object.defineProperty(process, "versions", { value: { node: "18.0.0" } });';
  const told = node(["-e", `${old} require(${JSON.stringify(join(dist, "bin/countersign.cjs"))})`]);
  expect(told.status).toBe(69);
  expect(told.stderr).toMatch(/^countersign needs Node 26 or newer; this is v[0-9.]+\.\n$/);
});

test.each([
  ["countersign/protocol", "operations"],
  ["countersign/host", "signerClient"],
  ["countersign/signer", "startSigner"],
  ["countersign/firmware-sim", "simulateDevice"],
])("%s exports %s", (name, member) => {
  const program = `import * as all from "${name}"; console.log(typeof all.${member})`;
  const { stdout, stderr } = node(["--input-type=module", "-e", program]);
  expect(stderr).toBe("");
  expect(stdout).toMatch(/^(function|object)\n$/);
});
