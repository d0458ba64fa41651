/** What the node knows, in one file: LDK's state, the wallet's coins, what is to be sent. One turn is one transaction. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Written with the file, refused where it differs: another version's state must not be half understood. */
const schemaVersion = 1;
/** "csln". */
const applicationId = 0x63736c6e;

const schema = `
CREATE TABLE kept (name TEXT PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT;
CREATE TABLE monitor (funding TEXT PRIMARY KEY NOT NULL, bytes BLOB NOT NULL, archived INTEGER NOT NULL) STRICT;
CREATE TABLE block (hash TEXT PRIMARY KEY NOT NULL, height INTEGER NOT NULL, header BLOB NOT NULL, best INTEGER NOT NULL) STRICT;
CREATE INDEX block_height ON block (height);
CREATE TABLE script (script TEXT PRIMARY KEY NOT NULL, place BLOB NOT NULL) STRICT;
CREATE TABLE coin (
  outpoint TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL, script TEXT NOT NULL, height INTEGER NOT NULL,
  coinbase INTEGER NOT NULL, raw BLOB NOT NULL, taken_by TEXT, spent_height INTEGER
) STRICT;
CREATE TABLE sweep (
  outpoint TEXT PRIMARY KEY NOT NULL, descriptor BLOB NOT NULL, value INTEGER NOT NULL, weight INTEGER NOT NULL, sequence INTEGER NOT NULL,
  tried INTEGER, spent_height INTEGER
) STRICT;
CREATE TABLE outgoing (id TEXT PRIMARY KEY NOT NULL, bytes BLOB NOT NULL, since INTEGER NOT NULL, done INTEGER) STRICT;
CREATE TABLE payment (
  id TEXT NOT NULL, direction TEXT NOT NULL, hash TEXT, state TEXT NOT NULL, msat INTEGER NOT NULL, fee INTEGER, preimage TEXT, reason TEXT,
  PRIMARY KEY (id, direction)
) STRICT;
CREATE TABLE peer (node TEXT PRIMARY KEY NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL) STRICT;
`;

export interface NodeStore {
  /** For whoever has tables of its own here, as remote keys do. Written to inside a turn alone. */
  readonly database: DatabaseSync;
  kept(name: string): Uint8Array | undefined;
  keep(name: string, bytes: Uint8Array): void;
  monitors(): readonly { readonly funding: string; readonly bytes: Uint8Array }[];
  keepMonitor(funding: string, bytes: Uint8Array): void;
  archiveMonitor(funding: string): void;
  /** Everything that `action` writes is on disk when this returns, or nothing is. */
  transaction<T>(action: () => T): T;
  /**
   * The same for rows that would be made again after a power failure: the disk is not waited for, unless `action` changed
   * more than the number of rows that it names.
   */
  unhurried<T>(action: () => { readonly result: T; readonly remade: number }): T;
  close(): void;
}

const openFile = (directory: string): DatabaseSync => {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(directory, "node.sqlite"));
  // Held for as long as it is open: two nodes on one state would each sign what the other has revoked.
  database.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec("BEGIN EXCLUSIVE; COMMIT");
  const version = database.prepare("PRAGMA user_version").get()?.["user_version"];
  const application = database.prepare("PRAGMA application_id").get()?.["application_id"];
  if (version === 0 && application === 0)
    database.exec(
      `BEGIN; ${schema} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`,
    );
  else if (version !== schemaVersion || application !== applicationId)
    throw new Error(
      `${directory} holds no node's state of version ${schemaVersion}: give it a directory of its own`,
    );
  return database;
};

export const bytesOf = (value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw new TypeError("the node's file has no bytes where they belong");
  return value;
};

export const openNodeStore = (directory: string): NodeStore => {
  const database = openFile(directory);
  const read = database.prepare("SELECT bytes FROM kept WHERE name = ?");
  const write = database.prepare("INSERT OR REPLACE INTO kept VALUES (?, ?)");
  const monitors = database.prepare("SELECT funding, bytes FROM monitor WHERE archived = 0 ORDER BY funding");
  const monitor = database.prepare("INSERT OR REPLACE INTO monitor VALUES (?, ?, 0)");
  const archive = database.prepare("UPDATE monitor SET archived = 1 WHERE funding = ?");
  const changes = database.prepare("SELECT total_changes() AS count");
  const changed = (): number => Number(changes.get()?.["count"]);
  const transaction = <T>(action: () => T): T => {
    database.exec("BEGIN IMMEDIATE");
    try {
      const result = action();
      database.exec("COMMIT");
      return result;
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  };
  let waits = 0;
  return {
    database,
    kept: (name) => {
      const row = read.get(name);
      return row === undefined ? undefined : bytesOf(row["bytes"]);
    },
    keep: (name, bytes) => void write.run(name, bytes),
    monitors: () =>
      monitors.all().map((row) => ({ funding: String(row["funding"]), bytes: bytesOf(row["bytes"]) })),
    keepMonitor: (funding, bytes) => void monitor.run(funding, bytes),
    archiveMonitor: (funding) => void archive.run(funding),
    transaction,
    unhurried: (action) => {
      const before = changed();
      // In WAL mode a commit is in the file with NORMAL and on the disk with FULL (sqlite.org/pragma.html, "synchronous").
      database.exec("PRAGMA synchronous = NORMAL");
      try {
        const { result, remade } = transaction(action);
        database.exec("PRAGMA synchronous = FULL");
        // A commit that is waited for takes all before it along.
        if (changed() - before > remade) transaction(() => write.run("waits", Uint8Array.of(waits++ & 0xff)));
        return result;
      } finally {
        database.exec("PRAGMA synchronous = FULL");
      }
    },
    close: () => database.close(),
  };
};

/** The disk's, or the file's: said by SQLite. */
export const isStoreError = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "ERR_SQLITE_ERROR";
