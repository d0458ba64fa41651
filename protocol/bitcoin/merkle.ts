/** The tree over a block's transactions. */

import { concat, equal } from "../bytes.ts";
import { doubleSha256 } from "../hash.ts";
import { invalid } from "../malformed.ts";

export const parentOf = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  doubleSha256(concat(left, right));

/** A block has 4,000,000 weight units, and a transaction takes at least 240 of them. */
export const maxTransactions = 16_666;

/** Levels above the leaves. */
export const depthOf = (count: number): number => Math.ceil(Math.log2(count));

const levelAbove = (level: readonly Uint8Array[]): readonly Uint8Array[] => {
  const above: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i] as Uint8Array;
    const right = level[i + 1];
    // CVE-2012-2459: a list that ends in a repetition has the root of the list without it.
    if (right !== undefined && equal(left, right)) throw invalid("a hash stands beside itself");
    above.push(parentOf(left, right ?? left));
  }
  return above;
};

const levels = (leaves: readonly Uint8Array[]): readonly (readonly Uint8Array[])[] => {
  if (leaves.length === 0) throw invalid("a tree without leaves");
  const all = [leaves];
  for (let top = leaves; top.length > 1; ) {
    top = levelAbove(top);
    all.push(top);
  }
  return all;
};

export const merkleRoot = (leaves: readonly Uint8Array[]): Uint8Array => {
  const [root] = levels(leaves).at(-1) as readonly Uint8Array[];
  return root as Uint8Array;
};

/** What a leaf is hashed with on its way to the root, from the leaf up. */
export const branchOf = (leaves: readonly Uint8Array[], position: number): readonly Uint8Array[] => {
  if (position >= leaves.length) throw new RangeError(`no leaf ${position}`);
  return levels(leaves)
    .slice(0, -1)
    .map((level, i) => {
      const own = Math.floor(position / 2 ** i);
      return (level[own ^ 1] ?? level[own]) as Uint8Array;
    });
};

export interface Branch {
  readonly position: number;
  readonly siblings: readonly Uint8Array[];
}

export const rootOf = (leaf: Uint8Array, { position, siblings }: Branch): Uint8Array => {
  if (siblings.length > depthOf(maxTransactions)) throw invalid(`${siblings.length} siblings`);
  if (!Number.isInteger(position) || position < 0 || position >= 2 ** siblings.length)
    throw invalid(`no leaf ${position} under ${siblings.length} levels`);
  return siblings.reduce((hash, sibling, i) => {
    if (sibling.length !== 32) throw invalid(`a hash of ${sibling.length} bytes`);
    if (((position >> i) & 1) === 0) return parentOf(hash, sibling);
    // Only the last of an odd level is doubled, and its double has no position (CVE-2012-2459).
    if (equal(hash, sibling)) throw invalid("a hash stands beside itself");
    return parentOf(sibling, hash);
  }, leaf);
};
