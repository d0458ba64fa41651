/**
 * An honest host with many channels, whose memory is a database: its state and the requests that follow from it are
 * written in one transaction before anything is sent, and its own crash is to forget all but that.
 */

import { DatabaseSync } from "node:sqlite";
import { setTimeout as pause } from "node:timers/promises";
import { signerClient, Unanswered } from "../../host/index.ts";
import { openOutbox, type Ticket } from "../../host/outbox.ts";
import { equal } from "../../protocol/bytes.ts";
import { type AnyRequest, type Name, operations, packRequest } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import type { Role } from "../../protocol/wire/caller.ts";
import type { Connection } from "../../protocol/wire/connection.ts";
import { questionIn } from "../../signer/core/second.ts";
import type { Checker } from "./checker.ts";
import { anyLife, type Life, type Move, type World } from "./life.ts";
import { type Chain, chain, deepIn, hears, isFollowed } from "./lives/chain.ts";
import { desk } from "./lives/desk.ts";
import { forward } from "./lives/forward.ts";
import { payer } from "./lives/payer.ts";
import { shore } from "./lives/shore.ts";
import { wander } from "./lives/wander.ts";
import { read, write } from "./memory.ts";
import { isAmong, openMempool } from "./mempool.ts";

export interface HostOptions {
  readonly database: string;
  readonly world: World;
  /** How many things happen beside each other. */
  readonly places: number;
  readonly checker: Checker;
  readonly connect: (role: Role) => Promise<Connection>;
}

export interface Host {
  /** What was reached in each place since it began. */
  progress(): readonly number[];
  /** Forgets everything that is not on disk. */
  crash(): Promise<void>;
}

const theChain = 0;
const others = [
  forward,
  payer,
  desk,
  shore,
  wander,
  shore,
  forward,
  wander,
] as readonly unknown[] as readonly Life<unknown>[];
const lifeOf = (place: number): Life<unknown> =>
  place === theChain ? anyLife(chain) : (others[(place - 1) % others.length] as Life<unknown>);

const sameRequest = (a: AnyRequest, b: AnyRequest): boolean =>
  a.name === b.name && equal(packRequest(a.name, a.body as never), packRequest(b.name, b.body as never));

/**
 * In the middle of a reorganisation, while a breach waits, or while the device is away nothing new is begun; an honest
 * host asks again later, and a thief is not stopped by the hour either.
 */
const isForLater = (outcome: Outcome<Name>): boolean =>
  outcome.is === "refusal" &&
  !outcome.refusal.final &&
  ["chain-not-stale", "chain-validated", "chain-deadline-alarm", "device-reachable"].includes(
    outcome.refusal.rule,
  );
const patience = 3_000;

/** The device was cut off while its person had the question: whoever asks again puts it before them again. */
const isUnanswered = (outcome: Outcome<Name>): boolean => {
  if (outcome.is === "refusal") return questionIn(outcome.refusal) !== undefined;
  return outcome.is === "reply" && "standing" in outcome.reply && outcome.reply.standing === "pending";
};
const askedAgain = 100;

