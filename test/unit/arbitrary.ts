/** Random values of any declared field, and the bytes to try on decoders. */

import * as fc from "fast-check";
import { type Shape, unknown } from "../../protocol/codec.ts";
import { clip } from "../../protocol/outcome.ts";

const uint = (bits: number, max: bigint): fc.Arbitrary<unknown> => {
  const any = fc.oneof(
    { weight: 4, arbitrary: fc.bigInt({ min: 0n, max }) },
    fc.constantFrom(0n, max),
    fc.integer({ min: 0, max: Number(max < 300n ? max : 300n) }).map(BigInt),
  );
  return bits === 64 ? any : any.map(Number);
};

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((raw) => {
    // Every 33 bytes of the table are a compressed point.
    if (length === 33) raw[0] = 2 + ((raw[0] as number) & 1);
    return raw;
  });

export const arbitraryOf = (shape: Shape): fc.Arbitrary<unknown> => {
  switch (shape.kind) {
    case "uint":
      return uint(shape.bits, shape.max);
    case "bool":
      return fc.boolean();
    case "bytes":
      return bytes(shape.length);
    case "blob":
      return fc.uint8Array({ maxLength: Math.min(shape.max, 300) });
    case "text":
      return fc.string({ unit: "binary", maxLength: 80 }).map((text) => clip(text, shape.max));
    case "choice":
      return fc.constantFrom(...shape.values);
    case "list":
      return fc.array(arbitraryOf(shape.of), { maxLength: Math.min(shape.max, 4) });
    case "maybe":
      return fc.oneof(fc.constant(unknown), arbitraryOf(shape.of));
    case "message":
      return fc.record(
        Object.fromEntries(Object.entries(shape.fields).map(([name, field]) => [name, arbitraryOf(field)])),
        { noNullPrototype: true },
      );
  }
};

/** A few of the ways in which bytes go wrong. */
export const damaged = (good: Uint8Array): fc.Arbitrary<Uint8Array> => {
  const at = fc.nat({ max: good.length });
  return fc.oneof(
    at.map((length) => good.slice(0, length)),
    fc.tuple(at, fc.uint8Array({ minLength: 1, maxLength: 12 })).map(([from, junk]) => {
      const out = new Uint8Array(good.length + junk.length);
      out.set(good.subarray(0, from));
      out.set(junk, from);
      out.set(good.subarray(from), from + junk.length);
      return out;
    }),
    fc.tuple(at, fc.integer({ min: 1, max: 255 })).map(([from, flip]) => {
      const out = good.slice();
      if (from < out.length) out[from] = (out[from] as number) ^ flip;
      return out;
    }),
    fc.tuple(at, at).map(([from, to]) => {
      const out = good.slice();
      out.set(good.subarray(Math.min(from, to), Math.max(from, to)), 0);
      return out;
    }),
    fc.tuple(at, at).map(([from, to]) => {
      const cut = good.subarray(Math.min(from, to), Math.max(from, to));
      const out = new Uint8Array(good.length + cut.length);
      out.set(good);
      out.set(cut, good.length);
      return out;
    }),
  );
};
