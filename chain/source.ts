/** Where blocks come from and transactions go to: one port, whatever answers behind it. Nothing it says is believed. */

import type { Feerate, Height } from "../protocol/units.ts";

/** In hashing order, as `blockHash` makes it. */
export type BlockHash = Uint8Array;

export interface Tip {
  readonly height: Height;
  readonly hash: BlockHash;
}

/** What became of transactions that were to be published together, parents first. */
export type Published =
  | { readonly is: "accepted" }
  /** In the pool or in a block before. */
  | { readonly is: "known" }
  /** In the source's words. */
  | { readonly is: "refused"; readonly reason: string };

export interface ChainSource {
  /** For people, without credentials: "bitcoind at 127.0.0.1:8332". */
  readonly name: string;
  tip(): Promise<Tip>;
  /** Of the best chain; undefined above its tip. */
  hashAt(height: Height): Promise<BlockHash | undefined>;
  /** Eighty bytes; also of a block that a reorganisation took away, as long as the source knows it. */
  header(hash: BlockHash): Promise<Uint8Array>;
  /** The whole block. */
  block(hash: BlockHash): Promise<Uint8Array>;
  /** To confirm within so many blocks; undefined where nothing is known, as on a young chain. */
  feerate(blocks: number): Promise<Feerate | undefined>;
  /** A repetition is "known", never an error. */
  publish(transactions: readonly Uint8Array[]): Promise<Published>;
  close(): Promise<void>;
}

/** It can't be reached, or does not speak as it should: to be tried again, by whoever asked. */
export class SourceError extends Error {
  override readonly name = "SourceError";
}
