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

export const openHeld = (): Held => {
  const all = new Map<string, Entry>();
  const open = (): Entry[] => [...all.values()].filter(({ settled }) => settled === undefined);
  return {
    add: (one) => {
      if (all.has(one.name)) return true;
      if (all.size >= maxHeld) return false;
      const spends = decodeTx(one.tx).tx.inputs.map(({ outpoint }) => outpoint);
      all.set(one.name, { ...one, spends, settled: undefined });
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
        if (
          entry.spends.some((one) =>
            spent.some(({ txid, index }) => index === one.index && equal(txid, one.txid)),
          )
        )
          entry.settled = height;
    },
    disconnected: (height) => {
      for (const entry of all.values())
        if (entry.settled !== undefined && entry.settled >= height) entry.settled = undefined;
    },
  };
};
