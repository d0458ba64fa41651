/** What became of payments: on disk in the turn that LDK says so, and told once, however often LDK repeats it. */

import type { NodeStore } from "./store.ts";
import type { Tell } from "./told.ts";
import { NotDone, type Turns } from "./turn.ts";

export interface Settled {
  readonly id: string;
  readonly hash: string;
  readonly preimage: string;
  readonly feeMsat: bigint;
}

export interface PaymentRow {
  readonly id: string;
  readonly direction: "in" | "out";
  readonly hash: string | undefined;
  readonly state: "waiting" | "done" | "failed";
  readonly msat: bigint;
  readonly feeMsat: bigint | undefined;
  readonly preimage: string | undefined;
  readonly reason: string | undefined;
}

export interface Ledger {
  /** In a turn. */
  expect(hash: string, msat: bigint): void;
  begin(payment: { readonly id: string; readonly hash?: string; readonly msat: bigint }): void;
  /** Kept with what it takes to claim it. */
  hold(payment: { readonly hash: string; readonly msat: bigint; readonly preimage: string }): void;
  held(hash: string): string | undefined;
  received(payment: { readonly hash: string; readonly msat: bigint; readonly preimage?: string }): void;
  sent(payment: Settled): void;
  failed(payment: { readonly id: string; readonly hash?: string; readonly reason: string }): void;
  /** It goes on, or not, without whoever waits for it. */
  postponed(id: string, why: Error): void;
  /** Waits for what LDK will say of this payment, once `start` has begun it. */
  settled(id: string, start: () => Promise<void>): Promise<Settled>;
  /** Of an invoice of ours, or of what was paid to us. */
  isOurs(hash: string): boolean;
  /** LDK forgets what is long done; a hash is never paid a second time. */
  isPaid(id: string): boolean;
  all(): readonly PaymentRow[];
}

interface Waiting {
  readonly resolve: (settled: Settled) => void;
  readonly reject: (error: Error) => void;
}

const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);

const stateOf = (value: unknown): PaymentRow["state"] =>
  value === "done" || value === "failed" ? value : "waiting";

export const openLedger = (
  { database }: Pick<NodeStore, "database">,
  turns: Pick<Turns, "afterwards">,
  tell: Tell,
): Ledger => {
  const put = database.prepare(
    "INSERT INTO payment VALUES (?, ?, ?, 'waiting', ?, NULL, NULL, NULL) ON CONFLICT DO UPDATE SET state = 'waiting', reason = NULL",
  );
  // What is done stays done, whatever is repeated after a restart.
  const done = database.prepare(
    "UPDATE payment SET state = 'done', fee = ?, preimage = ?, hash = ? WHERE id = ? AND direction = 'out' AND state <> 'done'",
  );
  const failed = database.prepare(
    "UPDATE payment SET state = 'failed', reason = ? WHERE id = ? AND direction = 'out' AND state = 'waiting'",
  );
  const received = database.prepare(
    `INSERT INTO payment VALUES (?, 'in', ?, 'done', ?, NULL, ?, NULL)
     ON CONFLICT DO UPDATE SET state = 'done', msat = excluded.msat, preimage = excluded.preimage WHERE state <> 'done'`,
  );
  const all = database.prepare("SELECT * FROM payment ORDER BY rowid");
  all.setReadBigInts(true);
  const hold = database.prepare(
    `INSERT INTO payment VALUES (?, 'in', ?, 'waiting', ?, NULL, ?, NULL)
     ON CONFLICT DO UPDATE SET msat = excluded.msat, preimage = excluded.preimage WHERE state <> 'done'`,
  );
  const held = database.prepare("SELECT preimage FROM payment WHERE id = ? AND direction = 'in'");
  const paid = database.prepare(
    "SELECT 1 FROM payment WHERE id = ? AND direction = 'out' AND state = 'done'",
  );
  const waiting = new Map<string, Waiting[]>();

  const answer = (id: string, action: (one: Waiting) => void): void => {
    const list = waiting.get(id) ?? [];
    waiting.delete(id);
    for (const one of list) action(one);
  };

  return {
    expect: (hash, msat) => void put.run(hash, "in", hash, msat),
    begin: ({ id, hash, msat }) => void put.run(id, "out", hash ?? null, msat),
    hold: ({ hash, msat, preimage }) => void hold.run(hash, hash, msat, preimage),
    held: (hash) => textOf(held.get(hash)?.["preimage"]),
    received: ({ hash, msat, preimage }) => {
      const isNew = received.run(hash, hash, msat, preimage ?? null).changes > 0;
      if (!isNew) return;
      turns.afterwards(() =>
        tell({ is: "paymentReceived", hash, msat, ...(preimage === undefined ? {} : { preimage }) }),
      );
    },
    sent: (settled) => {
      const { id, hash, preimage, feeMsat } = settled;
      const isNew = done.run(feeMsat, preimage, hash, id).changes > 0;
      turns.afterwards(() => {
        if (isNew) tell({ is: "paymentSent", ...settled });
        answer(id, ({ resolve }) => resolve(settled));
      });
    },
    failed: ({ id, hash, reason }) => {
      const isNew = failed.run(reason, id).changes > 0;
      turns.afterwards(() => {
        if (isNew) tell({ is: "paymentFailed", id, reason, ...(hash === undefined ? {} : { hash }) });
        answer(id, ({ reject }) => reject(new NotDone(`the payment failed: ${reason}`)));
      });
    },
    postponed: (id, why) => answer(id, ({ reject }) => reject(why)),
    settled: (id, start) =>
      new Promise<Settled>((resolve, reject) => {
        const one: Waiting = { resolve, reject };
        waiting.set(id, [...(waiting.get(id) ?? []), one]);
        start().catch((error: unknown) => {
          waiting.set(
            id,
            (waiting.get(id) ?? []).filter((other) => other !== one),
          );
          reject(error instanceof Error ? error : new NotDone(String(error)));
        });
      }),
    isOurs: (hash) => held.get(hash) !== undefined,
    isPaid: (id) => paid.get(id) !== undefined,
    all: () =>
      all.all().map((row) => ({
        id: String(row["id"]),
        direction: row["direction"] === "in" ? "in" : "out",
        hash: textOf(row["hash"]),
        state: stateOf(row["state"]),
        msat: BigInt(row["msat"] as bigint),
        feeMsat: row["fee"] === null ? undefined : BigInt(row["fee"] as bigint),
        preimage: textOf(row["preimage"]),
        reason: textOf(row["reason"]),
      })),
  };
};
