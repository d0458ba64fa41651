import { defineConfig } from "vitest/config";

const project = (name: string, testTimeout = 20_000) => ({
  extends: true as const,
  test: { name, include: [`test/${name}/**/*.test.ts`], testTimeout, hookTimeout: testTimeout },
});

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    projects: [
      project("architecture"),
      project("unit", 60_000),
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