export const openHost = ({ database, world, places, checker, connect }: HostOptions): Host => {
  const db = new DatabaseSync(database);
  // What is tested is this process's crash, not the machine's.
  db.exec("PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL");
  db.exec("CREATE TABLE IF NOT EXISTS life (place INTEGER PRIMARY KEY, state TEXT NOT NULL) STRICT");
  db.exec("CREATE TABLE IF NOT EXISTS ticket (ticket INTEGER PRIMARY KEY, place INTEGER NOT NULL) STRICT");
  const outbox = openOutbox(db);
  const mempool = openMempool(db);
  const load = db.prepare("SELECT state FROM life WHERE place = ?");
  const save = db.prepare("INSERT INTO life VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state");
  const own = db.prepare("INSERT INTO ticket VALUES (?, ?)");
  const owned = db.prepare("SELECT ticket FROM ticket WHERE place = ? ORDER BY ticket");
  const disown = db.prepare("DELETE FROM ticket WHERE ticket = ?");
  const client = signerClient({ connect: () => connect("host"), backoff: { first: 10, most: 100 } });
  const steps: number[] = Array.from({ length: places }, () => 0);
  const followed = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
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

  const ticketsFor = (place: number, moves: readonly Move[]): readonly Ticket[] => {
    const left = owned.all(place).map((row) => Number(row["ticket"]));
    if (left.length === 0)
      return transaction(() =>
        moves.map(({ request }) => {
          const ticket = outbox.add(request);
          own.run(ticket, place);
          return ticket;
        }),
      );
    const waiting = outbox.waiting().filter(({ ticket }) => left.includes(ticket));
    const same =
      waiting.length === moves.length &&
      waiting.every(({ request }, i) => sameRequest(request, (moves[i] as Move).request));
    if (!same) checker.stuck(`place ${place}: the outbox and the host's state tell different stories`);
    return left;
  };

  /** A person's tool has no stream: it asks once, and again when nobody answered. */
  const asAdmin = async ({ name, body }: AnyRequest): Promise<Outcome<Name>> => {
    while (open) {
      try {
        const connection = await connect("admin");
        try {
          return await connection.unary(name, body as never, { timeoutMs: 2_000 });
        } finally {
          await connection.close();
        }
      } catch {
        await pause(20);
      }
    }
    throw new Unanswered("the host crashed");
  };
  const send = async (moves: readonly Move[]): Promise<readonly Outcome<Name>[]> => {
    for (let tried = 0; ; tried++) {
      // A person waits for each answer before asking more.
      let before: Promise<unknown> = Promise.resolve();
      const sent: Promise<Outcome<Name>>[] = [];
      const judged = moves.map(({ request, waits }) => {
        const judge = checker.sent(request);
        if (operations[request.name].role !== "admin") {
          const ask = () => client.outcome(request.name, request.body as never);
          const isRefused = async () => (await Promise.all(sent)).find(({ is }) => is !== "reply");
          const answer = waits === true ? isRefused().then((refusal) => refusal ?? ask()) : ask();
          sent.push(answer);
          return { judge, answer };
        }
        const answer = before.then(() => asAdmin(request));
        before = answer.catch(() => {});
        return { judge, answer };
      });
      const outcomes = await Promise.all(judged.map(({ answer }) => answer));
      const isLater = outcomes.some((one, i) => moves[i]?.expects !== "either" && isForLater(one));
      const isOpen =
        world.person === "device" &&
        outcomes.some((one, i) => moves[i]?.expects === "reply" && isUnanswered(one));
      if ((isLater && tried < patience) || (isOpen && tried < askedAgain)) {
        await pause(5);
        if (!open) throw new Unanswered("the host crashed");
        continue;
      }
      for (const [i, { judge }] of judged.entries()) judge(moves[i] as Move, outcomes[i] as Outcome<Name>);
      return outcomes;
    }
  };

  const turn = async (place: number, life: Life<unknown>, state: unknown): Promise<unknown> => {
    const moves = await life.moves(world, state);
    const tickets = ticketsFor(place, moves);
    const outcomes = await send(moves);
    if (!open) return undefined;
    const isHeld = outcomes.every(({ is }, i) => is === "reply" || moves[i]?.expects !== "reply");
    if (!isHeld) return undefined;
    const answers = outcomes.map((outcome) => (outcome.is === "reply" ? outcome.reply : undefined));
    let next = life.after(state, moves, answers);
    transaction(() => {
      if (place === theChain) {
        mempool.bury(deepIn(next as Chain));
        next = hears(next as Chain, mempool.waiting());
      }
      for (const ticket of tickets) {
        outbox.settle(ticket);
        disown.run(ticket);
      }
      save.run(place, write(next));
    });
    return next;
  };

  const buried = async (raws: readonly Uint8Array[]): Promise<void> => {
    if (raws.length === 0) return;
    mempool.publish(raws);
    while (open && mempool.waiting().some((one) => isAmong(raws, one))) await pause(5);
  };

  /** What was sent and not answered is sent again as it was; only then may it be something else. */
  const remembered = (place: number, life: Life<unknown>): unknown => {
    const row = load.get(place);
    const state = row === undefined ? life.begin(`place ${place}`, world.person) : read(String(row["state"]));
    const now = row === undefined ? state : (life.comeBack?.(state) ?? state);
    save.run(place, write(now));
    return now;
  };

  const live = async (place: number): Promise<void> => {
    const life = lifeOf(place);
    let state = remembered(place, life);
    if (place !== theChain) await Promise.race([followed.promise, ended.promise]);
    while (open && state !== undefined) {
      if (place === theChain && isFollowed(state as Chain)) followed.resolve();
      await buried(life.publishes?.(world, state) ?? []);
      if (!open) return;
      state = await turn(place, life, state);
      steps[place] = (steps[place] ?? 0) + 1;
    }
  };

  const lives = Array.from({ length: places }, (_, place) =>
    live(place).catch((error: unknown) => {
      if (!(error instanceof Unanswered)) checker.stuck(`place ${place}: ${(error as Error).stack}`);
    }),
  );

  return {
    progress: () => [...steps],
    crash: async () => {
      open = false;
      ended.resolve();
      await client.close();
      await Promise.all(lives);
      db.close();
    },
  };
};
