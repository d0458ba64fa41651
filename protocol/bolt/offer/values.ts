/** What the fields of BOLT 12 hold. Each value has one encoding. */

import { concat } from "../../bytes.ts";
import type { Curve } from "../../curve/curve.ts";
import { invalid } from "../../malformed.ts";
import { type Point, point } from "../../units.ts";
import { ByteReader, encodeTruncated, encodeUint, truncatedOf } from "../tlv.ts";

export type Points = Pick<Curve, "isPoint">;

export interface Value<T> {
  read(bytes: Uint8Array, points: Points): T;
  write(value: T): Uint8Array;
}

export interface BlindedHop {
  readonly node: Point;
  readonly encrypted: Uint8Array;
}

/** A node, or the end of a channel with a direction in front: 33 or 9 bytes (BOLT 1, "sciddir_or_pubkey"). */
export type Introduction = Uint8Array;

/** BOLT 4, "Route Blinding". */
export interface BlindedPath {
  readonly introduction: Introduction;
  readonly pathKey: Point;
  readonly hops: readonly BlindedHop[];
}

export interface BlindedPayInfo {
  readonly feeBase: number;
  readonly feeMillionths: number;
  readonly expiryDelta: number;
  readonly minimum: bigint;
  readonly maximum: bigint;
  readonly features: Uint8Array;
}

/** A reader ignores those that are no witness program. */
export interface FallbackAddress {
  readonly version: number;
  readonly program: Uint8Array;
}

/** BIP 353: name@domain. */
export interface HumanName {
  readonly name: string;
  readonly domain: string;
}

const readPoint = (bytes: Uint8Array, points: Points): Point => {
  if (!points.isPoint(bytes)) throw invalid("not a public key");
  return point(bytes);
};

const sized = (bytes: Uint8Array, length: number): Uint8Array => {
  if (bytes.length !== length) throw invalid(`must have ${length} bytes`);
  return bytes.slice();
};

const fixed = (length: number): Value<Uint8Array> => ({
  read: (bytes) => sized(bytes, length),
  write: (value) => value,
});

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One or more, until the bytes end. */
const listOf = <T>(
  read: (from: ByteReader, points: Points) => T,
  write: (value: T) => Uint8Array,
): Value<readonly T[]> => ({
  read: (bytes, points) => {
    const reader = new ByteReader(bytes);
    const items: T[] = [];
    do items.push(read(reader, points));
    while (reader.left > 0);
    return items;
  },
  write: (items) => concat(...items.map(write)),
});

const prefixed = (bytes: Uint8Array): Uint8Array => concat(encodeUint(BigInt(bytes.length), 2), bytes);

const readPath = (from: ByteReader, points: Points): BlindedPath => {
  const introduction = from.take(from.next <= 1 ? 9 : 33);
  if (introduction.length === 33) readPoint(introduction, points);
  const pathKey = readPoint(from.take(33), points);
  const count = from.small(1);
  if (count === 0) throw invalid("a path without hops");
  const hops: BlindedHop[] = [];
  for (let at = 0; at < count; at++)
    hops.push({ node: readPoint(from.take(33), points), encrypted: from.take(from.small(2)) });
  return { introduction, pathKey, hops };
};

const writePath = ({ introduction, pathKey, hops }: BlindedPath): Uint8Array =>
  concat(
    introduction,
    pathKey,
    encodeUint(BigInt(hops.length), 1),
    ...hops.flatMap(({ node, encrypted }) => [node, prefixed(encrypted)]),
  );

const nameForm = /^[0-9a-zA-Z._-]*$/;
const readName = (from: ByteReader): string => {
  const text = String.fromCharCode(...from.take(from.small(1)));
  if (!nameForm.test(text)) throw invalid("has other characters than a name can have");
  return text;
};
const writeName = (text: string): Uint8Array =>
  concat(encodeUint(BigInt(text.length), 1), new TextEncoder().encode(text));

export const bytes: Value<Uint8Array> = { read: (bytes) => bytes.slice(), write: (value) => value };

export const text: Value<string> = {
  read: (bytes) => {
    try {
      return decoder.decode(bytes);
    } catch {
      throw invalid("not UTF-8");
    }
  },
  write: (value) => new TextEncoder().encode(value),
};

/** ISO 4217, three letters. */
export const currency: Value<string> = {
  read: (bytes, points) => {
    const letters = text.read(bytes, points);
    if (!/^[A-Z]{3}$/.test(letters)) throw invalid("not three letters");
    return letters;
  },
  write: text.write,
};

export const tu64: Value<bigint> = { read: (bytes) => truncatedOf(bytes, 8), write: encodeTruncated };
export const tu32: Value<bigint> = { read: (bytes) => truncatedOf(bytes, 4), write: encodeTruncated };
export const key: Value<Point> = { read: readPoint, write: (value) => value };
export const hash32 = fixed(32);
export const signature = fixed(64);

export const chains: Value<readonly Uint8Array[]> = listOf(
  (from) => from.take(32),
  (chain) => chain,
);
export const paths: Value<readonly BlindedPath[]> = listOf(readPath, writePath);

export const payInfos: Value<readonly BlindedPayInfo[]> = listOf(
  (from) => ({
    feeBase: from.small(4),
    feeMillionths: from.small(4),
    expiryDelta: from.small(2),
    minimum: from.uint(8),
    maximum: from.uint(8),
    features: from.take(from.small(2)),
  }),
  ({ feeBase, feeMillionths, expiryDelta, minimum, maximum, features }) =>
    concat(
      encodeUint(BigInt(feeBase), 4),
      encodeUint(BigInt(feeMillionths), 4),
      encodeUint(BigInt(expiryDelta), 2),
      encodeUint(minimum, 8),
      encodeUint(maximum, 8),
      prefixed(features),
    ),
);

export const fallbacks: Value<readonly FallbackAddress[]> = listOf(
  (from) => ({ version: from.small(1), program: from.take(from.small(2)) }),
  ({ version, program }) => concat(encodeUint(BigInt(version), 1), prefixed(program)),
);

export const humanName: Value<HumanName> = {
  read: (bytes) => {
    const reader = new ByteReader(bytes);
    const value = { name: readName(reader), domain: readName(reader) };
    if (reader.left > 0) throw invalid("goes on behind its end");
    return value;
  },
  write: ({ name, domain }) => concat(writeName(name), writeName(domain)),
};

/** The genesis block's hash, in the order in which it is sent. */
export const bitcoinChain = Uint8Array.fromHex(
  "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000",
);
