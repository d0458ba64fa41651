/** Transactions on their way: stored before they are shown, shown again until a block has them. */

import { BroadcasterInterface } from "lightningdevkit";
import type { ChainSource } from "../../chain/source.ts";
import { Reader } from "../../protocol/bitcoin/reader.ts";
import { rangeOfTx, txidIn } from "../../protocol/bitcoin/tx-range.ts";
import { concat, fromHex, reversed, toHex } from "../../protocol/bytes.ts";
import { bytesOf, type NodeStore } from "./store.ts";
import type { Turns } from "./turn.ts";

export interface Outgoing {
  readonly broadcaster: BroadcasterInterface;
  /** In a turn: together, parents first. */
  send(transactions: readonly Uint8Array[]): void;
  connected(txids: readonly Uint8Array[], height: number): void;
  disconnected(height: number): void;
  /** Shows all that no block has. */
  repeat(): Promise<void>;
}

export interface OutgoingParts {
  readonly store: Pick<NodeStore, "database">;
  readonly turns: Pick<Turns, "afterwards">;
  readonly source: Pick<ChainSource, "publish">;
  readonly height: () => number;
  readonly fatal: (error: unknown) => void;
  readonly refused: (txid: string, reason: string) => void;
}

/** Then whoever made it has made another, or its input is gone. */
const patience = 144;

const txidOf = (transaction: Uint8Array): string => toHex(txidIn(transaction, rangeOfTx(transaction)));

const pack = (transactions: readonly Uint8Array[]): Uint8Array =>
  concat(
    ...transactions.flatMap((one) => {
      const head = new Uint8Array(4);
      new DataView(head.buffer).setUint32(0, one.length, true);
      return [head, one];
    }),
  );

const unpack = (bytes: Uint8Array): readonly Uint8Array[] => {
  const from = new Reader(bytes);
  const out: Uint8Array[] = [];
  while (from.left > 0) out.push(from.raw(from.u32()));
  return out;
};

export const openOutgoing = ({
  store: { database },
  turns,
  source,
  height,
  fatal,
  refused,
}: OutgoingParts): Outgoing => {
  const add = database.prepare("INSERT OR IGNORE INTO outgoing VALUES (?, ?, ?, NULL)");
  const waiting = database.prepare("SELECT id, bytes FROM outgoing WHERE done IS NULL");
  const done = database.prepare("UPDATE outgoing SET done = ? WHERE id = ?");
  const undone = database.prepare("UPDATE outgoing SET done = NULL WHERE done = ?");
  const forget = database.prepare("DELETE FROM outgoing WHERE done < ? OR (done IS NULL AND since < ?)");

  /** Said once: the next block brings the same answer. */
  const said = new Set<string>();
  const show = async (transactions: readonly Uint8Array[]): Promise<void> => {
    try {
      const result = await source.publish(transactions);
      if (result.is !== "refused") return;
      const id = txidOf(transactions.at(-1) as Uint8Array);
      if (!said.has(id)) refused(toHex(reversed(fromHex(id))), result.reason);
      said.add(id);
    } catch {
      // The source can't be reached; the next block, or the next start, shows it again.
    }
  };

  const send = (transactions: readonly Uint8Array[]): void => {
    const last = transactions.at(-1);
    if (last === undefined) return;
    add.run(txidOf(last), pack(transactions), height());
    turns.afterwards(() => void show(transactions));
  };

  return {
    send,
    broadcaster: BroadcasterInterface.new_impl({
      broadcast_transactions: (transactions) => {
        try {
          send(transactions.map((one) => Uint8Array.from(one)));
        } catch (error) {
          fatal(error);
        }
      },
    }),
    connected: (txids, at) => {
      const found = new Set(txids.map(toHex));
      for (const row of waiting.all()) if (found.has(String(row["id"]))) done.run(at, String(row["id"]));
      forget.run(at - patience, at - patience);
    },
    disconnected: (at) => void undone.run(at),
    repeat: async () => {
      for (const row of waiting.all()) await show(unpack(bytesOf(row["bytes"])));
    },
  };
};
