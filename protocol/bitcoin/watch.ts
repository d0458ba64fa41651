/** Which of a block's inputs and outputs somebody waits for. */

import { equal } from "../bytes.ts";
import type { Outpoint, Script, Txid } from "../units.ts";

export interface Watches {
  readonly outpoints: readonly Outpoint[];
  readonly scripts: readonly Script[];
}

/** Six bytes as a number: a table by numbers is quick, and who hits one is compared whole. */
const keyAt = (bytes: Uint8Array, at: number): number => {
  let key = 0;
  for (let i = 0; i < 6; i++) key = key * 256 + (bytes[at + i] ?? 0);
  return key;
};

const put = <T>(table: Map<number, T[]>, key: number, value: T): void => {
  const there = table.get(key);
  if (there === undefined) table.set(key, [value]);
  else there.push(value);
};

const u32At = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) +
  (bytes[at + 1] as number) * 0x100 +
  (bytes[at + 2] as number) * 0x1_0000 +
  (bytes[at + 3] as number) * 0x100_0000;

export interface WatchTable {
  add(outpoint: Outpoint): void;
  /** The watched outpoint that lies there as an input has it. */
  spentAt(bytes: Uint8Array, at: number): Outpoint | undefined;
  hasOutpoint(txid: Txid, index: number): boolean;
  hasScript(script: Uint8Array): boolean;
}

/** Scripts of one kind begin alike, so they are told apart by their ends. */
const endOf = (script: Uint8Array): number => keyAt(script, Math.max(0, script.length - 6));

export const watchTable = (watches: Watches): WatchTable => {
  const outpoints = new Map<number, Outpoint[]>();
  const scripts = new Map<number, Script[]>();
  const add = (outpoint: Outpoint): void => put(outpoints, keyAt(outpoint.txid, 0), outpoint);
  for (const outpoint of watches.outpoints) add(outpoint);
  for (const script of watches.scripts) put(scripts, endOf(script), script);
  return {
    add,
    spentAt: (bytes, at) =>
      outpoints
        .get(keyAt(bytes, at))
        ?.find(
          ({ txid, index }) => index === u32At(bytes, at + 32) && equal(txid, bytes.subarray(at, at + 32)),
        ),
    hasOutpoint: (txid, index) =>
      outpoints.get(keyAt(txid, 0))?.some((one) => one.index === index && equal(one.txid, txid)) ?? false,
    hasScript: (script) => scripts.get(endOf(script))?.some((one) => equal(one, script)) ?? false,
  };
};
