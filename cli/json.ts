/** Values as `--json` prints them: bytes in hexadecimal, large numbers as strings. */

import { toHex } from "../protocol/bytes.ts";

/** Before `Buffer.toJSON` or a typed array's keys would be asked. */
const plainly = (value: unknown): unknown => {
  if (value instanceof Uint8Array) return toHex(value);
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return value.map(plainly);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainly(inner)]));
};

export const toJson = (value: unknown): string => JSON.stringify(plainly(value));

/**
 * What a stranger wrote (the description of an invoice), so that it shows as one line and nothing else: no escape
 * sequence of a terminal, no character that turns the direction of what stands beside it.
 */
export const plain = (text: string): string =>
  text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
