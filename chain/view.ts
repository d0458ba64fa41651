/** A source, asked once for what many followers want to know. */

import { headerLength } from "../protocol/bitcoin/header.ts";
import { toHex } from "../protocol/bytes.ts";
import type { Feerate, Height } from "../protocol/units.ts";
import { type Recent, recent } from "./recent.ts";
import type { BlockHash, ChainSource, Tip } from "./source.ts";

/** What the source says from one look to the next. */
export interface View {
  /** Forgets what may have changed since the last one. */
  look(): Promise<Tip>;
  /** What it said of its chain does not hold together: the next look begins anew. */
  doubt(): void;
  hashAt(height: Height): Promise<BlockHash | undefined>;
  header(hash: BlockHash): Promise<Uint8Array>;
  block(hash: BlockHash): Promise<Uint8Array>;
  feerate(blocks: number): Promise<Feerate | undefined>;
}

/** A block has at most 4 MB. */
const blockBytes = 24_000_000;
/** Enough for any reorganisation, and for followers some days apart. */
const hashes = 5_000;

export const viewOf = (source: ChainSource): View => {
  const heights = recent<Height, BlockHash | undefined>({
    fetch: (height) => source.hashAt(height),
    nameOf: (height) => height,
    sizeOf: () => 1,
    most: hashes,
  });
  const headers: Recent<BlockHash, Uint8Array> = recent<BlockHash, Uint8Array>({
    fetch: (hash) => source.header(hash),
    nameOf: toHex,
    sizeOf: () => 1,
    most: hashes,
  });
  const blocks = recent<BlockHash, Uint8Array>({
    fetch: async (hash) => {
      const block = await source.block(hash);
      // So that it can be taken back, should the source forget it.
      headers.put(hash, block.slice(0, headerLength));
      return block;
    },
    nameOf: toHex,
    sizeOf: ({ length }) => length,
    most: blockBytes,
  });
  const feerates = recent<number, Feerate | undefined>({
    fetch: (within) => source.feerate(within),
    nameOf: (within) => within,
    sizeOf: () => 1,
    most: 32,
  });
  let last: string | undefined;

  return {
    look: async () => {
      const tip = await source.tip();
      const name = toHex(tip.hash);
      if (name !== last) heights.clear();
      last = name;
      feerates.clear();
      return tip;
    },
    doubt: () => {
      last = undefined;
    },
    hashAt: heights.get,
    header: headers.get,
    block: blocks.get,
    feerate: feerates.get,
  };
};
