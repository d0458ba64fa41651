/** LDK's state as it was stored, or a new one: monitors first, brought to the manager's block, then the manager with them. */

import {
  BestBlock,
  type BroadcasterInterface,
  type ChainMonitor,
  ChainParameters,
  ChannelManager,
  type ChannelMonitor,
  type FeeEstimator,
  type Logger,
  type OutPoint,
  Result_C2Tuple_ThirtyTwoBytesChannelManagerZDecodeErrorZ_OK,
  Result_C2Tuple_ThirtyTwoBytesChannelMonitorZDecodeErrorZ_OK,
  type UserConfig,
  UtilMethods,
} from "lightningdevkit";
import type { ChainSource } from "../../chain/source.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { type Blocks, catchUp } from "./chain.ts";
import { ldkNetwork } from "./config.ts";
import type { Routing } from "./graph.ts";
import type { Keys } from "./keys/keys.ts";
import type { NodeStore } from "./store.ts";

export interface RestoreParts {
  readonly keys: Keys;
  readonly store: NodeStore;
  readonly source: ChainSource;
  readonly blocks: Blocks;
  readonly network: Network;
  readonly monitors: ChainMonitor;
  readonly estimator: FeeEstimator;
  readonly broadcaster: BroadcasterInterface;
  readonly logger: Logger;
  readonly routing: Routing;
  readonly config: UserConfig;
}

export interface Restored {
  readonly manager: ChannelManager;
  readonly channels: readonly { readonly funding: OutPoint; readonly monitor: ChannelMonitor }[];
}

/** A new node begins at the tip: there is nothing of it in older blocks. */
const beginAtTip = async ({ source, blocks }: RestoreParts): Promise<void> => {
  const tip = await source.tip();
  blocks.connected({ hash: tip.hash, height: tip.height, header: await source.header(tip.hash) });
};

const newManager = (parts: RestoreParts): ChannelManager => {
  const { keys, monitors, estimator, broadcaster, logger, routing, config, network, blocks } = parts;
  const tip = blocks.tip();
  const best = BestBlock.constructor_new(tip.hash, tip.height);
  return ChannelManager.constructor_new(
    estimator,
    monitors.as_Watch(),
    broadcaster,
    routing.router,
    routing.messageRouter,
    logger,
    keys.entropy,
    keys.nodeSigner,
    keys.signerProvider,
    config,
    ChainParameters.constructor_new(ldkNetwork[network], best),
    Math.floor(Date.now() / 1000),
  );
};

const readMonitor = ({ keys }: RestoreParts, bytes: Uint8Array): ChannelMonitor => {
  const read = UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelMonitorZ_read(
    bytes,
    keys.entropy,
    keys.signerProvider,
  );
  if (!(read instanceof Result_C2Tuple_ThirtyTwoBytesChannelMonitorZDecodeErrorZ_OK))
    throw new Error("a channel's stored state can't be read");
  return read.res.get_b();
};

const readManager = (parts: RestoreParts, bytes: Uint8Array, all: ChannelMonitor[]): ChannelManager => {
  const { keys, monitors, estimator, broadcaster, logger, routing, config } = parts;
  const read = UtilMethods.constructor_C2Tuple_ThirtyTwoBytesChannelManagerZ_read(
    bytes,
    keys.entropy,
    keys.nodeSigner,
    keys.signerProvider,
    estimator,
    monitors.as_Watch(),
    broadcaster,
    routing.router,
    routing.messageRouter,
    logger,
    config,
    all,
  );
  if (!(read instanceof Result_C2Tuple_ThirtyTwoBytesChannelManagerZDecodeErrorZ_OK))
    throw new Error("the node's stored state can't be read");
  return read.res.get_b();
};

export const restore = async (parts: RestoreParts): Promise<Restored> => {
  const { store, blocks, source, broadcaster, estimator, logger } = parts;
  const stored = store.kept("manager");
  if (stored === undefined) {
    await beginAtTip(parts);
    return { manager: newManager(parts), channels: [] };
  }
  const channels = store.monitors().map(({ bytes }) => {
    const monitor = readMonitor(parts, bytes);
    return { funding: monitor.get_funding_txo().get_a(), monitor };
  });
  const manager = readManager(
    parts,
    stored,
    channels.map(({ monitor }) => monitor),
  );
  for (const { monitor } of channels)
    await catchUp({ monitor, blocks, source, broadcaster, estimator, logger });
  return { manager, channels };
};
