/** What an honest node does, as a story that waits wherever the network makes it wait. */

import type { Tier } from "../../protocol/operations/fields.ts";
import type { Hop, Link, Wanted } from "./link.ts";
import type { World } from "./world.ts";

export type Story = AsyncGenerator<undefined, void, undefined>;

export interface Flow {
  readonly name: string;
  readonly tiers: readonly Tier[];
  play(world: World): Story;
}

export const channelTiers: readonly Tier[] = ["full", "commitments"];
export const everyTier: readonly Tier[] = [...channelTiers, "stateless"];

/** Waits until it holds. */
export async function* until(holds: () => boolean): Story {
  while (!holds()) yield;
}

/** Lets others go first, as often as the dice say. */
export async function* rest({ random }: World, most: number): Story {
  for (let left = random.int(most + 1); left > 0; left--) yield;
}

export const isOver = (hop: Hop): boolean => ["fulfilled", "failed", "dropped"].includes(hop.standing());
export const isThere = (hop: Hop): boolean => hop.standing() === "committed";

export const open = (world: World): readonly Link[] => world.links.filter(({ closed }) => !closed);

/** A channel with room for it, if there is one. */
export const withRoom = (world: World, by: "holder" | "counterparty", amount: bigint): Link | undefined => {
  const able = open(world).filter((link) => link.room(by) >= amount);
  return able.length === 0 ? undefined : world.random.pick(able);
};

export const offerSomewhere = (
  world: World,
  by: "holder" | "counterparty",
  wanted: Wanted,
): Hop | undefined => withRoom(world, by, wanted.amount)?.offer(by, wanted);

/** About every size that matters: below dust limits, about them, and large. */
export const someAmount = (world: World): bigint =>
  world.random.pick([
    1n,
    1_000n,
    353_999n,
    354_000n,
    546_000n,
    999_999n,
    3_000_001n,
    10_000_000n,
    50_000_123n,
    200_000_000n,
  ]);

/** In parts that add up to the whole; none is nothing. */
export const split = (world: World, whole: bigint, most: number): readonly bigint[] => {
  const parts: bigint[] = [];
  let left = whole;
  while (parts.length < most - 1 && left > 1n) {
    const part = (left * BigInt(1 + world.random.int(9))) / 10n;
    if (part === 0n || part === left) break;
    parts.push(part);
    left -= part;
  }
  return [...parts, left];
};

export const expiryOf = (world: World): number => 700_000 + world.random.int(400);
