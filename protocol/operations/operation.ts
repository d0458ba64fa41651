import type * as P from "micro-packed";
import { type Fields, message, type Values } from "../codec.ts";
import { node } from "./fields.ts";

export interface Operation<Request extends Fields, Reply extends Fields> {
  /** On the wire for ever; never given to another operation. */
  readonly number: number;
  /** One sentence for the documentation. */
  readonly sentence: string;
  /** A ratchet step is keyed by its content: the same content is answered with the same bytes, for good. */
  readonly ratchet: boolean;
  readonly request: Request;
  readonly reply: Reply;
  readonly packedRequest: P.CoderType<Values<Request>>;
  readonly packedReply: P.CoderType<Values<Reply>>;
}

type WithNode<F extends Fields> = { readonly node: typeof node } & F;

const declare =
  (ratchet: boolean) =>
  <Q extends Fields, R extends Fields>(
    number: number,
    sentence: string,
    fields: Q,
    reply: R,
  ): Operation<WithNode<Q>, R> => {
    const request: WithNode<Q> = { node, ...fields };
    return {
      number,
      sentence,
      ratchet,
      request,
      reply,
      packedRequest: message("", request).packed,
      packedReply: message("", reply).packed,
    };
  };

export const operation = declare(false);
export const ratchet = declare(true);
