/** The chain as LDK is told of it. LDK panics at a block out of order, so each is held against the last before it is fed. */

import {
  type BroadcasterInterface,
  type ChainMonitor,
  type ChannelManager,
  type ChannelMonitor,
  type FeeEstimator,
  type Logger,
  TwoTuple_usizeTransactionZ,
} from "lightningdevkit";
import type { Connected, Disconnected, Follower } from "../../chain/observer.ts";
import type { ChainSource, Tip } from "../../chain/source.ts";
import { type ScannedBlock, scanBlock, type Watches } from "../../protocol/bitcoin/block.ts";
import { headerLength } from "../../protocol/bitcoin/header.ts";
import { Reader } from "../../protocol/bitcoin/reader.ts";
import { skipTx } from "../../protocol/bitcoin/tx-range.ts";
import { equal, fromHex, toHex } from "../../protocol/bytes.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { height as heightOf } from "../../protocol/units.ts";
import { bytesOf, type NodeStore } from "./store.ts";
import { reasonOf, type Tell } from "./told.ts";
import { NotDone, type Turns } from "./turn.ts";

/** Headers of the blocks that LDK was told of, also of those that went away: a monitor may have been stored before. */
export interface Blocks {
  tip(): Tip;
  connected(block: { readonly hash: Uint8Array; readonly header: Uint8Array; readonly height: number }): void;
  disconnected(block: { readonly hash: Uint8Array }): void;
  at(height: number): Uint8Array | undefined;
  find(
    hash: Uint8Array,
  ): { readonly height: number; readonly header: Uint8Array; readonly best: boolean } | undefined;
}

/** Monitors are stored every fiftieth block at the latest (LDK, chainmonitor.rs); reorganisations are shorter than the rest. */
const depth = 1_000;

export const openBlocks = ({ database }: Pick<NodeStore, "database">): Blocks => {
  const put = database.prepare("INSERT OR REPLACE INTO block VALUES (?, ?, ?, 1)");
  const drop = database.prepare("UPDATE block SET best = 0 WHERE hash = ?");
  const top = database.prepare("SELECT hash, height FROM block WHERE best = 1 ORDER BY height DESC LIMIT 1");
  const at = database.prepare("SELECT hash FROM block WHERE best = 1 AND height = ?");
  const find = database.prepare("SELECT height, header, best FROM block WHERE hash = ?");
  const prune = database.prepare("DELETE FROM block WHERE height < ?");
  return {
    tip: () => {
      const row = top.get();
      if (row === undefined) throw new Error("the node has no block to begin at");
      return { height: heightOf(Number(row["height"])), hash: fromHex(String(row["hash"])) };
    },
    connected: ({ hash, header, height }) => {
      put.run(toHex(hash), height, header);
      prune.run(height - depth);
    },
    disconnected: ({ hash }) => void drop.run(toHex(hash)),
    at: (height) => {
      const row = at.get(height);
      return row === undefined ? undefined : fromHex(String(row["hash"]));
    },
    find: (hash) => {
      const row = find.get(toHex(hash));
      if (row === undefined) return undefined;
      return {
        height: Number(row["height"]),
        header: bytesOf(row["header"]),
        best: Number(row["best"]) === 1,
      };
    },
  };
};

/** Whoever else reads the blocks, inside of the turn. */
export interface Reading {
  watches(): Watches;
  connected(block: ScannedBlock, height: number): void;
  disconnected(height: number): void;
}

export interface FollowerParts {
  readonly manager: ChannelManager;
  readonly monitors: ChainMonitor;
  readonly blocks: Blocks;
  readonly readers: Reading;
  readonly turns: Turns;
  /** After the commit. */
  readonly told: (height: number) => void;
}

/** A source may send anything; that is no reason to end. LDK would panic at it. */
const readBlock = (block: Uint8Array, watches: Watches): ScannedBlock => {
  try {
    return scanBlock(block, watches);
  } catch (error) {
    throw error instanceof Malformed ? new NotDone(`not a block: ${error.message}`) : error;
  }
};

