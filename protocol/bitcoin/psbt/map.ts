/** The frame of a PSBT: maps of keys and values (BIP 174, "Specification"). */

import { compare, concat } from "../../bytes.ts";
import { invalid } from "../../malformed.ts";
import { Reader } from "../reader.ts";
import { sizedLength, sizeLength, Writer } from "../writer.ts";

export interface PsbtEntry {
  readonly type: number;
  /** The key data, behind the type. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** In the order of their keys, none of which comes twice. */
export type PsbtMap = readonly PsbtEntry[];

const typeBytes = (type: number): Uint8Array => new Writer(sizeLength(type)).size(type).bytes;
const wholeKey = ({ type, key }: PsbtEntry): Uint8Array => concat(typeBytes(type), key);

/** Any order may come in (BIP 174 asks for none); one goes out. */
export const psbtMap = (entries: readonly PsbtEntry[]): PsbtMap => {
  const keyed = entries.map((entry) => ({ whole: wholeKey(entry), entry }));
  keyed.sort((a, b) => compare(a.whole, b.whole));
  for (const [i, { whole, entry }] of keyed.entries()) {
    const next = keyed[i + 1];
    if (next !== undefined && compare(whole, next.whole) === 0)
      throw invalid(`a key of type ${entry.type} comes twice`);
  }
  return keyed.map(({ entry }) => entry);
};

/** The entries are views. */
export const readPsbtMap = (from: Reader): PsbtMap => {
  const entries: PsbtEntry[] = [];
  for (;;) {
    const length = from.size();
    if (length === 0) return psbtMap(entries);
    const key = new Reader(from.raw(length));
    const type = key.size();
    entries.push({ type, key: key.raw(key.left), value: from.sized() });
  }
};

export const encodePsbtMap = (map: PsbtMap): Uint8Array => {
  const parts = map.map((entry) => ({ key: wholeKey(entry), value: entry.value }));
  const length = parts.reduce((sum, { key, value }) => sum + sizedLength(key) + sizedLength(value), 1);
  const to = new Writer(length);
  for (const { key, value } of parts) to.sized(key).sized(value);
  return to.size(0).bytes;
};
