/**
 * Transactions that a person handed in: published again with each block, until a block has them or takes what they would
 * spend. In memory alone: after a restart the person asks again, and is answered with the same bytes.
 */

import { scanBlock } from "../../protocol/bitcoin/block.ts";
import { decodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { equal, reversed, toHex } from "../../protocol/bytes.ts";
import type { Height, Outpoint, Txid } from "../../protocol/units.ts";
import { irrevocable } from "../core/chain/depths.ts";

export interface HeldTx {
  readonly txid: Txid;
  /** As people write it. */
  readonly name: string;
  readonly tx: Uint8Array;
}

export interface Held {
  /** False where there is no room. */
  add(one: HeldTx): boolean;
  /** What no block has settled yet, in the order in which it came. */
  waiting(): readonly HeldTx[];
  connected(height: Height, block: Uint8Array): void;
  disconnected(height: Height): void;
}

interface Entry extends HeldTx {
  readonly spends: readonly Outpoint[];
  /** Of the block that has it, or another one that spends the same. */
  settled: Height | undefined;
}

/** Some channels of 483 HTLCs each. */
const maxHeld = 4_096;

export const heldOf = (tx: Uint8Array): HeldTx => {
  const txid = txidOf(decodeTx(tx).tx);
  return { txid, name: toHex(reversed(txid)), tx };
};

const same = (a: Outpoint, b: Outpoint): boolean => a.index === b.index && equal(a.txid, b.txid);

/** At or above it a sequence asks for no depth (BIP 68): what waits for none can go out with its parent. */
const noDepth = 2 ** 31;

/** A parent with the child that may have to pay for it; everything else by itself. In the order of the parents. */
export const packagesOf = <T extends { readonly tx: Uint8Array }>(
  all: readonly T[],
): readonly (readonly T[])[] => {
  const decoded = all.map((one) => ({ one, tx: decodeTx(one.tx).tx }));
  const parents = new Map(decoded.map(({ one, tx }) => [toHex(txidOf(tx)), one]));
  const childOf = new Map<T, T>();
  const children = new Set<T>();
  for (const { one, tx } of decoded) {
    if (tx.inputs.some(({ sequence }) => sequence < noDepth)) continue;
    const parent = tx.inputs.map(({ outpoint }) => parents.get(toHex(outpoint.txid))).find((of) => of);
    if (parent === undefined || children.has(parent) || childOf.has(parent)) continue;
    childOf.set(parent, one);
    children.add(one);
  }
  return all.flatMap((one) => {
    if (children.has(one)) return [];
    const child = childOf.get(one);
    return [child === undefined ? [one] : [one, child]];
  });
};

export const openHeld = (): Held => {
  const all = new Map<string, Entry>();
  const open = (): Entry[] => [...all.values()].filter(({ settled }) => settled === undefined);
  return {
    add: (one) => {
      if (all.has(one.name)) return true;
      if (all.size >= maxHeld) return false;
      const spent = decodeTx(one.tx).tx.inputs.map(({ outpoint }) => outpoint);
      // What the pool has let go of for it would be refused from now on.
      for (const [name, { spends, settled }] of all)
        if (settled === undefined && spends.some((of) => spent.some((other) => same(of, other))))
          all.delete(name);
      all.set(one.name, { ...one, spends: spent, settled: undefined });
      return true;
    },
    waiting: open,
    connected: (height, block) => {
      for (const [name, { settled }] of all)
        if (settled !== undefined && settled + irrevocable <= height) all.delete(name);
      const waiting = open();
      if (waiting.length === 0) return;
      const outpoints = waiting.flatMap(({ spends }) => spends);
      const spent = scanBlock(block, { outpoints, scripts: [] }).found.flatMap(({ spends }) =>
        spends.map(({ outpoint }) => outpoint),
      );
      for (const entry of waiting)
        if (entry.spends.some((one) => spent.some((other) => same(one, other)))) entry.settled = height;
    },
    disconnected: (height) => {
      for (const entry of all.values())
        if (entry.settled !== undefined && entry.settled >= height) entry.settled = undefined;
    },
  };
};
