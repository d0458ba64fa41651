/**
 * Which channels speak of which payment hash, kept beside the state so that a sum over all channels visits few.
 * Everything in it follows from the channels: it is never stored.
 */

import type { ChannelId } from "../../../protocol/units.ts";
import type { ChannelState, Live, Variant } from "../state.ts";
import { liveIn } from "./flow.ts";
import { linesOf, settledBy, variantsOf } from "./lines.ts";

export interface Ledger {
  /** Channels with a live commitment that speaks of the hash. */
  channelsOf(hash: string): ReadonlySet<ChannelId>;
  /** The sum of what `of` says of every hash. It is asked again only for those that something happened to. */
  total(of: (hash: string) => bigint): bigint;
}

export interface OpenLedger extends Ledger {
  update(id: ChannelId, before: ChannelState | undefined, after: ChannelState): void;
  touch(hash: string): void;
}

const nobody: ReadonlySet<ChannelId> = new Set();

const hashesOf = (variant: Variant): readonly string[] => [
  ...linesOf(variant).keys(),
  ...settledBy(variant).keys(),
];

/** Two that came with the very same lists count as one. */
const isSame = (a: Variant, b: Variant): boolean => a.htlcs === b.htlcs && a.settled === b.settled;

const distinct = (live: Live | undefined): readonly Variant[] => {
  const variants = live === undefined ? [] : variantsOf(live);
  return variants.filter((one, at) => variants.findIndex((other) => isSame(one, other)) === at);
};

export const openLedger = (): OpenLedger => {
  /** How many live commitments of each channel speak of a hash. */
  const counts = new Map<string, Map<ChannelId, number>>();
  const ids = new Map<string, Set<ChannelId>>();
  const shares = new Map<string, bigint>();
  const dirty = new Set<string>();
  let sum = 0n;

  const count = (id: ChannelId, hash: string, by: 1 | -1): void => {
    const channels = counts.get(hash) ?? new Map<ChannelId, number>();
    const speakers = ids.get(hash) ?? new Set<ChannelId>();
    const next = (channels.get(id) ?? 0) + by;
    if (next > 0) {
      channels.set(id, next);
      speakers.add(id);
    } else {
      channels.delete(id);
      speakers.delete(id);
    }
    if (channels.size === 0) {
      counts.delete(hash);
      ids.delete(hash);
    } else {
      counts.set(hash, channels);
      ids.set(hash, speakers);
    }
    dirty.add(hash);
  };

  return {
    channelsOf: (hash) => ids.get(hash) ?? nobody,
    total: (of) => {
      for (const hash of dirty) {
        const share = counts.has(hash) ? of(hash) : 0n;
        sum += share - (shares.get(hash) ?? 0n);
        if (share === 0n) shares.delete(hash);
        else shares.set(hash, share);
      }
      dirty.clear();
      return sum;
    },
    update: (id, before, after) => {
      const old = distinct(liveIn(before));
      const now = distinct(liveIn(after));
      for (const variant of now)
        if (!old.some((one) => isSame(one, variant)))
          for (const hash of hashesOf(variant)) count(id, hash, 1);
      for (const variant of old)
        if (!now.some((one) => isSame(one, variant)))
          for (const hash of hashesOf(variant)) count(id, hash, -1);
    },
    touch: (hash) => {
      dirty.add(hash);
    },
  };
};
