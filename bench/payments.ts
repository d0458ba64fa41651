/**
 * Suite `payments`: an LDK node whose keys are in a signer's process beside one with LDK's own keys in its memory. Each is
 * a worker with its own file, both have a channel with the same peer, and they take turns, so that whatever else the
 * machine does meets both: what counts is the ratio of each pair.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fund, openChannel, openTown, type Resident, type Town } from "../cli/demo/town.ts";
import { startSignerProcess } from "./signer-process.ts";
import { median, quantile, rounded } from "./statistics.ts";

const arms = ["local", "remote"] as const;
type Arm = (typeof arms)[number];

/** Of the node that is measured. */
const directions = ["out", "in"] as const;
type Direction = (typeof directions)[number];

/** Of so many payments one round has. */
const loads = [
  { inFlight: 1, payments: 15 },
  { inFlight: 10, payments: 40 },
] as const;
type Load = (typeof loads)[number];

export interface PaymentsRow {
  readonly direction: Direction;
  readonly inFlight: number;
  readonly localPerSecond: number;
  readonly remotePerSecond: number;
  /** Remote through local, of each round; the median. */
  readonly ratio: number;
  /** The quarter of the rounds that is below. */
  readonly ratioP25: number;
  readonly target: number;
  readonly localP50ms: number;
  readonly remoteP50ms: number;
  readonly overMs: number;
  readonly localP99ms: number;
  readonly remoteP99ms: number;
  readonly rounds: number;
}

export interface PaymentsReport {
  readonly suite: "payments";
  readonly rows: readonly PaymentsRow[];
}

const target = 0.9;
/** Well above dust: every HTLC has an output, and its signatures. */
const each = 1_000_000n;
const channel = { valueSat: 10_000_000n, pushMsat: 5_000_000_000n } as const;
const usual = 12;

interface Run {
  readonly perSecond: number;
  /** Milliseconds from the call until the sender has the preimage and it is on disk. */
  readonly latencies: readonly number[];
}

/** Keysends: nothing but the payment itself is in the time. */
const pay = async (from: Resident, to: Resident, { inFlight, payments }: Load): Promise<Run> => {
  const latencies: number[] = [];
  let left = payments;
  const begun = performance.now();
  const payer = async (): Promise<void> => {
    while (left > 0) {
      left--;
      const asked = performance.now();
      await from.node.keysend({ node: to.node.id, msat: each });
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, payer));
  return { perSecond: (payments * 1000) / (performance.now() - begun), latencies };
};

interface Bench {
  readonly peer: Resident;
  readonly nodes: Readonly<Record<Arm, Resident>>;
}

const runOf = ({ peer, nodes }: Bench, arm: Arm, direction: Direction, load: Load): Promise<Run> =>
  direction === "out" ? pay(nodes[arm], peer, load) : pay(peer, nodes[arm], load);

type Pair = Readonly<Record<Arm, Run>>;

const measure = async (
  bench: Bench,
  direction: Direction,
  load: Load,
  rounds: number,
): Promise<readonly Pair[]> => {
  const pairs: Pair[] = [];
  for (let round = 0; round < rounds; round++) {
    // Neither is always the one that comes after the other.
    const order = round % 2 === 0 ? arms : arms.toReversed();
    const runs: Partial<Record<Arm, Run>> = {};
    for (const arm of order) runs[arm] = await runOf(bench, arm, direction, load);
    pairs.push(runs as Pair);
  }
  return pairs;
};

const rowOf = (direction: Direction, { inFlight }: Load, pairs: readonly Pair[]): PaymentsRow => {
  const rates = (arm: Arm) => median(pairs.map((pair) => pair[arm].perSecond));
  const ratios = pairs.map(({ local, remote }) => remote.perSecond / local.perSecond);
  const latencies = (arm: Arm) => pairs.flatMap((pair) => pair[arm].latencies);
  const [local, remote] = [latencies("local"), latencies("remote")];
  return {
    ...{ direction, inFlight, target },
    localPerSecond: rounded(rates("local"), 1),
    remotePerSecond: rounded(rates("remote"), 1),
    ratio: rounded(median(ratios)),
    ratioP25: rounded(quantile(ratios, 0.25)),
    localP50ms: rounded(median(local), 1),
    remoteP50ms: rounded(median(remote), 1),
    overMs: rounded(median(remote) - median(local), 1),
    localP99ms: rounded(quantile(local, 0.99), 1),
    remoteP99ms: rounded(quantile(remote, 0.99), 1),
    rounds: pairs.length,
  };
};

const settle = async (town: Town, bundle: string): Promise<Bench> => {
  const peer = await town.settle("peer");
  const nodes = { local: await town.settle("local"), remote: await town.settleKeyless("remote", bundle) };
  await fund(town, [peer], 4);
  for (const arm of arms) {
    await town.connect(peer, nodes[arm]);
    await openChannel(town, [peer, nodes[arm]], channel);
  }
  return { peer, nodes };
};

/** A refusal or a retry in the middle of a run would be measured as if it were work. */
const complaints = ({ events }: Resident): readonly string[] =>
  events.flatMap((event) =>
    event.is === "refused" || event.is === "trouble" || event.is === "restarted"
      ? [JSON.stringify(event)]
      : [],
  );

export interface PaymentsOptions {
  /** Pairs of runs in a row of the table. */
  readonly rounds?: number | undefined;
  readonly say: (line: string) => void;
}

export const runPayments = async ({ rounds = usual, say }: PaymentsOptions): Promise<PaymentsReport> => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-bench-"));
  const town = openTown(join(folder, "town"));
  try {
    const signer = await startSignerProcess(folder);
    try {
      const bench = await settle(town, signer.host);
      const all = directions.flatMap((direction) => loads.map((load) => ({ direction, load })));
      // A node runs for months: the compiler has seen everything before the clock starts.
      for (const { direction, load } of all) await measure(bench, direction, load, 2);
      const rows: PaymentsRow[] = [];
      for (const { direction, load } of all) {
        const row = rowOf(direction, load, await measure(bench, direction, load, rounds));
        rows.push(row);
        const { inFlight, localPerSecond, remotePerSecond, ratio } = row;
        say(
          `${direction}, ${inFlight} in flight: ${localPerSecond} and ${remotePerSecond} a second: ${ratio}`,
        );
      }
      const said = Object.values(bench.nodes).flatMap(complaints);
      if (said.length > 0) throw new Error(`not all went well: ${said.join("; ")}`);
      return { suite: "payments", rows };
    } finally {
      await town.close();
      await signer.stop();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
