/**
 * The audit chain: each record's hash covers the hash before it and its own place, so that a record that is missing,
 * changed or moved breaks every hash behind it.
 */

import { concat } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";

/** One packed record in its place. Numbered from 1. */
export interface AuditRow {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

/** The end of a chain: the number and the hash of its last record, or 0 and the genesis hash. */
export interface ChainEnd {
  readonly sequence: number;
  readonly hash: Uint8Array;
}

const label = (text: string): Uint8Array => new TextEncoder().encode(text);
const recordLabel = label("countersign/audit/1");
const genesisLabel = label("countersign/audit/genesis/1");

/** The store's random id is part of it: no two stores share a chain, so none can stand in for the other. */
export const genesis = (storeId: Uint8Array): Uint8Array => sha256(concat(genesisLabel, storeId));

/** In a pooled buffer: a fresh array per record costs more than its hash, and every commit waits for this. */
export const link = (previous: Uint8Array, sequence: number, bytes: Uint8Array): Uint8Array => {
  const place = recordLabel.length + previous.length;
  const whole = Buffer.allocUnsafe(place + 8 + bytes.length);
  whole.set(recordLabel, 0);
  whole.set(previous, recordLabel.length);
  whole.writeUInt32BE(Math.floor(sequence / 2 ** 32), place);
  whole.writeUInt32BE(sequence % 2 ** 32, place + 4);
  whole.set(bytes, place + 8);
  return sha256(whole);
};

/** The rows that these records become behind `end`. */
export const extend = (end: ChainEnd, records: readonly Uint8Array[]): readonly AuditRow[] => {
  let { sequence, hash } = end;
  return records.map((bytes) => {
    sequence += 1;
    hash = link(hash, sequence, bytes);
    return { sequence, bytes, hash };
  });
};
