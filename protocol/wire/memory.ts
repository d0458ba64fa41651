/** Both ends in one process, through the same codec and the same two ends as on gRPC. */

import { decodeReplyBody, encodeRequestBody } from "../operations/envelope.ts";
import type { Name } from "../operations/index.ts";
import type { Outcome } from "../outcome.ts";
import { type Answering, answerOne, conversation, type Ending } from "./answering.ts";
import { exchange, orGivenUp } from "./asking.ts";
import { type CallOptions, type Connection, Disconnected } from "./connection.ts";
import { defaultLimits, type Limits } from "./limits.ts";

export interface MemoryOptions extends Answering {
  readonly limits?: Partial<Limits>;
}

const reasons: Readonly<Record<Ending, Disconnected>> = {
  done: new Disconnected("closed", "closed by this side"),
  malformed: new Disconnected("malformed", "the signer could not read a request"),
  denied: new Disconnected("denied", "this caller may not ask for that"),
  closing: new Disconnected("lost", "the signer is closing"),
};

/** Delivers in order and never within the call that sends. */
const queue = (deliver: (bytes: Uint8Array) => void) => {
  const waiting: { readonly bytes: Uint8Array; readonly sent?: () => void }[] = [];
  let held = false;
  let scheduled = false;
  const run = (): void => {
    scheduled = false;
    while (!held) {
      const next = waiting.shift();
      if (next === undefined) return;
      deliver(next.bytes);
      next.sent?.();
    }
  };
  const schedule = (): void => {
    if (held || scheduled) return;
    scheduled = true;
    queueMicrotask(run);
  };
  return {
    push: (bytes: Uint8Array, sent?: () => void): void => {
      waiting.push(sent === undefined ? { bytes } : { bytes, sent });
      schedule();
    },
    pause: (): void => {
      held = true;
    },
    resume: (): void => {
      held = false;
      schedule();
    },
  };
};

export const memoryConnection = ({ limits, ...answering }: MemoryOptions): Connection => {
  const toHost = queue((bytes) => host.receive(bytes));
  const toSigner = queue((bytes) => signer.receive(bytes));
  const host = exchange({
    send: (bytes) => toSigner.push(bytes),
    drop: () => signer.lost(),
  });
  const signer = conversation({
    ...answering,
    limits: { ...defaultLimits, ...limits },
    line: {
      send: (bytes, sent) => toHost.push(bytes, sent),
      pause: toSigner.pause,
      resume: toSigner.resume,
      end: (ending) => host.lose(reasons[ending]),
    },
  });
  const close = async (): Promise<void> => host.lose(reasons.done);

  const one = async <N extends Name>(name: N, bytes: Uint8Array): Promise<Outcome<N>> => {
    const answered = await answerOne(answering, name, bytes);
    if (answered.is === "denied") throw reasons.denied;
    return answered.is === "reply"
      ? { is: "reply", reply: decodeReplyBody(name, answered.bytes) }
      : (answered as Outcome<N>);
  };

  return {
    call: host.call,
    unary: async (name, body, options?: CallOptions) =>
      orGivenUp(one(name, encodeRequestBody(name, body)), name, options),
    closed: host.closed,
    close,
  };
};
