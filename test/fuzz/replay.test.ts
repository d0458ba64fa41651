import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import { fileOf, keptFor, keptTargets } from "./corpus.ts";
import { fuzz } from "./loop.ts";
import { targetOf, targets } from "./targets.ts";

describe("the corpus", () => {
  test("has a folder for every target and for nothing else", () => {
    expect(keptTargets()).toEqual(targets.map(({ name }) => name).toSorted());
  });

  test.each(targets)("of $name replays without a failure", (target) => {
    const kept = keptFor(target.name);
    expect(kept).not.toEqual([]);
    for (const { file, bytes } of kept) {
      expect(fileOf(bytes)).toBe(file);
      const verdict = check(target, bytes);
      expect(verdict.is === "failed" ? verdict.why : "", `${target.name}/${file}`).toBe("");
    }
  });
});

test("a short campaign with a fixed seed finds nothing", () => {
  let rounds = 0;
  const works = fuzz({ targets, seed: 20_260, goesOn: () => rounds++ < 8 });
  const failures = works.flatMap((work) => [...work.failures.values()]);
  expect(failures.map(({ target, why }) => `${target}: ${why}`)).toEqual([]);
  expect(works.map(({ target }) => target.name)).toEqual(targets.map(({ name }) => name));
});

test("a target is found by its name", () => {
  expect(targetOf("transaction")).toBe(targets.find(({ name }) => name === "transaction"));
  expect(targetOf("nothing")).toBeUndefined();
});
