/**
 * The signer as a host sees it: typed calls over one stream that mends itself. What was not answered when the stream
 * broke is sent again, in its order, as every request of the protocol may be.
 */

import type { AnyRequest, Name, Reply, Request } from "../protocol/operations/index.ts";
import type { Outcome } from "../protocol/outcome.ts";
import { type Connection, Disconnected, type Why } from "../protocol/wire/connection.ts";
import { NotUnderstood, Refused, SignerFault, Unanswered } from "./failures.ts";
import type { Waiting } from "./outbox.ts";

export interface Backoff {
  /** Milliseconds before the first further attempt; doubled with each. */
  readonly first: number;
  readonly most: number;
}

export interface ClientOptions {
  /** Opens a fresh connection; called again whenever the last one broke. */
  readonly connect: () => Promise<Connection>;
  readonly backoff?: Backoff;
  /** For whoever watches: the host's log, its readiness. */
  readonly onState?: (state: ClientState) => void;
}

export type ClientState =
  | { readonly is: "connected" }
  | {
      readonly is: "disconnected";
      readonly reason: string;
      /** `denied` and `protocol` do not mend themselves; unknown where no stream came about. */
      readonly why?: Why;
      readonly retryIn: number;
    };

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface SignerClient {
  /** The outcome as it came; never rejects with a refusal. */
  outcome<N extends Name>(name: N, body: Request<N>, options?: CallOptions): Promise<Outcome<N>>;
  /** The reply; else `Refused`, `SignerFault`, `NotUnderstood` or `Unanswered` is thrown. */
  call<N extends Name>(name: N, body: Request<N>, options?: CallOptions): Promise<Reply<N>>;
  /** Sends what an outbox holds, oldest first, and hands over each answer. */
  deliver(
    waiting: readonly Waiting[],
    answered: (request: AnyRequest, outcome: Outcome<Name>, ticket: number) => void,
  ): Promise<void>;
  close(): Promise<void>;
}

interface Pending {
  readonly name: Name;
  readonly body: Request<Name>;
  resolve(outcome: Outcome<Name>): void;
  reject(error: unknown): void;
}

const usual: Backoff = { first: 50, most: 5_000 };

export const signerClient = ({
  connect,
  backoff = usual,
  onState = () => {},
}: ClientOptions): SignerClient => {
  /** In the order of asking, which is the order of sending. */
  const pending = new Set<Pending>();
  let connection: Connection | undefined;
  let running: Promise<void> | undefined;
  let closed = false;
  /** Whether the stream of the moment brought any answer. */
  let useful = false;
  const ended = Promise.withResolvers<void>();

  const pause = async (ms: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([promise, ended.promise]);
    clearTimeout(timer);
  };

  const send = (over: Connection, one: Pending): void => {
    over.call(one.name, one.body).then(
      (outcome) => {
        useful = true;
        if (pending.delete(one)) one.resolve(outcome as Outcome<Name>);
      },
      (error: unknown) => {
        // The stream broke: it is sent again on the next one. What could not be written down at all never could be.
        if (!(error instanceof Disconnected) && pending.delete(one)) one.reject(error);
      },
    );
  };

  const serve = async (over: Connection): Promise<Disconnected | undefined> => {
    connection = over;
    onState({ is: "connected" });
    for (const one of pending) send(over, one);
    const gone = await Promise.race([over.closed, ended.promise]);
    connection = undefined;
    await over.close();
    return gone ?? undefined;
  };

  const run = async (): Promise<void> => {
    let wait = backoff.first;
    while (!closed) {
      let gone: Error | undefined;
      try {
        useful = false;
        gone = await serve(await connect());
      } catch (error) {
        gone = error as Error;
      }
      if (closed) return;
      // Who answered is worth an early further attempt; who breaks at once is asked ever more slowly.
      if (useful) wait = backoff.first;
      const reason = gone?.message ?? "the stream ended";
      const why = gone instanceof Disconnected ? { why: gone.why } : {};
      onState({ is: "disconnected", reason, ...why, retryIn: wait });
      await pause(wait);
      wait = Math.min(wait * 2, backoff.most);
    }
  };

  const outcome = <N extends Name>(
    name: N,
    body: Request<N>,
    options: CallOptions = {},
  ): Promise<Outcome<N>> => {
    if (closed) return Promise.reject(new Unanswered("the client is closed"));
    running ??= run();
    const { promise, resolve, reject } = Promise.withResolvers<Outcome<Name>>();
    const one: Pending = { name, body: body as Request<Name>, resolve, reject };
    pending.add(one);
    if (connection !== undefined) send(connection, one);
    return until(promise, options, () => pending.delete(one)) as Promise<Outcome<N>>;
  };

  return {
    outcome,
    call: async (name, body, options) => replyOf(await outcome(name, body, options)),
    deliver: async (waiting, answered) => {
      await Promise.all(
        waiting.map(async ({ ticket, request }) => {
          answered(request, await outcome(request.name, request.body as Request<Name>), ticket);
        }),
      );
    },
    close: async () => {
      closed = true;
      ended.resolve();
      for (const one of pending) one.reject(new Unanswered("the client was closed"));
      pending.clear();
      await running;
    },
  };
};

const until = async <T>(
  answer: Promise<T>,
  { signal, timeoutMs }: CallOptions,
  forget: () => void,
): Promise<T> => {
  const signals = [
    ...(signal ? [signal] : []),
    ...(timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)]),
  ];
  if (signals.length === 0) return answer;
  const over = AbortSignal.any(signals);
  const { promise, reject } = Promise.withResolvers<T>();
  const give = () => {
    forget();
    reject(new Unanswered(timeoutMs === undefined ? "the caller gave up" : "no answer within the deadline"));
  };
  if (over.aborted) give();
  over.addEventListener("abort", give, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    over.removeEventListener("abort", give);
  }
};

const replyOf = <N extends Name>(outcome: Outcome<N>): Reply<N> => {
  switch (outcome.is) {
    case "reply":
      return outcome.reply;
    case "refusal":
      throw new Refused(outcome.refusal);
    case "malformed":
      throw new NotUnderstood(outcome.malformed.path, outcome.malformed.reason);
    case "fault":
      throw new SignerFault(outcome.fault);
  }
};
