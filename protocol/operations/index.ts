/**
 * THE table: every operation once. Types, packed and protobuf codecs, gRPC, the printed .proto and the documentation
 * derive from it.
 */

import { concat } from "../bytes.ts";
import { unpack, type Values } from "../codec.ts";
import { sha256 } from "../hash.ts";
import { Malformed } from "../malformed.ts";
import { adminOperations } from "./admin.ts";
import { chainOperations } from "./chain.ts";
import { channelOperations } from "./channel.ts";
import { closingOperations } from "./closing.ts";
import { commitmentOperations } from "./commitment.ts";
import { deviceOperations } from "./device.ts";
import { nodeOperations } from "./node.ts";
import type { Role } from "./operation.ts";
import { paymentOperations } from "./payment.ts";
import { publishOperations } from "./publish.ts";
import { spendOperations } from "./spend.ts";
import { spliceOperations } from "./splice.ts";

export const operations = {
  ...nodeOperations,
  ...channelOperations,
  ...commitmentOperations,
  ...closingOperations,
  ...paymentOperations,
  ...chainOperations,
  ...adminOperations,
  ...publishOperations,
  ...deviceOperations,
  ...spliceOperations,
  ...spendOperations,
};

/** Appended to, never changed: see `hello`. */
export const protocolVersion = 1;

export type Operations = typeof operations;
export type Name = keyof Operations;
export type Request<N extends Name> = Values<Operations[N]["request"]>;
export type Reply<N extends Name> = Values<Operations[N]["reply"]>;
/** Any request under its name. */
export type AnyRequest = { readonly [N in Name]: { readonly name: N; readonly body: Request<N> } }[Name];
export type AnyReply = { readonly [N in Name]: { readonly name: N; readonly body: Reply<N> } }[Name];

export const names = Object.keys(operations) as readonly Name[];
export const namesOf = (role: Role): readonly Name[] =>
  names.filter((name) => operations[name].role === role);

const byNumber = new Map(names.map((name) => [operations[name].number, name]));
export const nameOf = (number: number): Name => {
  const name = byNumber.get(number);
  if (name === undefined) throw new Malformed("operation", `no operation has the number ${number}`);
  return name;
};

const packedAs = (number: number, body: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(number >> 8, number & 0xff), body);

/** The operation's number (16 bits, big-endian), then its fields. */
export const packRequest = <N extends Name>(name: N, body: Request<N>): Uint8Array =>
  packedAs(
    operations[name].number,
    (operations[name].packedRequest.encode as (v: Request<N>) => Uint8Array)(body),
  );

export const packReply = <N extends Name>(name: N, body: Reply<N>): Uint8Array =>
  packedAs(
    operations[name].number,
    (operations[name].packedReply.encode as (v: Reply<N>) => Uint8Array)(body),
  );

const split = (bytes: Uint8Array): readonly [Name, Uint8Array] => {
  if (bytes.length < 2) throw new Malformed("operation", "missing");
  return [nameOf(((bytes[0] as number) << 8) | (bytes[1] as number)), bytes.subarray(2)];
};

export const unpackRequest = (bytes: Uint8Array): AnyRequest => {
  const [name, body] = split(bytes);
  return { name, body: unpack(operations[name].packedRequest as never, body) } as AnyRequest;
};

export const unpackReply = (bytes: Uint8Array): AnyReply => {
  const [name, body] = split(bytes);
  return { name, body: unpack(operations[name].packedReply as never, body) } as AnyReply;
};

/** Two requests are the same exactly when these are: over the packed form, node and operation included. */
export const contentHash = <N extends Name>(name: N, body: Request<N>): Uint8Array =>
  sha256(packRequest(name, body));
