/** One follower's way to the tip: back to the fork by headers, then forward by blocks. */

import { decodeHeader } from "../protocol/bitcoin/header.ts";
import { equal } from "../protocol/bytes.ts";
import { type Height, height } from "../protocol/units.ts";
import type { Disconnected, Follower } from "./observer.ts";
import { SourceError, type Tip } from "./source.ts";
import type { View } from "./view.ts";

/** What a follower threw, told apart from what a source did. */
export class FollowerError extends Error {
  override readonly name = "FollowerError";
}

/** "changed": the source has another chain than when it was asked for its tip; it has to be asked again. */
export type Advanced = "there" | "stopped" | "changed";

export interface Advance {
  readonly follower: Follower;
  readonly view: View;
  readonly goal: Tip;
  /** False as soon as nothing may be told any more. */
  readonly goesOn: () => boolean;
  /** Runs what is told to the follower, so that a stop can wait for it. */
  readonly tell: (action: () => Promise<void>) => Promise<void>;
}

/** No honest reorganisation is as deep. A source that is on another chain does not know the follower's blocks. */
const deepest = 10_000;

const previousOf = (bytes: Uint8Array): Uint8Array => decodeHeader(bytes.subarray(0, 80)).previous;

const isOn = async (view: View, goal: Tip, at: Tip): Promise<boolean> => {
  if (at.height > goal.height) return false;
  const best = await view.hashAt(at.height);
  return best !== undefined && equal(best, at.hash);
};

interface Stale {
  /** Newest first. */
  readonly blocks: readonly Disconnected[];
  readonly fork: Tip;
}

const staleFrom = async (at: Tip, { view, goal, follower }: Advance): Promise<Stale> => {
  const blocks: Disconnected[] = [];
  let here = at;
  while (!(await isOn(view, goal, here))) {
    if (here.height === 0 || blocks.length >= deepest) throw new SourceError("it shows another chain");
    const header = follower.header?.(here.hash) ?? (await view.header(here.hash));
    blocks.push({ ...here, header });
    here = { height: height(here.height - 1), hash: previousOf(header) };
  }
  return { blocks, fork: here };
};

/** Whatever it throws is its own, and it has to move: or it would be told the same for ever. */
const told = async (way: Advance, at: Tip, action: (follower: Follower) => Promise<void>): Promise<void> => {
  try {
    await way.tell(() => action(way.follower));
  } catch (error) {
    throw new FollowerError("it can't take a block", { cause: error });
  }
  if (equal(way.follower.at().hash, at.hash)) throw new FollowerError("it stands where it stood before");
};

const back = async (way: Advance, at: Tip): Promise<Advanced | undefined> => {
  const { blocks, fork } = await staleFrom(at, way);
  // The source is behind, on the same chain: nothing is stale.
  if (equal(fork.hash, way.goal.hash)) return "there";
  for (const block of blocks) {
    if (!way.goesOn()) return "stopped";
    await told(way, block, (follower) => follower.disconnected(block));
  }
  return undefined;
};

const forward = async (way: Advance, at: Tip): Promise<Advanced | undefined> => {
  if (at.height === way.goal.height) return "changed";
  const above: Height = height(at.height + 1);
  const hash = await way.view.hashAt(above);
  if (hash === undefined) return "changed";
  const block = await way.view.block(hash);
  if (!equal(previousOf(block), at.hash)) return "changed";
  if (!way.goesOn()) return "stopped";
  const connected = { height: above, hash, header: block.slice(0, 80), block };
  await told(way, at, (follower) => follower.connected(connected));
  return undefined;
};

export const advance = async (way: Advance): Promise<Advanced> => {
  while (way.goesOn()) {
    const at = way.follower.at();
    if (equal(at.hash, way.goal.hash)) return "there";
    const moved = (await isOn(way.view, way.goal, at)) ? await forward(way, at) : await back(way, at);
    if (moved !== undefined) return moved;
  }
  return "stopped";
};
