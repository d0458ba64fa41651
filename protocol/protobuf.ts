/**
 * Messages on a protobuf wire, stricter than protobuf asks: every field is there, in ascending order, once.
 * Field numbers are the order of declaration, from 1.
 */

import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { Field, Fields, Proto, Values } from "./codec.ts";
import { Malformed } from "./malformed.ts";

interface Entry {
  readonly name: string;
  readonly field: Field<unknown>;
}

const tables = new WeakMap<Fields, readonly Entry[]>();

const table = (fields: Fields): readonly Entry[] => {
  const known = tables.get(fields);
  if (known !== undefined) return known;
  const entries = Object.entries(fields).map(([name, field]) => ({ name, field: field as Field<unknown> }));
  tables.set(fields, entries);
  return entries;
};

/**
 * The library's reader takes a number in more bytes than it needs, and drops the bits above the 64th or, of a
 * length, the 32nd. Here a value has one encoding: what decodes gives the same bytes when it is encoded again.
 */
class StrictReader extends BinaryReader {
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#bytes = bytes;
  }

  /** Holds the varint from `start` to here against its longest form. */
  #shortest(start: number, longest: number, top: number): void {
    const length = this.pos - start;
    const last = this.#bytes[this.pos - 1] as number;
    if (length > 1 && last === 0) throw new Malformed("", "a number in more bytes than it needs");
    if (length > longest || (length === longest && last > top))
      throw new Malformed("", `a number of more than ${longest === 10 ? 64 : 32} bits`);
  }

  override tag(): [number, WireType] {
    const start = this.pos;
    const tag = super.tag();
    this.#shortest(start, 5, 0x0f);
    return tag;
  }

  override uint64(): bigint | string {
    const start = this.pos;
    const value = super.uint64();
    this.#shortest(start, 10, 1);
    return value;
  }

  override bytes(): Uint8Array {
    const start = this.pos;
    const length = this.uint32();
    this.#shortest(start, 5, 0x0f);
    if (length > this.len - this.pos) throw new Malformed("", "cut short");
    this.pos += length;
    return this.#bytes.subarray(this.pos - length, this.pos);
  }
}

export const writeList = <T>(
  each: Proto<T>,
  max: number,
  number: number,
  to: BinaryWriter,
  items: readonly T[],
): void => {
  if (items.length > max) throw new RangeError(`${items.length} where at most ${max} may be`);
  for (const item of items) {
    to.tag(number, each.wire);
    each.write(to, item);
  }
};

export const writeFields = <F extends Fields>(fields: F, to: BinaryWriter, value: Values<F>): void => {
  table(fields).forEach(({ name, field }, at) => {
    const one = (value as Readonly<Record<string, unknown>>)[name];
    if (field.each === undefined) {
      to.tag(at + 1, field.proto.wire);
      field.proto.write(to, one);
    } else {
      writeList(field.each, field.max ?? 0, at + 1, to, one as readonly unknown[]);
    }
  });
};

/** What went wrong inside `name`, as Malformed. */
const inside = (error: unknown, name: string): Malformed =>
  error instanceof Malformed ? error.within(name) : new Malformed(name, (error as Error).message);

const reading = <T>(name: string, action: () => T): T => {
  try {
    return action();
  } catch (error) {
    throw inside(error, name);
  }
};

const nextTag = (from: BinaryReader): readonly [number, WireType] => {
  try {
    return from.tag();
  } catch (error) {
    throw new Malformed("", (error as Error).message);
  }
};

const expectWire = (found: WireType, wanted: WireType): void => {
  if (found !== wanted) throw new Malformed("", `wire type ${found} where ${wanted} belongs`);
};

export const readFields = <F extends Fields>(fields: F, bytes: Uint8Array): Values<F> => {
  const entries = table(fields);
  const out: Record<string, unknown> = {};
  const from = new StrictReader(bytes);
  let last = -1;

  /** Everything before `at` has had its chance: a list may be empty, anything else is missing. */
  const passTo = (at: number): void => {
    for (const { name, field } of entries.slice(last + 1, at)) {
      if (field.each === undefined) throw new Malformed(name, "missing");
      out[name] = [];
    }
    last = at;
  };

  while (from.pos < from.len) {
    const [number, wire] = nextTag(from);
    const at = number - 1;
    const entry = entries[at];
    if (entry === undefined) throw new Malformed(`#${number}`, "no such field");
    const { name, field } = entry;
    const { each } = field;
    if (at < last) throw new Malformed(name, "out of order");
    if (at > last) {
      if (at > last + 1) passTo(at);
      last = at;
      if (each !== undefined) out[name] = [];
    } else if (each === undefined) {
      throw new Malformed(name, "repeated");
    }
    if (each === undefined) {
      try {
        expectWire(wire, field.proto.wire);
        out[name] = field.proto.read(from);
      } catch (error) {
        throw inside(error, name);
      }
      continue;
    }
    const items = out[name] as unknown[];
    try {
      items.push(readItem(each, field.max ?? 0, items.length, wire, from));
    } catch (error) {
      throw inside(error, `${name}[${items.length}]`);
    }
  }
  passTo(entries.length);
  return out as Values<F>;
};

