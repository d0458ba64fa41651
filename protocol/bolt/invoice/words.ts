/** The 5-bit words of bech32, one in each byte of an array. */

import { invalid } from "../../malformed.ts";

/** As many words as hold the bytes; the bits left over are zero (BOLT 11: "MUST pad field data ... using 0s"). */
export const toWords = (bytes: Uint8Array): Uint8Array => {
  const words = new Uint8Array(Math.ceil((bytes.length * 8) / 5));
  let [held, bits, at] = [0, 0, 0];
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) words[at++] = (held >> (bits - 5)) & 31;
  }
  if (bits > 0) words[at] = (held << (5 - bits)) & 31;
  return words;
};

/** What `toWords` made them of, and nothing else: each text of bytes has one encoding. */
export const fromWords = (words: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(Math.floor((words.length * 5) / 8));
  let [held, bits, at] = [0, 0, 0];
  for (const word of words) {
    held = ((held << 5) | word) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = held >> bits;
    }
  }
  if (bits >= 5) throw invalid("a word more than its bytes need");
  if ((held & ((1 << bits) - 1)) !== 0) throw invalid("padded with other bits than zeros");
  return bytes;
};

/** The words as one string of bits, filled up with zeros to whole bytes: what a BOLT 11 signature is made of. */
export const packed = (words: Uint8Array): Uint8Array => {
  const spare = new Uint8Array(Math.ceil((Math.ceil((words.length * 5) / 8) * 8) / 5));
  spare.set(words);
  let [held, bits, at] = [0, 0, 0];
  const bytes = new Uint8Array(Math.ceil((words.length * 5) / 8));
  for (const word of spare) {
    held = ((held << 5) | word) & 0xfff;
    bits += 5;
    if (bits >= 8 && at < bytes.length) {
      bits -= 8;
      bytes[at++] = held >> bits;
    }
  }
  return bytes;
};

export const numberOf = (words: Uint8Array): bigint => {
  let value = 0n;
  for (const word of words) value = (value << 5n) | BigInt(word);
  return value;
};

/** Big-endian in `length` words, or in as few as hold it: none for zero. */
export const wordsOf = (value: bigint, length?: number): Uint8Array => {
  const words: number[] = [];
  for (let left = value; left > 0n || words.length < (length ?? 0); left >>= 5n)
    words.push(Number(left & 31n));
  if (length !== undefined && words.length > length) throw new RangeError(`${value} in ${length} words`);
  return Uint8Array.from(words.reverse());
};

/** A number of at most 64 bits without words of zero in front, which a reader "SHOULD treat ... as invalid". */
export const minimalNumberOf = (words: Uint8Array): bigint => {
  if (words[0] === 0) throw invalid("begins with zeros");
  if (words.length > 13) throw invalid("above 64 bits");
  const value = numberOf(words);
  if (value >= 1n << 64n) throw invalid("above 64 bits");
  return value;
};
