/** Many nodes in few workers. */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type FleetNode, type SharedOptions, startOf, startWorker } from "./launch.ts";
import { type Shard, type Supervised, supervise } from "./supervise.ts";

export interface ShardsOptions extends SharedOptions {
  /** For what the nodes of a worker share: a file for each worker, with its graph of public channels. */
  readonly directory: string;
  /** Default: one less than there are cores, at least one. */
  readonly workers?: number;
}

export interface Shards {
  start(node: FleetNode): Promise<Supervised>;
  stop(): Promise<void>;
}

/** The place of the smallest; of the first of them. */
export const leastOf = (loads: readonly number[]): number => loads.indexOf(Math.min(...loads));

export const usualWorkers = (cores: number): number => Math.max(1, cores - 1);

export const openShards = (options: ShardsOptions): Shards => {
  const count = options.workers ?? usualWorkers(availableParallelism());
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`not a number of workers: ${count}`);
  const shards: readonly Shard[] = Array.from({ length: count }, (_, at) =>
    supervise({
      start: () => startWorker({ ...options, graph: join(options.directory, `graph-${at}`) }),
      mostRestarts: options.mostRestarts ?? 5,
    }),
  );
  return {
    start: (node) => {
      const shard = shards[leastOf(shards.map((one) => one.load()))] as Shard;
      return shard.begin(() => startOf(node));
    },
    stop: async () => {
      await Promise.all(shards.map((shard) => shard.stop()));
    },
  };
};
