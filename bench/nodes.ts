/**
 * Suite `nodes`: how many LDK nodes one process carries, each with its keys in memory and, as `startNode` makes it, in a
 * worker with an LDK of its own. It stops at so many nodes, or where the process would be too large.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTown, type Town } from "../cli/demo/town.ts";
import { median, rounded } from "./statistics.ts";

export interface NodesRow {
  readonly nodes: number;
  /** Resident set of the process. */
  readonly memoryMb: number;
  /** Above what it was without nodes, by the number of them. */
  readonly eachMb: number;
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
const mostMb = 4_096;
const steps: readonly number[] = [1, 5, 10, 20, 30, 40, wanted];
const usualBlocks = 5;

const megabytes = (): number => process.memoryUsage.rss() / 2 ** 20;

const timed = async (action: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  await action();
  return performance.now() - begun;
};

export interface NodesOptions {
  /** Blocks in a row of the table. */
  readonly rounds?: number | undefined;
  readonly say: (line: string) => void;
}

const rowOf = async (
  town: Town,
  starts: readonly number[],
  bareMb: number,
  blocks: number,
): Promise<NodesRow> => {
  const nodes = town.residents.size;
  const times: number[] = [];
  for (let i = 0; i < blocks; i++) times.push(await timed(() => town.mine(1)));
  const memoryMb = megabytes();
  return {
    nodes,
    memoryMb: rounded(memoryMb, 0),
    eachMb: rounded((memoryMb - bareMb) / nodes, 1),
    startMs: rounded(median(starts), 0),
    blockMs: rounded(median(times), 1),
  };
};

export const runNodes = async ({ rounds = usualBlocks, say }: NodesOptions): Promise<NodesReport> => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-bench-"));
  const town = openTown(folder);
  try {
    const bareMb = megabytes();
    const rows: NodesRow[] = [];
    let starts: number[] = [];
    for (let at = 1; at <= wanted; at++) {
      starts.push(await timed(() => town.settle(`node ${at}`)));
      const isFull = megabytes() > mostMb;
      if (!steps.includes(at) && !isFull) continue;
      const row = await rowOf(town, starts, bareMb, rounds);
      rows.push(row);
      say(`${row.nodes} nodes: ${row.memoryMb} MB, ${row.startMs} ms for the start of one`);
      starts = [];
      if (isFull) break;
    }
    return { suite: "nodes", limit: `${wanted} nodes or ${mostMb} MB`, rows };
  } finally {
    await town.close();
    rmSync(folder, { recursive: true, force: true });
  }
};
