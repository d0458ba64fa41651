import { hex } from "@scure/base";
import { invalid } from "./malformed.ts";

export const toHex = (bytes: Uint8Array): string => hex.encode(bytes);

export const fromHex = (text: string): Uint8Array => {
  try {
    return hex.decode(text);
  } catch {
    throw invalid("not hexadecimal");
  }
};

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

export const equal = (a: Uint8Array, b: Uint8Array): boolean => compare(a, b) === 0;

/** Lexicographic, a prefix before what it begins. */
export const compare = (a: Uint8Array, b: Uint8Array): number => {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
};

export const reversed = (bytes: Uint8Array): Uint8Array => Uint8Array.from(bytes).reverse();
