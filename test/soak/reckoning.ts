/** What became of every payment, by the books of all nodes: the same on both sides, once, and of the same amount. */

import type { PaymentRow } from "../../host/ldk/index.ts";

export interface Books {
  readonly name: string;
  readonly rows: readonly PaymentRow[];
}

/** What the payer's node answered to whoever asked it to pay; a node that was killed answered nothing. */
export type Said = ReadonlyMap<string, "paid" | "failed">;

export interface Reckoned {
  readonly settled: number;
  readonly failed: number;
  readonly stuck: readonly string[];
  readonly lost: readonly string[];
  readonly double: readonly string[];
}

interface Row extends PaymentRow {
  readonly of: string;
}

export const reckon = (books: readonly Books[], said: Said): Reckoned => {
  const [stuck, lost, double]: [string[], string[], string[]] = [[], [], []];
  const byHash = new Map<string, Row[]>();
  for (const { name, rows } of books)
    for (const row of rows) {
      const hash = row.hash ?? row.id;
      byHash.set(hash, [...(byHash.get(hash) ?? []), { ...row, of: name }]);
    }
  let [settled, failed] = [0, 0];
  for (const [hash, rows] of byHash) {
    const outs = rows.filter(({ direction }) => direction === "out");
    const paid = outs.filter(({ state }) => state === "done");
    const received = rows.filter(({ direction, state }) => direction === "in" && state === "done");
    const told = (list: string[], what: string): void => {
      const each = rows.map(({ of, direction, state, msat }) => `${of} ${direction} ${state} ${msat}`);
      list.push(`${what}: ${hash} (${each.join("; ")})`);
    };
    if (outs.some(({ state }) => state === "waiting")) told(stuck, "unresolved");
    else if (paid.length > 1 || received.length > 1) told(double, "more than once");
    else if (paid.length > received.length) told(lost, "paid and not received");
    else if (paid.length < received.length) told(lost, "received and not paid");
    else if (paid[0]?.msat !== received[0]?.msat) told(double, "another amount");
    else if (said.get(hash) === "paid" && paid.length === 0) told(lost, "told as paid, and not in the books");
    else if (said.get(hash) === "failed" && paid.length > 0) told(double, "told as failed, and paid");
    else if (paid.length === 1) settled++;
    else if (outs.length > 0) failed++;
  }
  return { settled, failed, stuck, lost, double };
};

export interface Purse {
  readonly name: string;
  /** Ours in all channels, without the reserves, when nothing is on its way. */
  readonly before: bigint;
  readonly after: bigint;
  readonly rows: readonly PaymentRow[];
}

/** All stays in the channels: who forwards earns what payers pay in fees, and nobody anything else. */
export const misfits = (purses: readonly Purse[]): readonly string[] => {
  const found: string[] = [];
  let [earned, fees] = [0n, 0n];
  for (const { name, before, after, rows } of purses) {
    let due = 0n;
    for (const { direction, state, msat, feeMsat = 0n } of rows) {
      if (state !== "done") continue;
      if (direction === "in") due += msat;
      else {
        due -= msat + feeMsat;
        fees += feeMsat;
      }
    }
    const more = after - before - due;
    if (more < 0n) found.push(`${name} has ${-more} msat less than the payments say`);
    earned += more;
  }
  if (earned !== fees) found.push(`payers paid ${fees} msat in fees, forwarders earned ${earned} msat`);
  return found;
};
