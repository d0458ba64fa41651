/** Ways in which bytes go wrong: by the byte, by the slice, and as those who know the formats would do it. */

import { concat } from "../../protocol/bytes.ts";
import type { Random } from "./random.ts";

type Mutation = (bytes: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

const replaced = (bytes: Uint8Array, at: number, length: number, by: Uint8Array): Uint8Array =>
  concat(bytes.subarray(0, at), by, bytes.subarray(Math.min(bytes.length, at + length)));

const place = (bytes: Uint8Array, random: Random): number => random.int(bytes.length + 1);

const slice = (bytes: Uint8Array, random: Random): readonly [number, number] => {
  const from = place(bytes, random);
  const length = random.chance(3) ? random.int(bytes.length + 1) : random.int(40);
  return [from, Math.min(bytes.length, from + length)];
};

const edges = [
  0n,
  1n,
  2n,
  0x7fn,
  0x80n,
  0xfcn,
  0xfdn,
  0xffn,
  0x100n,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x10000n,
].concat(
  [0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, 0x1_0000_0000n, (1n << 48n) - 1n, 1n << 48n],
  [(1n << 53n) - 1n, 1n << 53n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n],
  // The most satoshi there are, and the most millisatoshi, and what follows each.
  [2_100_000_000_000_000n, 2_100_000_000_000_001n, 2_100_000_000_000_000_000n, 2_100_000_000_000_000_001n],
  [499_999_999n, 500_000_000n, 483n, 484n, 966n, 967n, 520n, 521n, 100_000n, 100_001n],
);

const fixedWidth: Mutation = (bytes, random) => {
  const width = random.pick([1, 2, 4, 8]);
  const out = new Uint8Array(8);
  const value = random.pick(edges) + (random.chance(4) ? BigInt(random.int(5) - 2) : 0n);
  new DataView(out.buffer).setBigUint64(0, BigInt.asUintN(64, value));
  const big = out.subarray(8 - width);
  return replaced(bytes, place(bytes, random), width, random.chance(2) ? big : big.toReversed());
};

const varint = (value: bigint, padding = 0): Uint8Array => {
  const out: number[] = [];
  let left = value;
  do {
    out.push(Number(left & 0x7fn) | 0x80);
    left >>= 7n;
  } while (left > 0n);
  for (let i = 0; i < padding; i++) out.push(0x80);
  out[out.length - 1] = (out.at(-1) as number) & 0x7f;
  return Uint8Array.from(out);
};

const compactSize = (value: bigint, random: Random): Uint8Array => {
  const width = random.pick([1, 2, 4, 8]);
  const out = new Uint8Array(9);
  out[0] = width === 1 ? Number(value & 0xffn) : { 2: 0xfd, 4: 0xfe, 8: 0xff }[width as 2 | 4 | 8];
  if (width > 1) new DataView(out.buffer).setBigUint64(1, BigInt.asUintN(64, value), true);
  return out.subarray(0, width === 1 ? 1 : 1 + width);
};

/** The end of the varint that begins at `at`. */
const varintEnd = (bytes: Uint8Array, at: number): number => {
  let end = at;
  while (end < bytes.length && (bytes[end] as number) >= 0x80) end++;
  return Math.min(bytes.length, end + 1);
};

const numberIn = (bytes: Uint8Array): bigint =>
  bytes.reduceRight((value, byte) => (value << 7n) | BigInt(byte & 0x7f), 0n);

const varints: Mutation = (bytes, random) => {
  const at = place(bytes, random);
  const end = varintEnd(bytes, at);
  const now = numberIn(bytes.subarray(at, Math.min(end, at + 10)));
  const make = random.pick([
    () => varint(now, 1 + random.int(4)),
    () => varint(now + BigInt(random.int(5)) - (now >= 2n ? 2n : 0n)),
    () => varint(random.pick(edges), random.chance(3) ? random.int(6) : 0),
    () => varint(now | (1n << BigInt(30 + random.int(45)))),
    () => new Uint8Array(1 + random.int(14)).fill(0xff),
    () => compactSize(random.chance(2) ? now : random.pick(edges), random),
  ]);
  return replaced(bytes, at, end - at, make());
};

interface Part {
  readonly from: number;
  /** Of the content, behind tag and length. */
  readonly inner: number;
  readonly end: number;
  readonly isMessage: boolean;
}

/** The fields of a protobuf message, as far as the bytes are one. */
const fieldsOf = (bytes: Uint8Array, start: number, stop: number): readonly Part[] => {
  const parts: Part[] = [];
  for (let at = start; at < stop; ) {
    const tagEnd = varintEnd(bytes, at);
    const wire = (bytes[at] as number) & 7;
    if (wire !== 0 && wire !== 2) break;
    const valueEnd = varintEnd(bytes, tagEnd);
    const length = wire === 2 ? Number(numberIn(bytes.subarray(tagEnd, Math.min(valueEnd, tagEnd + 5)))) : 0;
    const end = valueEnd + length;
    if (tagEnd >= stop || end > stop) break;
    parts.push({ from: at, inner: valueEnd, end, isMessage: wire === 2 });
    at = end;
  }
  return parts;
};

/** Fields of a message at some depth left out, doubled, swapped or brought from elsewhere, the lengths mended. */
const fields: Mutation = (bytes, random, other) => {
  const deepen = (from: number, to: number): Uint8Array => {
    const parts = fieldsOf(bytes, from, to);
    if (parts.length === 0) return bytes.subarray(from, to);
    const at = random.int(parts.length);
    const part = parts[at] as Part;
    const texts = parts.map(({ from, end }) => bytes.subarray(from, end));
    const text = texts[at] as Uint8Array;
    if (part.isMessage && part.end > part.inner && random.chance(2)) {
      const content = deepen(part.inner, part.end);
      const tag = bytes.subarray(part.from, varintEnd(bytes, part.from));
      texts[at] = concat(tag, varint(BigInt(content.length)), content);
      return concat(...texts);
    }
    const second = random.int(parts.length);
    const change = random.pick([
      () => texts.splice(at, 1),
      () => texts.splice(at, 0, text),
      () => texts.push(text),
      () => texts.splice(at, 1, texts[second] as Uint8Array),
      () => {
        [texts[at], texts[second]] = [texts[second] as Uint8Array, text];
      },
      () => {
        const theirs = fieldsOf(other, 0, other.length);
        if (theirs.length === 0) return;
        const { from, end } = random.pick(theirs);
        texts.splice(at, random.int(2), other.subarray(from, end));
      },
      // Another number, or another wire type.
      () =>
        texts.splice(
          at,
          1,
          concat(Uint8Array.of((text[0] as number) ^ (1 << random.int(7))), text.subarray(1)),
        ),
    ]);
    change();
    return concat(...texts);
  };
  return deepen(0, bytes.length);
};

const mutations: readonly Mutation[] = [
  (bytes, random) => {
    const out = bytes.slice();
    const at = random.int(bytes.length);
    if (at < out.length) out[at] = (out[at] as number) ^ (1 << random.int(8));
    return out;
  },
  (bytes, random) => {
    const out = bytes.slice();
    const at = random.int(bytes.length);
    if (at < out.length)
      out[at] = random.chance(2) ? random.int(256) : random.pick([0, 1, 2, 3, 0x7f, 0x80, 0xff]);
    return out;
  },
  (bytes, random) => bytes.slice(0, place(bytes, random)),
  (bytes, random) => concat(bytes, random.bytes(1 + random.int(20))),
  (bytes, random) => concat(bytes, new Uint8Array(1 + random.int(40)).fill(random.pick([0, 0x80, 0xff]))),
  (bytes, random) => replaced(bytes, place(bytes, random), 0, random.bytes(1 + random.int(8))),
  (bytes, random) => {
    const [from, to] = slice(bytes, random);
    return replaced(bytes, from, to - from, new Uint8Array(0));
  },
  (bytes, random) => {
    const [from, to] = slice(bytes, random);
    return replaced(bytes, to, 0, bytes.subarray(from, to));
  },
  (bytes, random) => {
    const [from, to] = slice(bytes, random);
    return replaced(bytes, place(bytes, random), to - from, bytes.subarray(from, to));
  },
  (bytes, random) => {
    const [a, b] = [place(bytes, random), place(bytes, random)].sort((x, y) => x - y) as [number, number];
    const length = Math.min(1 + random.int(40), b - a, bytes.length - b);
    const [left, right] = [bytes.slice(a, a + length), bytes.slice(b, b + length)];
    return replaced(replaced(bytes, a, length, right), b, length, left);
  },
  (bytes, random, other) => {
    const [from, to] = slice(other, random);
    return replaced(bytes, place(bytes, random), random.chance(2) ? 0 : to - from, other.subarray(from, to));
  },
  (bytes, random, other) =>
    concat(bytes.subarray(0, place(bytes, random)), other.subarray(place(other, random))),
  fixedWidth,
  fixedWidth,
  varints,
  varints,
  fields,
  fields,
];

/** No decoder takes more: larger inputs would only cost time. */
const longest = 500_000;

/** One input from a good one, wrong in one way or in a few; `other` is another good one. */
export const mutated = (bytes: Uint8Array, random: Random, other: Uint8Array): Uint8Array => {
  let out = bytes;
  do out = random.pick(mutations)(out, random, other);
  while (random.chance(2));
  return out.length > longest ? out.slice(0, longest) : out;
};
