/**
 * Fields declared as data. One declaration gives the TypeScript type, the packed form (devices, content hashes,
 * records), the protobuf form (gRPC) and what the printers need. Every length and count is bounded.
 */

import { type BinaryReader, type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import * as P from "micro-packed";
import { Malformed } from "./malformed.ts";
import { readFields, readList, readMaybe, writeFields, writeList } from "./protobuf.ts";

/** What a printer needs to know of a field. */
export type Shape =
  | { readonly kind: "uint"; readonly bits: 8 | 16 | 32 | 64; readonly max: bigint; readonly unit: string }
  | { readonly kind: "bool" }
  | { readonly kind: "bytes"; readonly length: number; readonly unit: string }
  | { readonly kind: "blob"; readonly max: number; readonly unit: string }
  | { readonly kind: "text"; readonly max: number; readonly unit: string }
  | { readonly kind: "choice"; readonly name: string; readonly values: readonly string[] }
  | { readonly kind: "list"; readonly of: Shape; readonly max: number }
  | { readonly kind: "maybe"; readonly of: Shape }
  | { readonly kind: "message"; readonly name: string; readonly fields: Readonly<Record<string, Shape>> };

/** One value on a protobuf wire, without its tag. */
export interface Proto<T> {
  readonly wire: WireType;
  write(to: BinaryWriter, value: T): void;
  read(from: BinaryReader): T;
}

export interface Field<T> {
  readonly shape: Shape;
  readonly packed: P.CoderType<T>;
  readonly proto: Proto<T>;
  /** Set on a list: its elements, each written under the field's own tag. */
  readonly each?: Proto<unknown>;
  readonly max?: number;
}

// biome-ignore lint/suspicious/noExplicitAny: the one place where fields of every type meet
export type Fields = Readonly<Record<string, Field<any>>>;
export type ValueOf<F> = F extends Field<infer T> ? T : never;
export type Values<F> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** A host of a lesser tier can't know some things. That is a value of its own, never zero and never empty. */
export const unknown = "unknown";
export type Unknown = typeof unknown;
export type Maybe<T> = T | Unknown;
export const isKnown = <T>(value: Maybe<T>): value is T => value !== unknown;

const checked = <A, B>(inner: P.CoderType<A>, make: (raw: A) => B, unmake: (value: B) => A): P.CoderType<B> =>
  P.apply(inner, { encode: make, decode: unmake });

/** What an encoder is given wrongly is a defect of this process: never Malformed, which is said of others' bytes. */
const must = (holds: boolean, what: string): void => {
  if (!holds) throw new RangeError(what);
};

const small = (
  bits: 8 | 16 | 32,
  packed: P.CoderType<number>,
): (<T extends number>(unit: string, make: (n: number) => T, max?: T | number) => Field<T>) => {
  const all = 2 ** bits - 1;
  return (unit, make, max = all) => ({
    shape: { kind: "uint", bits, max: BigInt(max), unit },
    packed: checked(packed, make, (n) => n),
    proto: {
      wire: WireType.Varint,
      write: (to, n) => {
        must(n <= all, `${n} has more than ${bits} bits`);
        to.uint64(n);
      },
      read: (from) => {
        const n = BigInt(from.uint64());
        if (n > BigInt(all)) throw new Malformed("", `more than ${bits} bits`);
        return make(Number(n));
      },
    },
  });
};

export const u8 = small(8, P.U8);
export const u16 = small(16, P.U16BE);
export const u32 = small(32, P.U32BE);

/** `max` is for the printers; `make` enforces it. */
export const u64 = <T extends bigint>(
  unit: string,
  make: (n: bigint) => T,
  max = (1n << 64n) - 1n,
): Field<T> => ({
  shape: { kind: "uint", bits: 64, max, unit },
  packed: checked(P.U64BE, make, (n) => n),
  proto: {
    wire: WireType.Varint,
    write: (to, n) => to.uint64(n),
    read: (from) => make(BigInt(from.uint64())),
  },
});

export const bool: Field<boolean> = {
  shape: { kind: "bool" },
  packed: P.bool,
  proto: {
    wire: WireType.Varint,
    write: (to, value) => to.bool(value),
    read: (from) => {
      const n = from.uint64();
      if (n !== 0n && n !== 1n && n !== "0" && n !== "1") throw new Malformed("", "neither true nor false");
      return BigInt(n) === 1n;
    },
  },
};

/** Copied on the way in: the reader's buffer belongs to the transport. */
const own = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);

