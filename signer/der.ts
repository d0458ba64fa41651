/** DER, written only: what reads certificates is OpenSSL (X.690; the types are those of RFC 5280). */

import { concat } from "../protocol/bytes.ts";

const length = (n: number): Uint8Array => {
  if (n < 0x80) return Uint8Array.of(n);
  const bytes: number[] = [];
  for (let left = n; left > 0; left >>>= 8) bytes.unshift(left & 0xff);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
};

export const tagged = (tag: number, ...parts: readonly Uint8Array[]): Uint8Array => {
  const body = concat(...parts);
  return concat(Uint8Array.of(tag), length(body.length), body);
};

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => tagged(0x30, ...parts);
export const setOf = (...parts: readonly Uint8Array[]): Uint8Array => tagged(0x31, ...parts);
export const octets = (...parts: readonly Uint8Array[]): Uint8Array => tagged(0x04, ...parts);
export const yes = tagged(0x01, Uint8Array.of(0xff));
export const utf8 = (text: string): Uint8Array => tagged(0x0c, new TextEncoder().encode(text));
export const ascii = (tag: number, text: string): Uint8Array => tagged(tag, new TextEncoder().encode(text));

/** Big-endian and not negative: a leading zero where the first bit is set, and none else. */
export const integer = (bytes: Uint8Array): Uint8Array => {
  const first = bytes.findIndex((byte) => byte !== 0);
  const shortest = first < 0 ? Uint8Array.of(0) : bytes.subarray(first);
  const sign = (shortest[0] as number) >= 0x80 ? [0] : [];
  return tagged(0x02, Uint8Array.from(sign), shortest);
};

export const bits = (bytes: Uint8Array, unused = 0): Uint8Array => tagged(0x03, Uint8Array.of(unused), bytes);

export const oid = (dotted: string): Uint8Array => {
  const [a = 0, b = 0, ...rest] = dotted.split(".").map(Number);
  const base128 = (n: number): readonly number[] => {
    const out = [n & 0x7f];
    for (let left = n >>> 7; left > 0; left >>>= 7) out.unshift((left & 0x7f) | 0x80);
    return out;
  };
  return tagged(0x06, Uint8Array.from([a * 40 + b, ...rest].flatMap(base128)));
};

/** RFC 5280 section 4.1.2.5: two digits of the year until 2049, four after. */
export const time = (milliseconds: number): Uint8Array => {
  const text = new Date(milliseconds).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  const year = Number(text.slice(0, 4));
  return year < 2050 ? ascii(0x17, text.slice(2)) : ascii(0x18, text);
};
