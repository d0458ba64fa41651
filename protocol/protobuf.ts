/**
 * Messages on a protobuf wire, stricter than protobuf asks: every field is there, in ascending order, once.
 * Field numbers are the order of declaration, from 1.
 */

import { BinaryReader, type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
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

export const writeFields = <F extends Fields>(fields: F, to: BinaryWriter, value: Values<F>): void => {
  table(fields).forEach(({ name, field }, at) => {
    const one = (value as Readonly<Record<string, unknown>>)[name];
    if (field.each === undefined) {
      to.tag(at + 1, field.proto.wire);
      field.proto.write(to, one);
      return;
    }
    for (const item of one as readonly unknown[]) {
      to.tag(at + 1, field.each.wire);
      field.each.write(to, item);
    }
  });
};

const reading = <T>(name: string, action: () => T): T => {
  try {
    return action();
  } catch (error) {
    if (error instanceof Malformed) throw error.within(name);
    throw new Malformed(name, (error as Error).message);
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
  const from = new BinaryReader(bytes);
  let open = 0;

  /** Everything before `until` has had its chance: a list may be empty, anything else is missing. */
  const closeBefore = (until: number): void => {
    for (; open < until; open++) {
      const { name, field } = entries[open] as Entry;
      if (name in out) continue;
      if (field.each === undefined) throw new Malformed(name, "missing");
      out[name] = [];
    }
  };

  while (from.pos < from.len) {
    const [number, wire] = nextTag(from);
    const entry = entries[number - 1];
    if (entry === undefined) throw new Malformed(`#${number}`, "no such field");
    const { name, field } = entry;
    if (number - 1 < open) throw new Malformed(name, "out of order");
    closeBefore(number - 1);
    const { each } = field;
    if (each === undefined) {
      if (name in out) throw new Malformed(name, "repeated");
      out[name] = reading(name, () => {
        expectWire(wire, field.proto.wire);
        return field.proto.read(from);
      });
      continue;
    }
    const items = (out[name] ?? []) as unknown[];
    out[name] = items;
    items.push(
      reading(`${name}[${items.length}]`, () => readItem(each, field.max ?? 0, items.length, wire, from)),
    );
  }
  closeBefore(entries.length);
  return out as Values<F>;
};

const readItem = <T>(each: Proto<T>, max: number, before: number, wire: WireType, from: BinaryReader): T => {
  if (before >= max) throw new Malformed("", `more than ${max}`);
  expectWire(wire, each.wire);
  return each.read(from);
};

/** A list that is a message of its own: its items under tag 1. */
export const readList = <T>(each: Proto<T>, max: number, bytes: Uint8Array): readonly T[] => {
  const from = new BinaryReader(bytes);
  const items: T[] = [];
  while (from.pos < from.len) {
    const [number, wire] = nextTag(from);
    if (number !== 1) throw new Malformed(`#${number}`, "no such field");
    items.push(reading(`[${items.length}]`, () => readItem(each, max, items.length, wire, from)));
  }
  return items;
};

/** `oneof { bool unknown = 1; T known = 2; }`: undefined for unknown, and neither is Malformed. */
export const readMaybe = <T>(known: Proto<T>, bytes: Uint8Array): T | undefined => {
  if (bytes.length === 0) throw new Malformed("", "missing: neither known nor unknown");
  const from = new BinaryReader(bytes);
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
