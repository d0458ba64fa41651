/** The signer's end of a stream, whatever carries it. */

import { Malformed } from "../malformed.ts";
import {
  decodeRequest,
  decodeRequestBody,
  encodeMalformed,
  encodeOutcome,
  encodeReplyBody,
  type IdentifiedRequest,
  idOf,
} from "../operations/envelope.ts";
import type { AnyRequest, Name } from "../operations/index.ts";
import { malformedOf, type Outcome } from "../outcome.ts";
import { type Caller, mayAsk } from "./caller.ts";
import type { Limits } from "./limits.ts";

/** Called synchronously in the order of the stream: what it does before its first `await` is in that order. */
export type Respond = (request: AnyRequest, caller: Caller) => Promise<Outcome<Name>>;

export interface Answering {
  readonly caller: Caller;
  readonly respond: Respond;
  /** A defect: `respond` threw, or answered what can't be encoded. The host is told a generic sentence. */
  readonly onFault: (error: unknown) => void;
}

const broken: Outcome<Name> = {
  is: "fault",
  fault: { code: "internal", sentence: "The signer failed on this request; its log says why." },
};

const outcomeOf = async (
  { caller, respond, onFault }: Answering,
  request: AnyRequest,
): Promise<Outcome<Name>> => {
  try {
    return await respond(request, caller);
  } catch (error) {
    onFault(error);
    return broken;
  }
};

/** Why a stream ends: the host has nothing more to ask, or this. */
export type Ending = "done" | "malformed" | "denied" | "closing";

export interface Line {
  /** `sent` is called when the bytes are out of this process's hands. */
  send(bytes: Uint8Array, sent: () => void): void;
  pause(): void;
  resume(): void;
  end(ending: Ending): void;
}

export interface Conversation {
  receive(bytes: Uint8Array): void;
  /** No more requests will be read; ends when every answer has left. */
  finish(ending: Ending): void;
  /** The line is gone: answers go nowhere. */
  lost(): void;
}

export interface ConversationOptions extends Answering {
  readonly line: Line;
  readonly limits: Pick<Limits, "inFlight" | "inFlightBytes">;
}

export const conversation = ({ line, limits, ...answering }: ConversationOptions): Conversation => {
  const { caller, onFault } = answering;
  const open = new Set<bigint>();
  let unsent = 0;
  let held = 0;
  let paused = false;
  let ending: Ending | undefined;
  let over = false;

  const settle = (): void => {
    if (over) return;
    if (ending !== undefined) {
      if (unsent > 0) return;
      over = true;
      line.end(ending);
      return;
    }
    const full = unsent >= limits.inFlight || held >= limits.inFlightBytes;
    if (full === paused) return;
    paused = full;
    if (full) line.pause();
    else line.resume();
  };

  const finish = (why: Ending): void => {
    if (ending === undefined) {
      ending = why;
      if (why !== "done") line.pause();
    }
    settle();
  };

  /** One answer, from the moment it is owed until it has left; `size` is what it holds meanwhile. */
  const owe = (size: number): ((bytes: Uint8Array) => void) => {
    unsent++;
    held += size;
    settle();
    return (bytes) => {
      if (over) return;
      held += bytes.length - size;
      line.send(bytes, () => {
        unsent--;
        held -= bytes.length;
        settle();
      });
    };
  };

  const encoded = (id: bigint, name: Name, outcome: Outcome<Name>): Uint8Array => {
    try {
      return encodeOutcome(id, name, outcome);
    } catch (error) {
      onFault(error);
      return encodeOutcome(id, name, broken);
    }
  };

  const read = (bytes: Uint8Array): IdentifiedRequest => {
    const request = decodeRequest(bytes);
    if (open.has(request.id)) throw new Malformed("id", "another request of this id is not yet answered");
    return request;
  };

  const receive = (bytes: Uint8Array): void => {
    if (ending !== undefined || over) return;
    let request: IdentifiedRequest;
    try {
      request = read(bytes);
    } catch (error) {
      if (!(error instanceof Malformed)) onFault(error);
      const said = error instanceof Malformed ? error : new Malformed("", "unreadable");
      owe(0)(encodeMalformed(idOf(bytes), malformedOf(said)));
      finish("malformed");
      return;
    }
    const { id, name, body } = request;
    if (!mayAsk(caller, name, body.node)) {
      finish("denied");
      return;
    }
    open.add(id);
    const answer = owe(bytes.length);
    void outcomeOf(answering, { name, body } as AnyRequest).then((outcome) => {
      open.delete(id);
      answer(encoded(id, name, outcome));
      if (outcome.is === "malformed") finish("malformed");
    });
  };

  return {
    receive,
    finish,
    lost: () => {
      over = true;
    },
  };
};

/** A unary call: the same without a stream. */
export type Answered =
  | { readonly is: "reply"; readonly bytes: Uint8Array }
  | { readonly is: "denied" }
  | Exclude<Outcome<Name>, { readonly is: "reply" }>;

export const answerOne = async (answering: Answering, name: Name, bytes: Uint8Array): Promise<Answered> => {
  let request: AnyRequest;
  try {
    request = decodeRequestBody(name, bytes);
  } catch (error) {
    if (error instanceof Malformed) return { is: "malformed", malformed: malformedOf(error) };
    throw error;
  }
  if (!mayAsk(answering.caller, name, request.body.node)) return { is: "denied" };
  const outcome = await outcomeOf(answering, request);
  if (outcome.is !== "reply") return outcome;
  try {
    return { is: "reply", bytes: encodeReplyBody(name, outcome.reply) };
  } catch (error) {
    answering.onFault(error);
    return broken as Answered;
  }
};
