/**
 * What went out and came in for one payment hash. Of a channel's live commitments any may be the one that ends on
 * chain, so that out is the most that any of them says, and in the least.
 */

import { max } from "../balance.ts";
import type { ChannelState, Live, Variant } from "../state.ts";
import { lineOf, settledBy, variantsOf } from "./lines.ts";

export interface Flow {
  readonly out: bigint;
  readonly in: bigint;
  /** The part of `in` that is ours for good. */
  readonly settledIn: bigint;
}

const nothing: Flow = { out: 0n, in: 0n, settledIn: 0n };

interface Outgoing {
  /** Of what is out, the HTLCs that expire then or later; all where it is left out. */
  readonly offeredFrom?: number;
  /** False: only what is on its way, either way, and nothing that settled. */
  readonly settled?: boolean;
}

/** Which received HTLCs count: those that expire late enough for us to claim them after what they cover. */
export interface Cover extends Outgoing {
  readonly earliest: number;
}

const settledInOf = (variant: Variant, hash: string, { settled }: Outgoing): bigint =>
  settled === false ? 0n : (settledBy(variant).get(hash)?.in ?? 0n);

const outOf = (variant: Variant, hash: string, { offeredFrom = 0, settled }: Outgoing): bigint =>
  lineOf(variant, hash).offeredFrom(offeredFrom) +
  (settled === false ? 0n : (settledBy(variant).get(hash)?.out ?? 0n));

const inOf = (variant: Variant, hash: string, cover: Cover): bigint =>
  lineOf(variant, hash).receivedFrom(cover.earliest) + settledInOf(variant, hash, cover);

const least = (values: readonly bigint[]): bigint => {
  let result: bigint | undefined;
  for (const value of values) if (result === undefined || value < result) result = value;
  return result ?? 0n;
};

/** The most that any live commitment says is out, on its way or for good. */
export const mostOut = (live: Live, hash: string, cover: Outgoing = {}): bigint =>
  variantsOf(live).reduce((most, variant) => max(most, outOf(variant, hash, cover)), 0n);

/** The least that any says is ours for good. */
export const leastSettledIn = (live: Live, hash: string, cover: Outgoing = {}): bigint =>
  least(variantsOf(live).map((variant) => settledInOf(variant, hash, cover)));

/** `counts`: whether what this channel received may cover anything at all. */
const flowOf = (live: Live, hash: string, cover: Cover, counts: boolean): Flow => ({
  out: mostOut(live, hash, cover),
  in: counts ? least(variantsOf(live).map((variant) => inOf(variant, hash, cover))) : 0n,
  settledIn: counts ? leastSettledIn(live, hash, cover) : 0n,
});

const plus = (a: Flow, b: Flow): Flow => ({
  out: a.out + b.out,
  in: a.in + b.in,
  settledIn: a.settledIn + b.settledIn,
});

export const liveIn = (channel: ChannelState | undefined): Live | undefined =>
  channel === undefined || !("setup" in channel) ? undefined : channel;

export const sumOf = (
  channels: Iterable<{ readonly live: Live; readonly counts: boolean }>,
  hash: string,
  cover: Cover,
): Flow => {
  let sum = nothing;
  for (const { live, counts } of channels) sum = plus(sum, flowOf(live, hash, cover, counts));
  return sum;
};

/** Whether any live commitment speaks of the hash. */
export const speaksOf = (live: Live, hash: string): boolean =>
  variantsOf(live).some((variant) => {
    const { offered, received } = lineOf(variant, hash);
    return offered > 0n || received.length > 0 || settledBy(variant).has(hash);
  });