const readItem = <T>(each: Proto<T>, max: number, before: number, wire: WireType, from: BinaryReader): T => {
  if (before >= max) throw new Malformed("", `more than ${max}`);
  expectWire(wire, each.wire);
  return each.read(from);
};

/** A list that is a message of its own: its items under tag 1. */
export const readList = <T>(each: Proto<T>, max: number, bytes: Uint8Array): readonly T[] => {
  const from = new StrictReader(bytes);
  const items: T[] = [];
  while (from.pos < from.len) {
    const [number, wire] = nextTag(from);
    if (number !== 1) throw new Malformed(`#${number}`, "no such field");
    try {
      items.push(readItem(each, max, items.length, wire, from));
    } catch (error) {
      throw inside(error, `[${items.length}]`);
    }
  }
  return items;
};

/** `oneof { bool unknown = 1; T known = 2; }`: undefined for unknown, and neither is Malformed. */
export const readMaybe = <T>(known: Proto<T>, bytes: Uint8Array): T | undefined => {
  if (bytes.length === 0) throw new Malformed("", "missing: neither known nor unknown");
  const from = new StrictReader(bytes);
  const [number, wire] = nextTag(from);
  const value = ((): T | undefined => {
    if (number === 2) {
      expectWire(wire, known.wire);
      return known.read(from);
    }
    if (number !== 1) throw new Malformed(`#${number}`, "no such field");
    expectWire(wire, WireType.Varint);
    if (BigInt(from.uint64()) !== 1n) throw new Malformed("", "unknown must be true or left out");
    return undefined;
  })();
  if (from.pos < from.len) throw new Malformed("", "both known and unknown");
  return value;
};

/** `uint64 id = 1`, then one of many: `name` and `value` say which. */
export interface Enveloped<N extends string> {
  readonly id: bigint;
  readonly name: N;
  readonly value: unknown;
}

export const writeEnvelope = <T>(id: bigint, number: number, proto: Proto<T>, value: T): Uint8Array => {
  const to = new BinaryWriter();
  to.tag(1, WireType.Varint);
  to.uint64(id);
  to.tag(number, proto.wire);
  proto.write(to, value);
  return to.finish();
};

const readId = (from: BinaryReader): bigint =>
  reading("id", () => {
    const [number, wire] = from.pos < from.len ? from.tag() : [0, 0];
    if (number !== 1) throw new Malformed("", "missing");
    expectWire(wire, WireType.Varint);
    return BigInt(from.uint64());
  });

export const readEnvelope = <N extends string>(
  bytes: Uint8Array,
  member: (number: number) => { readonly name: N; readonly proto: Proto<unknown> } | undefined,
): Enveloped<N> => {
  const from = new StrictReader(bytes);
  const id = readId(from);
  if (from.pos === from.len) throw new Malformed("", "an id alone");
  const [number, wire] = nextTag(from);
  const found = member(number);
  if (found === undefined) throw new Malformed(`#${number}`, "no such field");
  const { name, proto } = found;
  const value = reading(name, () => {
    expectWire(wire, proto.wire);
    return proto.read(from);
  });
  if (from.pos < from.len) throw new Malformed(name, "followed by more");
  return { id, name, value };
};

/** Of an envelope whose content is Malformed; 0 if not even that can be read. */
export const envelopeId = (bytes: Uint8Array): bigint => {
  try {
    return readId(new StrictReader(bytes));
  } catch {
    return 0n;
  }
};

/** A message with nothing around it: `proto` reads and writes one behind its length. */
export const encodeAlone = <T>(proto: Proto<T>, value: T): Uint8Array => {
  const to = new BinaryWriter();
  proto.write(to, value);
  return new BinaryReader(to.finish()).bytes();
};

export const decodeAlone = <T>(name: string, proto: Proto<T>, bytes: Uint8Array): T =>
  reading(name, () => proto.read(new StrictReader(new BinaryWriter().bytes(bytes).finish())));
