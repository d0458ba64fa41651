/** How LDK writes its own objects (rust-lightning v0.1.2, `lightning/src/util/ser_macros.rs`): TLV streams behind their length. */

import { ByteReader, parseTlvStream, uintOf } from "../../../protocol/bolt/tlv.ts";
import { invalid, Malformed } from "../../../protocol/malformed.ts";
import { type CommitmentNumber, commitmentNumber } from "../../../protocol/units.ts";

/** The fields of one object, by their type. */
export interface Record {
  need(type: number, name: string): Uint8Array;
  /** Big-endian; as long as it says and no other. */
  uint(type: number, name: string, length: number): bigint;
  optional(type: number): Uint8Array | undefined;
}

const recordOf = (stream: Uint8Array): Record => {
  const found = new Map(parseTlvStream(stream).map(({ type, value }) => [type, value]));
  const need = (type: number, name: string): Uint8Array => {
    const value = found.get(BigInt(type));
    if (value === undefined) throw new Malformed(name, "missing");
    return value;
  };
  return {
    need,
    uint: (type, name, length) => {
      const value = need(type, name);
      if (value.length !== length) throw new Malformed(name, `${value.length} bytes where ${length} belong`);
      return uintOf(value);
    },
    optional: (type) => found.get(BigInt(type)),
  };
};

const length = (from: ByteReader): number => {
  const size = from.bigSize();
  if (size > BigInt(from.left)) throw invalid("ends too early");
  return Number(size);
};

/** `write_tlv_fields!` */
export const takeRecord = (from: ByteReader): Record => recordOf(from.take(length(from)));

/** An `Option` has its length and one more in front; 0 is none. */
export const skipOption = (from: ByteReader): void => {
  const size = from.bigSize();
  if (size === 0n) return;
  if (size - 1n > BigInt(from.left)) throw invalid("ends too early");
  from.take(Number(size - 1n));
};

/** A `WithoutLength` vector fills its field. */
export const all = <T>(bytes: Uint8Array, take: (from: ByteReader) => T, path: string): readonly T[] => {
  const from = new ByteReader(bytes);
  const items: T[] = [];
  while (from.left > 0) items.push(within(`${path}[${items.length}]`, () => take(from)));
  return items;
};

export const within = <T>(path: string, read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw error instanceof Malformed ? error.within(path) : error;
  }
};

export const done = (from: ByteReader): void => {
  if (from.left > 0) throw invalid(`${from.left} bytes too many`);
};

const last = (1n << 48n) - 1n;

/** LDK counts down from 2^48 - 1, where the first commitment is. */
export const numberOf = (index: bigint): CommitmentNumber => {
  if (index > last) throw invalid(`not the index of a commitment: ${index}`);
  return commitmentNumber(last - index);
};

export const indexOf = (number: CommitmentNumber): bigint => last - number;
