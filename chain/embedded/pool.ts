/** Transactions that wait for a block: parents always stand before their children. */

import type { TxOutput } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { Outpoint, Txid } from "../../protocol/units.ts";
import type { Spender } from "./coins.ts";
import { type Entry, keyOf } from "./entry.ts";

export interface Waiting extends Entry {
  readonly fee: bigint;
}

export interface Pool {
  /** Parents first. */
  all(): readonly Waiting[];
  get(txid: Txid): Waiting | undefined;
  /** Whether or not something in the pool spends it. */
  output(outpoint: Outpoint): TxOutput | undefined;
  spender(outpoint: Outpoint): Spender | undefined;
  /** With everything that spends from them. */
  withDescendants(roots: readonly Waiting[]): readonly Waiting[];
  add(entry: Waiting): void;
  /** The caller takes what spends from them as well, or what they spend stays there: a block has them. */
  remove(entries: readonly Entry[]): void;
  clear(): void;
}

export const openPool = (): Pool => {
  const entries = new Map<string, Waiting>();
  const spenders = new Map<string, Spender>();

  const get = (txid: Txid): Waiting | undefined => entries.get(toHex(txid));

  return {
    all: () => [...entries.values()],
    get,
    output: ({ txid, index }) => get(txid)?.tx.outputs[index],
    spender: (outpoint) => spenders.get(keyOf(outpoint)),
    withDescendants: (roots) => {
      const found = new Set(roots);
      // A set shows what is added while it is walked.
      for (const { tx, txid } of found) {
        for (const index of tx.outputs.keys()) {
          const spender = spenders.get(keyOf({ txid, index }));
          const child = spender === undefined ? undefined : get(spender.txid);
          if (child !== undefined) found.add(child);
        }
      }
      return [...found];
    },
    add: (entry) => {
      entries.set(entry.id, entry);
      for (const [input, { outpoint }] of entry.tx.inputs.entries())
        spenders.set(keyOf(outpoint), { txid: entry.txid, input });
    },
    remove: (gone) => {
      for (const { id, tx } of gone) {
        if (!entries.delete(id)) continue;
        for (const { outpoint } of tx.inputs) spenders.delete(keyOf(outpoint));
      }
    },
    clear: () => {
      entries.clear();
      spenders.clear();
    },
  };
};
