/**
 * Outputs of the chain that pay our wallet: what blocks brought, and what spent it. Each fact has its height, so that a
 * reorganisation takes back what is above the fork. A txid commits to the value, so what a block shows of it is the truth.
 */

import type * as P from "micro-packed";
import { toHex } from "../../../protocol/bytes.ts";
import {
  isKnown,
  list,
  type Maybe,
  maybe,
  packedFields,
  u8,
  unknown,
  unpack,
} from "../../../protocol/codec.ts";
import * as f from "../../../protocol/operations/fields.ts";
import { type Place, place } from "../../../protocol/operations/spend.ts";
import type { Height, Outpoint, Sat } from "../../../protocol/units.ts";
import { keyOf } from "../outpoints.ts";
import type { WalletKey } from "../ports.ts";
import { ofVersion } from "../records.ts";
import type { Moved } from "./connect.ts";
import { depthAt } from "./depths.ts";
import { heightOf, maxKept } from "./view.ts";

/** In one transaction that coins of ours pay for. */
export const maxBatch = 20;

export interface Coin {
  readonly outpoint: Outpoint;
  readonly value: Sat;
  readonly place: Place;
  /** Of the block that has it. */
  readonly height: Height;
  /** Of the block that has what spends it. */
  readonly spent: Maybe<Height>;
  /** What of a channel it was signed for: the same is paid with it when more has to be paid, and nothing else meanwhile. */
  readonly pays: readonly Outpoint[];
  /** The tip when that was. */
  readonly since: Height;
}

/** A script of ours, and where its key is. */
export interface OwnScript {
  readonly place: Place;
  readonly key: WalletKey;
}

/** What the signer knows of its own wallet. */
export interface Purse {
  /** By `keyOf`. */
  readonly coins: ReadonlyMap<string, Coin>;
  /** That blocks are looked through for, in hexadecimal. */
  readonly scripts: ReadonlyMap<string, OwnScript>;
}

/** Smaller ones cost what they are worth before long, and anybody could fill the room with them. */
export const leastCoin = 1_000n;
/** Of those that are unspent; then the smallest make room. */
export const maxCoins = 500;
/** Of those that were spent and may come back; then the oldest make room. */
const maxGone = 1_500;

/** As long as the block that has it can be shown again: it would be there a second time, and not spent. */
const isGone = ({ spent }: Coin, tip: Height): boolean => isKnown(spent) && depthAt(spent, tip) > maxKept + 1;

type Changed = Map<string, Coin | undefined>;

/** As if no block above `fork` had ever been. */
const reverted = (coins: ReadonlyMap<string, Coin>, { fork, view }: Moved): Changed => {
  const tip = heightOf(view);
  const changed: Changed = new Map();
  for (const [key, coin] of coins) {
    if (coin.height > fork || isGone(coin, tip)) changed.set(key, undefined);
    else if (isKnown(coin.spent) && coin.spent > fork) changed.set(key, { ...coin, spent: unknown });
  }
  return changed;
};

const makeRoom = (coins: ReadonlyMap<string, Coin>, changed: Changed): void => {
  const now = new Map(coins);
  for (const [key, coin] of changed)
    if (coin === undefined) now.delete(key);
    else now.set(key, coin);
  const drop = (all: readonly Coin[], most: number): void => {
    for (const { outpoint } of all.slice(0, Math.max(0, all.length - most)))
      changed.set(keyOf(outpoint), undefined);
  };
  const there = [...now.values()].filter(({ spent }) => !isKnown(spent));
  const gone = [...now.values()].flatMap((coin) => (isKnown(coin.spent) ? [{ coin, at: coin.spent }] : []));
  drop(
    there.toSorted((a, b) => Number(a.value - b.value)),
    maxCoins,
  );
  drop(
    gone.toSorted((a, b) => a.at - b.at).map(({ coin }) => coin),
    maxGone,
  );
};

/** What changes; the same blocks again change nothing. A coinbase, which must ripen, is not taken for a coin. */
export const followCoins = (
  { coins, scripts }: Purse,
  moved: Moved,
): ReadonlyMap<string, Coin | undefined> => {
  const changed = reverted(coins, moved);
  const at = (key: string): Coin | undefined => (changed.has(key) ? changed.get(key) : coins.get(key));
  for (const { height, found } of moved.seen)
    for (const { position, spends, creations } of found) {
      for (const { outpoint } of spends) {
        const coin = at(keyOf(outpoint));
        if (coin !== undefined && !isKnown(coin.spent))
          changed.set(keyOf(outpoint), { ...coin, spent: height });
      }
      for (const { outpoint, output } of creations) {
        const own = scripts.get(toHex(output.script));
        const key = keyOf(outpoint);
        if (position === 0 || own === undefined || output.value < leastCoin || at(key) !== undefined)
          continue;
        const { value } = output;
        changed.set(key, {
          outpoint,
          value,
          place: own.place,
          height,
          spent: unknown,
          pays: [],
          since: height,
        });
      }
    }
  if (changed.size > 0) makeRoom(coins, changed);
  return changed;
};

/** All that a source has to look for. */
export const coinWatches = ({ coins }: Pick<Purse, "coins">): readonly Outpoint[] =>
  [...coins.values()].map(({ outpoint }) => outpoint);

/** Above the indices that were used: it was paid, so whoever restores the wallet has to look further. */
export const indexAfter = (changed: Iterable<Coin | undefined>, next: number, gap: number): number => {
  let after = next;
  // Closing scripts lie where their channels' ids say, far above.
  for (const coin of changed)
    if (coin !== undefined && coin.place.index < next + gap) after = Math.max(after, coin.place.index + 1);
  return after;
};

const record: P.CoderType<Coin & { version: number }> = packedFields({
  version: u8("record version", (n) => n),
  outpoint: f.outpoint,
  value: f.sat,
  place,
  height: f.height,
  spent: maybe(f.height),
  pays: list(f.outpoint, maxBatch),
  since: f.height,
});

export const packCoin = (coin: Coin): Uint8Array => record.encode({ version: 1, ...coin });
export const unpackCoin = (bytes: Uint8Array): Coin => {
  const { version: _, ...coin } = unpack(ofVersion({ 1: record }, bytes), bytes);
  return coin;
};