const previousOf = (header: Uint8Array): Uint8Array => header.subarray(4, 36);

export const openFollower = ({
  manager,
  monitors,
  blocks,
  readers,
  turns,
  told,
}: FollowerParts): Follower => ({
  at: () => blocks.tip(),
  header: (hash) => blocks.find(hash)?.header,
  connected: ({ height, hash, header, block }: Connected) =>
    turns.take(() => {
      const tip = blocks.tip();
      if (height !== tip.height + 1 || !equal(previousOf(header), tip.hash))
        throw new NotDone(`block ${height} does not follow the last`);
      if (!equal(block.subarray(0, headerLength), header) || !equal(doubleSha256(header), hash))
        throw new NotDone(`block ${height} is another than its header says`);
      const scanned = readBlock(block, readers.watches());
      readers.connected(scanned, height);
      manager.as_Listen().block_connected(block, height);
      monitors.as_Listen().block_connected(block, height);
      blocks.connected({ hash, header, height });
      turns.afterwards(() => told(height));
    }),
  disconnected: ({ height, hash, header }: Disconnected) =>
    turns.take(() => {
      const tip = blocks.tip();
      if (height !== tip.height || !equal(hash, tip.hash))
        throw new NotDone(`block ${height} is not the last, so it can't be taken off`);
      readers.disconnected(height);
      manager.as_Listen().block_disconnected(header, height);
      monitors.as_Listen().block_disconnected(header, height);
      blocks.disconnected({ hash });
      turns.afterwards(() => told(height - 1));
    }),
});

/** The observer has one ear for all that follow it, which can't tell one from another. */
export const tellingTroubles = (follower: Follower, tell: Tell): Follower => {
  const told = async (following: Promise<void>): Promise<void> => {
    try {
      await following;
    } catch (error) {
      tell({ is: "trouble", what: "the chain's follower", reason: reasonOf(error) });
      throw error;
    }
  };
  return {
    ...follower,
    connected: (block) => told(follower.connected(block)),
    disconnected: (block) => told(follower.disconnected(block)),
  };
};

export interface CatchUp {
  readonly monitor: ChannelMonitor;
  readonly blocks: Blocks;
  readonly source: Pick<ChainSource, "block">;
  readonly broadcaster: BroadcasterInterface;
  readonly estimator: FeeEstimator;
  readonly logger: Logger;
}

const transactionsOf = (block: Uint8Array): TwoTuple_usizeTransactionZ[] => {
  const from = new Reader(block, headerLength);
  const count = from.size();
  return Array.from({ length: count }, (_, at) => {
    const { start, end } = skipTx(from);
    return TwoTuple_usizeTransactionZ.constructor_new(at, block.slice(start, end));
  });
};

/** Brings a monitor that was stored some blocks ago to where the manager is. */
export const catchUp = async (parts: CatchUp): Promise<void> => {
  const { monitor, blocks, source, broadcaster, estimator, logger } = parts;
  const tip = blocks.tip();
  const best = monitor.current_best_block();
  let hash = Uint8Array.from(best.get_block_hash());
  let height = best.get_height();
  for (;;) {
    const found = blocks.find(hash);
    if (found === undefined)
      throw new Error(`a channel was last stored at a block that is not known, ${height}`);
    if (found.best) break;
    monitor.block_disconnected(found.header, height, broadcaster, estimator, logger);
    hash = previousOf(found.header).slice();
    height -= 1;
  }
  for (let next = height + 1; next <= tip.height; next++) {
    const wanted = blocks.at(next);
    if (wanted === undefined) throw new Error(`block ${next} is not known`);
    const block = await source.block(wanted);
    const header = block.slice(0, headerLength);
    monitor.block_connected(header, transactionsOf(block), next, broadcaster, estimator, logger);
  }
};