export const fixed = <T extends Uint8Array>(
  unit: string,
  length: number,
  make: (bytes: Uint8Array) => T,
): Field<T> => ({
  shape: { kind: "bytes", length, unit },
  packed: checked(
    P.bytes(length),
    (b) => make(own(b)),
    (b) => b,
  ),
  proto: {
    wire: WireType.LengthDelimited,
    write: (to, value) => {
      must(value.length === length, `${value.length} bytes where ${length} belong`);
      to.bytes(value);
    },
    read: (from) => {
      const bytes = from.bytes();
      if (bytes.length !== length) throw new Malformed("", `${bytes.length} bytes where ${length} belong`);
      return make(own(bytes));
    },
  },
});

const count = (max: number): P.CoderType<number> =>
  P.validate(max < 0x1_0000 ? P.U16BE : P.U32BE, (n) => {
    if (n > max) throw new Error(`${n} where at most ${max} may be`);
    return n;
  });

const bounded = (length: number, max: number): void => {
  if (length > max) throw new Malformed("", `${length} where at most ${max} may be`);
};

export const blob = <T extends Uint8Array>(
  unit: string,
  max: number,
  make: (bytes: Uint8Array) => T,
): Field<T> => ({
  shape: { kind: "blob", max, unit },
  packed: checked(
    P.bytes(count(max)),
    (b) => make(own(b)),
    (b) => b,
  ),
  proto: {
    wire: WireType.LengthDelimited,
    write: (to, value) => {
      must(value.length <= max, `${value.length} bytes where at most ${max} may be`);
      to.bytes(value);
    },
    read: (from) => {
      const bytes = from.bytes();
      bounded(bytes.length, max);
      return make(own(bytes));
    },
  },
});

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const readable = (bytes: Uint8Array): string => {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Malformed("", "not UTF-8");
  }
};

/** `max` counts bytes of UTF-8. */
export const text = (unit: string, max: number): Field<string> => {
  const encoder = new TextEncoder();
  const encode = (value: string): Uint8Array => {
    // The encoder would put U+FFFD for half a surrogate pair: what is read back would be another text.
    must(value.isWellFormed(), "not well-formed Unicode");
    const bytes = encoder.encode(value);
    must(bytes.length <= max, `${bytes.length} bytes where at most ${max} may be`);
    return bytes;
  };
  return {
    shape: { kind: "text", max, unit },
    packed: checked(P.bytes(count(max)), readable, encode),
    proto: {
      wire: WireType.LengthDelimited,
      write: (to, value) => to.bytes(encode(value)),
      read: (from) => {
        const bytes = from.bytes();
        bounded(bytes.length, max);
        return readable(bytes);
      },
    },
  };
};

/** One of a few words; 0 is no word, so that a zeroed field is Malformed. */
export const choice = <const V extends readonly string[]>(name: string, values: V): Field<V[number]> => {
  const byNumber = (n: number): V[number] => {
    const value = values[n - 1];
    if (value === undefined) throw new Malformed("", `${n} is none of ${values.join(", ")}`);
    return value;
  };
  const toNumber = (value: V[number]): number => {
    const at = values.indexOf(value);
    must(at >= 0, `none of ${values.join(", ")}`);
    return at + 1;
  };
  const number = u8(name, (n) => n);
  return {
    shape: { kind: "choice", name, values },
    packed: checked(P.U8, byNumber, toNumber),
    proto: {
      wire: WireType.Varint,
      write: (to, value) => number.proto.write(to, toNumber(value)),
      read: (from) => byNumber(number.proto.read(from)),
    },
  };
};

