/**
 * Cycles of a signer with its keys on a device: one of them is killed, or the power or the cable goes, or two of that at
 * once; and everything is started again over what is left.
 */

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { sha256 } from "../../../protocol/hash.ts";
import type { Name } from "../../../protocol/operations/index.ts";
import { Secret } from "../../../protocol/secret.ts";
import { seedOf, wordsOf } from "../../../signer/keys/seed.ts";
import { softwareKeyring } from "../../../signer/keys/software.ts";
import { type Random, random } from "../../scripted/random.ts";
import { curve } from "../../scripted/road.ts";
import { checker, type Findings } from "../checker.ts";
import { type CrashOptions, commitPoints } from "../run.ts";
import { openStage } from "../stage.ts";
import { openLook } from "./look.ts";
import { type Machines, openMachines } from "./machines.ts";
import type { Told } from "./orders.ts";
import { toldTo } from "./told.ts";

const blows = ["signer", "device", "power", "cable"] as const;
type Blow = (typeof blows)[number];
type Kills = Readonly<Record<Blow, number>>;

export interface DeviceCrashResult extends Findings {
  readonly cycles: number;
  readonly kills: Kills;
  /** What the device and the signer had of each other's was not one story. */
  readonly apart: number;
}

export interface DeviceCrashReport extends DeviceCrashResult {
  readonly notes: readonly string[];
  /** Operations that were answered, and how often. */
  readonly seen: ReadonlyMap<Name, number>;
}

/** A device has room for 400 channels, and forgets few of these by itself: another one begins after so many cycles. */
const cyclesOfOne = 50;
const patienceMs = 60_000;
const longestMs = 1_500;
/** In which a device that is asked writes something. */
const writeMs = 300;

/** Of one device, from its pairing on. */
const lifetime = async (
  { cycles, channels, seed, stepsAlive }: CrashOptions,
  progress: (cycle: number, requests: number) => void,
): Promise<DeviceCrashReport> => {
  const dice = random(seed);
  const entropy = new Secret(sha256(new TextEncoder().encode(seed)));
  const keyring = softwareKeyring({
    seed: seedOf(entropy),
    ...{ network: "regtest", nodeIndex: 0, curve, style: "native" },
  });
  const check = checker();
  const told = toldTo(check);
  const kills: Record<Blow, number> = { signer: 0, device: 0, power: 0, cable: 0 };
  const trouble: string[] = [];
  const stage = await openStage({ keyring, person: "device", places: channels, checker: told.checker });
  let machines: Machines | undefined;
  try {
    machines = await openMachines({
      ...{ stage, node: keyring.node, words: wordsOf(entropy), seed },
      onPowerCut: () => {
        kills.power++;
      },
      onTrouble: (what) => void trouble.push(what),
    });
    const { flash, key } = machines;
    const look = openLook({
      ...{ dir: join(stage.dir, "look"), store: stage.store, flash, device: key },
      ...{ node: keyring.node, heard: told.heard },
    });
    const open = async (on: Machines): Promise<boolean> => {
      const witness = dice.int(3) === 0 ? stage.witness : null;
      if (on.signer.isOver && !(await on.startSigner(witness)))
        check.stuck("the signer does not start any more");
      const isOpen = await on.isOpen(patienceMs);
      if (!isOpen) trouble.push("the device does not open again");
      return isOpen;
    };
    let cycle = 0;
    let goesOn = await open(machines);
    while (goesOn && cycle < cycles) {
      const struck = strikes(dice);
      trouble.push(...(await strike(machines, struck, dice, kills)));
      cycle++;
      machines.forget();
      if (machines.device.isOver) await machines.startDevice(dice.int(4) === 0 ? dice.int(60) : null);
      const wrong = await machines.still(look);
      trouble.push(...wrong.map((one) => `cycle ${cycle}, after ${struck.join(" and ")}: ${one}`));
      if (dice.int(4) === 0) await stage.crashHost();
      goesOn = await open(machines);
      progress(cycle, check.findings.requests);
    }
    if (goesOn) await stage.getsOn(stepsAlive);
    trouble.push(...(await machines.still(look)).map((one) => `at the end: ${one}`));
    await stage.end(machines.close);
    const notes = [...check.notes, ...trouble.slice(0, 50).map((one) => `apart: ${one}`)];
    return { cycles: cycle, kills, ...check.findings, apart: trouble.length, notes, seen: check.seen };
  } finally {
    await machines?.close();
    stage.remove();
  }
};

