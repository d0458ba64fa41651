import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, test } from "vitest";
import {
  blob,
  bool,
  choice,
  type Field,
  fixed,
  list,
  maybe,
  message,
  text,
  u8,
  u16,
  u32,
  u64,
  unknown,
  unpack,
} from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { type Name, names, operations } from "../../protocol/operations/index.ts";

const n = (value: number) => value;
const raw = (bytes: Uint8Array) => bytes;

const toProto = <T>(field: Field<T>, value: T): Uint8Array => {
  const to = new BinaryWriter();
  field.proto.write(to, value);
  return to.finish();
};
const fromProto = <T>(field: Field<T>, bytes: Uint8Array): T => field.proto.read(new BinaryReader(bytes));

const malformed = (action: () => unknown): Malformed => {
  try {
    action();
  } catch (error) {
    if (error instanceof Malformed) return error;
    throw error;
  }
  throw new Error("taken for good");
};

describe("a message that is short of something", () => {
  const point = fixed("point", 2, raw);
  const inner = message("Inner", { left: u16("x", n), right: bool });
  const outer = message("Outer", {
    id: u64("id", (value) => value),
    inner,
    items: list(inner, 3),
    last: maybe(point),
  });
  const good = {
    id: 5n,
    inner: { left: 1, right: true },
    items: [{ left: 2, right: false }],
    last: Uint8Array.of(8, 9),
  };
  const bytes = toProto(outer, good).subarray(1);
  const field = (number: number, wire: WireType, content: (to: BinaryWriter) => void): Uint8Array => {
    const to = new BinaryWriter().tag(number, wire);
    content(to);
    return to.finish();
  };
  const wrap = (...parts: readonly Uint8Array[]): Uint8Array =>
    new BinaryWriter().bytes(Buffer.concat(parts)).finish();
  const id = field(1, WireType.Varint, (to) => to.uint64(5));
  const innerBytes = Uint8Array.of(8, 1, 16, 1);
  const one = field(2, WireType.LengthDelimited, (to) => to.bytes(innerBytes));
  const item = field(3, WireType.LengthDelimited, (to) => to.bytes(innerBytes));
  const last = field(4, WireType.LengthDelimited, (to) => to.bytes(Uint8Array.of(8, 1)));

  test("reads when everything is there", () => {
    expect(fromProto(outer, wrap(bytes))).toStrictEqual(good);
    expect(fromProto(outer, wrap(id, one, last))).toStrictEqual({
      id: 5n,
      inner: { left: 1, right: true },
      items: [],
      last: unknown,
    });
  });

  const cases: readonly (readonly [string, Uint8Array, string, RegExp])[] = [
    ["missing", wrap(one, item, last), "id", /missing/],
    ["missing at the end", wrap(id, one, item), "last", /missing/],
    ["repeated", wrap(id, id, one, last), "id", /repeated/],
    ["out of order", wrap(id, one, last, item), "items", /out of order/],
    [
      "unknown",
      wrap(
        id,
        one,
        last,
        field(5, WireType.Varint, (to) => to.uint64(1)),
      ),
      "#5",
      /no such field/,
    ],
    [
      "of the wrong wire type",
      wrap(
        field(1, WireType.Bit32, (to) => to.fixed32(5)),
        one,
        last,
      ),
      "id",
      /wire/,
    ],
    [
      "missing inside",
      wrap(
        id,
        field(2, WireType.LengthDelimited, (to) => to.bytes(Uint8Array.of(8, 1))),
        last,
      ),
      "inner.right",
      /missing/,
    ],
    [
      "wrong inside an item",
      wrap(
        id,
        one,
        item,
        field(3, WireType.LengthDelimited, (to) => to.bytes(Uint8Array.of(8, 1, 16, 2))),
        last,
      ),
      "items[1].right",
      /neither true nor false/,
    ],
    ["one too many", wrap(id, one, item, item, item, item, last), "items[3]", /more than 3/],
    [
      "a wide number",
      wrap(
        id,
        field(2, WireType.LengthDelimited, (to) => to.bytes(Uint8Array.of(8, 0x80, 0x80, 4, 16, 1))),
        last,
      ),
      "inner.left",
      /16 bits/,
    ],
    [
      "neither known nor unknown",
      wrap(
        id,
        one,
        field(4, WireType.LengthDelimited, (to) => to.bytes(Uint8Array.of())),
      ),
      "last",
      /neither/,
    ],
    [
      "known and unknown",
      wrap(
        id,
        one,
        field(4, WireType.LengthDelimited, (to) => to.bytes(Uint8Array.of(8, 1, 18, 2, 8, 9))),
      ),
      "last",
      /both/,
    ],
    [
      "not unknown after all",
      wrap(
        id,
        one,
        field(4, WireType.LengthDelimited, (to) => to.bytes(Uint8Array.of(8, 0))),
      ),
      "last",
      /must be true/,
    ],
    ["cut short", wrap(id, one, item, Uint8Array.of(34, 9, 1)), "last", /cut short/],
  ];
  test.each(cases)("%s", (_, wrong, path, reason) => {
    const error = malformed(() => fromProto(outer, wrong));
    expect(error.path).toBe(path);
    expect(error.reason).toMatch(reason);
  });

  const packed = outer.packed.encode(good);
  test.each([
    ["cut in the first field", packed.slice(0, 3), "id"],
    ["cut in an item", packed.slice(0, 15), "items"],
    ["with too high a count", Uint8Array.from([...packed.slice(0, 11), 0, 4, ...packed.slice(13)]), "items"],
    ["with more behind", Uint8Array.from([...packed, 1]), ""],
    ["with half a bool", Uint8Array.from([...packed.slice(0, 10), 2, ...packed.slice(11)]), "inner.right"],
  ])("packed, %s", (_, wrong, path) => {
    expect(malformed(() => unpack(outer.packed, wrong)).path).toBe(path);
  });

  test("what is left over is not quoted", () => {
    const error = malformed(() =>
      unpack(outer.packed, Uint8Array.from([...packed, ...new Uint8Array(5000)])),
    );
    expect(error.reason).toBe("5000 bytes too many");
  });
});

