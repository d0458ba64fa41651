/** What is unspent on the best chain, and who spent the rest. */

import { op } from "../../protocol/bitcoin/script.ts";
import type { TxOutput } from "../../protocol/bitcoin/tx.ts";
import type { Outpoint, Txid } from "../../protocol/units.ts";
import { type Entry, keyOf } from "./entry.ts";

export interface Coin extends TxOutput {
  /** Of the block that made it. */
  readonly height: number;
  readonly isCoinbase: boolean;
}

export interface Spender {
  readonly txid: Txid;
  readonly input: number;
}

export interface Coins {
  get(outpoint: Outpoint): Coin | undefined;
  spender(outpoint: Outpoint): Spender | undefined;
  /** Of one block, in its order. */
  connect(entries: readonly Entry[], height: number): void;
  /** The block that was connected last. */
  disconnect(entries: readonly Entry[]): void;
}

export const openCoins = (): Coins => {
  const unspent = new Map<string, Coin>();
  /** With the coin, so that it can come back. */
  const spent = new Map<string, { readonly by: Spender; readonly coin: Coin }>();

  const create = ({ tx, txid }: Entry, height: number, isCoinbase: boolean): void => {
    for (const [index, output] of tx.outputs.entries()) {
      // Nobody can spend these, and Bitcoin Core keeps none.
      if (output.script[0] !== op.return)
        unspent.set(keyOf({ txid, index }), { ...output, height, isCoinbase });
    }
  };

  return {
    get: (outpoint) => unspent.get(keyOf(outpoint)),
    spender: (outpoint) => spent.get(keyOf(outpoint))?.by,
    connect: (entries, height) => {
      for (const [position, entry] of entries.entries()) {
        if (position > 0) {
          for (const [input, { outpoint }] of entry.tx.inputs.entries()) {
            const key = keyOf(outpoint);
            const coin = unspent.get(key);
            if (coin === undefined) throw new Error(`a block spends what is not there: ${key}`);
            unspent.delete(key);
            spent.set(key, { by: { txid: entry.txid, input }, coin });
          }
        }
        create(entry, height, position === 0);
      }
    },
    disconnect: (entries) => {
      for (const [position, { tx, txid }] of [...entries.entries()].reverse()) {
        for (const index of tx.outputs.keys()) unspent.delete(keyOf({ txid, index }));
        if (position === 0) continue;
        for (const { outpoint } of tx.inputs) {
          const key = keyOf(outpoint);
          const undo = spent.get(key);
          if (undo === undefined) throw new Error(`nothing to take back: ${key}`);
          spent.delete(key);
          unspent.set(key, undo.coin);
        }
      }
    },
  };
};
