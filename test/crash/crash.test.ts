import { expect, test } from "vitest";
import { crash } from "./run.ts";

test("killed at random moments and at every point of a commit, nothing is lost, early or in conflict", async () => {
  const { notes, ...result } = await crash({
    cycles: 8,
    channels: 6,
    seed: "each run the same",
    progress: () => {},
  });
  expect(notes).toEqual([]);
  expect(result).toMatchObject({ cycles: 8, kills: 8, conflicts: 0, early_secrets: 0, lost: 0, stuck: 0 });
  // A run in which nothing happens proves nothing.
  expect(result.requests).toBeGreaterThan(100);
});
