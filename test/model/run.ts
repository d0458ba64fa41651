/** Games of a thief against the signer, told beside a reference, and what was lost in each. */

import { msat } from "../../protocol/units.ts";
import { random } from "../scripted/random.ts";
import { rig } from "../scripted/road.ts";
import { drain, step, tally } from "./adversary.ts";
import { lossOf, openWorld } from "./world.ts";

export interface Options {
  readonly seed: string;
  readonly steps: number;
  readonly say: (line: string) => void;
}

export interface Report {
  readonly games: number;
  readonly steps: number;
  readonly taken: number;
  readonly refused: number;
  /** The signer took what the reference refuses. */
  readonly disagreements: number;
  /** The signer refused what the reference takes: what is ambiguous goes to our worst case. */
  readonly stricter: number;
  /** Games in which more was lost than was approved and may be exposed. */
  readonly overdrawn: number;
  readonly faults: number;
  /** The most that any game lost, as a share of what it was allowed to. */
  readonly worst: number;
}

const exposure = msat(60_000_000n);
const policy = {
  unattendedPayment: msat(10_000_000n),
  maxSentPerDay: msat(60_000_000n),
  maxForwardExposure: exposure,
};

/** What rounding and dust limits hide: each of the channels can be under its dust limit, and a satoshi off. */
const hiddenByRounding = 3n * 2n * 400_000n;

const stepsOfAGame = 1_500;

export const runModel = async ({ seed, steps, say }: Options): Promise<Report> => {
  const sum = {
    games: 0,
    steps: 0,
    taken: 0,
    refused: 0,
    disagreements: 0,
    stricter: 0,
    overdrawn: 0,
    faults: 0,
  };
  let worst = 0;
  while (sum.steps < steps) {
    const name = `${seed}/${sum.games}`;
    const told = tally(sum.games % 2 === 1);
    const world = await openWorld(await rig({ proposes: false, policy }), 3);
    const dice = random(name);
    for (let n = 0; n < stepsOfAGame; n++) await step(world, dice, told);
    await drain(world, told);
    const loss = lossOf(world);
    const allowed = world.granted + exposure + hiddenByRounding;
    worst = Math.max(worst, Number(loss) / Number(allowed));
    for (const line of told.disagreements) say(`game ${name}: ${line}`);
    if (loss > allowed) say(`game ${name}: lost ${loss}, allowed ${allowed}`);
    for (const fault of world.rig.faults) say(`game ${name}: ${String(fault)}`);
    sum.games += 1;
    sum.steps += told.steps;
    sum.taken += told.taken;
    sum.refused += told.refused;
    sum.disagreements += told.disagreements.length;
    sum.stricter += told.stricter;
    sum.overdrawn += loss > allowed ? 1 : 0;
    sum.faults += world.rig.faults.length;
    if (sum.games % 10 === 0) say(`${sum.steps} steps, ${sum.games} games`);
  }
  return { ...sum, worst: Math.round(worst * 1000) / 1000 };
};
