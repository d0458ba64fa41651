/** The host's end of a stream, whatever carries it. */

import { Malformed } from "../malformed.ts";
import { type Answer, decodeOutcome, encodeRequest } from "../operations/envelope.ts";
import type { Name, Request } from "../operations/index.ts";
import type { Outcome } from "../outcome.ts";
import { type CallOptions, Disconnected, TimedOut } from "./connection.ts";

/** Settles as `promise` does, unless the caller gives up first. */
export const orGivenUp = <T>(promise: Promise<T>, what: string, options: CallOptions = {}): Promise<T> => {
  const { signal, timeoutMs } = options;
  if (signal === undefined && timeoutMs === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const aborted = (): void => reject(signal?.reason);
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => reject(new TimedOut(`no answer to ${what} within ${timeoutMs} ms`)), timeoutMs);
    const clear = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
    };
    if (signal?.aborted === true) aborted();
    else signal?.addEventListener("abort", aborted, { once: true });
    promise.then(resolve, reject).finally(clear);
  });
};

export interface Exchange {
  call<N extends Name>(name: N, body: Request<N>, options?: CallOptions): Promise<Outcome<N>>;
  receive(bytes: Uint8Array): void;
  /** Rejects what is still open; the first reason stays. */
  lose(why: Disconnected): void;
  readonly closed: Promise<Disconnected>;
}

interface Open {
  readonly name: Name;
  readonly resolve: (outcome: Outcome<Name>) => void;
  readonly reject: (error: Disconnected) => void;
}

export const exchange = (line: { send(bytes: Uint8Array): void; drop(): void }): Exchange => {
  const open = new Map<bigint, Open>();
  const closed = Promise.withResolvers<Disconnected>();
  let last = 0n;
  let gone: Disconnected | undefined;

  const lose = (why: Disconnected): void => {
    if (gone !== undefined) return;
    gone = why;
    for (const { reject } of open.values()) reject(why);
    open.clear();
    closed.resolve(why);
    line.drop();
  };

  const accept = (answer: Answer): void => {
    // The signer could not read an id: it ends the stream and says why.
    if (answer.id === 0n) return;
    const asked = open.get(answer.id);
    if (asked === undefined) throw new Malformed("id", "nothing was asked under it");
    if (answer.is === "reply" && answer.name !== asked.name)
      throw new Malformed(answer.name, `an answer to ${asked.name}`);
    open.delete(answer.id);
    const { id: _, ...outcome } = answer;
    asked.resolve(outcome.is === "reply" ? { is: "reply", reply: outcome.reply } : outcome);
  };

  return {
    closed: closed.promise,
    lose,
    call: <N extends Name>(name: N, body: Request<N>, options?: CallOptions): Promise<Outcome<N>> => {
      if (gone !== undefined) return Promise.reject(gone);
      if (options?.signal?.aborted === true) return Promise.reject(options.signal.reason);
      const id = last + 1n;
      let bytes: Uint8Array;
      try {
        bytes = encodeRequest(id, name, body);
      } catch (error) {
        return Promise.reject(error);
      }
      last = id;
      const outcome = new Promise<Outcome<Name>>((resolve, reject) =>
        open.set(id, { name, resolve, reject }),
      );
      line.send(bytes);
      return orGivenUp(outcome as Promise<Outcome<N>>, name, options);
    },
    receive: (bytes) => {
      if (gone !== undefined) return;
      try {
        accept(decodeOutcome(bytes));
      } catch (error) {
        lose(new Disconnected("protocol", `the signer sent what is no answer: ${(error as Error).message}`));
      }
    },
  };
};
