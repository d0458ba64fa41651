import type * as P from "micro-packed";
import { type Fields, message, type Values } from "../codec.ts";
import { node } from "./fields.ts";

/** Who may ask: each role has a service and a client certificate of its own. */
export type Role = "host" | "admin";

export interface Operation<Request extends Fields, Reply extends Fields> {
  /** On the wire for ever; never given to another operation. */
  readonly number: number;
  /** One sentence for the documentation. */
  readonly sentence: string;
  readonly role: Role;
  /** A ratchet step is keyed by its content: the same content is answered with the same bytes, for good. */
  readonly ratchet: boolean;
  readonly request: Request;
  readonly reply: Reply;
  readonly packedRequest: P.CoderType<Values<Request>>;
  readonly packedReply: P.CoderType<Values<Reply>>;
}

type WithNode<F extends Fields> = { readonly node: typeof node } & F;

const declare =
  (ratchet: boolean, role: Role) =>
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
      role,
      ratchet,
      request,
      reply,
      packedRequest: message("", request).packed,
      packedReply: message("", reply).packed,
    };
  };

export const operation = declare(false, "host");
export const ratchet = declare(true, "host");
export const adminOperation = declare(false, "admin");
