/**
 * The device's records. They are in its memory while it is unlocked, and sealed with the signer for the time between; in
 * flash is what tells the newest from any other: the root over all of them, the one before the last step, and each
 * channel's standing. A page leaves only when its step is in flash, so of each step there is one outcome.
 */

import { equal } from "../protocol/bytes.ts";
import { fixed, message, u8, u64, unknown, unpack, type ValueOf } from "../protocol/codec.ts";
import {
  type CoreRefusal,
  mostContent,
  mostPages,
  type PageChange,
  pagesAtOnce,
} from "../protocol/device/core.ts";
import { sha256 } from "../protocol/hash.ts";
import { invalid } from "../protocol/malformed.ts";
import type { Secret } from "../protocol/secret.ts";
import type { Changes, Journal, Place } from "./journal.ts";
import { decodePage, openPage, type SealedPage, sealPage } from "./page.ts";
import { decodeStanding, encodeStanding, goesBack, type Standing } from "./standing.ts";
import { emptyTree, type Tree } from "./tree.ts";

export interface Entry {
  readonly version: number;
  readonly bytes: Uint8Array;
}

export interface RecordChange {
  readonly key: string;
  /** That it has after the step; the one before it is one less. */
  readonly version: number;
  /** Undefined: forgotten. */
  readonly bytes: Uint8Array | undefined;
  /** Of a channel's record. */
  readonly channel?: { readonly id: bigint; readonly standing: Standing | undefined };
}

type Refused = { readonly is: "refused"; readonly why: CoreRefusal };
const refused = (why: CoreRefusal): Refused => ({ is: "refused", why });

export interface Ledger {
  /** Of the last step in flash. */
  readonly step: bigint;
  readonly witness: bigint;
  /** After `begin`. */
  readonly isBehind: boolean;
  /** Why the last step that was asked for was not taken. */
  readonly notTaken: CoreRefusal | undefined;
  load(page: Uint8Array): Refused | undefined;
  /** All of them came: the newest, or the ones before the last step, which then has to be taken again. */
  begin(): { readonly is: "begun" } | Refused;
  records(): ReadonlyMap<string, Entry>;
  /** In flash when it returns. */
  take(changes: readonly RecordChange[], witness: bigint): { readonly is: "taken" } | Refused;
  /** What was given out after that step: the last one, or nothing. Undefined where it is not known any more. */
  since(step: bigint): readonly PageChange[] | undefined;
  wipe(): void;
}

const rootAt: Place = "tree/0";
const rootForm = message("Root", {
  format: u8("version of the format", (n) => {
    if (n !== 1) throw invalid(`${n} is not known to this firmware`);
    return n;
  }),
  step: u64("steps of the records", (n) => n),
  root: fixed("root", 32, (raw) => raw),
  before: fixed("root before the step", 32, (raw) => raw),
  /** How far the signer's store had come, as it said itself. */
  witness: u64("commits of the signer's store", (n) => n),
});
type Root = ValueOf<typeof rootForm>;
export const encodeRoot = (root: Root): Uint8Array => rootForm.packed.encode(root);
export const decodeRoot = (bytes: Uint8Array): Root => unpack(rootForm.packed, bytes);

const fresh: Root = { format: 1, step: 0n, root: emptyTree.root, before: emptyTree.root, witness: 0n };

/** Of this device's own memory, and not of what a signer sent. */
const own = <T>(read: () => T, what: string): T => {
  try {
    return read();
  } catch {
    throw new Error(`${what} in flash can't be read`);
  }
};

export const rootIn = (journal: Journal): Root => {
  const bytes = journal.get(rootAt);
  return bytes === undefined ? fresh : own(() => decodeRoot(bytes), "the root of the records");
};

/** Beyond it nothing is loaded, and new records are refused somewhat earlier, so that what was given out can come back. */
export const mostLoaded = 256 * 1024 * 1024;
export const mostKept = mostLoaded - 64 * 1024 * 1024;

/** A person has seen its funding in the chain: beside the standing, and forgotten with the step after it. */
export const vouchAt = (id: bigint): Place => `vouch/${id}`;
/** With a standing and the root no more than a step of flash takes. */
const mostUnused = 4;
const standingAt = (id: bigint): Place => `channel/${id}`;