const isCut = ({ is }: Told): boolean => is === "power-cut";

const strikes = (dice: Random): readonly Blow[] => {
  const first = dice.pick(blows);
  const second = dice.pick(blows);
  return dice.int(3) === 0 && second !== first ? [first, second] : [first];
};

/** At a moment that is drawn, or at a write, a commit or a byte that is. With two of them the second one falls with the first. */
const strike = async (
  { signer, device, cable }: Machines,
  struck: readonly Blow[],
  dice: Random,
  kills: Record<Blow, number>,
): Promise<readonly string[]> => {
  const timed = dice.int(3) === 0;
  const fallen = new Set<Blow>();
  const falls = struck.map(async (blow): Promise<void> => {
    if (timed) return new Promise(() => {});
    switch (blow) {
      case "signer":
        signer.say({ point: dice.pick(commitPoints), commit: 1 + dice.int(60) });
        await signer.ended;
        break;
      case "device":
        device.say({ do: "die", after: dice.int(300) });
        await device.ended;
        break;
      case "power":
        device.say({ do: "cut", after: dice.int(300) });
        await device.next(isCut);
        break;
      case "cable":
        await new Promise<void>((onPull) => cable.cutAfter(1 + dice.int(30_000), onPull));
    }
    fallen.add(blow);
  });
  await Promise.race([...falls, pause(timed ? dice.int(250) : longestMs)]);
  // The power goes in a write, for which the signer has to be there.
  if (struck.includes("power") && !fallen.has("power")) {
    device.say({ do: "cut", after: 0 });
    await Promise.race([device.next(isCut), pause(writeMs)]);
  }
  if (struck.includes("cable")) {
    if (!fallen.has("cable")) cable.pull();
    kills.cable++;
  }
  await Promise.all([struck.includes("signer") && signer.kill(), struck.includes("device") && device.kill()]);
  const wrong: string[] = [];
  for (const [name, one] of [
    ["signer", signer],
    ["device", device],
  ] as const) {
    if (!one.isOver) continue;
    if ((await one.ended) === "SIGKILL") kills[name]++;
    else wrong.push(`the ${name} ended by itself`);
  }
  return wrong;
};

const none: Findings = { requests: 0, conflicts: 0, early_secrets: 0, lost: 0, stuck: 0, thefts: 0 };

export const crashDevice = async (options: CrashOptions): Promise<DeviceCrashReport> => {
  const begun = performance.now();
  const kills: Record<Blow, number> = { signer: 0, device: 0, power: 0, cable: 0 };
  const findings = { ...none };
  const seen = new Map<Name, number>();
  const notes: string[] = [];
  let [apart, done] = [0, 0];
  for (let past = 0; past < options.cycles; past += cyclesOfOne) {
    const cycles = Math.min(cyclesOfOne, options.cycles - past);
    const part = await lifetime(
      { ...options, cycles, seed: `${options.seed} ${past}` },
      (cycle, requests) => {
        const at = past + cycle;
        if (at % 10 !== 0 && at !== options.cycles) return;
        const seconds = Math.round((performance.now() - begun) / 1000);
        options.progress(
          `${at}/${options.cycles} cycles, ${findings.requests + requests} requests, ${seconds} s`,
        );
      },
    );
    for (const blow of blows) kills[blow] += part.kills[blow];
    for (const name of Object.keys(none) as (keyof Findings)[]) findings[name] += part[name];
    for (const [name, count] of part.seen) seen.set(name, (seen.get(name) ?? 0) + count);
    for (const note of part.notes) options.progress(note);
    apart += part.apart;
    done += part.cycles;
    notes.push(...part.notes);
  }
  return { cycles: done, kills, ...findings, apart, notes, seen };
};
