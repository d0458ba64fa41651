/** Requests, replies and failures in every encoding; each operation has its seeds in each. */

import { concat } from "../../../protocol/bytes.ts";
import type { Shape } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import {
  decodeFailure,
  decodeOutcome,
  decodeReplyBody,
  decodeRequest,
  decodeRequestBody,
  encodeFailure,
  encodeOutcome,
  encodeReplyBody,
  encodeRequest,
  encodeRequestBody,
  failures,
  idOf,
} from "../../../protocol/operations/envelope.ts";
import {
  type Name,
  nameOf,
  names,
  operations,
  packReply,
  packRequest,
  unpackReply,
  unpackRequest,
} from "../../../protocol/operations/index.ts";
import { replyShape, requestShape } from "../../../protocol/operations/shapes.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import type { Decoded, Target } from "../check.ts";
import { isMalformed, valuesOf } from "./seeds.ts";

const envelope = "protocol/operations/envelope.ts";
const table = "protocol/operations/index.ts";
const wire = "protocol/protobuf.ts";

type Failure = keyof typeof failures;
const failureNames = Object.keys(failures) as readonly Failure[];
const failureShape = (is: Failure): Shape => failures[is].field.shape;
const outcomeOf = (is: string, value: unknown): Outcome<Name> =>
  ({ is, [is]: value }) as unknown as Outcome<Name>;

const largestId = (1n << 64n) - 1n;
const ids = [1n, 127n, 128n, 1n << 32n, largestId];
const idAt = (at: number): bigint => ids[at % ids.length] as bigint;

type Encode = (name: Name, value: unknown, at: number) => Uint8Array;

const everyOperation =
  (shapeOf: (name: Name) => Shape, encode: Encode): Target["seeds"] =>
  (seed, count) =>
    names.flatMap((name) =>
      valuesOf(shapeOf(name), seed, Math.ceil(count / names.length)).map((value, at) =>
        encode(name, value, at),
      ),
    );

const nameIn = (value: unknown): string => (value as { readonly name: string }).name;

const common = { rejects: isMalformed, exact: true, kindOf: nameIn } as const;

/** A unary call's method names the operation: here its number stands in front of the body. */
const behindNumber = (name: Name, body: Uint8Array): Uint8Array => {
  const { number } = operations[name];
  return concat(Uint8Array.of(number >> 8, number & 0xff), body);
};

const numbered =
  (read: (name: Name, body: Uint8Array) => { value: unknown; encode: () => Uint8Array }) =>
  (bytes: Uint8Array): Decoded => {
    const [high, low] = bytes;
    if (high === undefined || low === undefined) throw new Malformed("operation", "missing");
    const name = nameOf((high << 8) | low);
    const { value, encode } = read(name, bytes.subarray(2));
    return { value: { name, value }, encode: () => behindNumber(name, encode()) };
  };

const failure = (at: number): Failure => {
  const is = failureNames[at];
  if (is === undefined) throw new Malformed("", "no such failure");
  return is;
};

export const protocolTargets: readonly Target[] = [
  {
    ...common,
    name: "packed-request",
    covers: [`${table} unpackRequest`],
    seeds: everyOperation(requestShape, (name, value) => packRequest(name, value as never)),
    decode: (bytes) => {
      const value = unpackRequest(bytes);
      return { value, encode: () => packRequest(value.name, value.body as never) };
    },
  },
  {
    ...common,
    name: "packed-reply",
    covers: [`${table} unpackReply`],
    seeds: everyOperation(replyShape, (name, value) => packReply(name, value as never)),
    decode: (bytes) => {
      const value = unpackReply(bytes);
      return { value, encode: () => packReply(value.name, value.body as never) };
    },
  },
  {
    ...common,
    name: "unary-request",
    covers: [
      `${envelope} decodeRequestBody`,
      `${wire} decodeAlone`,
      `${wire} readFields`,
      `${wire} readList`,
    ],
    seeds: everyOperation(requestShape, (name, value) =>
      behindNumber(name, encodeRequestBody(name, value as never)),
    ),
    decode: numbered((name, bytes) => {
      const { body } = decodeRequestBody(name, bytes);
      return { value: body, encode: () => encodeRequestBody(name, body as never) };
    }),
  },
  {
    ...common,
    name: "unary-reply",
    covers: [`${envelope} decodeReplyBody`, `${wire} readMaybe`],
    seeds: everyOperation(replyShape, (name, value) =>
      behindNumber(name, encodeReplyBody(name, value as never)),
    ),
    decode: numbered((name, bytes) => {
      const reply = decodeReplyBody(name, bytes);
      return { value: reply, encode: () => encodeReplyBody(name, reply as never) };
    }),
  },
  {
    ...common,
    name: "stream-request",
    covers: [`${envelope} decodeRequest`, `${wire} readEnvelope`],
    seeds: everyOperation(requestShape, (name, value, at) => encodeRequest(idAt(at), name, value as never)),
    decode: (bytes) => {
      const id = orFault(() => idOf(bytes));
      const value = decodeRequest(bytes);
      if (value.id !== id) throw new TypeError(`the id is ${value.id} to one reader and ${id} to the other`);
      return { value, encode: () => encodeRequest(value.id, value.name, value.body as never) };
    },
  },
  {
    ...common,
    name: "stream-answer",
    covers: [`${envelope} decodeOutcome`],
    seeds: (seed, count) => [
      ...everyOperation(replyShape, (name, value, at) =>
        encodeOutcome(idAt(at), name, outcomeOf("reply", value)),
      )(seed, count),
      ...failureNames.flatMap((is) =>
        valuesOf(failureShape(is), seed, count / 10).map((value, at) =>
          encodeOutcome(idAt(at), "hello", outcomeOf(is, value)),
        ),
      ),
    ],
    decode: (bytes) => {
      const value = decodeOutcome(bytes);
      const { id, ...outcome } = value;
      const name = outcome.is === "reply" ? outcome.name : "hello";
      return { value, encode: () => encodeOutcome(id, name, outcome as Outcome<Name>) };
    },
    kindOf: (value) => {
      const answer = value as ReturnType<typeof decodeOutcome>;
      return answer.is === "reply" ? answer.name : answer.is;
    },
  },
  {
    ...common,
    name: "failure",
    covers: [`${envelope} decodeFailure`],
    seeds: (seed, count) =>
      failureNames.flatMap((is, at) =>
        valuesOf(failureShape(is), seed, count / 3).map((value) =>
          concat(Uint8Array.of(at), encodeFailure(outcomeOf(is, value) as never)),
        ),
      ),
    decode: (bytes) => {
      const at = bytes[0] ?? failureNames.length;
      const value = decodeFailure(failure(at), bytes.subarray(1));
      return { value, encode: () => concat(Uint8Array.of(at), encodeFailure(value)) };
    },
    kindOf: (value) => (value as { readonly is: string }).is,
  },
];

/** For what may not throw at all: Malformed neither. */
const orFault = <T>(action: () => T): T => {
  try {
    return action();
  } catch (error) {
    throw new TypeError("threw where it may not", { cause: error });
  }
};
