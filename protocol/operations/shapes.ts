/** What the printers and the transport's limits read off the table. */

import type { Shape } from "../codec.ts";
import { failures, placeOf, replies, requests } from "./envelope.ts";
import { type Name, names, operations } from "./index.ts";

export type MessageShape = Extract<Shape, { kind: "message" }>;
export type ChoiceShape = Extract<Shape, { kind: "choice" }>;

const own = (shape: Shape): MessageShape => {
  if (shape.kind !== "message") throw new TypeError(`${shape.kind} where a message belongs`);
  return shape;
};

export const requestShape = (name: Name): MessageShape => own(requests[name].shape);
export const replyShape = (name: Name): MessageShape => own(replies[name].shape);
export const failureShapes: readonly MessageShape[] = Object.values(failures).map(({ field }) =>
  own(field.shape),
);

/** By number, so that what is printed does not depend on the order of files. */
export const ordered: readonly Name[] = names.toSorted((a, b) => operations[a].number - operations[b].number);

const inner = (shape: Shape): readonly Shape[] => {
  switch (shape.kind) {
    case "list":
    case "maybe":
      return [shape.of];
    case "message":
      return Object.values(shape.fields);
    case "uint":
    case "bool":
    case "bytes":
    case "blob":
    case "text":
    case "choice":
      return [];
  }
};

/** Every message and choice below these, once, in the order of first use. */
export const named = (roots: readonly Shape[]): readonly (MessageShape | ChoiceShape)[] => {
  const found = new Map<string, MessageShape | ChoiceShape>();
  const visit = (shape: Shape): void => {
    if (shape.kind === "message" || shape.kind === "choice") {
      const before = found.get(shape.name);
      if (before !== undefined && JSON.stringify(plain(before)) !== JSON.stringify(plain(shape)))
        throw new TypeError(`two things are called ${shape.name}`);
      if (before !== undefined) return;
      found.set(shape.name, shape);
    }
    inner(shape).forEach(visit);
  };
  roots.flatMap(inner).forEach(visit);
  return [...found.values()];
};

const plain = (shape: Shape): unknown =>
  JSON.parse(JSON.stringify(shape, (_, value) => (typeof value === "bigint" ? `${value}` : value)));

export const allNamed = (): readonly (MessageShape | ChoiceShape)[] =>
  named([...ordered.flatMap((name) => [requestShape(name), replyShape(name)]), ...failureShapes]);

const all = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** Unit and bounds of a field in words; empty where the type says everything. */
export const describe = (shape: Shape): string => {
  switch (shape.kind) {
    case "uint":
      return shape.max === all(shape.bits) && shape.bits >= 32
        ? shape.unit
        : `${shape.unit}; at most ${shape.max}`;
    case "bytes":
      return `${shape.unit}; ${shape.length} bytes`;
    case "blob":
      return `${shape.unit}; at most ${shape.max} bytes`;
    case "text":
      return `${shape.unit}; at most ${shape.max} bytes of UTF-8`;
    case "list":
      return [`at most ${shape.max}`, describe(shape.of)].filter((words) => words !== "").join(", each: ");
    case "maybe":
      return [describe(shape.of), "or unknown"].filter((words) => words !== "").join("; ");
    case "bool":
    case "choice":
    case "message":
      return "";
  }
};

const varint = (n: bigint): number => Math.max(1, Math.ceil(n.toString(2).length / 7));
const delimited = (length: number): number => varint(BigInt(length)) + length;
const tag = (number: number): number => varint(BigInt(number) << 3n);

/** The most bytes that a value takes on a protobuf wire, without its tag. */
const valueSize = (shape: Shape): number => {
  switch (shape.kind) {
    case "uint":
      return varint(shape.max);
    case "bool":
      return 1;
    case "choice":
      return varint(BigInt(shape.values.length));
    case "bytes":
      return delimited(shape.length);
    case "blob":
    case "text":
      return delimited(shape.max);
    case "list":
      return delimited(fieldSize(shape, 1));
    case "maybe":
      return delimited(Math.max(fieldSize({ kind: "bool" }, 1), tag(2) + valueSize(shape.of)));
    case "message":
      return delimited(bodySize(shape));
  }
};

const fieldSize = (shape: Shape, number: number): number =>
  shape.kind === "list" ? shape.max * (tag(number) + valueSize(shape.of)) : tag(number) + valueSize(shape);

/** The most bytes of a message as a unary call sends it, without an envelope. */
export const bodySize = (shape: MessageShape): number =>
  Object.values(shape.fields).reduce((sum, field, at) => sum + fieldSize(field, at + 1), 0);

const enveloped = (shape: MessageShape, place: number): number =>
  tag(1) + varint(all(64)) + tag(place) + delimited(bodySize(shape));

/**
 * What a transport takes of one message. A spend could bring five hundred transactions beside its own, which no host
 * may have the signer hold in memory: one that needs more than this spends fewer inputs at a time.
 */
const transportLimit = 4 * 1024 * 1024;

/** The largest message that a host, or a signer, can honestly send. */
export const maxHostMessage = Math.min(
  transportLimit,
  Math.max(...names.map((name) => enveloped(requestShape(name), placeOf(name)))),
);
/** Of an exit with 966 HTLCs every transaction together takes a megabyte, though one may be long. */
export const maxSignerMessage = Math.min(
  transportLimit,
  Math.max(
    ...names.map((name) => enveloped(replyShape(name), placeOf(name))),
    ...failureShapes.map((shape) => enveloped(shape, 4)),
  ),
);
