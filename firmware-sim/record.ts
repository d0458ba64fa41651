/** What is in the flash: records one after another, and what stands before them in a bank. Big-endian, in whole words. */

import { crc32 } from "node:zlib";
import { concat } from "../protocol/bytes.ts";
import { blob, choice, list, message, u64, unpack, type ValueOf } from "../protocol/codec.ts";
import { invalid } from "../protocol/malformed.ts";
import { wordLength } from "./flash.ts";

/** Appended to, never reordered: the numbers are in flash. */
export const areas = ["vault", "channel", "peer", "setting", "tree", "vouch"] as const;
export type Area = (typeof areas)[number];

export const longestValue = 1024;
export const mostChanges = 8;

const change = message("FlashChange", {
  area: choice("Area", areas),
  id: u64("which one of its area", (n) => n),
  /** Empty: there is no such one any more. */
  value: blob("bytes", longestValue, (bytes) => bytes),
});
export type FlashChange = ValueOf<typeof change>;

const body = message("FlashRecord", {
  /** After this step. */
  counter: u64("steps", (n) => n),
  changes: list(change, mostChanges),
});
export type FlashRecord = ValueOf<typeof body>;

/** Length, its complement, generation of the bank. Programmed first. */
export const headLength = wordLength;
/** CRC-32 of all before it, and its complement: never all ones, so that one can tell whether it was written. */
export const tailLength = wordLength;
const longestBody = 10 + mostChanges * (11 + longestValue);

const padded = (length: number): number => Math.ceil(length / wordLength) * wordLength;

const head = (length: number, generation: number): Uint8Array => {
  const bytes = new Uint8Array(headLength);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, length);
  view.setUint16(2, ~length & 0xffff);
  view.setUint32(4, generation);
  return bytes;
};

/** Of head, body and padding. */
export const tailOf = (bytes: Uint8Array): Uint8Array => {
  const tail = new Uint8Array(tailLength);
  const view = new DataView(tail.buffer);
  const crc = crc32(bytes);
  view.setUint32(0, crc);
  view.setUint32(4, ~crc >>> 0);
  return tail;
};

export const encodeRecord = (record: FlashRecord, generation: number): Uint8Array => {
  const packed = body.packed.encode(record);
  const padding = new Uint8Array(padded(packed.length) - packed.length).fill(0xff);
  const before = concat(head(packed.length, generation), packed, padding);
  return concat(before, tailOf(before));
};

/** Without the tail; undefined where these bytes begin no record of this generation. */
export const lengthOf = (bytes: Uint8Array, generation: number): number | undefined => {
  if (bytes.length < headLength) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint16(0);
  const holds =
    length > 0 &&
    length <= longestBody &&
    (length ^ view.getUint16(2)) === 0xffff &&
    view.getUint32(4) === generation;
  return holds ? headLength + padded(length) : undefined;
};

export interface StoredRecord {
  readonly generation: number;
  readonly record: FlashRecord;
}

/** Of one record from its head to its tail. */
export const decodeRecord = (bytes: Uint8Array): StoredRecord => {
  if (bytes.length < headLength + tailLength) throw invalid("shorter than a record");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const generation = view.getUint32(4);
  const end = lengthOf(bytes, generation);
  if (end === undefined || end + tailLength !== bytes.length)
    throw invalid("not the length that its head says");
  const tail = tailOf(bytes.subarray(0, end));
  if (!tail.every((byte, i) => byte === bytes[end + i])) throw invalid("damaged");
  const bodyEnd = headLength + view.getUint16(0);
  if (bytes.subarray(bodyEnd, end).some((byte) => byte !== 0xff))
    throw invalid("something stands in its padding");
  return { generation, record: unpack(body.packed, bytes.subarray(headLength, bodyEnd)) };
};

/** What a bank began with, written when all of that was. */
export interface BankHeader {
  /** One more with each bank that is begun. */
  readonly generation: number;
  readonly counter: bigint;
  /** Of the records that the bank began with, and their CRC-32. */
  readonly baseLength: number;
  readonly baseCrc: number;
}

export const headerLength = 32;
const magic = 0x4353_464c;
const layout = 1;

export const encodeHeader = ({ generation, counter, baseLength, baseCrc }: BankHeader): Uint8Array => {
  const bytes = new Uint8Array(headerLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  view.setUint32(4, layout);
  view.setUint32(8, generation);
  view.setBigUint64(12, counter);
  view.setUint32(20, baseLength);
  view.setUint32(24, baseCrc);
  view.setUint32(28, crc32(bytes.subarray(0, 28)));
  return bytes;
};

export const decodeHeader = (bytes: Uint8Array): BankHeader => {
  if (bytes.length !== headerLength) throw invalid("not the length of a header");
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (view.getUint32(0) !== magic) throw invalid("no header");
  if (view.getUint32(28) !== crc32(bytes.subarray(0, 28))) throw invalid("damaged");
  if (view.getUint32(4) !== layout) throw invalid("of a version that is not known");
  return {
    generation: view.getUint32(8),
    counter: view.getBigUint64(12),
    baseLength: view.getUint32(20),
    baseCrc: view.getUint32(24),
  };
};
