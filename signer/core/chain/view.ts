/** The signer's own view of the chain: plain immutable data, proven header by header. `records.ts` gives it bytes. */

import type { Header, ChainView as HeaderView } from "../../../protocol/bitcoin/header.ts";
import { equal, reversed, toHex } from "../../../protocol/bytes.ts";
import type { Network } from "../../../protocol/operations/fields.ts";
import { type Height, height } from "../../../protocol/units.ts";

/** Reorganisations up to here are followed: two days of blocks, some twenty times the deepest since 2015. */
export const maxKept = 300;

/** How much of a block was shown: all of it, which proves absence too, or only that some transactions are in it. */
export type Coverage = "whole" | "part";

export interface KnownBlock {
  readonly header: Header;
  /** All that the header after it is judged by. */
  readonly at: HeaderView;
  readonly coverage: Coverage;
  /** The last height up to this one that was not seen whole: absence is proven from there on, and not before. */
  readonly unproven: Height;
}

export interface Best {
  readonly height: Height;
  readonly hash: Uint8Array;
  readonly work: bigint;
}

export interface ChainView {
  readonly network: Network;
  /** Each follows the one before; the last is the tip. Never empty, at most `maxKept` and one. */
  readonly blocks: readonly KnownBlock[];
  /** The heaviest tip that was ever proven. A tip with less work is a reorganisation that is not complete. */
  readonly best: Best;
  /**
   * The first block that was seen whole. A host that shows whole blocks goes on with them from there: one that is
   * shown in part among them could hide a breach, and later blocks would hide the gap.
   */
  readonly wholeFrom?: Height;
}

export const tipOf = ({ blocks }: Pick<ChainView, "blocks">): KnownBlock => blocks.at(-1) as KnownBlock;

export const oldestOf = ({ blocks }: Pick<ChainView, "blocks">): KnownBlock => blocks[0] as KnownBlock;

export const heightOf = (view: ChainView): Height => tipOf(view).at.height;

/** Blocks were taken back, and nothing as heavy has replaced them: what is known of the tip is not the whole truth. */
export const isBehind = (view: ChainView): boolean => tipOf(view).at.work < view.best.work;

/** The height from which on every block was seen whole. Below it, what was not seen may still be there. */
export const wholeSince = (view: ChainView): Height => height(tipOf(view).unproven + 1);

export interface Found {
  readonly index: number;
  readonly block: KnownBlock;
}

/** Among blocks that are still kept. */
export const findBlock = (blocks: readonly KnownBlock[], hash: Uint8Array): Found | undefined => {
  const index = blocks.findLastIndex(({ at }) => equal(at.hash, hash));
  const block = blocks[index];
  return block === undefined ? undefined : { index, block };
};

/** As people read a hash. */
export const readable = (hash: Uint8Array): string => toHex(reversed(hash));

/** Seconds since the tip's header says that it was mined; a header may be up to two hours ahead of the clock. */
export const ageOf = (view: ChainView, now: number): number => Math.max(0, now - tipOf(view).header.time);
