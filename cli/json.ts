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

/** Of characters that nobody sees: controls, marks of direction, every blank but the usual one, letters without a form. */
const unseen = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u{2800}]|(?! )\p{Zs}/u.source;
/** More of them on one letter than any language has cover the lines around it. */
const piled = /(?<=\p{M}{2})\p{M}/u.source;
const odd = new RegExp(`${unseen}|${piled}`, "gu");

/**
 * What a stranger wrote (the description of an invoice), so that it shows as one line and nothing else: no escape
 * sequence of a terminal, no character that turns the direction of what stands beside it.
 */
export const plain = (text: string): string =>
  text.replaceAll(odd, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
