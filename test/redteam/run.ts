/** Runs the hostile tests, and brings back what each counted. */

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import type { TestCase, TestModule } from "vitest/node";
import { startVitest } from "vitest/node";
import type {} from "../scripted/on-devices.ts";
import { type Family, families, filesOf } from "./families.ts";
import type { Ran } from "./report.ts";
import type {} from "./tally.setup.ts";

const pathOf = (test: TestCase): readonly string[] => {
  const names = [test.name];
  for (let parent = test.parent; parent.type !== "module"; parent = parent.parent) names.unshift(parent.name);
  return names;
};

const ranIn = (module: TestModule): readonly Ran[] => {
  const file = basename(module.moduleId, ".test.ts");
  const nothing = { attempts: 0, refused: 0, honest: 0 };
  const own = [...module.children.allTests()].filter((test) => test.meta().elsewhere === undefined);
  const tests = own.map((test) => ({
    ...{ file, path: pathOf(test), passed: test.result().state === "passed" },
    ...(test.meta().tally ?? nothing),
  }));
  // A file that did not load has no tests that could fail.
  return tests.length > 0 && module.errors().length === 0
    ? tests
    : [
        ...tests,
        ...families
          .flatMap(({ tests: own }) => own)
          .filter((claim) => claim.file === file)
          .map(({ under }) => ({ file, path: [under ?? "", "the file"], passed: false, ...nothing })),
      ];
};

const root = join(import.meta.dirname, "../..");
const pathTo = (file: string): string => join(import.meta.dirname, `${file}.test.ts`);

/** All that are there, so that one that no family claims is noticed; or those of one family. */
export const runTests = async (chosen: readonly Family[]): Promise<readonly Ran[]> => {
  const all = chosen.length === families.length;
  const files = filesOf(chosen).filter((file) => existsSync(pathTo(file)));
  if (files.length === 0) return [];
  const include = all ? ["test/redteam/**/*.test.ts"] : files.map((file) => `test/redteam/${file}.test.ts`);
  process.env["COUNTERSIGN_REDTEAM"] = "whole";
  const vitest = await startVitest(
    [],
    {
      ...{ config: false, root, watch: false, include, setupFiles: ["test/redteam/tally.setup.ts"] },
      ...{ pool: "forks", maxWorkers: 2, testTimeout: 120_000, hookTimeout: 120_000, reporters: ["default"] },
    },
    {},
    { stdout: process.stderr },
  );
  const ran = vitest.state.getTestModules().flatMap(ranIn);
  const broken = vitest.state.getUnhandledErrors().length > 0;
  await vitest.close();
  // What broke beside the tests may belong to any of them.
  return broken ? ran.map((one) => ({ ...one, passed: false })) : ran;
};
