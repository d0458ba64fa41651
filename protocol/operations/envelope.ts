/**
 * What travels on a stream: an id, and one request or one outcome. Ids are the host's to choose, from 1; 0 stands in
 * a Malformed answer to bytes whose id could not be read.
 */

import { type Field, message } from "../codec.ts";
import { Malformed } from "../malformed.ts";
import { fault, malformed, type Outcome, refusal } from "../outcome.ts";
import { decodeAlone, encodeAlone, envelopeId, readEnvelope, writeEnvelope } from "../protobuf.ts";
import {
  type AnyRequest,
  type Name,
  names,
  operations,
  protocolVersion,
  type Reply,
  type Request,
} from "./index.ts";
import type { Role } from "./operation.ts";

/** In the .proto, and in the path of every gRPC method. */
export const packageName = `countersign.v${protocolVersion}`;

/** Of gRPC: each role has its own. */
export const serviceOf = (role: Role): string => (role === "host" ? "Signer" : "Admin");

export const requestName = (name: Name): string => `${capital(name)}Request`;
export const replyName = (name: Name): string => `${capital(name)}Reply`;
export const capital = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1);

/** Where an operation's request and reply stand in the two envelopes. */
export const placeOf = (name: Name): number => 1000 + operations[name].number;

/** The members of `SignerMessage` that are no reply. */
export const failures = {
  refusal: { place: 2, field: refusal },
  malformed: { place: 3, field: malformed },
  fault: { place: 4, field: fault },
} as const;
type Failure = keyof typeof failures;

type Bodies<F extends "request" | "reply"> = {
  readonly [N in Name]: Field<F extends "request" ? Request<N> : Reply<N>>;
};

export const requests = Object.fromEntries(
  names.map((name) => [name, message(requestName(name), operations[name].request)]),
) as unknown as Bodies<"request">;

export const replies = Object.fromEntries(
  names.map((name) => [name, message(replyName(name), operations[name].reply)]),
) as unknown as Bodies<"reply">;

type Member<N extends string> = { readonly name: N; readonly proto: Field<unknown>["proto"] };

const requestMembers = new Map<number, Member<Name>>(
  names.map((name) => [placeOf(name), { name, proto: requests[name].proto as Field<unknown>["proto"] }]),
);

const answerMembers = new Map<number, Member<Name | Failure>>([
  ...names.map(
    (name) => [placeOf(name), { name, proto: replies[name].proto as Field<unknown>["proto"] }] as const,
  ),
  ...Object.entries(failures).map(
    ([name, { place, field }]) =>
      [place, { name: name as Failure, proto: field.proto as Field<unknown>["proto"] }] as const,
  ),
]);

/** A request under the id that its answer will bear. */
export type IdentifiedRequest = AnyRequest & { readonly id: bigint };

export const encodeRequest = <N extends Name>(id: bigint, name: N, body: Request<N>): Uint8Array =>
  writeEnvelope(id, placeOf(name), (requests[name] as Field<Request<N>>).proto, body);

export const decodeRequest = (bytes: Uint8Array): IdentifiedRequest => {
  const { id, name, value } = readEnvelope(bytes, (number) => requestMembers.get(number));
  if (id === 0n) throw new Malformed("id", "0 is no id");
  return { id, name, body: value } as IdentifiedRequest;
};

/** For the answer to bytes that `decodeRequest` throws at. */
export const idOf = envelopeId;

/** An outcome as it came from the wire: what was asked under this id is the asker's to know. */
export type Answer = { readonly id: bigint } & (
  | { readonly [N in Name]: { readonly is: "reply"; readonly name: N; readonly reply: Reply<N> } }[Name]
  | Exclude<Outcome<Name>, { readonly is: "reply" }>
);

export const encodeOutcome = <N extends Name>(id: bigint, name: N, outcome: Outcome<N>): Uint8Array => {
  switch (outcome.is) {
    case "reply":
      return writeEnvelope(id, placeOf(name), (replies[name] as Field<Reply<N>>).proto, outcome.reply);
    case "refusal":
      return writeEnvelope(id, failures.refusal.place, refusal.proto, outcome.refusal);
    case "malformed":
      return encodeMalformed(id, outcome.malformed);
    case "fault":
      return writeEnvelope(id, failures.fault.place, fault.proto, outcome.fault);
  }
};

/** The only outcome that needs no operation: the bytes may have named none. */
export const encodeMalformed = (
  id: bigint,
  said: Extract<Outcome<Name>, { is: "malformed" }>["malformed"],
): Uint8Array => writeEnvelope(id, failures.malformed.place, malformed.proto, said);

export const decodeOutcome = (bytes: Uint8Array): Answer => {
  const { id, name, value } = readEnvelope(bytes, (number) => answerMembers.get(number));
  if (id === 0n && name !== "malformed") throw new Malformed("id", "0 is no id");
  if (name in failures) return { id, is: name, [name]: value } as unknown as Answer;
  return { id, is: "reply", name, reply: value } as unknown as Answer;
};

/** A unary call's messages: no envelope, for the method names the operation. */
export const encodeRequestBody = <N extends Name>(name: N, body: Request<N>): Uint8Array =>
  encodeAlone((requests[name] as Field<Request<N>>).proto, body);

export const decodeRequestBody = (name: Name, bytes: Uint8Array): AnyRequest =>
  ({ name, body: decodeAlone<unknown>(name, requests[name].proto, bytes) }) as AnyRequest;

export const encodeReplyBody = <N extends Name>(name: N, reply: Reply<N>): Uint8Array =>
  encodeAlone((replies[name] as Field<Reply<N>>).proto, reply);

export const decodeReplyBody = <N extends Name>(name: N, bytes: Uint8Array): Reply<N> =>
  decodeAlone<Reply<N>>(name, (replies[name] as Field<Reply<N>>).proto, bytes);

/** A failure as the trailer of a unary call carries it. */
export const encodeFailure = (outcome: Exclude<Outcome<Name>, { is: "reply" }>): Uint8Array => {
  switch (outcome.is) {
    case "refusal":
      return encodeAlone(refusal.proto, outcome.refusal);
    case "malformed":
      return encodeAlone(malformed.proto, outcome.malformed);
    case "fault":
      return encodeAlone(fault.proto, outcome.fault);
  }
};

export const decodeFailure = (
  is: keyof typeof failures,
  bytes: Uint8Array,
): Exclude<Outcome<Name>, { is: "reply" }> =>
  ({
    is,
    [is]: decodeAlone<unknown>(is, failures[is].field.proto as Field<unknown>["proto"], bytes),
  }) as never;
