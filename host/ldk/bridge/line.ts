/**
 * The signer as LDK's thread asks it. One stream in one order, owned by a thread of its own: an answer comes as a fresh
 * task, or LDK's thread stands still for it, where LDK takes no "not yet".
 */

import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import {
  type AnyReply,
  type Name,
  packRequest,
  type Reply,
  type Request,
  unpackReply,
} from "../../../protocol/operations/index.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import type { ClientState } from "../../client.ts";
import { Unanswered } from "../../failures.ts";
import { type Lines, openLines } from "./lines.ts";
import { type Answer, type Asked, bell, type Told } from "./thread-messages.ts";

export interface SignerLine {
  /** In the order of asking. Rejects with `Unanswered` once the line is closed; else it waits for as long as it takes. */
  ask<N extends Name>(name: N, body: Request<N>): Promise<Outcome<N>>;
  /**
   * The same, and nothing else happens in this thread before the answer. With a limit in milliseconds it throws `Unanswered`
   * after it, and the line is good for nothing more: a late answer would be taken for another's.
   */
  wait<N extends Name>(name: N, body: Request<N>, limit?: number): Outcome<N>;
  close(): Promise<void>;
}

export interface LineOptions {
  /** The copy of the signer's `host` folder. */
  readonly bundle: string;
  /** While this thread stands still for an answer nothing is told here: `watch` is for another thread. */
  readonly onState?: (state: ClientState) => void;
  readonly watch?: MessagePort;
  /** With others. Default: a thread of its own. */
  readonly lines?: Lines;
}

/** Milliseconds between two looks whether the other thread is still there. */
const patience = 1_000;
/** Looks in which it did nothing at all. */
const mostStill = 60;

const outcomeOf = <N extends Name>(answer: Answer): Outcome<N> =>
  answer.is === "reply"
    ? { is: "reply", reply: (unpackReply(answer.packed) as AnyReply).body as Reply<N> }
    : (answer as Outcome<N>);

export const openLine = ({ bundle, onState = () => {}, watch, lines }: LineOptions): SignerLine => {
  const shared = new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT);
  const words = new Int32Array(shared);
  const { port1: blocking, port2 } = new MessageChannel();
  const { port1: talk, port2: theirs } = new MessageChannel();
  const threads = lines ?? openLines();
  const pending = new Map<
    number,
    { readonly resolve: (outcome: Outcome<Name>) => void; readonly reject: (error: unknown) => void }
  >();
  let next = 1;
  let closed: Error | undefined;

  const end = (error: Error): void => {
    closed ??= error;
    for (const { reject } of pending.values()) reject(closed);
    pending.clear();
  };
  talk.on("message", (told: Told) => {
    if (told.is === "state") onState(told.state);
    else if (told.is === "broken") end(new Unanswered(`the signer's thread ended: ${told.reason}`));
    else {
      const asked = pending.get(told.id);
      pending.delete(told.id);
      if (pending.size === 0) talk.unref();
      asked?.resolve(outcomeOf(told.answer));
    }
  });
  talk.unref();
  const over = Promise.withResolvers<void>();
  talk.on("close", () => {
    end(new Unanswered("the signer's thread ended"));
    over.resolve();
  });
  const forget = threads.onGone((reason) => {
    end(new Unanswered(reason));
    over.resolve();
  });
  threads.open({ bundle, shared, blocking: port2, talk: theirs, ...(watch === undefined ? {} : { watch }) });
  const giveUp = (): Error => {
    closed ??= new Unanswered("the signer did not answer in time");
    return closed;
  };

  const post = <N extends Name>(name: N, body: Request<N>, how: Asked["how"]): number => {
    if (closed !== undefined) throw closed;
    const id = next++;
    talk.postMessage({ id, how, packed: packRequest(name, body) } satisfies Asked);
    return id;
  };

  return {
    ask: (name, body) => {
      const { promise, resolve, reject } = Promise.withResolvers<Outcome<Name>>();
      try {
        pending.set(post(name, body, "message"), { resolve, reject });
        talk.ref();
      } catch (error) {
        reject(error);
      }
      return promise as Promise<Outcome<typeof name>>;
    },
    wait: (name, body, limit = Number.POSITIVE_INFINITY) => {
      const end = performance.now() + limit;
      post(name, body, "bell");
      let still = 0;
      let beat = Atomics.load(words, bell.beats);
      for (;;) {
        const rung = Atomics.load(words, bell.rung);
        const found = receiveMessageOnPort(blocking) as { message: Answer } | undefined;
        if (found !== undefined) return outcomeOf(found.message);
        if (Atomics.load(words, bell.gone) === 1) throw new Unanswered("the signer's thread ended");
        const left = end - performance.now();
        if (left <= 0) throw giveUp();
        Atomics.wait(words, bell.rung, rung, Math.min(patience, left));
        const now = Atomics.load(words, bell.beats);
        still = now === beat ? still + 1 : 0;
        beat = now;
        if (still > mostStill) throw new Unanswered("the signer's thread does nothing any more");
      }
    },
    close: async () => {
      end(new Unanswered("the line was closed"));
      talk.ref();
      talk.postMessage({ id: 0, how: "close", packed: new Uint8Array(0) } satisfies Asked);
      const late = setTimeout(() => over.resolve(), patience);
      await over.promise;
      clearTimeout(late);
      forget();
      talk.close();
      blocking.close();
      if (lines === undefined) await threads.close();
    },
  };
};
