/**
 * The embedded store: SQLite in the main thread (a worker costs more than it frees), every commit one transaction
 * with one fsync.
 */

import type { DatabaseSync } from "node:sqlite";
import { crc32 } from "node:zlib";
import { equal, toHex } from "../../protocol/bytes.ts";
import { extend } from "../audit/chain.ts";
import type { Epoch, Group, Key, Stored, Version, Write } from "../core/ports.ts";
import { auditRow, blob, damaged, number, openExclusive, selectAudit, toFault } from "./file.ts";
import { type CommitHook, type Head, type OpenStore, poison, prefixOf, StoreFault } from "./store.ts";

export { createStore } from "./file.ts";

export interface SqliteOptions {
  readonly path: string;
  /** Called at each point of a commit; what it throws is a fault there. For crash tests. */
  readonly at?: CommitHook;
}

/** SQLite keeps no checksum of its pages: a flipped bit in a commitment number must not pass for another number. */
const checksum = (key: Key, version: Version, bytes: Uint8Array): number =>
  crc32(bytes, crc32(`${version} ${key}`));

const statements = (db: DatabaseSync) => ({
  begin: db.prepare("BEGIN IMMEDIATE"),
  insert: db.prepare("INSERT INTO record VALUES (?, 1, ?, ?) ON CONFLICT DO NOTHING"),
  update: db.prepare("UPDATE record SET version = ?, bytes = ?, checksum = ? WHERE key = ? AND version = ?"),
  remove: db.prepare("DELETE FROM record WHERE key = ? AND version = ?"),
  audit: db.prepare("INSERT INTO audit VALUES (?, ?, ?)"),
  head: db.prepare(
    "UPDATE store SET version = ?, sequence = ?, hash = ? WHERE one = 1 AND epoch = ? AND version = ?",
  ),
  commit: db.prepare("COMMIT"),
  load: db.prepare("SELECT key, version, bytes, checksum FROM record WHERE key >= ? AND key < ?"),
  rows: db.prepare(selectAudit),
});

/** In the transaction that `openExclusive` began: the epoch is ours before anything else happens. */
const takeOver = (db: DatabaseSync, path: string): { id: Uint8Array; epoch: Epoch; head: Head } => {
  const row = db
    .prepare("UPDATE store SET epoch = epoch + 1 RETURNING id, epoch, version, sequence, hash")
    .get();
  if (row === undefined) throw damaged(path, "its one row is gone");
  const { id, epoch, version, sequence, hash } = row;
  const head: Head = {
    version: number(path, version),
    sequence: number(path, sequence),
    hash: blob(path, hash),
  };
  const last = db.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1").get();
  // The chain is proved by `audit verify`; that its end is there costs nothing and is asked at every start.
  const ends = last === undefined ? head.sequence === 0 : last["sequence"] === head.sequence;
  if (!ends || (last !== undefined && !equal(blob(path, last["hash"]), head.hash))) {
    throw damaged(path, `the audit log does not end in record ${head.sequence}`);
  }
  db.exec("COMMIT");
  return { id: blob(path, id), epoch: number(path, epoch), head };
};

const changed = (result: { readonly changes: number | bigint }): boolean => result.changes === 1;

export const openStore = async ({ path, at = () => {} }: SqliteOptions): Promise<OpenStore> => {
  const db = openExclusive(path);
  let opened: ReturnType<typeof takeOver>;
  let sql: ReturnType<typeof statements>;
  try {
    opened = takeOver(db, path);
    sql = statements(db);
  } catch (error) {
    db.close();
    throw toFault(path, error);
  }
  const { id, epoch } = opened;
  let { head } = opened;
  const poisoned = poison();

  const usable = (): void => {
    if (!db.isOpen) throw new StoreFault("closed", `the store is closed: ${path}`);
  };

  const write = ({ key, was, bytes }: Write): boolean => {
    if (bytes === undefined) return changed(sql.remove.run(key, was));
    return was === 0
      ? changed(sql.insert.run(key, bytes, checksum(key, 1, bytes)))
      : changed(sql.update.run(was + 1, bytes, checksum(key, was + 1, bytes), key, was));
  };

  const transaction = (group: Group): "done" | { readonly stale: Key } => {
    at("before-transaction");
    sql.begin.run();
    const stale = group.writes.find((one) => !write(one));
    if (stale !== undefined) {
      db.exec("ROLLBACK");
      return { stale: stale.key };
    }
    const rows = extend(head, group.audit);
    for (const { sequence, bytes, hash } of rows) sql.audit.run(sequence, bytes, hash);
    const { sequence, hash } = rows.at(-1) ?? head;
    const next: Head = { version: head.version + 1, sequence, hash };
    if (!changed(sql.head.run(next.version, sequence, hash, epoch, head.version))) throw fenced(path);
    at("before-commit");
    sql.commit.run();
    head = next;
    at("after-commit");
    return "done";
  };

  return {
    id,
    epoch,
    head: () => head,

    load: async (node) => {
      usable();
      const prefix = prefixOf(toHex(node));
      const found = new Map<Key, Stored>();
      try {
        // "0" is the character behind "/".
        for (const row of sql.load.all(prefix, `${prefix.slice(0, -1)}0`)) {
          const key = String(row["key"]);
          const stored = { version: number(path, row["version"]), bytes: blob(path, row["bytes"]) };
          if (checksum(key, stored.version, stored.bytes) !== row["checksum"]) {
            throw damaged(path, `record ${key}`);
          }
          found.set(key, stored);
        }
      } catch (error) {
        throw toFault(path, error);
      }
      return found;
    },

    commit: async (group) => {
      usable();
      poisoned.check();
      return poisoned.with(() => {
        try {
          if (group.epoch !== epoch) throw fenced(path);
          return transaction(group);
        } catch (error) {
          // SQLite rolls back by itself after most errors of the disk, but not after all.
          if (db.isTransaction) attempt(() => db.exec("ROLLBACK"));
          throw toFault(path, error);
        }
      });
    },

    audit: async (after, limit) => {
      usable();
      try {
        return sql.rows.all(after, limit).map((row) => auditRow(path, row));
      } catch (error) {
        throw toFault(path, error);
      }
    },

    close: async () => {
      if (db.isOpen) db.close();
    },
  };
};

const fenced = (path: string): StoreFault =>
  new StoreFault(
    "fenced",
    `another signer opened this store since: ${path}. It signs now; stop one of the two`,
  );

const attempt = (action: () => void): void => {
  try {
    action();
  } catch {
    // The first error is the one to tell.
  }
};
