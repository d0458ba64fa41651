/** A host's end of the wire, whatever carries it. */

import type { Name, Request } from "../operations/index.ts";
import type { Outcome } from "../outcome.ts";

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface Connection {
  /**
   * On the one stream. The order of calls is the order in which the signer decides; outcomes come as they are ready.
   * Rejects with `Disconnected`, with `TimedOut`, or with the signal's reason. Giving up waiting takes nothing back.
   */
  call<N extends Name>(name: N, body: Request<N>, options?: CallOptions): Promise<Outcome<N>>;
  /** A call of its own, beside the stream and without its order. */
  unary<N extends Name>(name: N, body: Request<N>, options?: CallOptions): Promise<Outcome<N>>;
  /** Resolves when the stream is gone, and says why. */
  readonly closed: Promise<Disconnected>;
  close(): Promise<void>;
}

/**
 * - closed: by this side.
 * - lost: network, process or machine; the request may or may not have been decided, and can be repeated.
 * - denied: the certificate does not allow this.
 * - malformed: the signer could not read what this side sent.
 * - protocol: the signer sent what is no answer.
 */
export type Why = "closed" | "lost" | "denied" | "malformed" | "protocol";

export class Disconnected extends Error {
  override readonly name = "Disconnected";
  readonly why: Why;

  constructor(why: Why, sentence: string) {
    super(sentence);
    this.why = why;
  }
}

export class TimedOut extends Error {
  override readonly name = "TimedOut";
}
