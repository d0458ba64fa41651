/**
 * How LDK's requests travel to the signer: what moves a channel on is stored with LDK's own state and sent after the
 * commit, the rest is only sent after it. LDK hears "not yet" until the answer is here, and asks again.
 */

import type { DatabaseSync } from "node:sqlite";
import { toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import { doubleSha256 } from "../../../protocol/hash.ts";
import {
  type AnyRequest,
  contentHash,
  type Name,
  operations,
  type Reply,
  type Request,
} from "../../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../../protocol/outcome.ts";
import type { ChannelId } from "../../../protocol/units.ts";
import { openOutbox, type Ticket, type Waiting } from "../../outbox.ts";
import type { SignerLine } from "../bridge/line.ts";
import type { Tell } from "./remote-events.ts";

export interface Road {
  /** The reply, once it is there; the first call asks for it, and `wake` tells when to call again. */
  reply<N extends Name>(name: N, body: Request<N>): Reply<N> | undefined;
  /** Only asks: LDK was told that all is well. */
  put<N extends Name>(name: N, body: Request<N>): void;
  /** A channel that is at its end: nobody waits any more for what would move it on. */
  abandon(channel: ChannelId): void;
  /** One that never came about: nobody waits for anything. */
  drop(channel: ChannelId): void;
  /** What a crash left waiting is sent, in its order; resolves when each was answered or has to wait on. */
  resume(): Promise<void>;
  /** What may pass later is asked now: something has changed. */
  again(): void;
  /** How many rows of answered requests were taken out: they would be asked again. */
  store(): number;
  flush(): void;
  close(): void;
}

export interface RoadParts {
  readonly line: SignerLine;
  readonly database: DatabaseSync;
  readonly tell: Tell;
  /** LDK may be told to ask again. */
  readonly wake: () => void;
  /** It will never pass, and what follows from it is refused with it. */
  readonly lost: (request: AnyRequest, refusal: Refusal) => void;
  /** Of every reply, before LDK is woken. */
  readonly answered: (request: AnyRequest, reply: unknown) => void;
}

/** Milliseconds before what may pass later is asked again; doubled with each time. */
const first = 1_000;
const longest = 30_000;
/** Answers that LDK may ask for once more. */
const mostKnown = 512;

const channelOf = (body: object): ChannelId | undefined =>
  "channel" in body && typeof body.channel === "bigint" ? (body.channel as ChannelId) : undefined;

/** LDK asks for one commitment with ever other proofs beside it: the transaction says which one it is. */
const keyOf = ({ name, body }: AnyRequest): string => {
  const transaction =
    name === "signCounterpartyCommitment" || name === "validateHolderCommitment" ? body.expected : undefined;
  return transaction !== undefined && isKnown(transaction)
    ? `${name} ${channelOf(body)} ${toHex(doubleSha256(transaction))}`
    : `${name} ${toHex(contentHash(name, body as never))}`;
};

const movesOn = ({ name }: AnyRequest): boolean =>
  name === "signCounterpartyCommitment" || name === "revokeHolderCommitment";

/** What a crash must not lose. A preimage LDK tells of once. */
const isLasting = ({ name }: AnyRequest): boolean => operations[name].ratchet || name === "showPreimages";

/** A person was asked, and said no: asking again would only ask again. */
const isDenied = ({ facts }: Refusal): boolean =>
  facts.some(({ name, value }) => name === "standing" && value === "denied");

export const openRoad = ({ line, database, tell, wake, lost, answered }: RoadParts): Road => {
  const outbox = openOutbox(database);
  const known = new Map<string, Outcome<Name>>();
  /** Asked for, and not answered. */
  const pending = new Set<string>();
  /** Of these LDK heard "not yet". */
  const awaited = new Set<string>();
  let unstored: AnyRequest[] = [];
  let unsent: { readonly request: AnyRequest; readonly ticket: Ticket | undefined }[] = [];
  let unsettled: Ticket[] = [];
  /** Whose first request in the outbox may pass later: what follows it waits behind it. */
  const stalled = new Map<ChannelId | undefined, number>();
  const timersOf = new Set<ChannelId | undefined>();
  const ended = new Set<ChannelId | undefined>();
  const dropped = new Set<ChannelId | undefined>();
  /** Refusals that were told: the same one again is no news. */
  const heard = new Map<string, string>();
  const inFlight = new Set<Ticket>();
  const timers = new Map<NodeJS.Timeout, () => void>();
  let closed = false;
  let resumed = false;

  const remember = (key: string, outcome: Outcome<Name>): void => {
    known.delete(key);
    known.set(key, outcome);
    for (const oldest of known.keys()) {
      if (known.size <= mostKnown) break;
      known.delete(oldest);
    }
  };

  const later = (ms: number, action: () => void): void => {
    if (closed) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      action();
    }, ms);
    timer.unref();
    timers.set(timer, action);
  };

  /** All that waits for the channel, oldest first: what was refused because of its predecessor may pass now. */
  const retry = (channel: ChannelId | undefined): Promise<void> =>
    sendAll(
      outbox
        .waiting()
        .filter(
          ({ ticket, request }) =>
            !inFlight.has(ticket) && !unsettled.includes(ticket) && channelOf(request.body) === channel,
        ),
    );

  const stall = (request: AnyRequest, ticket: Ticket | undefined): void => {
    const channel = channelOf(request.body);
    if (ticket === undefined) {
      later(longest / 6, () => void send(request, undefined));
      return;
    }
    if (timersOf.has(channel)) return;
    const wait = stalled.get(channel) ?? first;
    stalled.set(channel, Math.min(2 * wait, longest));
    timersOf.add(channel);
    later(wait, () => {
      timersOf.delete(channel);
      void retry(channel);
    });
  };
  const settle = (request: AnyRequest, ticket: Ticket | undefined, outcome: Outcome<Name>): void => {
    const key = keyOf(request);
    heard.delete(key);
    pending.delete(key);
    remember(key, outcome);
    if (ticket !== undefined) unsettled.push(ticket);
    if (outcome.is === "reply") {
      const channel = channelOf(request.body);
      // What was asked meanwhile was kept back.
      if (ticket !== undefined && stalled.delete(channel)) void retry(channel);
      answered(request, outcome.reply);
    }
    if (awaited.delete(key)) wake();
  };

  /** A refusal may be for want of what was asked before, and waits too. */
  const isBehind = (channel: ChannelId | undefined, ticket: Ticket): boolean =>
    outbox
      .waiting()
      .some(
        (other) =>
          other.ticket < ticket &&
          !unsettled.includes(other.ticket) &&
          channelOf(other.request.body) === channel,
      );

  const send = async (request: AnyRequest, ticket: Ticket | undefined): Promise<void> => {
    const { name, body } = request;
    const channel = channelOf(body);
    if (ticket !== undefined) inFlight.add(ticket);
    let outcome: Outcome<Name>;
    try {
      outcome = (await line.ask(name, body as never)) as Outcome<Name>;
    } catch {
      // The line was closed: what is in the outbox is sent at the next start.
      return;
    } finally {
      if (ticket !== undefined) inFlight.delete(ticket);
    }
    if (closed) return;
    switch (outcome.is) {
      case "reply":
        return settle(request, ticket, outcome);
      case "refusal": {
        const { refusal } = outcome;
        const over = dropped.has(channel) || (ended.has(channel) && movesOn(request)) || isDenied(refusal);
        const waits = !over && (!refusal.final || (ticket !== undefined && isBehind(channel, ticket)));
        const key = keyOf(request);
        if (heard.get(key) !== refusal.rule && !dropped.has(channel))
          tell({ is: "refused", operation: name, channel, refusal, waits });
        if (waits) {
          heard.set(key, refusal.rule);
          return stall(request, ticket);
        }
        settle(request, ticket, outcome);
        if (!dropped.has(channel)) lost(request, refusal);
        // Whatever waits behind it is judged without it.
        if (ticket !== undefined && stalled.delete(channel)) void retry(channel);
        return;
      }
      case "fault":
        tell({ is: "trouble", operation: name, fault: outcome.fault });
        return stall(request, ticket);
      case "malformed": {
        const { path, reason } = outcome.malformed;
        tell({ is: "trouble", operation: name, fault: { sentence: `not understood: ${path}: ${reason}` } });
        return settle(request, ticket, outcome);
      }
    }
  };

  const sendAll = async (waiting: readonly Waiting[]): Promise<void> => {
    await Promise.all(waiting.map(({ ticket, request }) => send(request, ticket)));
  };

  const ask = (request: AnyRequest, key: string): void => {
    if (pending.has(key)) return;
    pending.add(key);
    if (isLasting(request)) unstored.push(request);
    else unsent.push({ request, ticket: undefined });
  };

  const forget = (matches: (request: AnyRequest) => boolean): void => {
    for (const { ticket, request } of outbox.waiting())
      if (matches(request) && !inFlight.has(ticket)) {
        unsettled.push(ticket);
        heard.delete(keyOf(request));
      }
    unstored = unstored.filter((request) => !matches(request));
  };

  return {
    reply: (name, body) => {
      const request = { name, body } as unknown as AnyRequest;
      const key = keyOf(request);
      const outcome = known.get(key);
      if (outcome === undefined) {
        awaited.add(key);
        ask(request, key);
        return undefined;
      }
      return outcome.is === "reply" ? (outcome.reply as Reply<typeof name>) : undefined;
    },
    put: (name, body) => {
      const request = { name, body } as unknown as AnyRequest;
      const key = keyOf(request);
      if (!known.has(key)) ask(request, key);
    },
    abandon: (channel) => {
      ended.add(channel);
      forget((request) => channelOf(request.body) === channel && movesOn(request));
    },
    drop: (channel) => {
      dropped.add(channel);
      forget((request) => channelOf(request.body) === channel);
    },
    resume: async () => {
      if (resumed) return;
      resumed = true;
      const waiting = outbox.waiting();
      for (const { request } of waiting) pending.add(keyOf(request));
      await sendAll(waiting);
    },
    store: () => {
      const settled = unsettled.filter((ticket) => outbox.settle(ticket)).length;
      unsettled = [];
      for (const request of unstored) unsent.push({ request, ticket: outbox.add(request) });
      unstored = [];
      return settled;
    },
    flush: () => {
      const due = unsent;
      unsent = [];
      for (const { request, ticket } of due) {
        if (ticket !== undefined && stalled.has(channelOf(request.body))) continue;
        void send(request, ticket);
      }
    },
    again: () => {
      const due = [...timers];
      timers.clear();
      for (const [timer, action] of due) {
        clearTimeout(timer);
        action();
      }
    },
    close: () => {
      closed = true;
      for (const timer of timers.keys()) clearTimeout(timer);
    },
  };
};
