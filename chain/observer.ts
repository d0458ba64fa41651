/** One look at a source for many who follow it: each is told of every block in order, from where it stands. */

import type { Feerate, Height } from "../protocol/units.ts";
import type { BlockHash, Tip } from "./source.ts";

export interface Connected {
  readonly height: Height;
  readonly hash: BlockHash;
  readonly header: Uint8Array;
  readonly block: Uint8Array;
}

export interface Disconnected {
  readonly height: Height;
  readonly hash: BlockHash;
  readonly header: Uint8Array;
}

export interface Follower {
  /** The newest block that it has; it may lie on a branch that is gone. */
  readonly at: () => Tip;
  /** Of a block that it has, where it keeps them: a source may have forgotten what a reorganisation took away. */
  readonly header?: (hash: BlockHash) => Uint8Array | undefined;
  /** Awaited, one after the other: a slow follower holds up nobody but itself. */
  readonly connected: (block: Connected) => Promise<void>;
  readonly disconnected: (block: Disconnected) => Promise<void>;
}

export interface Following {
  /** Resolves when the follower has what the source had when this was asked. */
  caughtUp(): Promise<Tip>;
  /** Nothing is told after it resolves. */
  stop(): Promise<void>;
}

export interface Observer {
  follow(follower: Follower): Following;
  /** Looks now, instead of at the next interval. */
  look(): Promise<void>;
  /** Of the last look; nothing is asked of the source. */
  tip(): Tip | undefined;
  /** Cached for as long as a look lasts. */
  feerate(blocks: number): Promise<Feerate | undefined>;
  /** The reason, while the source can't be reached. */
  trouble(): string | undefined;
  close(): Promise<void>;
}
