/** Lives through many mutants: loads, runs what could notice, and says what did. Started by `runner.ts`. */

import * as fc from "fast-check";
import { coverage } from "./coverage.ts";
import { graphOf } from "./graph.ts";
import { loader } from "./loader.ts";
import type { Order, Report, Survey, Surveyed, TestId, Trial } from "./messages.ts";
import { collect, enter, leave, run, type Test } from "./suite.ts";

const root = process.argv[2] ?? process.cwd();
const tell = (report: Report): void => void process.send?.(report);

// The same tries for every mutant, and none to make a failure smaller.
fc.configureGlobal({ seed: 1, endOnFailure: true });

let stray: unknown;
process.on("unhandledRejection", (error) => {
  stray ??= error ?? new Error("an unhandled rejection");
});
process.on("uncaughtException", (error) => {
  stray ??= error;
});

const { serve, load, pathOf } = loader(root, graphOf(root));
const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What may go wrong on a slow machine stays far below it. */
const allowed = (ms: number): number => 3_000 + 10 * ms;

const told = (error: unknown): string => (error instanceof Error ? error.message : String(error));

class Late extends Error {}

const within = async (ms: number, work: Promise<unknown>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Late("too late")), ms);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
};

const runOnce = async (test: Test): Promise<void> => {
  await run(test);
  if (stray !== undefined) throw stray;
};

const survey = async ({ suites, places }: Survey): Promise<Report> => {
  serve(undefined);
  const loaded = new Set<number>();
  const tests: Surveyed[] = [];
  const failed: string[] = [];
  const cover = await coverage(places, pathOf);
  for (const suite of suites) {
    tell({ is: "busy", ms: 60_000 });
    const found = await collect(() => load(suite)).catch((error: unknown) => {
      failed.push(`${suite}: ${told(error)}`);
      return [];
    });
    for (const index of await cover.take()) loaded.add(index);
    let shared: readonly number[] = [];
    for (const [at, test] of found.entries()) {
      tell({ is: "busy", ms: 120_000 });
      const id: TestId = `${suite}#${at}`;
      stray = undefined;
      try {
        await enter(test);
        shared = [...shared, ...(await cover.take())];
        const began = performance.now();
        await within(60_000, runOnce(test));
        const ms = performance.now() - began;
        const runs = [...new Set([...shared, ...(await cover.take())])];
        tests.push({ id, name: `${suite}: ${test.name}`, ms, runs });
      } catch (error) {
        failed.push(`${suite}: ${test.name}: ${told(error)}`);
      }
    }
    await leave();
  }
  await cover.close();
  return { is: "surveyed", tests, loaded: [...loaded], failed };
};

const attempt = async ({ tests }: Trial): Promise<Report> => {
  const files = new Map<string, readonly Test[]>();
  for (const { id, ms } of tests) {
    const [file = "", at = ""] = id.split("#");
    let by = file;
    try {
      let found = files.get(file);
      if (found === undefined) {
        tell({ is: "busy", ms: allowed(10_000) });
        found = await collect(() => load(file));
        files.set(file, found);
      }
      const test = found[Number(at)];
      if (test === undefined) return { is: "killed", by: `${file}: declares fewer tests` };
      by = `${file}: ${test.name}`;
      tell({ is: "busy", ms: allowed(ms) + 2_000 });
      await within(
        allowed(ms),
        enter(test).then(() => runOnce(test)),
      );
    } catch (error) {
      return { is: error instanceof Late ? "timeout" : "killed", by };
    }
  }
  return { is: "survived" };
};

const trial = async (order: Trial): Promise<Report> => {
  stray = undefined;
  serve(order);
  const report = await attempt(order);
  await within(3_000, leave()).catch(() => {});
  await turnOfLoop();
  return report;
};

process.on("message", (order: Order) => {
  void (order.is === "survey" ? survey(order) : trial(order)).then(tell, (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(3);
  });
});
tell({ is: "ready" });