describe("numbers on a protobuf wire", () => {
  const holder = message("H", { value: u64("x", (value) => value) });
  const read = (...varint: readonly number[]) =>
    fromProto(holder, Uint8Array.of(varint.length + 1, 8, ...varint)).value;

  test("64 bits and no more", () => {
    expect(read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1)).toBe((1n << 64n) - 1n);
    // The library drops the 65th bit and would read 2^64 - 1.
    expect(malformed(() => read(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 3)).path).toBe("value");
  });

  test("have one encoding", () => {
    expect(malformed(() => read(0x85, 0)).reason).toMatch(/more bytes than it needs/);
    expect(malformed(() => fromProto(holder, Uint8Array.of(3, 0x88, 0, 5))).reason).toMatch(/more bytes/);
  });

  test("a length of 2^32 + 1 is not 1", () => {
    const text_ = message("T", { value: text("x", 9) });
    const bytes = Uint8Array.of(8, 10, 0x81, 0x80, 0x80, 0x80, 0x10, 65, 65);
    expect(malformed(() => fromProto(text_, bytes)).path).toBe("value");
  });
});

describe("hostile lengths and counts", () => {
  const entries = list(fixed("hash", 32, raw), 966);
  const many = message("Many", { entries });

  test("a count far above what follows allocates nothing", () => {
    const element = blob("x", 1_000_000, raw);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 200; i++) {
      malformed(() => unpack(entries.packed, Uint8Array.of(3, 0xc6, 1, 2, 3)));
      malformed(() => unpack(element.packed, Uint8Array.of(0, 0x0f, 0x42, 0x40, 1, 2, 3)));
      malformed(() => fromProto(message("B", { element }), Uint8Array.of(6, 10, 0xc0, 0x84, 0x3d, 1, 2)));
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000);
  });

  test("966 pass and 967 do not, in either form", () => {
    const full = Array.from({ length: 966 }, () => new Uint8Array(32));
    expect(fromProto(many, toProto(many, { entries: full })).entries).toHaveLength(966);
    expect(unpack(many.packed, many.packed.encode({ entries: full })).entries).toHaveLength(966);
    const wider = message("Many", { entries: list(fixed("hash", 32, raw), 967) });
    const over = [...full, new Uint8Array(32)];
    expect(malformed(() => fromProto(many, toProto(wider, { entries: over }))).path).toBe("entries[966]");
    expect(malformed(() => unpack(many.packed, wider.packed.encode({ entries: over }))).path).toBe("entries");
  });

  test("a blob of one byte too many is refused in either form", () => {
    const short = message("S", { value: blob("x", 3, raw) });
    const long = message("S", { value: blob("x", 4, raw) });
    const value = Uint8Array.of(1, 2, 3, 4);
    expect(malformed(() => fromProto(short, toProto(long, { value }))).path).toBe("value");
    expect(malformed(() => unpack(short.packed, long.packed.encode({ value }))).path).toBe("value");
  });
});

