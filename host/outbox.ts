/**
 * Requests that must reach the signer, kept with the host's own state: both are written in one transaction, and only
 * then is anything sent. So a crash at any point ends as "neither happened" or "ask again", never in between.
 */

import type { DatabaseSync } from "node:sqlite";
import { type AnyRequest, packRequest, unpackRequest } from "../protocol/operations/index.ts";

/** Grows with each request of this host, and is the order in which they are sent. */
export type Ticket = number;

export interface Waiting {
  readonly ticket: Ticket;
  readonly request: AnyRequest;
}

export interface Outbox {
  /** Inside the host's transaction. */
  add(request: AnyRequest): Ticket;
  /** Inside the transaction in which the host stores what the answer changes. Whether it was still there. */
  settle(ticket: Ticket): boolean;
  /** Not settled yet, oldest first. */
  waiting(): readonly Waiting[];
}

/** Lives in the host's own database, so that its transactions hold both. */
export const openOutbox = (database: DatabaseSync): Outbox => {
  database.exec(
    "CREATE TABLE IF NOT EXISTS outbox (ticket INTEGER PRIMARY KEY AUTOINCREMENT, request BLOB NOT NULL) STRICT",
  );
  const add = database.prepare("INSERT INTO outbox (request) VALUES (?)");
  const settle = database.prepare("DELETE FROM outbox WHERE ticket = ?");
  const waiting = database.prepare("SELECT ticket, request FROM outbox ORDER BY ticket");
  return {
    add: ({ name, body }) => Number(add.run(packRequest(name, body as never)).lastInsertRowid),
    settle: (ticket) => Number(settle.run(ticket).changes) > 0,
    waiting: () =>
      waiting.all().map((row) => ({
        ticket: Number(row["ticket"]),
        request: unpackRequest(Uint8Array.from(row["request"] as Uint8Array)),
      })),
  };
};
