/** LDK nodes whose keys are elsewhere: one, or many. They run in workers that are begun again from disk when LDK panics. */

import { openShards, type ShardsOptions } from "./fleet.ts";
import { type LdkNode, nodeOf } from "./handle.ts";
import type { FleetNode, SharedOptions } from "./launch.ts";

export type { Commands, NodeInfo, OpenRequest } from "./commands.ts";
export type { NodeConfig } from "./config.ts";
export type { LdkNode } from "./handle.ts";
export type { FleetNode } from "./launch.ts";
export type { PaymentRow, Settled } from "./ledger.ts";
export type { Address } from "./peers.ts";
export { CommandFailed } from "./supervise.ts";
export type { NodeEvent } from "./told.ts";
export type { BalanceView, ChannelView } from "./views.ts";

export type FleetOptions = ShardsOptions;

/** Nodes that come and go. */
export interface Fleet {
  /** Resolves when it is ready; rejects with its reason where it can't begin, and the others go on. */
  start(node: FleetNode): Promise<LdkNode>;
  /** All of them. */
  stop(): Promise<void>;
}

export const openFleet = (options: FleetOptions): Fleet => {
  const shards = openShards(options);
  return { start: async (node) => nodeOf(await shards.start(node)), stop: shards.stop };
};

export type NodeOptions = FleetNode & SharedOptions;

/** A fleet of one. */
export const startNode = (options: NodeOptions): Promise<LdkNode> =>
  openFleet({ ...options, workers: 1 }).start(options);
