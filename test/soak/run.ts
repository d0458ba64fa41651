/** A soak: payments in a storm, a calm, and then the books of all. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeEvent } from "../../host/ldk/index.ts";
import { misfits, reckon } from "./reckoning.ts";
import { openStorm } from "./storm.ts";
import { openTraffic, pay } from "./traffic.ts";
import { openWorld, type World } from "./world.ts";

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: string;
  readonly keyless?: 1 | 2;
  /** Of the storm. Default: 1. */
  readonly pace?: number;
  /** Of the calm, at most. */
  readonly calmSeconds?: number;
  readonly progress?: (text: string) => void;
  /** What the nodes and the signers wrote stays. */
  readonly keep?: boolean;
}

export interface Soaked {
  /** Settled on both sides. */
  readonly payments: number;
  readonly kills: number;
  readonly disconnects: number;
  readonly stuck: number;
  readonly lost: number;
  readonly double: number;
  readonly closed_unexpectedly: number;
  /** Requests of an honest node that the signer refused for good. */
  readonly refused: number;
  /** Ends of a node or a signer that nobody wished for. */
  readonly broken: number;
  /** For people: what each of the figures above is about. */
  readonly notes: readonly string[];
}

/** What LDK calls errors, and a storm brings. */
const expected = /Failed to find (a )?route|prior to the required six confirmations/;
const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const short = (hex: string): string => hex.slice(0, 12);

const purses = (world: World) =>
  Promise.all(
    world.residents.map(async (one) => {
      const [channels, rows] = [await one.ask("channels", undefined), await one.ask("payments", undefined)];
      const msat = channels.reduce((sum, { outboundMsat }) => sum + outboundMsat, 0n);
      return { name: one.name, channels, rows, msat };
    }),
  );

/** What still keeps the world from rest; nothing when all is settled. */
const unrest = async (world: World): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const { name, channels, rows } of await purses(world)) {
    const waiting = rows.filter(({ direction, state }) => direction === "out" && state === "waiting");
    for (const { hash = "", msat } of waiting)
      found.push(`${name}: payment ${short(hash)} of ${msat} msat waits`);
    for (const { channel, htlcs, isUsable } of channels) {
      if (htlcs > 0) found.push(`${name}: ${htlcs} HTLCs in channel ${short(channel)}`);
      if (!isUsable) found.push(`${name}: channel ${short(channel)} is not usable`);
    }
  }
  return found;
};

const calm = async (world: World, seconds: number): Promise<readonly string[]> => {
  for (const { strait } of world.pairs) strait.calm();
  const end = performance.now() + seconds * 1_000;
  for (let round = 0; ; round++) {
    if (round % 10 === 0)
      await Promise.all(world.pairs.map((pair) => world.join(pair).catch(() => undefined)));
    const left = await unrest(world);
    if (left.length === 0 || performance.now() > end) return left;
    await rest(300);
  }
};

/** Msat that a channel has on our side, or there is nothing to prove. */
const leastToProve = 20_000_000n;

/** A channel that says that it is usable is only believed when it was used, both ways. */
const proofs = async (world: World, said: Map<string, "paid" | "failed">): Promise<readonly string[]> => {
  const found: string[] = [];
  for (const { caller, called } of world.pairs)
    for (const way of [[caller, called] as const, [called, caller] as const]) {
      const [payer, payee] = way;
      const channels = (await payer.ask("channels", undefined)).filter(({ node }) => node === payee.id());
      const most = channels.reduce((max, { outboundMsat: one }) => (one > max ? one : max), 0n);
      // The channel's fees are to be paid from it as well.
      if (most < leastToProve) continue;
      const paid = pay(way, { sat: 1_000n, isKeysend: true }, said).then(
        () => undefined,
        (error: Error) => error.message,
      );
      const reason = await Promise.race([paid, rest(10_000).then(() => "no answer")]);
      if (reason !== undefined)
        found.push(`${payer.name} can't pay ${payee.name}: ${reason}, with ${most} msat`);
    }
  return found;
};