export const openLedger = ({ journal, key }: { readonly journal: Journal; readonly key: Secret }): Ledger => {
  const entries = new Map<string, Entry>();
  let tree: Tree = emptyTree;
  let newest = 0n;
  let isBehind = false;
  let notTaken: CoreRefusal | undefined;
  let isWiped = false;
  /** Of all records in memory. */
  let size = 0;
  let last: { readonly step: bigint; readonly pages: readonly PageChange[] } | undefined;

  const standing = (id: bigint): Standing | undefined => {
    const bytes = journal.get(standingAt(id));
    return bytes === undefined
      ? undefined
      : own(() => decodeStanding(bytes), `the standing of channel ${id}`);
  };

  /**
   * Words about channels that were forgotten before this step. In the step that forgets them they still count, also when
   * it is taken again.
   */
  const unused = (after: Changes): readonly bigint[] =>
    journal
      .entries("vouch")
      .map(([id]) => id)
      .filter((id) => journal.get(standingAt(id)) === undefined && !after.has(standingAt(id)))
      .slice(0, mostUnused);

  const standingsAfter = (changes: readonly RecordChange[]): Changes | undefined => {
    const after = new Map<Place, Uint8Array | undefined>();
    for (const { key, channel } of changes) {
      if (channel === undefined) continue;
      const before = standing(channel.id);
      if (before === undefined && channel.standing === undefined) continue;
      // A record without a standing is all that is left of one that was forgotten.
      if (before === undefined && entries.has(key)) return undefined;
      if (before !== undefined && channel.standing !== undefined && goesBack(before, channel.standing))
        return undefined;
      after.set(
        standingAt(channel.id),
        channel.standing === undefined ? undefined : encodeStanding(channel.standing),
      );
    }
    for (const id of unused(after)) after.set(vouchAt(id), undefined);
    return after;
  };

  const put = (name: string, entry: Entry | undefined): void => {
    size += (entry?.bytes.length ?? 0) - (entries.get(name)?.bytes.length ?? 0);
    if (entry === undefined) entries.delete(name);
    else entries.set(name, entry);
  };

  const no = (why: CoreRefusal): Refused => {
    notTaken = why;
    return refused(why);
  };

  return {
    get step() {
      return rootIn(journal).step;
    },
    get witness() {
      return rootIn(journal).witness;
    },
    get isBehind() {
      return isBehind;
    },
    get notTaken() {
      return notTaken;
    },
    load: (bytes) => {
      const page: SealedPage = decodePage(bytes);
      const content = openPage(key, page);
      if (content === undefined) return refused("page-forged");
      put(page.key, { version: Number(page.version), bytes: content });
      if (size > mostLoaded) return refused("room");
      tree = tree.with(new Map([[page.key, sha256(bytes)]]));
      if (page.step > newest) newest = page.step;
      return undefined;
    },
    begin: () => {
      const { step, root, before } = rootIn(journal);
      if (equal(tree.root, root)) return { is: "begun" };
      if (newest > step) return refused("pages-ahead");
      if (equal(tree.root, before)) {
        isBehind = true;
        return { is: "begun" };
      }
      return refused(entries.size === 0 ? "pages-missing" : "pages-old");
    },
    records: () => entries,
    take: (changes, witness) => {
      notTaken = undefined;
      if (isWiped) return no("order");
      const flash = rootIn(journal);
      const step = isBehind ? flash.step : flash.step + 1n;
      // Before anything is in flash: what can't be given out, or loaded again, must not be the newest.
      if (changes.some(({ bytes }) => bytes !== undefined && bytes.length > mostContent)) return no("room");
      if (!isBehind && size > mostKept && changes.some(({ version }) => version === 1)) return no("room");
      const pages = changes.map(
        ({ key: name, version, bytes }): PageChange => ({
          key: name,
          page:
            bytes === undefined
              ? unknown
              : sealPage(key, { key: name, step, version: BigInt(version) }, bytes),
        }),
      );
      const answered = pages.reduce((sum, { key: name, page }) => sum + page.length + name.length + 16, 0);
      if (changes.length > mostPages || answered > pagesAtOnce) return no("room");
      const next = tree.with(
        new Map(pages.map(({ key: name, page }) => [name, page === unknown ? undefined : sha256(page)])),
      );
      if (isBehind && !equal(next.root, flash.root)) return no("page-differs");
      if (!isBehind) {
        const standings = standingsAfter(changes);
        if (standings === undefined) throw new Error("the core would take a channel back");
        const highest = witness > flash.witness ? witness : flash.witness;
        const root = encodeRoot({ format: 1, step, root: next.root, before: flash.root, witness: highest });
        journal.commit(new Map([...standings, [rootAt, root]]));
      }
      isBehind = false;
      tree = next;
      last = { step, pages };
      for (const { key: name, version, bytes } of changes)
        put(name, bytes === undefined ? undefined : { version, bytes });
      return { is: "taken" };
    },
    since: (step) => {
      const now = rootIn(journal).step;
      if (step === now) return [];
      return last !== undefined && last.step === now && step === now - 1n ? last.pages : undefined;
    },
    wipe: () => {
      for (const { bytes } of entries.values()) bytes.fill(0);
      entries.clear();
      size = 0;
      last = undefined;
      isWiped = true;
    },
  };
};
