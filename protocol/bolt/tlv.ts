/** BOLT 1, "Type-Length-Value Format" and its fundamental types. */

import { concat } from "../bytes.ts";
import { invalid } from "../malformed.ts";

export interface TlvRecord {
  readonly type: bigint;
  readonly value: Uint8Array;
}

export const uintOf = (bytes: Uint8Array): bigint =>
  bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);

/** Big-endian. */
export const encodeUint = (value: bigint, length: number): Uint8Array => {
  if (value < 0n || value >= 1n << BigInt(8 * length)) throw new RangeError(`${value} in ${length} bytes`);
  return Uint8Array.from({ length }, (_, at) => Number((value >> BigInt(8 * (length - 1 - at))) & 0xffn));
};

/** What is left of bytes that are read from the front. Whatever is taken is a copy. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** The next byte, which stays. */
  get next(): number {
    if (this.left === 0) throw invalid("ends too early");
    return this.#bytes[this.#at] as number;
  }

  take(length: number): Uint8Array {
    if (length > this.left) throw invalid("ends too early");
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  uint(length: number): bigint {
    return uintOf(this.take(length));
  }

  small(length: 1 | 2 | 4): number {
    return Number(this.uint(length));
  }

  bigSize(): bigint {
    const first = this.small(1);
    if (first < 0xfd) return BigInt(first);
    const length = { 253: 2, 254: 4, 255: 8 }[first] as number;
    const value = this.uint(length);
    if (value < (length === 2 ? 0xfdn : 1n << BigInt(4 * length)))
      throw invalid("not the shortest form of its number");
    return value;
  }
}

export const encodeBigSize = (value: bigint): Uint8Array => {
  if (value < 0xfdn) return encodeUint(value, 1);
  if (value < 0x1_0000n) return concat(Uint8Array.of(0xfd), encodeUint(value, 2));
  if (value < 0x1_0000_0000n) return concat(Uint8Array.of(0xfe), encodeUint(value, 4));
  return concat(Uint8Array.of(0xff), encodeUint(value, 8));
};

/** tu16, tu32, tu64: without bytes of zero in front. */
export const truncatedOf = (bytes: Uint8Array, most: 2 | 4 | 8): bigint => {
  if (bytes.length > most) throw invalid(`above ${8 * most} bits`);
  if (bytes[0] === 0) throw invalid("begins with zeros");
  return uintOf(bytes);
};

export const encodeTruncated = (value: bigint): Uint8Array =>
  encodeUint(value, Math.ceil(value.toString(2).length / 8) * (value === 0n ? 0 : 1));

/** "MUST be strictly-increasing". Which types are known is the caller's to say. */
export const parseTlvStream = (bytes: Uint8Array): readonly TlvRecord[] => {
  const reader = new ByteReader(bytes);
  const records: TlvRecord[] = [];
  while (reader.left > 0) {
    const type = reader.bigSize();
    const last = records.at(-1);
    if (last !== undefined && type <= last.type) throw invalid(`type ${type} after type ${last.type}`);
    records.push({ type, value: reader.take(Number(reader.bigSize())) });
  }
  return records;
};

export const encodeTlvRecord = ({ type, value }: TlvRecord): Uint8Array =>
  concat(encodeBigSize(type), encodeBigSize(BigInt(value.length)), value);

export const encodeTlvStream = (records: readonly TlvRecord[]): Uint8Array =>
  concat(...records.map(encodeTlvRecord));
