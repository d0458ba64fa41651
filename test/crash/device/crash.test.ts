import { expect, test } from "vitest";
import { crashDevice } from "./run.ts";

test("signer, device, power and cable go at random moments, and all that is left is of one story", async () => {
  const { notes, kills, seen, ...result } = await crashDevice({
    cycles: 3,
    channels: 3,
    seed: "a device",
    stepsAlive: 3,
    progress: () => {},
  });
  expect(notes).toEqual([]);
  const none = { conflicts: 0, early_secrets: 0, lost: 0, stuck: 0, thefts: 0, apart: 0 };
  expect(result).toMatchObject({ cycles: 3, ...none });
  // A run in which nothing happens proves nothing.
  expect(result.requests).toBeGreaterThan(20);
  expect(Object.values(kills).reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(3);
  for (const name of ["setup", "validateHolderCommitment"] as const)
    expect(seen.get(name) ?? 0, name).toBeGreaterThan(0);
});
