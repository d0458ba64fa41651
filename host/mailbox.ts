/**
 * Outbox and client together: a request is stored with the host's state, sent, and taken out in the transaction that
 * stores what its answer changes. After a restart, or a broken stream, what is still in it is sent again, in its order.
 */

import type { DatabaseSync } from "node:sqlite";
import { isKnown } from "../protocol/codec.ts";
import type { AnyRequest, Name, Request } from "../protocol/operations/index.ts";
import type { Outcome } from "../protocol/outcome.ts";
import type { SignerClient } from "./client.ts";
import { openOutbox, type Ticket, type Waiting } from "./outbox.ts";

/** A request with what became of it; its name tells the type of both. */
export type Answered = {
  readonly [N in Name]: {
    readonly name: N;
    readonly body: Request<N>;
    readonly ticket: Ticket;
    readonly outcome: Outcome<N>;
    /** False: it stays, and the next `flush` sends it again. */
    readonly settled: boolean;
  };
}[Name];

export interface MailboxOptions {
  /** The host's own, so that its transactions hold its state and the requests. */
  readonly database: DatabaseSync;
  readonly client: Pick<SignerClient, "outcome">;
  /** Inside the transaction that settles the request: stores what the answer changes. What it throws undoes both. */
  readonly answered: (answer: Answered) => void;
  /** For a host with transactions of its own; it runs `work` before it returns, and undoes it if that throws. */
  readonly transaction?: (work: () => void) => void;
}

export interface Mailbox {
  /** The host's state and the requests that follow from it: both are written, or neither. */
  transaction(work: () => void): void;
  /** Inside a transaction. */
  post<N extends Name>(name: N, body: Request<N>): Ticket;
  /** Not settled yet, oldest first. */
  waiting(): readonly Waiting[];
  /**
   * Sends what waits and is not on its way; resolves when each has had an answer. After `transaction`; at start; and
   * when what was refused for now may pass. Rejects with what `answered` threw, and when the client is closed.
   */
  flush(): Promise<void>;
}

/** What is on its way for one channel. */
interface Line {
  readonly away: Set<Ticket>;
  /** One of them stays, so a refusal of a later one may follow from that alone. */
  broken: boolean;
  last: Promise<unknown>;
}

const immediate =
  (database: DatabaseSync) =>
  (work: () => void): void => {
    database.exec("BEGIN IMMEDIATE");
    try {
      work();
      database.exec("COMMIT");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  };

/** Asking again may help: what was refused for now, and what met a fault. */
const stays = (outcome: Outcome<Name>): boolean =>
  outcome.is === "fault" || (outcome.is === "refusal" && !outcome.refusal.final);

const nothing = (): void => {};

export const openMailbox = ({
  database,
  client,
  answered,
  transaction = immediate(database),
}: MailboxOptions): Mailbox => {
  const outbox = openOutbox(database);
  const lines = new Map<string, Line>();

  const nameOf = ({ ticket, request: { body } }: Waiting): string =>
    "channel" in body && isKnown(body.channel) ? `channel ${body.channel}` : `ticket ${ticket}`;

  const lineOf = (name: string): Line => {
    const line = lines.get(name) ?? { away: new Set(), broken: false, last: Promise.resolve() };
    lines.set(name, line);
    return line;
  };

  const close = (line: Line, { ticket, request }: Waiting, outcome: Outcome<Name>): void => {
    const settled = !stays(outcome) && (outcome.is !== "refusal" || !line.broken);
    transaction(() => {
      if (settled) outbox.settle(ticket);
      answered({ ...request, ticket, outcome, settled } as Answered);
    });
    if (!settled) line.broken = true;
  };

  /** Sends before it returns; the answers of a channel are taken in its order, whatever order they come in. */
  const exchange = async (line: Line, one: Waiting, before: Promise<unknown>): Promise<void> => {
    const { name, body } = one.request;
    try {
      const outcome = await client.outcome(name, body as Request<Name>);
      await before.catch(nothing);
      close(line, one, outcome);
    } catch (error) {
      line.broken = true;
      throw error;
    } finally {
      line.away.delete(one.ticket);
      if (line.away.size === 0) lines.delete(nameOf(one));
    }
  };

  const flush = async (): Promise<void> => {
    const answers = new Set<Promise<unknown>>();
    const held = new Set<Promise<unknown>>();
    for (const one of outbox.waiting()) {
      const line = lineOf(nameOf(one));
      if (line.away.has(one.ticket)) answers.add(line.last);
      // What stays goes first, and not before the later ones that were sent with it have come back.
      else if (line.broken) held.add(line.last);
      else {
        line.away.add(one.ticket);
        line.last = exchange(line, one, line.last);
        answers.add(line.last);
      }
    }
    await Promise.all(answers);
    if (held.size === 0) return;
    await Promise.allSettled(held);
    await flush();
  };

  return {
    transaction,
    post: (name, body) => outbox.add({ name, body } as unknown as AnyRequest),
    waiting: () => outbox.waiting(),
    flush,
  };
};
