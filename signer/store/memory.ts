/** The same promises in memory, for tests and rehearsals. Nothing outlives the disk object. */

import { randomBytes } from "node:crypto";
import { toHex } from "../../protocol/bytes.ts";
import { type AuditRow, extend, genesis } from "../audit/chain.ts";
import type { Epoch, Key, Stored } from "../core/ports.ts";
import { type CommitHook, type Head, type OpenStore, poison, prefixOf, StoreFault } from "./store.ts";

/** What would survive a crash. */
export interface MemoryDisk {
  /** Fences off whoever opened it before. */
  open(options?: { readonly at?: CommitHook }): OpenStore;
}

export const memoryDisk = (): MemoryDisk => {
  const id = new Uint8Array(randomBytes(32));
  const records = new Map<Key, Stored>();
  const rows: AuditRow[] = [];
  let head: Head = { version: 0, sequence: 0, hash: genesis(id) };
  let epoch: Epoch = 0;

  const open = ({ at = () => {} }: { readonly at?: CommitHook } = {}): OpenStore => {
    epoch += 1;
    const ours = epoch;
    const poisoned = poison();
    let closed = false;
    const usable = (): void => {
      if (closed) throw new StoreFault("closed", "the store is closed");
    };
    return {
      id,
      epoch: ours,
      head: () => head,

      load: async (node) => {
        usable();
        const prefix = prefixOf(toHex(node));
        const found = [...records].filter(([key]) => key.startsWith(prefix));
        return new Map(found.map(([key, { version, bytes }]) => [key, { version, bytes: bytes.slice() }]));
      },

      commit: async (group) => {
        usable();
        poisoned.check();
        return poisoned.with(() => {
          if (group.epoch !== ours || epoch !== ours) {
            throw new StoreFault("fenced", "another signer opened this store since; stop one of the two");
          }
          at("before-transaction");
          const next = new Map<Key, Stored | undefined>();
          for (const { key, was, bytes } of group.writes) {
            const now = next.has(key) ? next.get(key) : records.get(key);
            if ((now?.version ?? 0) !== was || (was === 0 && bytes === undefined)) return { stale: key };
            next.set(key, bytes === undefined ? undefined : { version: was + 1, bytes: bytes.slice() });
          }
          const added = extend(
            head,
            group.audit.map((bytes) => bytes.slice()),
          );
          const { sequence, hash } = added.at(-1) ?? head;
          at("before-commit");
          for (const [key, stored] of next) {
            if (stored === undefined) records.delete(key);
            else records.set(key, stored);
          }
          rows.push(...added);
          head = { version: head.version + 1, sequence, hash };
          at("after-commit");
          return "done";
        });
      },

      audit: async (after, limit) => {
        usable();
        return rows.slice(after, after + limit).map((row) => ({ ...row, bytes: row.bytes.slice() }));
      },

      close: async () => {
        closed = true;
      },
    };
  };

  return { open };
};
