/** Cycles of life and death: a signer is started, killed somewhere, and started again over what it left. */

import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Name } from "../../protocol/operations/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import type { CommitPoint } from "../../signer/store/store.ts";
import { random } from "../scripted/random.ts";
import { curve } from "../scripted/road.ts";
import { checker, type Findings } from "./checker.ts";
import { type Child, spawnChild } from "./child.ts";
import type { Kill, Orders, Told } from "./signer.ts";
import { openStage } from "./stage.ts";

export interface CrashOptions {
  readonly cycles: number;
  readonly channels: number;
  readonly seed: string;
  /** Of each place in the end, where not of a whole life. */
  readonly stepsAlive?: number;
  readonly progress: (text: string) => void;
}

export interface CrashResult extends Findings {
  readonly cycles: number;
  readonly kills: number;
}

export interface CrashReport extends CrashResult {
  readonly notes: readonly string[];
  /** Operations that were answered, and how often. */
  readonly seen: ReadonlyMap<Name, number>;
}

export const commitPoints: readonly CommitPoint[] = ["before-transaction", "before-commit", "after-commit"];

export type SignerProcess = Child<Orders | Kill, Told>;
export const spawnSigner = (onTold: (told: Told) => void = () => {}): SignerProcess =>
  spawnChild(join(import.meta.dirname, "signer.ts"), onTold);

/** False where it died before it served. */
export const begin = async (signer: SignerProcess, orders: Orders): Promise<boolean> => {
  const ready = signer.next(({ is }) => is === "ready");
  signer.say(orders);
  return (await ready) !== undefined;
};

export const crash = async ({
  cycles,
  channels,
  seed,
  stepsAlive,
  progress,
}: CrashOptions): Promise<CrashReport> => {
  const dice = random(seed);
  const check = checker();
  const keyring = softwareKeyring({
    seed: new Secret(new Uint8Array(64).fill(9)),
    ...{ network: "regtest", nodeIndex: 0, curve, style: "native" },
  });
  const stage = await openStage({ keyring, person: "admin", places: channels, checker: check });
  const { dir, store, witness } = stage;
  let kills = 0;
  let next = spawnSigner();
  const begun = performance.now();
  try {
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const signer = next;
      const timed = dice.int(2) === 0;
      const kill = timed ? null : { point: dice.pick(commitPoints), commit: 1 + dice.int(60) };
      const paths = { host: join(dir, `${cycle}.sock`), admin: join(dir, `${cycle}.admin`) };
      const seen = dice.int(3) === 0 ? witness : null;
      const orders = { store, socket: paths.host, desk: paths.admin, witness: seen, kill, device: null };
      if (await begin(signer, orders)) stage.asks(paths);
      // Loads while this one works, so that a cycle costs little more than what is tested.
      next = spawnSigner();
      const limit = timed ? dice.int(200) : 1_500;
      await Promise.race([signer.ended, pause(limit)]);
      if ((await signer.kill()) === "SIGKILL") kills++;
      else check.stuck(`cycle ${cycle}: the signer ended by itself`);
      stage.asks(undefined);
      if (dice.int(4) === 0) await stage.crashHost();
      if (cycle % 10 === 0 || cycle === cycles)
        progress(
          `${cycle}/${cycles} cycles, ${check.findings.requests} requests, ${Math.round((performance.now() - begun) / 1000)} s`,
        );
    }
    // Alive to the end.
    const paths = { host: join(dir, "last.sock"), admin: join(dir, "last.admin") };
    const orders = { store, socket: paths.host, desk: paths.admin, witness, kill: null, device: null };
    if (!(await begin(next, orders))) check.stuck("the signer does not start any more");
    stage.asks(paths);
    await stage.getsOn(stepsAlive);
    await stage.end(() => next.kill());
    return { cycles, kills, ...check.findings, notes: check.notes, seen: check.seen };
  } finally {
    await next.kill();
    stage.remove();
  }
};