export const soak = async (options: SoakOptions): Promise<Soaked> => {
  const {
    seconds,
    seed,
    keyless = 2,
    pace = 1,
    calmSeconds = 240,
    progress = () => undefined,
    keep = false,
  } = options;
  const directory = mkdtempSync(join(tmpdir(), "countersign-soak-"));
  const notes: string[] = [];
  const begun = performance.now();
  const stamp = (): string => `${((performance.now() - begun) / 1_000).toFixed(1).padStart(6)} s`;
  const note = (text: string): void => {
    notes.push(`${stamp()}  ${text}`);
    progress(`${stamp()}  ${text}`);
  };
  let [refused, broken, isOver] = [0, 0, false];
  const closed = new Set<string>();

  const told = (name: string, event: NodeEvent): void => {
    if (isOver) return;
    if (event.is === "channelClosed") {
      closed.add(event.channel);
      note(`${name}: channel ${short(event.channel)} closed: ${event.reason}: ${event.detail}`);
    } else if (event.is === "refused") {
      const { operation, rule, sentence, waits } = event;
      if (waits) progress(`${stamp()}  ${name}: ${operation} waits for ${rule}`);
      else note(`${name}: ${operation} refused: ${rule}: ${sentence}`);
      if (!waits) refused++;
    } else if (event.is === "restarted" || event.is === "failed") {
      broken++;
      note(`${name}: ${event.is}: ${event.reason}`);
    } else if (event.is === "trouble")
      progress(`${stamp()}  ${name}: ${event.what}: ${event.reason.slice(0, 400)}`);
    else if (event.is === "log" && !expected.test(event.text))
      progress(`${stamp()}  ${name}: LDK ${event.level}: ${event.text.slice(0, 400)}`);
  };

  const world = await openWorld({ directory, seed, keyless, told });
  try {
    progress(`${stamp()}  ${world.residents.length} nodes, ${world.channels} channels`);
    const before = await purses(world);
    const traffic = openTraffic({ world, seed, flows: 3 });
    const storm = openStorm({
      ...{ world, seed, pace },
      told: (what) => progress(`${stamp()}  ${what}`),
      failed: (what) => {
        broken++;
        note(what);
      },
    });
    await rest(seconds * 1_000);
    await storm.end();
    await traffic.end();
    progress(`${stamp()}  calm`);
    const said = new Map(traffic.said);
    const left = await calm(world, calmSeconds);
    const unproved = left.length > 0 ? [] : await proofs(world, said);
    const unquiet = unproved.length > 0 ? unproved : await calm(world, 15);
    const after = await purses(world);
    const books = reckon(after, said);
    const astray =
      unquiet.length > 0 || closed.size > 0
        ? []
        : misfits(
            after.map(({ name, msat, rows }) => {
              const was = before.find((one) => one.name === name)?.msat ?? 0n;
              return { name, before: was, after: msat, rows };
            }),
          );
    // Its event may have gone with the node.
    for (const { channels } of before)
      for (const { channel } of channels)
        if (!after.some((one) => one.channels.some((other) => other.channel === channel)))
          closed.add(channel);
    const stuck = [...new Set([...unquiet, ...books.stuck])];
    const lost = [...books.lost, ...astray];
    for (const text of stuck) note(`stuck: ${text}`);
    for (const text of lost) note(`lost: ${text}`);
    for (const text of books.double) note(`double: ${text}`);
    for (const [answer, times] of traffic.answers) progress(`answered ${times} times: ${answer}`);
    progress(
      `${stamp()}  ${traffic.begun()} begun, ${books.settled} settled, ${books.failed} failed alike, ${traffic.late()} late`,
    );
    return {
      ...{ payments: books.settled, kills: storm.kills(), disconnects: storm.disconnects() },
      ...{ stuck: stuck.length, lost: lost.length, double: books.double.length },
      ...{ closed_unexpectedly: closed.size, refused, broken, notes },
    };
  } finally {
    isOver = true;
    await world.close();
    if (keep) progress(`what was written is in ${directory}`);
    else rmSync(directory, { recursive: true, force: true });
  }
};
