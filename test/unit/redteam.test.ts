/** The red-team run itself: what it counts, what it calls ok, and that no test is in no family. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { claims, families, filesOf } from "../redteam/families.ts";
import { type Ran, reportOf, unclaimed } from "../redteam/report.ts";
import { rig } from "../scripted/road.ts";
import { scene } from "../scripted/scene.ts";
import { attack, honest, takeTally } from "../scripted/tally.ts";

const [, , third] = families;
if (third === undefined) throw new Error("there are fifteen");

const ran = (changes: Partial<Ran> = {}): Ran => ({
  ...{ file: "revocation", path: ["a commitment is revoked or broadcast, never both", "a test"] },
  ...{ passed: true, attempts: 3, refused: 3, honest: 2 },
  ...changes,
});

describe("the map", () => {
  test("has each family of rules once, in order", () => {
    expect(families.map(({ n }) => n)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
  });

  test("claims every file of hostile tests", () => {
    const there = readdirSync(join(import.meta.dirname, "../redteam"))
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => name.replace(".test.ts", ""));
    expect(there.length).toBeGreaterThan(7);
    expect(there.filter((name) => !filesOf(families).includes(name))).toEqual([]);
  });
});

test("a test belongs to the family that names its describe, and else to the one that has the file", () => {
  const owners = (file: string, ...path: readonly string[]) =>
    families.filter((family) => claims(family, file, path)).map(({ n }) => n);
  expect(owners("onchain-approvals", "an approval", "is bound to its transaction")).toEqual([5]);
  expect(owners("onchain", "fees burnt by moving")).toEqual([6]);
  expect(owners("onchain", "anything else", "an approval")).toEqual([11]);
  expect(owners("revocation", "the counterparty's secret is checked")).toEqual([7]);
  expect(owners("revocation", "anything else")).toEqual([]);
});

describe("the report", () => {
  test("adds up what a family's tests counted, and nothing of another's", () => {
    const other = ran({ path: ["the counterparty's secret is checked", "a test"], attempts: 90 });
    const { families: sums, ok } = reportOf([third], [ran(), ran({ attempts: 4, refused: 4 }), other]);
    expect(sums).toEqual([
      { n: 3, name: third.name, tests: 2, failed: 0, attempts: 7, refused: 7, honest_passed: 4 },
    ]);
    expect(ok).toBe(true);
  });

  test.each([
    ["an attempt that was not refused", [ran({ attempts: 4 })]],
    ["a test that failed", [ran(), ran({ passed: false })]],
    ["no honest request", [ran({ honest: 0 })]],
    ["no attempt", [ran({ attempts: 0, refused: 0 })]],
    ["a test in no family", [ran(), ran({ file: "unheard" })]],
    ["a describe in no family", [ran(), ran({ path: ["something else"] })]],
    ["no test at all", []],
  ])("is not ok with %s", (_, tests) => {
    expect(reportOf([third], tests).ok).toBe(false);
  });

  test("is about the families that have tests; the others say what is missing", () => {
    const { families: sums, ok } = reportOf(families, [ran()]);
    expect(ok).toBe(true);
    expect(sums).toHaveLength(15);
    expect(sums.find(({ n }) => n === 13)).toMatchObject({
      attempts: 0,
      missing: "there are no tests of it yet",
    });
    expect(unclaimed([ran()])).toEqual([]);
  });
});

describe("the tally", () => {
  beforeEach(() => {
    takeTally();
  });

  test("counts what the rig refuses and what passes", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const { honest: before, ...none } = takeTally();
    expect(none).toEqual({ attempts: 0, refused: 0 });
    expect(before).toBeGreaterThan(3);
    const { sign } = await on.at(1n, on.start);
    await on.signer.refusal("signCounterpartyCommitment", { ...sign, number: 9n as never });
    await on.signer.outcome("signCounterpartyCommitment", { ...sign, number: 9n as never });
    expect(takeTally()).toEqual({ attempts: 2, refused: 2, honest: 1 });
    await expect(on.signer.refusal("signCounterpartyCommitment", sign)).rejects.toThrow("not refused");
    expect(takeTally()).toEqual({ attempts: 1, refused: 0, honest: 0 });
    const again = await rig();
    await expect(again.call("signCounterpartyCommitment", sign)).rejects.toThrow();
    expect(takeTally().honest).toBe(0);
  });

  test("counts other attacks as they say", async () => {
    await attack("holds", () => {});
    await expect(
      attack("succeeds", () => {
        throw new Error("it did");
      }),
    ).rejects.toThrow("not refused: succeeds");
    await honest(async () => {});
    await expect(honest(() => Promise.reject(new Error("no")))).rejects.toThrow();
    expect(takeTally()).toEqual({ attempts: 2, refused: 1, honest: 1 });
  });
});
