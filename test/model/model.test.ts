import { expect, test } from "vitest";
import { msat } from "../../protocol/units.ts";
import { random } from "../scripted/random.ts";
import { rig } from "../scripted/road.ts";
import { drain, step, tally } from "./adversary.ts";
import { runModel } from "./run.ts";
import { lossOf, openWorld } from "./world.ts";

test("the signer takes nothing that the reference refuses, and no thief takes more than was allowed", async () => {
  const told: string[] = [];
  const report = await runModel({ seed: "test", steps: 4_000, say: (line) => told.push(line) });
  expect(told.filter((line) => line.startsWith("game"))).toEqual([]);
  expect(report).toMatchObject({ disagreements: 0, overdrawn: 0, faults: 0 });
  // So that a game in which nothing happens can't pass.
  expect(report.taken).toBeGreaterThan(1_000);
  expect(report.refused).toBeGreaterThan(500);
  expect(report.stricter).toBeLessThan(report.steps / 50);
});

test("the measure sees a theft: where the limits let everything through, it loses money", async () => {
  const plenty = msat(100_000_000_000n);
  const policy = { unattendedPayment: plenty, maxSentPerDay: plenty, maxForwardExposure: plenty };
  const world = await openWorld(await rig({ proposes: true, policy }), 3);
  const thief = tally(true);
  const dice = random("unbounded");
  for (let n = 0; n < 1_500; n++) await step(world, dice, thief);
  await drain(world, thief);
  expect(lossOf(world)).toBeGreaterThan(5_000_000n);
});
