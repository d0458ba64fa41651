/** A value of any declared field that no other field of the same message shares: a swap is then seen. */

import { type Shape, unknown } from "../../protocol/codec.ts";
import { toHex } from "../../protocol/bytes.ts";

/** Counts through one message; what it makes depends on the declaration alone. */
export const exampleOf = (shape: Shape, counter = { at: 0 }): unknown => {
  const next = (): number => ++counter.at;
  switch (shape.kind) {
    case "uint": {
      const n = BigInt(next()) * 1_000_003n;
      const held = shape.max > 255n ? n % (shape.max + 1n) : BigInt(counter.at);
      return shape.bits === 64 ? held : Number(held);
    }
    case "bool":
      return next() % 2 === 0;
    case "bytes": {
      const bytes = new Uint8Array(shape.length).fill(next());
      if (shape.length === 33) bytes[0] = 2 + (counter.at % 2);
      return bytes;
    }
    case "blob":
      return new Uint8Array(Math.min(shape.max, 3)).fill(next());
    case "text":
      return `text ${next()} é`;
    case "choice":
      return shape.values[next() % shape.values.length];
    case "list":
      return Array.from({ length: Math.min(shape.max, 2) }, () => exampleOf(shape.of, counter));
    case "maybe":
      return next() % 3 === 0 ? unknown : exampleOf(shape.of, counter);
    case "message":
      return Object.fromEntries(
        Object.entries(shape.fields).map(([name, field]) => [name, exampleOf(field, counter)]),
      );
  }
};

/** The same as JSON, for people and for the comparison of names. */
export const readable = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return `${value}`;
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, readable(inner)]));
};
