/**
 * Suite `channels`: a thousand channels in one signer: operations a second with 1, 64 and 1,000 of them at work, and
 * what the process takes of memory. Requests are made before the clock starts: the host's own work is not measured.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectTo, readBundle, type SignerClient, signerClient } from "../host/index.ts";
import { type Curve, openCurve } from "../protocol/curve/index.ts";
import { feerate, type NodeId, type Point } from "../protocol/units.ts";
import {
  add,
  htlcOf,
  keysendOf,
  type Opened,
  open,
  plainTerms,
  type Requests,
  start,
  update,
  withFeerate,
} from "../test/scripted/channel.ts";
import type { Balances } from "../test/scripted/content.ts";
import { type Peer, peer } from "../test/scripted/peer.ts";
import { startSignerProcess } from "./signer-process.ts";
import { rounded } from "./statistics.ts";

export interface ChannelsRow {
  readonly name: string;
  readonly atWork: number;
  readonly operations: number;
  readonly perSecond: number;
  /** Resident set of the signer, in megabytes. */
  readonly memoryMb: number;
}

export interface ChannelsReport {
  readonly suite: "channels";
  readonly rows: readonly ChannelsRow[];
}

interface Player {
  readonly opened: Opened;
  readonly bob: Peer;
  readonly points: Point[];
  readonly full: Balances;
  number: bigint;
}

const channels = 1_000;
const htlcsEach = 4;
/** So that many channels open at once and the signer is asked as a busy host would. */
const together = 64;

const inParallel = async <T>(
  items: readonly T[],
  most: number,
  act: (item: T) => Promise<void>,
): Promise<void> => {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
};

const openOne = async (client: SignerClient, node: NodeId, curve: Curve, at: number): Promise<Player> => {
  const bob = peer(`bench peer ${at % 8}`, curve);
  const terms = plainTerms();
  const opened = await open(client.call, node, bob, terms, `bench channel ${at}`);
  let full = start(terms);
  for (let i = 0; i < htlcsEach; i++)
    full = add(full, htlcOf("holder", BigInt(1_000_000 + i), `bench ${at} ${i}`));
  for (const htlc of full.htlcs) await client.call("proposePayment", keysendOf(node, htlc));
  const player: Player = { opened, bob, points: [...opened.points], full, number: 0n };
  await play(client, player, requestsOf(player, start(terms)));
  return player;
};

const requestsOf = ({ opened, bob, points, number }: Player, balances: Balances): Requests =>
  update(opened, bob, points[Number(number)] as Point, number, balances);

const play = async (client: SignerClient, player: Player, requests: Requests): Promise<number> => {
  await client.call("signCounterpartyCommitment", requests.sign);
  await client.call("validateHolderCommitment", requests.validate);
  let operations = 2;
  if (requests.revoke !== undefined) {
    const { points } = await client.call("revokeHolderCommitment", requests.revoke);
    for (const [i, point] of points.entries()) player.points[Number(requests.revoke.number) + 2 + i] = point;
    operations += 1;
  }
  if (requests.revocation !== undefined) {
    await client.call("validateCounterpartyRevocation", requests.revocation);
    operations += 1;
  }
  player.number += 1n;
  return operations;
};

const megabytes = (pid: number): number => {
  const [, kilobytes = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return rounded(Number(kilobytes) / 1024, 1);
};

export interface ChannelsOptions {
  /** Updates of each channel in a row of the table. */
  readonly rounds?: number | undefined;
  readonly say: (line: string) => void;
}

export const runChannels = async ({ rounds = 3, say }: ChannelsOptions): Promise<ChannelsReport> => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-bench-"));
  const curve = await openCurve("native");
  try {
    const process = await startSignerProcess(folder);
    const { node } = readBundle(process.host);
    const client = signerClient({ connect: connectTo(readBundle(process.host)) });
    try {
      const rows: ChannelsRow[] = [];
      const players: Player[] = [];
      const begun = performance.now();
      await inParallel(
        Array.from({ length: channels }, (_, at) => at),
        together,
        async (at) => {
          players.push(await openOne(client, node, curve, at));
          if (players.length % 250 === 0) say(`${players.length} channels are open`);
        },
      );
      // new, setup, the proposals, and both halves of the first commitment.
      const opening = channels * (4 + htlcsEach);
      rows.push({
        name: "open",
        atWork: together,
        operations: opening,
        perSecond: rounded((opening * 1000) / (performance.now() - begun), 0),
        memoryMb: megabytes(process.pid),
      });
      for (const atWork of [1, 64, channels]) {
        const busy = players.slice(0, atWork);
        const times = atWork === 1 ? 60 * rounds : atWork === 64 ? 8 * rounds : rounds;
        let operations = 0;
        let spent = 0;
        for (let round = 0; round < times; round++) {
          const asked = busy.map((player) => ({
            player,
            requests: requestsOf(
              player,
              withFeerate(player.full, feerate(1_000 + (Number(player.number) % 2))),
            ),
          }));
          const from = performance.now();
          const done = await Promise.all(asked.map(({ player, requests }) => play(client, player, requests)));
          spent += performance.now() - from;
          operations += done.reduce((sum, one) => sum + one, 0);
        }
        const perSecond = rounded((operations * 1000) / spent, 0);
        rows.push({ name: "update", atWork, operations, perSecond, memoryMb: megabytes(process.pid) });
        say(`${atWork} channels at work: ${perSecond} operations a second`);
      }
      return { suite: "channels", rows };
    } finally {
      await client.close();
      await process.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