/** An element takes at least a byte, so that a hostile count costs its sender as much as the reader. */
export const list = <T>(element: Field<T>, max: number): Field<readonly T[]> => {
  return {
    shape: { kind: "list", of: element.shape, max },
    packed: P.array(count(max), element.packed) as unknown as P.CoderType<readonly T[]>,
    each: element.proto as Proto<unknown>,
    max,
    // Alone (inside a `maybe`) a list is a message of its own with the items under tag 1.
    proto: {
      wire: WireType.LengthDelimited,
      write: (to, items) => {
        to.fork();
        writeList(element.proto, max, 1, to, items);
        to.join();
      },
      read: (from) => readList(element.proto, max, from.bytes()),
    },
  };
};

/** Could a known value be taken for `unknown`? */
const isAmbiguous = (shape: Shape): boolean =>
  shape.kind === "text" ||
  shape.kind === "maybe" ||
  (shape.kind === "choice" && shape.values.includes(unknown));

export const maybe = <T>(known: Field<T>): Field<Maybe<T>> => {
  must(!isAmbiguous(known.shape), "a value of this field may be the word `unknown` itself");
  const packed = P.optional(P.bool, known.packed as P.CoderType<T>);
  return {
    shape: { kind: "maybe", of: known.shape },
    packed: checked(
      packed,
      (value): Maybe<T> => (value === undefined ? unknown : value),
      (value) => {
        // Left out is not the same as unknown, which must be said.
        must(value !== undefined, "missing");
        return isKnown(value) ? value : undefined;
      },
    ),
    proto: {
      wire: WireType.LengthDelimited,
      write: (to, value) => {
        to.fork();
        if (isKnown(value)) {
          to.tag(2, known.proto.wire);
          known.proto.write(to, value);
        } else {
          to.tag(1, WireType.Varint);
          bool.proto.write(to, true);
        }
        to.join();
      },
      read: (from) => readMaybe(known.proto, from.bytes()) ?? unknown,
    },
  };
};

export const message = <F extends Fields>(name: string, fields: F): Field<Values<F>> => ({
  shape: {
    kind: "message",
    name,
    fields: Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.shape])),
  },
  packed: packedFields(fields),
  proto: {
    wire: WireType.LengthDelimited,
    write: (to, value) => {
      to.fork();
      writeFields(fields, to, value);
      to.join();
    },
    read: (from) => readFields(fields, from.bytes()),
  },
});

export const packedFields = <F extends Fields>(fields: F): P.CoderType<Values<F>> =>
  P.struct(
    Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, field.packed])),
  ) as unknown as P.CoderType<Values<F>>;

const place = /^Reader\(([^)]*)\): (?:\w*Error: |Malformed: )*(.*)$/s;
const leftOver = /^(\d+) bytes \d+ bits left after unpack/;

/** As in the protobuf form: `htlcs[3].amount`. */
const dotted = (path: string): string =>
  path
    .replace(/\/?\barrayLen$/, "")
    .replaceAll(/(^|\/)(\d+)(?=\/|$)/g, "[$2]")
    .replaceAll("/", ".");

/** Bytes to a value; whatever is wrong with them is Malformed, with the path of the field. */
export const unpack = <T>(coder: P.CoderType<T>, bytes: Uint8Array): T => {
  try {
    return coder.decode(bytes);
  } catch (error) {
    const [, path = "", reason = "unreadable"] = place.exec((error as Error).message) ?? [];
    // The library quotes all that is left over, which may be as long as the sender likes.
    const [, excess] = leftOver.exec(reason) ?? [];
    throw new Malformed(dotted(path), excess === undefined ? reason : `${excess} bytes too many`);
  }
};
