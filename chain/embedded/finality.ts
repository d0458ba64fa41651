/** May a transaction be in the next block? (BIP 113 for the clock, BIP 68 for relative locks.) */

import type { Tx } from "../../protocol/bitcoin/tx.ts";

export interface NextBlock {
  readonly height: number;
  /** Median time past of the block before it. */
  readonly median: number;
  /** Median time past of the block before the one at a height: a coin's clock starts there. */
  readonly medianBefore: (height: number) => number;
}

const threshold = 500_000_000;
const finalSequence = 0xffff_ffff;

const isFinal = ({ locktime, inputs }: Tx, { height, median }: NextBlock): boolean =>
  locktime < (locktime < threshold ? height : median) ||
  inputs.every(({ sequence }) => sequence === finalSequence);

const disabled = 0x8000_0000;
const inSeconds = 0x40_0000;
const granularity = 9;

const isPast = (sequence: number, coinHeight: number, next: NextBlock): boolean => {
  if ((sequence & disabled) !== 0) return true;
  const value = sequence & 0xffff;
  if ((sequence & inSeconds) === 0) return coinHeight + value <= next.height;
  return next.medianBefore(coinHeight) + value * 2 ** granularity <= next.median;
};

/** `heights` are those of the blocks that made what the inputs spend; of what is in the pool, the next block's. */
export const lockFault = (tx: Tx, heights: readonly number[], next: NextBlock): string | undefined => {
  if (!isFinal(tx, next)) return "non-final";
  if (tx.version < 2) return undefined;
  const held = tx.inputs.every(({ sequence }, i) => isPast(sequence, heights[i] ?? next.height, next));
  return held ? undefined : "non-BIP68-final";
};
