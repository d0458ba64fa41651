/** A count or a length that its sender made up must not cost the reader more than the bytes that really came. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { concat } from "../../protocol/bytes.ts";
import type { Shape } from "../../protocol/codec.ts";
import {
  encodeOutcome,
  encodeReplyBody,
  encodeRequest,
  encodeRequestBody,
} from "../../protocol/operations/envelope.ts";
import { names, operations, packReply, packRequest } from "../../protocol/operations/index.ts";
import {
  maxHostMessage,
  maxSignerMessage,
  replyShape,
  requestShape,
} from "../../protocol/operations/shapes.ts";
import { workOf } from "../steady.ts";
import type { Target } from "./check.ts";
import { channelRecords } from "./targets/records.ts";
import { targetOf, targets } from "./targets.ts";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

const inUse = (): number => {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

/** What one decoding adds, its garbage included. A collection meanwhile would hide some, so several are tried. */
const cost = (target: Target, input: Uint8Array, times = 1): number => {
  let most = 0;
  for (let i = 0; i < times; i++) {
    const before = inUse();
    try {
      target.decode(input);
    } catch (error) {
      if (!target.rejects(error)) throw error;
    }
    most = Math.max(most, inUse() - before);
  }
  return most;
};

const named = (name: string): Target => {
  const target = targetOf(name);
  if (target === undefined) throw new RangeError(name);
  return target;
};

/** Every place of every good input at which a large number may be read. */
const hostile = [
  [0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  // A varint of 2^31 - 1, and Bitcoin's largest sizes.
  [0xff, 0xff, 0xff, 0xff, 0x07],
  [0xfd, 0xff, 0xff],
  [0xfe, 0xff, 0xff, 0xff, 0x7f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00, 0x00, 0x00],
].map((bytes) => Uint8Array.from(bytes));

const kilobyte = 1024;

test("an allocation that a count decides is seen here", () => {
  const trusting: Target = {
    ...named("der"),
    decode: (bytes) => {
      const value = new Uint8Array((bytes[0] ?? 0) << 16).fill(1);
      return { value, encode: () => value };
    },
  };
  expect(cost(trusting, Uint8Array.of(0xff), 3)).toBeGreaterThan(16_000 * kilobyte);
  expect(cost(trusting, Uint8Array.of(0), 3)).toBeLessThan(1_000 * kilobyte);
});

describe("a made-up count", () => {
  test.each(targets)("costs a reader of $name no more than what came", (target) => {
    const [good] = target.seeds(1, 20).toSorted((a, b) => b.length - a.length);
    if (good === undefined) throw new RangeError("no seed");
    const short = good.subarray(0, 700);
    const start = process.resourceUsage().maxRSS;
    let worst = 0;
    // The first readings pay for the compiler too.
    for (let i = 0; i < 50; i++) cost(target, short.slice());
    collect();
    for (let at = 0; at < short.length; at += 1 + Math.floor(short.length / 60))
      for (const count of hostile) {
        const input = concat(short.subarray(0, at), count, short.subarray(at + count.length));
        worst = Math.max(worst, cost(target, input));
      }
    expect(worst).toBeLessThan(1_000 * kilobyte);
    // Even what was collected at once had to be had.
    expect(process.resourceUsage().maxRSS - start).toBeLessThan(150 * kilobyte);
  });
});

const full = (shape: Shape): unknown => {
  switch (shape.kind) {
    case "uint":
      return shape.bits === 64 ? shape.max : Number(shape.max);
    case "bool":
      return true;
    case "bytes":
      return new Uint8Array(shape.length).fill(2);
    case "blob":
      return new Uint8Array(shape.max);
    case "text":
      return "a".repeat(shape.max);
    case "choice":
      return shape.values[0];
    case "list":
      return Array.from({ length: shape.max }, () => full(shape.of));
    case "maybe":
      return full(shape.of);
    case "message":
      return Object.fromEntries(Object.entries(shape.fields).map(([name, field]) => [name, full(field)]));
  }
};

const number = (name: (typeof names)[number]): Uint8Array =>
  Uint8Array.of(operations[name].number >> 8, operations[name].number & 0xff);

/** A spend is bounded by the transport, not by its shape: nine inputs with their transactions fill a message. */
const fullRequest = (name: (typeof names)[number]): unknown => {
  const shape = requestShape(name);
  if (name !== "spend") return full(shape);
  const { inputs, ...rest } = shape.fields;
  if (inputs?.kind !== "list") throw new TypeError("a spend has inputs");
  return { ...(full({ ...shape, fields: rest }) as object), inputs: full({ ...inputs, max: 9 }) };
};

/** Neither is what goes home: few of its transactions are long. */
const fullReply = (name: (typeof names)[number]): unknown => {
  const shape = replyShape(name);
  const { transactions, ...rest } = shape.fields;
  if (transactions?.kind !== "list") return full(shape);
  return {
    ...(full({ ...shape, fields: rest }) as object),
    transactions: full({ ...transactions, max: 300 }),
  };
};

const largest = names.flatMap((name) => {
  const request = fullRequest(name) as never;
  const reply = fullReply(name) as never;
  return [
    ["packed-request", packRequest(name, request)],
    ["packed-reply", packReply(name, reply)],
    ["unary-request", concat(number(name), encodeRequestBody(name, request))],
    ["unary-reply", concat(number(name), encodeReplyBody(name, reply))],
    ["stream-request", encodeRequest(1n, name, request)],
    ["stream-answer", encodeOutcome(1n, name, { is: "reply", reply })],
  ] as const;
});

describe("the largest message", () => {
  test.each(["packed", "unary", "stream"])("%s costs a small multiple of its bytes", (form) => {
    const these = largest.filter(([name, bytes]) => name.startsWith(form) && bytes.length > 20_000);
    expect(these.length).toBeGreaterThan(2);
    for (const [name, bytes] of these) {
      expect(bytes.length).toBeLessThanOrEqual(Math.max(maxHostMessage, maxSignerMessage));
      expect(workOf(() => expect(named(name).decode(bytes)).toBeDefined())).toBeLessThan(1_000);
      expect(cost(named(name), bytes, 3) / bytes.length, name).toBeLessThan(60);
    }
  });

  test("a transaction of the most and smallest parts costs a small multiple of its bytes", () => {
    const output = new Uint8Array(9);
    const input = new Uint8Array(41);
    const count = 30_000;
    const size = Uint8Array.of(0xfd, count & 0xff, count >> 8);
    const head = Uint8Array.of(2, 0, 0, 0, 1);
    const bytes = concat(
      head,
      input,
      size,
      ...Array.from({ length: count }, () => output),
      new Uint8Array(4),
    );
    const target = named("transaction");
    expect(target.decode(bytes).encode()).toEqual(bytes);
    // Nine bytes become an amount and a script, once as the library has them and once as we do.
    expect(cost(target, bytes, 3) / bytes.length).toBeLessThan(150);
  });

  test("a channel's record costs a small multiple of its bytes", () => {
    for (const bytes of channelRecords)
      expect(cost(named("channel-record"), bytes, 3)).toBeLessThan(1_000 * kilobyte);
  });
});