describe("words and texts", () => {
  const side = choice("Side", ["left", "right"]);
  test.each([0, 3, 255])("%i is no word", (number) => {
    malformed(() => unpack(side.packed, Uint8Array.of(number)));
    malformed(() => fromProto(side, number > 127 ? Uint8Array.of(0xff, 1) : Uint8Array.of(number)));
  });

  test("text that is not UTF-8 is refused", () => {
    const name = text("x", 8);
    malformed(() => unpack(name.packed, Uint8Array.of(0, 1, 0xff)));
    malformed(() => fromProto(name, Uint8Array.of(1, 0xc0)));
  });

  test("a text that could be the word `unknown` can't be left open", () => {
    expect(() => maybe(text("x", 8))).toThrow(/unknown/);
    expect(() => maybe(choice("C", ["unknown", "known"]))).toThrow(/unknown/);
  });
});

const any = (field: unknown): Field<never> => field as Field<never>;

describe("a value that no decoder would take is not encoded", () => {
  const wrong: readonly (readonly [string, Field<never>, unknown])[] = [
    ["a number too wide", any(u8("x", n)), 256],
    ["a fraction", any(u32("x", n)), 1.5],
    ["a negative number", any(u64("x", (value) => value)), -1n],
    ["bytes too few", any(fixed("x", 4, raw)), new Uint8Array(3)],
    ["bytes too many", any(blob("x", 4, raw)), new Uint8Array(5)],
    ["half a surrogate pair", any(text("x", 40)), "a\ud800"],
    ["a text too long", any(text("x", 4)), "ééé"],
    ["another word", any(choice("x", ["a"])), "b"],
    ["items too many", any(list(u8("x", n), 1)), [1, 2]],
    ["nothing where unknown must be said", any(maybe(u8("x", n))), undefined],
  ];
  test.each(wrong)("%s", (_, field, value) => {
    for (const encode of [() => toProto(field, value as never), () => field.packed.encode(value as never)]) {
      expect(encode).toThrow();
      // A defect of the encoder's own process is no Malformed.
      expect(encode).not.toThrow(Malformed);
    }
  });
});

test("the bounds that are printed are the bounds that are held", () => {
  let seen = 0;
  const visit = (name: Name, path: string, field: Field<unknown>): void => {
    const { shape } = field;
    if (shape.kind !== "uint" || shape.max === (1n << BigInt(shape.bits)) - 1n) return;
    seen++;
    const max = shape.bits === 64 ? shape.max : Number(shape.max);
    const over = shape.bits === 64 ? shape.max + 1n : Number(shape.max) + 1;
    expect(field.proto.read(new BinaryReader(toProto(field, max))), `${name}.${path}`).toBe(max);
    expect(() => field.proto.read(new BinaryReader(toProto(field, over)))).toThrow(Malformed);
    expect(() => unpack(field.packed, field.packed.encode(over))).toThrow(Malformed);
  };
  for (const name of names)
    for (const fields of [operations[name].request, operations[name].reply])
      for (const [path, field] of Object.entries(fields)) visit(name, path, field as Field<unknown>);
  expect(seen).toBeGreaterThan(20);
});
