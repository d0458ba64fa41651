/**
 * What a claim may cost by now. It follows from heights alone, so a signer that restarts goes on where it was: what the
 * source estimates at first, and the policy's maximum when the deadline has come.
 */

import { type Feerate, feerate, type Height } from "../../protocol/units.ts";
import type { Open } from "../core/chain/ends.ts";

/** 1 sat/vB and a little: what nodes relay by default. */
const least = 253;
/** Where the source has no estimate, as on a young chain. */
const unestimated = 1_000;

const within = (n: number, low: number, high: number): number => Math.min(Math.max(n, low), high);

/** In how many blocks it is to confirm. */
export const targetOf = ({ until }: Open, tip: Height): number =>
  until === undefined ? 144 : within(Math.floor((until - tip) / 2), 2, 144);

export const calmRate = (estimate: Feerate | undefined, max: Feerate): Feerate =>
  feerate(Math.round(within(estimate ?? unestimated, Math.min(least, max), max)));

/** Grows by the same factor with every block. What has no deadline does not grow: the estimate is enough. */
export const rateOf = ({ since, until }: Open, tip: Height, calm: Feerate, max: Feerate): Feerate => {
  if (until === undefined) return calm;
  const elapsed = until <= since ? 1 : within((tip - since) / (until - since), 0, 1);
  return feerate(Math.round(within(calm * (max / calm) ** elapsed, calm, max)));
};

/** BIP 125 wants the fee of the relay on top; less than a quarter more is not worth another signature. */
export const isWorthMore = (next: Feerate, before: Feerate): boolean => next >= before * 1.25;
