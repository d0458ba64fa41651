/**
 * What a device gave this signer to keep, in the signer's own store: its sealed records, how many steps they have come,
 * and the request that is on its way, which may have to be asked once more after a cut.
 */

import { concat, toHex } from "../../protocol/bytes.ts";
import {
  blob,
  isKnown,
  type Maybe,
  maybe,
  message,
  packedFields,
  u8,
  u64,
  unknown,
  unpack,
  type ValueOf,
} from "../../protocol/codec.ts";
import type { PageChange } from "../../protocol/device/core.ts";
import { invalid } from "../../protocol/malformed.ts";
import type { NodeId } from "../../protocol/units.ts";
import { Fault } from "../core/fault.ts";
import type { Key, Store, Version, Write } from "../core/ports.ts";

const pendingForm = message("PendingStep", {
  now: u64("seconds since 1970", (n) => n),
  witness: u64("commits of the store", (n) => n),
  request: blob("packed request", 250_000, (bytes) => bytes),
});
export type PendingStep = ValueOf<typeof pendingForm>;

const desk = packedFields({
  format: u8("version of the record", (n) => {
    if (n !== 1) throw invalid(`${n} is not known to this signer`);
    return n;
  }),
  step: u64("steps of the device's records", (n) => n),
  pending: maybe(pendingForm),
});

export interface Desk {
  readonly step: bigint;
  readonly pending: Maybe<PendingStep>;
}
export const packDesk = (value: Desk): Uint8Array => desk.encode({ format: 1, ...value });
export const unpackDesk = (bytes: Uint8Array): Desk => {
  const { step, pending } = unpack(desk, bytes);
  return { step, pending };
};

export interface Shelf {
  step(): bigint;
  pending(): PendingStep | undefined;
  pages(): readonly Uint8Array[];
  /**
   * On disk when it resolves: only then is it asked. The one before it is forgotten, so nothing of that may be open any
   * more.
   */
  pend(step: PendingStep): Promise<void>;
  /** After an answer; what was pending is not any more. */
  keep(after: { readonly step: bigint; readonly pages: readonly PageChange[] }): Promise<void>;
}

/** Records are kept by node, and no node's id begins with a zero. */
const shelfOf = (device: Uint8Array): NodeId => concat(Uint8Array.of(0), device) as NodeId;

export const openShelf = async (store: Store, device: Uint8Array): Promise<Shelf> => {
  const place = shelfOf(device);
  const prefix = `${toHex(place)}/`;
  const deskKey = `${prefix}desk`;
  const versions = new Map<Key, Version>();
  const pages = new Map<string, Uint8Array>();
  /** After a commit that failed nobody knows what is on disk: only another opening finds out. */
  let broken: unknown;
  let now: Desk = { step: 0n, pending: unknown };
  for (const [key, { version, bytes }] of await store.load(place)) {
    versions.set(key, version);
    if (key === deskKey) now = unpackDesk(bytes);
    else if (key.startsWith(`${prefix}page/`)) pages.set(key.slice(prefix.length + 5), bytes);
    else throw new Fault("store", `a record of an unknown kind: ${key}`);
  }

  const write = (key: Key, bytes: Uint8Array | undefined): Write => {
    const was = versions.get(key) ?? 0;
    if (bytes === undefined) versions.delete(key);
    else versions.set(key, was + 1);
    return { key, was, bytes };
  };

  const commit = async (next: Desk, changes: readonly PageChange[]): Promise<void> => {
    if (broken !== undefined) throw broken;
    const writes = [write(deskKey, packDesk(next))];
    for (const { key, page } of changes) {
      if (isKnown(page)) pages.set(key, page);
      else if (!pages.delete(key)) continue;
      writes.push(write(`${prefix}page/${key}`, isKnown(page) ? page : undefined));
    }
    now = next;
    try {
      const result = await store.commit({ epoch: store.epoch, writes, audit: [] });
      if (result !== "done")
        throw new Fault("stale", "another signer changed the device's records in this store");
    } catch (error) {
      broken = error;
      throw error;
    }
  };

  return {
    step: () => now.step,
    pending: () => (isKnown(now.pending) ? now.pending : undefined),
    pages: () => [...pages.values()],
    pend: async (pending) => {
      if (now.pending !== pending) await commit({ ...now, pending }, []);
    },
    keep: async ({ step, pages: changes }) => {
      // Nothing changed there, and what was pending may stay: it is never asked again unless a step was taken.
      if (step === now.step && changes.length === 0) return;
      await commit({ step, pending: unknown }, changes);
    },
  };
};
