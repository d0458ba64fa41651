/** Cycles of life and death: a signer is started, killed somewhere, and started again over what it left. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Name } from "../../protocol/operations/index.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Role } from "../../protocol/wire/caller.ts";
import { connect } from "../../protocol/wire/client.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import { readAudit } from "../../signer/audit.ts";
import { systemClock } from "../../signer/clock.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { createStore, openStore } from "../../signer/store/sqlite.ts";
import type { CommitPoint } from "../../signer/store/store.ts";
import { seenOf } from "../../signer/store/witnessed.ts";
import { createWitness } from "../../signer/witness.ts";
import { peer } from "../scripted/peer.ts";
import { random } from "../scripted/random.ts";
import { curve } from "../scripted/road.ts";
import { checker, type Findings } from "./checker.ts";
import { openHost } from "./host.ts";
import type { Orders } from "./signer.ts";

export interface CrashOptions {
  readonly cycles: number;
  readonly channels: number;
  readonly seed: string;
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

/** As many as the longest way of a channel from its beginning to its end on the chain. */
const stepsAlive = 24;
const patience = 180_000;

const points: readonly CommitPoint[] = ["before-transaction", "before-commit", "after-commit"];

const spawnSigner = (): ChildProcess =>
  spawn(process.execPath, [join(import.meta.dirname, "signer.ts")], { stdio: ["pipe", "pipe", "inherit"] });

const begin = async (child: ChildProcess, orders: Orders): Promise<boolean> => {
  child.stdin?.write(`${JSON.stringify(orders)}\n`);
  const ready = once(child.stdout as NodeJS.ReadableStream, "data").then(() => true);
  return await Promise.race([ready, once(child, "exit").then(() => false)]);
};

export const crash = async ({ cycles, channels, seed, progress }: CrashOptions): Promise<CrashReport> => {
  const dir = mkdtempSync(join(tmpdir(), "countersign-crash-"));
  const store = join(dir, "store.sqlite");
  createStore(store);
  const dice = random(seed);
  const check = checker();
  const bob = peer("bob", curve);
  const keyring = softwareKeyring({
    seed: new Secret(new Uint8Array(64).fill(9)),
    network: "regtest",
    nodeIndex: 0,
    curve,
    style: "native",
  });
  const witness = join(dir, "witness");
  const first = await openStore({ path: store });
  createWitness(witness, seenOf(first, systemClock));
  await first.close();
  let sockets: Readonly<Record<Role, string>> | undefined;
  const open = async (role: Role): Promise<Connection> => {
    if (sockets === undefined) throw new Error("no signer runs");
    return await connect({ address: { path: sockets[role] }, timeoutMs: 2_000, role });
  };
  const startHost = () =>
    openHost({
      database: join(dir, "host.sqlite"),
      world: { node: keyring.node, peer: bob, keyring },
      places: channels,
      checker: check,
      connect: open,
    });

  let host = startHost();
  let kills = 0;
  let next = spawnSigner();
  const begun = performance.now();
  try {
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const child = next;
      const exited = once(child, "exit");
      const timed = dice.int(2) === 0;
      const kill = timed ? null : { point: dice.pick(points), commit: 1 + dice.int(60) };
      const paths = { host: join(dir, `${cycle}.sock`), admin: join(dir, `${cycle}.admin`) };
      const seen = dice.int(3) === 0 ? witness : null;
      const orders = { store, socket: paths.host, desk: paths.admin, witness: seen, kill };
      if (await begin(child, orders)) sockets = paths;
      // Loads while this one works, so that a cycle costs little more than what is tested.
      next = spawnSigner();
      const limit = timed ? dice.int(200) : 1_500;
      await Promise.race([exited, pause(limit)]);
      child.kill("SIGKILL");
      const [, signal] = await exited;
      if (signal === "SIGKILL") kills++;
      else check.stuck(`cycle ${cycle}: the signer ended by itself`);
      sockets = undefined;
      if (dice.int(4) === 0) {
        await host.crash();
        host = startHost();
      }
      if (cycle % 10 === 0 || cycle === cycles)
        progress(
          `${cycle}/${cycles} cycles, ${check.findings.requests} requests, ${Math.round((performance.now() - begun) / 1000)} s`,
        );
    }
    // Alive to the end: every channel must still get on.
    const paths = { host: join(dir, "last.sock"), admin: join(dir, "last.admin") };
    if (!(await begin(next, { store, socket: paths.host, desk: paths.admin, witness, kill: null })))
      check.stuck("the signer does not start any more");
    sockets = paths;
    const before = host.progress();
    const slow = () =>
      [...host.progress().entries()].filter(([place, steps]) => steps < (before[place] ?? 0) + stepsAlive);
    for (const since = performance.now(); slow().length > 0 && performance.now() < since + patience; )
      await pause(100);
    for (const [place] of slow()) check.stuck(`place ${place} does not get on`);
    await host.crash();
    next.kill("SIGKILL");
    await once(next, "exit");
    const audit = readAudit(store);
    check.audited(audit);
    audit.close();
    return { cycles, kills, ...check.findings, notes: check.notes, seen: check.seen };
  } finally {
    next.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  }
};
