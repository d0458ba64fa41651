/**
 * Suite `nodes`: how many LDK nodes one process carries, each with its keys in memory: as a fleet in few workers, and beside it
 * each in a worker of its own, of which it takes fewer. Two rows of one number of nodes are of one run, so their ratio holds.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedChain, openChain } from "../chain/embedded/chain.ts";
import { type LdkNode, openFleet } from "../host/ldk/index.ts";
import { Secret } from "../protocol/secret.ts";
import { median, rounded } from "./statistics.ts";

export interface NodesRow {
  readonly nodes: number;
  readonly workers: number;
  /** Resident set of the process. */
  readonly memoryMb: number;
  /** Above what it was without nodes, by the number of them. */
  readonly eachMb: number;
  /** What one more takes: above the row before, by the number of those that came since. */
  readonly furtherMb: number;
  /** From the call until the node answers; the median of those since the row before. */
  readonly startMs: number;
  /** A block, until every node has it. */
  readonly blockMs: number;
}

export interface NodesReport {
  readonly suite: "nodes";
  readonly limit: string;
  readonly rows: readonly NodesRow[];
}

const wanted = 50;
/** Of those with a worker each. */
const wantedAlone = 10;
const mostMb = 4_096;
const steps: readonly number[] = [1, 5, 10, 25, wanted];
const usualBlocks = 5;
/** What a start leaves behind is collected by then. */
const restMs = 1_000;

const megabytes = (): number => process.memoryUsage.rss() / 2 ** 20;

const timed = async <T>(action: () => Promise<T>): Promise<readonly [number, T]> => {
  const begun = performance.now();
  const made = await action();
  return [performance.now() - begun, made];
};

export interface NodesOptions {
  /** Blocks in a row of the table. */
  readonly rounds?: number | undefined;
  readonly say: (line: string) => void;
}

interface Way {
  readonly nodes: number;
  /** Undefined: one a node. */
  readonly workers: number | undefined;
}

const measure = async (
  chain: EmbeddedChain,
  directory: string,
  { nodes: most, workers }: Way,
  { rounds = usualBlocks, say }: NodesOptions,
): Promise<readonly NodesRow[]> => {
  const fleet = openFleet({
    ...{ network: "regtest", chain: chain.source, lookEveryMs: 60_000, directory },
    workers: workers ?? most,
  });
  const nodes: LdkNode[] = [];
  const rows: NodesRow[] = [];
  const bareMb = megabytes();
  let before = { nodes: 0, memoryMb: bareMb };
  let starts: number[] = [];
  const blockMs = async (): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < rounds; i++) {
      chain.mine(1);
      const [took] = await timed(() => Promise.all(nodes.map((node) => node.sync())));
      times.push(took);
    }
    return median(times);
  };
  try {
    while (nodes.length < most && megabytes() < mostMb) {
      const number = nodes.length + 1;
      const seed = new Secret(new Uint8Array(32).fill(number));
      const [took, node] = await timed(() =>
        fleet.start({
          directory: join(directory, `node-${number}`),
          keys: { kind: "local", seed },
          listen: { host: "127.0.0.1", port: 0 },
        }),
      );
      nodes.push(node);
      starts.push(took);
      if (!steps.includes(number) && number !== most) continue;
      const block = await blockMs();
      await new Promise((resolve) => setTimeout(resolve, restMs));
      const memoryMb = megabytes();
      const row: NodesRow = {
        nodes: number,
        workers: Math.min(workers ?? number, number),
        memoryMb: rounded(memoryMb, 0),
        eachMb: rounded((memoryMb - bareMb) / number, 1),
        furtherMb: rounded((memoryMb - before.memoryMb) / (number - before.nodes), 1),
        startMs: rounded(median(starts), 0),
        blockMs: rounded(block, 1),
      };
      rows.push(row);
      say(
        `${row.nodes} nodes in ${row.workers} workers: ${row.memoryMb} MB, ${row.startMs} ms for the start of one`,
      );
      before = { nodes: number, memoryMb };
      starts = [];
    }
    return rows;
  } finally {
    await fleet.stop();
  }
};

export const runNodes = async (options: NodesOptions): Promise<NodesReport> => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-bench-"));
  const chain = openChain();
  chain.mine(1);
  const ways: readonly Way[] = [
    { nodes: wanted, workers: 1 },
    { nodes: wantedAlone, workers: undefined },
  ];
  try {
    const rows: NodesRow[] = [];
    for (const [at, way] of ways.entries())
      rows.push(...(await measure(chain, join(folder, `${at}`), way, options)));
    return { suite: "nodes", limit: `${wanted} nodes or ${mostMb} MB`, rows };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
