/**
 * An honest host with many channels, whose memory is a database: its state and the requests that follow from it are
 * written in one transaction before anything is sent, and its own crash is to forget all but that.
 */

import { DatabaseSync } from "node:sqlite";
import { signerClient, Unanswered } from "../../host/index.ts";
import { openOutbox, type Ticket } from "../../host/outbox.ts";
import { equal } from "../../protocol/bytes.ts";
import { type AnyRequest, type Name, packRequest, type Reply } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { NodeId } from "../../protocol/units.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import type { Peer } from "../scripted/peer.ts";
import type { Checker } from "./checker.ts";
import { after, batchOf, begin, type Journey, read, theftOf, write } from "./journey.ts";

export interface HostOptions {
  readonly database: string;
  readonly node: NodeId;
  readonly peer: Peer;
  readonly channels: number;
  readonly checker: Checker;
  readonly connect: () => Promise<Connection>;
}

export interface Host {
  /** Updates and ends that were reached since it began. */
  progress(): readonly number[];
  /** Forgets everything that is not on disk. */
  crash(): Promise<void>;
}

const sameRequest = (a: AnyRequest, b: AnyRequest): boolean =>
  a.name === b.name && equal(packRequest(a.name, a.body as never), packRequest(b.name, b.body as never));

export const openHost = ({ database, node, peer, channels, checker, connect }: HostOptions): Host => {
  const db = new DatabaseSync(database);
  // What is tested is this process's crash, not the machine's.
  db.exec("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL");
  db.exec("CREATE TABLE IF NOT EXISTS journey (place INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT");
  db.exec("CREATE TABLE IF NOT EXISTS ticket (ticket INTEGER PRIMARY KEY, place INTEGER NOT NULL) STRICT");
  const outbox = openOutbox(db);
  const load = db.prepare("SELECT state FROM journey WHERE place = ?");
  const save = db.prepare(
    "INSERT INTO journey VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
  );
  const own = db.prepare("INSERT INTO ticket VALUES (?, ?)");
  const owned = db.prepare("SELECT ticket FROM ticket WHERE place = ? ORDER BY ticket");
  const disown = db.prepare("DELETE FROM ticket WHERE ticket = ?");
  const client = signerClient({ connect, backoff: { first: 10, most: 100 } });
  const steps: number[] = Array.from({ length: channels }, () => 0);
  let open = true;

  const transaction = <T>(action: () => T): T => {
    db.exec("BEGIN");
    try {
      const result = action();
      db.exec("COMMIT");
      return result;
    } catch (error) {
      db.exec("ROLLBACK");
      throw error;
    }
  };

  const ticketsFor = (place: number, batch: readonly AnyRequest[]): readonly Ticket[] => {
    const left = owned.all(place).map((row) => Number(row["ticket"]));
    if (left.length === 0)
      return transaction(() =>
        batch.map((request) => {
          const ticket = outbox.add(request);
          own.run(ticket, place);
          return ticket;
        }),
      );
    const waiting = outbox.waiting().filter(({ ticket }) => left.includes(ticket));
    const same =
      waiting.length === batch.length &&
      waiting.every(({ request }, i) => sameRequest(request, batch[i] as AnyRequest));
    if (!same) checker.stuck(`place ${place}: the outbox and the host's state tell different stories`);
    return left;
  };

  const send = async (request: AnyRequest): Promise<Outcome<Name>> => {
    checker.sent(request);
    return await client.outcome(request.name, request.body as never);
  };

  const turn = async (place: number, journey: Journey): Promise<Journey | undefined> => {
    if (journey.stage === "done") {
      const [validate, revoke] = theftOf(node, journey, peer);
      if (validate !== undefined) checker.answered(validate, await send(validate));
      if (revoke !== undefined) checker.theft(revoke, await send(revoke));
      return after(journey, []);
    }
    const batch = batchOf(node, journey, peer);
    const tickets = ticketsFor(place, batch);
    const outcomes = await Promise.all(batch.map(send));
    if (!open) return undefined;
    for (const [i, outcome] of outcomes.entries()) checker.answered(batch[i] as AnyRequest, outcome);
    const replies = outcomes.flatMap((outcome, i) =>
      outcome.is === "reply"
        ? [{ name: (batch[i] as AnyRequest).name, reply: outcome.reply as Reply<Name> }]
        : [],
    );
    if (replies.length < batch.length) return undefined;
    const next = after(journey, replies);
    transaction(() => {
      for (const ticket of tickets) {
        outbox.settle(ticket);
        disown.run(ticket);
      }
      save.run(place, write(next));
    });
    return next;
  };

  const live = async (place: number): Promise<void> => {
    const row = load.get(place);
    let journey: Journey | undefined =
      row === undefined ? begin(`place ${place}`) : read(String(row["state"]));
    if (row === undefined) save.run(place, write(journey));
    while (open && journey !== undefined) {
      journey = await turn(place, journey);
      steps[place] = (steps[place] ?? 0) + 1;
    }
  };

  const lives = Array.from({ length: channels }, (_, place) =>
    live(place).catch((error: unknown) => {
      if (!(error instanceof Unanswered)) checker.stuck(`place ${place}: ${(error as Error).stack}`);
    }),
  );

  return {
    progress: () => [...steps],
    crash: async () => {
      open = false;
      await client.close();
      await Promise.all(lives);
      db.close();
    },
  };
};
