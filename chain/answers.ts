/** What servers answer, held to what was asked. */

import type { ZodType } from "zod";
import { headerLength } from "../protocol/bitcoin/header.ts";
import { decodeTx, txidOf } from "../protocol/bitcoin/tx.ts";
import { equal, fromHex, reversed, toHex } from "../protocol/bytes.ts";
import { doubleSha256 } from "../protocol/hash.ts";
import { Malformed } from "../protocol/malformed.ts";
import { type Feerate, type Height, height } from "../protocol/units.ts";
import { type BlockHash, type Published, SourceError } from "./source.ts";

/** Of a block: 4,000,000 weight units, of which a byte takes at least one. */
export const mostBlock = 4_000_000;
/** Of anything that is no block. */
export const mostSmall = 100_000;

/** As people write it. */
export const readable = (hash: Uint8Array): string => toHex(reversed(hash));

export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const isHex = (text: string): boolean => text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text);

export const bytesOf = (text: string): Uint8Array => {
  if (!isHex(text)) throw new SourceError("it answers with what is no hexadecimal");
  return fromHex(text);
};

export const hashOf = (text: string): BlockHash => {
  if (text.length !== 64) throw new SourceError("it answers with what is no hash");
  return reversed(bytesOf(text));
};

export const heightIn = (text: string): Height => {
  if (!/^[0-4]?\d{1,8}$/.test(text)) throw new SourceError("it answers with what is no height");
  return height(Number(text));
};

export const json = <T>(bytes: Uint8Array, shape: ZodType<T>): T => {
  let value: unknown;
  try {
    value = JSON.parse(textOf(bytes));
  } catch {
    throw new SourceError("it answers with what is no JSON");
  }
  const parsed = shape.safeParse(value);
  if (!parsed.success) throw new SourceError("it answers with JSON of another shape");
  return parsed.data;
};

export const checkedHeader = (header: Uint8Array, hash: BlockHash): Uint8Array => {
  if (header.length !== headerLength || !equal(doubleSha256(header), hash))
    throw new SourceError("it answers with another header");
  return header;
};

/** The header alone: that the rest belongs to it is found out by whoever reads it. */
export const checkedBlock = (block: Uint8Array, hash: BlockHash): Uint8Array => {
  if (block.length <= headerLength || !equal(doubleSha256(block.subarray(0, headerLength)), hash))
    throw new SourceError("it answers with another block");
  return block;
};

/** No fee is as high, and none as low: whoever says so is not believed, and the rest is for policies. */
const bounds = { least: 1, most: 25_000_000 };

/** Satoshi per 1000 virtual bytes, rounded up to the unit of Lightning. */
export const feerateOf = (perKvb: number): Feerate | undefined => {
  const rate = Math.ceil(perKvb / 4);
  return rate >= bounds.least && rate <= bounds.most ? (rate as Feerate) : undefined;
};

/** Of others' words, what a line of a log can bear. */
export const quoted = (text: string): string => {
  const short = text.replace(/[^\x20-\x7e]+/g, " ").trim();
  return short.length > 200 ? `${short.slice(0, 200)}...` : short;
};

/** In a node's words, which was not asked. */
export const undecodable: Published = { is: "refused", reason: "TX decode failed" };

/** As people write them; undefined where one is no transaction. */
export const txidsOf = (transactions: readonly Uint8Array[]): readonly string[] | undefined => {
  try {
    return transactions.map((bytes) => readable(txidOf(decodeTx(bytes).tx)));
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
};
