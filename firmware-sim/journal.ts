/**
 * The device's memory: values by area and number, changed in steps. A step is on flash when `commit` returns; after a
 * power cut at any moment the state is the one before or after it. Each step moves a counter that never goes back.
 *
 * Steps are appended to one of two banks. When it is full, and at each start (what a cut left at the end of the bank can
 * not be trusted to be blank), the state is written to the other bank, whose header comes last; only then is the old one
 * erased. So nothing that was deleted outlives a start.
 */

import { crc32 } from "node:zlib";
import { concat } from "../protocol/bytes.ts";
import {
  type Bank,
  banksOf,
  contentsOf,
  eraseBank,
  FlashFault,
  type Found,
  findBank,
  programAt,
  programHeader,
  recordsAt,
  strengthen,
} from "./bank.ts";
import type { Flash } from "./flash.ts";
import { type Area, encodeRecord, type FlashChange, longestValue, mostChanges } from "./record.ts";

const nothing = new Uint8Array(0);

export type Place = `${Area}/${bigint}`;
/** Undefined: it is forgotten. */
export type Changes = ReadonlyMap<Place, Uint8Array | undefined>;

export interface Journal {
  /** Steps that this flash ever took. */
  readonly counter: bigint;
  get(place: Place): Uint8Array | undefined;
  entries(area: Area): readonly (readonly [bigint, Uint8Array])[];
  /** All of it or nothing; the counter after it. */
  commit(changes: Changes): bigint;
  /** Forgets everything but the counter; no cell holds it any more when this returns. */
  wipe(): bigint;
}

const splitPlace = (place: Place): { readonly area: Area; readonly id: bigint } => {
  const [area, id] = place.split("/") as [Area, string];
  return { area, id: BigInt(id) };
};

const changesOf = (changes: Iterable<readonly [Place, Uint8Array | undefined]>): readonly FlashChange[] =>
  [...changes].map(([place, value]) => ({ ...splitPlace(place), value: value ?? nothing }));

const baseOf = (values: ReadonlyMap<Place, Uint8Array>, counter: bigint, generation: number): Uint8Array => {
  const all = changesOf(values);
  const records: Uint8Array[] = [];
  for (let i = 0; i < all.length; i += mostChanges)
    records.push(encodeRecord({ counter, changes: all.slice(i, i + mostChanges) }, generation));
  return concat(...records);
};

/** As it leaves the factory, once. What was in it is gone, the counter too: never done to a device with a history. */
export const formatFlash = (flash: Flash): void => {
  const [first, second] = banksOf(flash);
  eraseBank(flash, first);
  eraseBank(flash, second);
  programHeader(flash, first, { generation: 1, counter: 0n, baseLength: 0, baseCrc: crc32(nothing) });
};

/** Where both are there, the older one was about to be erased. */
const newest = (found: readonly Found[]): Found => {
  const [first] = found.toSorted((a, b) => b.header.generation - a.header.generation);
  if (first === undefined) throw new FlashFault("blank", "there is no state in this flash");
  return first;
};

export const openJournal = (flash: Flash): Journal => {
  const banks = banksOf(flash);
  const found = newest(banks.flatMap((bank) => findBank(flash, bank) ?? []));
  const contents = contentsOf(flash, found);

  const values = new Map<Place, Uint8Array>();
  let { generation, counter } = found.header;
  let active: Bank = found.bank;
  /** Where the next record goes. */
  let end = 0;
  /** Erased to the end since the power came on, and not written since. */
  let clean: Bank | undefined;
  let broken: unknown;

  const apply = (changes: Changes): void => {
    for (const [place, value] of changes) {
      if (value === undefined || value.length === 0) values.delete(place);
      else values.set(place, value.slice());
    }
  };

  let at = 0;
  for (const record of contents.records) {
    const isBase = at < found.header.baseLength;
    at += encodeRecord(record, generation).length;
    if (record.counter !== (isBase ? counter : counter + 1n))
      throw new FlashFault("corrupt", "a step is missing");
    counter = record.counter;
    apply(new Map(record.changes.map(({ area, id, value }) => [`${area}/${id}` as const, value])));
  }

  const other = (): Bank => banks[active.index === 0 ? 1 : 0];

  /** To the other bank, where there is nothing but the state. */
  const move = (): void => {
    const next = other();
    const base = baseOf(values, counter, generation + 1);
    if (recordsAt + base.length > next.length)
      throw new FlashFault("full", "the state has no room in a bank");
    if (clean !== next) eraseBank(flash, next);
    clean = undefined;
    programAt(flash, next.at + recordsAt, base);
    const header = { generation: generation + 1, counter, baseLength: base.length, baseCrc: crc32(base) };
    programHeader(flash, next, header);
    eraseBank(flash, active);
    clean = active;
    active = next;
    generation += 1;
    end = recordsAt + base.length;
  };

  /** After half a write nobody knows what is in flash: only a start finds out. */
  const guarded = <T>(action: () => T): T => {
    if (broken !== undefined) throw broken;
    try {
      return action();
    } catch (error) {
      if (!(error instanceof FlashFault && error.why === "full")) broken = error;
      throw error;
    }
  };

  const commit = (changes: Changes): bigint =>
    guarded(() => {
      if (changes.size > mostChanges) throw new RangeError("too many changes for one step");
      for (const value of changes.values())
        if (value !== undefined && (value.length === 0 || value.length > longestValue))
          throw new RangeError("not the length of a value");
      const record = { counter: counter + 1n, changes: changesOf(changes) };
      if (end + encodeRecord(record, generation).length > active.length) {
        const after = new Map(values);
        for (const [place, value] of changes) {
          if (value === undefined) after.delete(place);
          else after.set(place, value);
        }
        const length = encodeRecord(record, generation).length;
        const before = baseOf(values, counter, generation).length;
        // Both must fit: what comes next may be no more than another start.
        if (Math.max(before + length, baseOf(after, counter, generation).length) > active.length - recordsAt)
          throw new FlashFault("full", "the state has no room in a bank");
        move();
      }
      const bytes = encodeRecord(record, generation);
      programAt(flash, active.at + end, bytes);
      end += bytes.length;
      apply(changes);
      counter += 1n;
      return counter;
    });

  strengthen(flash, active, contents);
  move();

  return {
    get counter() {
      return counter;
    },
    get: (place) => values.get(place)?.slice(),
    entries: (area) =>
      [...values]
        .map(([place, value]) => [splitPlace(place), value] as const)
        .filter(([place]) => place.area === area)
        .map(([{ id }, value]) => [id, value.slice()] as const)
        .toSorted(([a], [b]) => (a < b ? -1 : 1)),
    commit,
    wipe: () =>
      guarded(() => {
        values.clear();
        counter += 1n;
        move();
        return counter;
      }),
  };
};
