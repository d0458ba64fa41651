/** The requests of one session, on the device. */

import { Malformed } from "../malformed.ts";
import type { Role } from "./answering.ts";
import { assembler, type Piece, piecesOf } from "./piece.ts";
import type { LinkPorts, LinkTimes } from "./ports.ts";

export interface Request {
  /** Aborted when the signer gives up, or its session ends: then nobody hears the answer, and it will ask again. */
  readonly signal: AbortSignal;
  /** For the keepalives: a person decides, or not any more. */
  waitsForPerson(does: boolean): void;
}

/** Called in the order of the requests. What it throws the signer does not hear. */
export type Answer = (request: Uint8Array, about: Request) => Promise<Uint8Array>;

export interface RequestsOptions {
  readonly answer: Answer;
  readonly now: (piece: () => Piece | undefined) => void;
  readonly later: (pieces: () => Piece | undefined) => void;
  readonly ports: Pick<LinkPorts, "after">;
  readonly times: Pick<LinkTimes, "keepaliveMs">;
  readonly maxRequest: number;
  readonly maxAnswer: number;
  readonly inFlight: number;
  readonly onFault: (error: unknown) => void;
}

interface Running {
  readonly abort: AbortController;
  waitsForPerson: boolean;
}

type Failed = Extract<Piece, { kind: "failed" }>;

export const requests = (options: RequestsOptions): Role => {
  const { answer, now, later, ports, times, maxRequest, maxAnswer, inFlight, onFault } = options;
  const running = new Map<number, Running>();
  const whole = assembler(maxRequest);
  let stopTimer: (() => void) | undefined;

  const beat = (): void => {
    stopTimer?.();
    stopTimer = undefined;
    if (running.size === 0) return;
    stopTimer = ports.after(times.keepaliveMs, () => {
      for (const [id, one] of running)
        now(() =>
          // It may have been answered while others were sent.
          running.get(id) === one
            ? { kind: "keepalive", id, waits: one.waitsForPerson ? "person" : "work" }
            : undefined,
        );
      beat();
    });
  };

  const failed = (id: number, why: Failed["why"]): void => now(() => ({ kind: "failed", id, why }));

  const finish = (id: number, one: Running): boolean => {
    if (running.get(id) !== one) return false;
    running.delete(id);
    if (running.size === 0) beat();
    return true;
  };

  const run = async (id: number, one: Running, request: Uint8Array): Promise<void> => {
    let message: Uint8Array;
    try {
      message = await answer(request, {
        signal: one.abort.signal,
        waitsForPerson: (does) => {
          one.waitsForPerson = does;
        },
      });
    } catch (error) {
      if (finish(id, one)) {
        onFault(error);
        failed(id, "broken");
      }
      return;
    }
    if (message.length > maxAnswer) {
      if (finish(id, one)) failed(id, "long");
      return;
    }
    const pieces = piecesOf("answer", id, message);
    // It keeps its place until it has left: a signer that does not read can't have answers pile up.
    later(() => {
      if (running.get(id) !== one) return undefined;
      const piece = pieces();
      if (piece === undefined || piece.offset + piece.bytes.length === piece.total) finish(id, one);
      return piece;
    });
  };

  const begin = (id: number, request: Uint8Array): void => {
    if (running.has(id)) throw new Malformed("id", "another request of this id is not yet answered");
    if (running.size >= inFlight) {
      failed(id, "busy");
      return;
    }
    const one: Running = { abort: new AbortController(), waitsForPerson: false };
    running.set(id, one);
    if (stopTimer === undefined) beat();
    void run(id, one, request);
  };

  return {
    receive: (piece) => {
      switch (piece.kind) {
        case "request": {
          const done = whole(piece);
          if (done !== undefined) begin(done.id, done.message);
          return;
        }
        case "cancel": {
          const one = running.get(piece.id);
          if (one === undefined) return;
          finish(piece.id, one);
          one.abort.abort();
          return failed(piece.id, "cancelled");
        }
        case "answer":
        case "keepalive":
        case "failed":
        case "close":
        case "commit":
        case "challenge":
        case "reveal":
        case "verdict":
        case "comparing":
          throw new Malformed(piece.kind, "nothing that a signer says in a session");
      }
    },
    stop: () => {
      stopTimer?.();
      stopTimer = undefined;
      for (const { abort } of running.values()) abort.abort();
      running.clear();
    },
  };
};
