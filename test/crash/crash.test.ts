import { expect, test } from "vitest";
import { crash } from "./run.ts";

test("killed at random moments and at every point of a commit, nothing is lost, early, stolen or in conflict", async () => {
  const { notes, seen, ...result } = await crash({
    cycles: 8,
    channels: 7,
    seed: "each run the same",
    progress: () => {},
  });
  expect(notes).toEqual([]);
  const none = { conflicts: 0, early_secrets: 0, lost: 0, stuck: 0, thefts: 0 };
  expect(result).toMatchObject({ cycles: 8, kills: 8, ...none });
  // A run in which nothing happens proves nothing.
  expect(result.requests).toBeGreaterThan(100);
  expect(seen.size).toBeGreaterThan(20);
  // One of its places begins with a breach, another with a person who leaves, and both come to their end.
  for (const name of ["exit", "justice"] as const) expect(seen.get(name) ?? 0, name).toBeGreaterThan(0);
});
