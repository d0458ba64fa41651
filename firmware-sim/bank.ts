/** One half of the flash: a header twice, and records up to the first that is torn. */

import { crc32 } from "node:zlib";
import { concat } from "../protocol/bytes.ts";
import { Malformed } from "../protocol/malformed.ts";
import { blockLength, type Flash } from "./flash.ts";
import {
  type BankHeader,
  decodeHeader,
  decodeRecord,
  encodeHeader,
  type FlashRecord,
  headerLength,
  headLength,
  lengthOf,
  tailLength,
  tailOf,
} from "./record.ts";

/**
 * - blank: never formatted. - corrupt: what was written is not what is read; no cut does that. - full: there is no room.
 * - broken: what was just programmed reads otherwise.
 */
export type FlashWhy = "blank" | "corrupt" | "full" | "broken";

export class FlashFault extends Error {
  override readonly name = "FlashFault";
  readonly why: FlashWhy;
  constructor(why: FlashWhy, message: string) {
    super(message);
    this.why = why;
  }
}

export const recordsAt = 2 * headerLength;

export interface Bank {
  readonly index: 0 | 1;
  /** First byte of it, and how many there are. */
  readonly at: number;
  readonly length: number;
}

export const banksOf = (flash: Flash): readonly [Bank, Bank] => {
  const length = Math.floor(flash.blocks / 2) * blockLength;
  if (length === 0) throw new RangeError("flash of two blocks at least");
  return [
    { index: 0, at: 0, length },
    { index: 1, at: length, length },
  ];
};

export const eraseBank = (flash: Flash, { at, length }: Bank): void => {
  for (let block = at / blockLength; block < (at + length) / blockLength; block++) flash.erase(block);
};

/** Worn cells are noticed while the bytes are still at hand. */
export const programAt = (flash: Flash, at: number, bytes: Uint8Array): void => {
  flash.program(at, bytes);
  const read = flash.read(at, bytes.length);
  if (bytes.some((byte, i) => byte !== read[i]))
    throw new FlashFault("broken", "flash does not keep what is written into it");
};

export const programHeader = (flash: Flash, bank: Bank, header: BankHeader): void => {
  const once = encodeHeader(header);
  programAt(flash, bank.at, concat(once, once));
};

const headerIn = (copy: Uint8Array): BankHeader | undefined => {
  try {
    return decodeHeader(copy);
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
};

export interface Found {
  readonly bank: Bank;
  readonly header: BankHeader;
}

/** Either copy will do: no single bit that flips can make a newer bank give way to an older one. */
export const findBank = (flash: Flash, bank: Bank): Found | undefined => {
  const bytes = flash.read(bank.at, recordsAt);
  const header = headerIn(bytes.subarray(0, headerLength)) ?? headerIn(bytes.subarray(headerLength));
  return header === undefined ? undefined : { bank, header };
};

export interface Contents {
  readonly records: readonly FlashRecord[];
  /** As it should read: the header twice, and records with whole tails. */
  readonly bytes: Uint8Array;
}

const isSubset = (expected: Uint8Array, read: Uint8Array): boolean =>
  expected.every((byte, i) => ((read[i] ?? 0) & byte) === byte);

const corrupt = (what: string): FlashFault => new FlashFault("corrupt", what);

const recordIn = (bytes: Uint8Array): FlashRecord => {
  try {
    return decodeRecord(bytes).record;
  } catch (error) {
    if (error instanceof Malformed) throw corrupt(`a record that is whole can't be read: ${error.message}`);
    throw error;
  }
};

/**
 * All records. Words are programmed in order, a record's tail last, so a cut leaves one torn record with nothing behind
 * it: whatever else does not read well is damage, and damage is never taken for a cut.
 */
export const contentsOf = (flash: Flash, { bank, header }: Found): Contents => {
  const bytes = flash.read(bank.at, bank.length);
  const base = bytes.subarray(recordsAt, recordsAt + header.baseLength);
  if (base.length !== header.baseLength || crc32(base) !== header.baseCrc)
    throw corrupt("what the bank began with is damaged");
  const written = bytes.findLastIndex((byte) => byte !== 0xff) + 1;
  const isBlankFrom = (at: number): boolean => written <= at;

  const records: FlashRecord[] = [];
  let at = recordsAt;
  while (at + headLength + tailLength <= bytes.length && !isBlankFrom(at)) {
    const length = lengthOf(bytes.subarray(at), header.generation);
    if (length === undefined) {
      if (!isBlankFrom(at + headLength)) throw corrupt("something stands behind what begins no record");
      break;
    }
    const end = at + length;
    if (end + tailLength > bytes.length) throw corrupt("a record is longer than its bank");
    const tail = bytes.subarray(end, end + tailLength);
    const whole = tailOf(bytes.subarray(at, end));
    const agrees = (from: number): boolean =>
      whole.subarray(from, from + 4).every((byte, i) => byte === tail[from + i]);
    if (!agrees(0) && !agrees(4)) {
      if (!isBlankFrom(end + tailLength) || (!isBlankFrom(end) && !isSubset(whole, tail)))
        throw corrupt("a record is damaged");
      break;
    }
    tail.set(whole);
    records.push(recordIn(bytes.subarray(at, end + tailLength)));
    at = end + tailLength;
  }
  const once = encodeHeader(header);
  bytes.set(concat(once, once));
  return { records, bytes: bytes.slice(0, at) };
};

/**
 * Programs again what is there: bits that a cut left weak would else read otherwise some day. Bits that age has cleared
 * can't be set, and stay for the copy of the header or of the sum that reads well.
 */
export const strengthen = (flash: Flash, bank: Bank, { bytes }: Contents): void => {
  const read = flash.read(bank.at, bytes.length);
  flash.program(
    bank.at,
    bytes.map((byte, i) => byte & (read[i] ?? 0)),
  );
};
