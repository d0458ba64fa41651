import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

// Tests start some hundreds of processes, and reading their sources is half of what each costs. Not where coverage is
// counted: of code that was compiled before, V8 counts less exactly.
if (!process.argv.some((argument) => argument.startsWith("--coverage"))) {
  const kept = join(import.meta.dirname, "node_modules/.cache/compiled");
  mkdirSync(kept, { recursive: true, mode: 0o700 });
  // A process that is to hold keys takes no code from where others may write.
  chmodSync(kept, 0o700);
  process.env["NODE_COMPILE_CACHE"] ??= kept;
}

const project = (name: string, testTimeout = 20_000) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: testTimeout },
});

/** LDK frees its objects when they are collected, in a later file too, and then by the library that this one loaded. */
const withLdk = ["test/unit/ldk-*.test.ts", "test/unit/node-cli-*.test.ts"];

export default defineConfig({
  test: {
    pool: "forks",
    // One more than the cores of a small machine: whole nodes and signers wait for one another half of the time.
    maxWorkers: 3,
    projects: [
      project("architecture"),
      // Its files share their worker, and what they import is read once: nothing there keeps anything from test to test.
      {
        extends: true as const,
        test: {
          ...{ name: "unit", include: ["test/unit/**/*.test.ts"], exclude: withLdk },
          ...{ testTimeout: 60_000, hookTimeout: 60_000, isolate: false },
        },
      },
      {
        extends: true as const,
        test: { name: "unit-ldk", include: withLdk, testTimeout: 60_000, hookTimeout: 60_000 },
      },
      project("contract", 60_000),
      project("interop", 60_000),
      project("e2e", 120_000),
      project("redteam", 60_000),
      project("crash", 120_000),
      project("model", 120_000),
      project("honest", 120_000),
      project("fuzz", 120_000),
    ],
    coverage: { provider: "v8", include: ["signer/core/**"], reporter: ["text"] },
  },
});
