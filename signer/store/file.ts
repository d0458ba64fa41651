/** The store's file: how it is made, recognised and opened, and what SQLite's errors mean to an operator. */

import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type AuditRow, genesis } from "../audit/chain.ts";
import { StoreFault, type StoreTrouble } from "./store.ts";

/** "csgn": in the file's header, where `file` and we look first. */
const applicationId = 0x6373676e;
/** Also in the header (`user_version`), hence readable whatever a later version does with the tables. */
export const schemaVersion = 1;

/** One row in `store`: a commit that finds another epoch there was fenced off. `sequence` and `hash` are the audit head. */
const schema = `
CREATE TABLE store (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id BLOB NOT NULL,
  epoch INTEGER NOT NULL,
  version INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE TABLE record (key TEXT PRIMARY KEY NOT NULL, version INTEGER NOT NULL, bytes BLOB NOT NULL, checksum INTEGER NOT NULL) STRICT;
CREATE TABLE audit (sequence INTEGER PRIMARY KEY, bytes BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
`;

const noSqliteError = -1;
const codeOf = (error: unknown): number => {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  // The low byte is the kind, the rest only refines it (sqlite.org/rescode.html).
  return typeof code === "number" ? code & 0xff : noSqliteError;
};

const meaning = (path: string, error: unknown): readonly [StoreTrouble, string] => {
  switch (codeOf(error)) {
    case 5: // SQLITE_BUSY
    case 6: // SQLITE_LOCKED
      return [
        "held",
        `another signer holds this store: ${path}. Two on one store would sign against each other. Stop the other ` +
          `one (or the audit reader that has it open), or ask it through its admin socket`,
      ];
    case 11: // SQLITE_CORRUPT
      return ["corrupt", `the store is damaged: ${path}. Keep the file as it is, restore a backup elsewhere`];
    case 26: // SQLITE_NOTADB
      return ["foreign", `not a store of countersign, or damaged from its first page on: ${path}`];
    case 3: // SQLITE_PERM
    case 8: // SQLITE_READONLY
    case 14: // SQLITE_CANTOPEN
    case 23: // SQLITE_AUTH
      return [
        "unreachable",
        `cannot open ${path}: the signer's user must own the file and may write to its folder`,
      ];
    case 13: // SQLITE_FULL
      return [
        "io",
        `the disk is full: ${path}. Nothing is signed until there is room and the signer restarts`,
      ];
    default: {
      const words = error instanceof Error ? error.message : String(error);
      return ["io", `the store failed (${words}): ${path}. Look at the disk, then restart the signer`];
    }
  }
};

export const toFault = (path: string, error: unknown): StoreFault =>
  error instanceof StoreFault ? error : new StoreFault(...meaning(path, error), error);

export const damaged = (path: string, what: string): StoreFault =>
  new StoreFault(
    "corrupt",
    `the store is damaged (${what}): ${path}. Keep the file, restore a backup elsewhere`,
  );

const syncFolder = (path: string): void => {
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
};

/**
 * Makes an empty store, and never on top of a file. Apart from `openStore` on purpose: a signer whose store is gone
 * must say so, not start with an empty memory of what it has signed.
 */
export const createStore = (path: string): void => {
  const draft = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    // SQLite gives its side files the mode of this one.
    closeSync(openSync(draft, "wx", 0o600));
    const db = new DatabaseSync(draft);
    try {
      const id = new Uint8Array(randomBytes(32));
      db.exec(`PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE; ${schema}`);
      db.prepare("INSERT INTO store VALUES (1, ?, 0, 0, 0, ?)").run(id, genesis(id));
      db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}; COMMIT`);
      db.exec("PRAGMA journal_mode = WAL");
    } finally {
      db.close();
    }
    // Unlike a rename, a link never replaces what is there; and a crash leaves a draft, not half a store.
    linkSync(draft, path);
    syncFolder(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") {
      throw new StoreFault("foreign", `there is a file already, and it stays as it is: ${path}`, error);
    }
    throw codeOf(error) === noSqliteError ? unreachable(path, error) : toFault(path, error);
  } finally {
    rmSync(draft, { force: true });
  }
};

const unreachable = (path: string, error: unknown): StoreFault => {
  const words = error instanceof Error ? error.message : String(error);
  return new StoreFault("unreachable", `cannot reach ${path}: ${words}`, error);
};

/**
 * Looks with `stat` alone. Opening and closing the file beside SQLite would drop this process's locks on it: POSIX
 * releases all of them with the first descriptor closed.
 */
const checkFile = (path: string): void => {
  let stat: ReturnType<typeof statSync>;
  try {
    stat = statSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new StoreFault(
        "missing",
        `no store at ${path}. Only a new signer begins without one: \`countersign init\``,
      );
    }
    throw unreachable(path, error);
  }
  if (!stat.isFile()) throw new StoreFault("foreign", `not a file: ${path}`);
  if (stat.size === 0) throw damaged(path, "the file is empty");
  if (process.platform !== "win32" && (stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8);
    throw new StoreFault("exposed", `others may read or write ${path} (mode ${mode}): chmod 600 it`);
  }
};

/** Columns are typed by the schema (STRICT): another type means that the file was tampered with. */
export const number = (path: string, value: unknown): number => {
  if (typeof value !== "number") throw damaged(path, "a number is missing");
  return value;
};

export const blob = (path: string, value: unknown): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw damaged(path, "bytes are missing");
  return value;
};

type Row = Readonly<Record<string, unknown>>;

export const auditRow = (path: string, row: Row): AuditRow => ({
  sequence: number(path, row["sequence"]),
  bytes: blob(path, row["bytes"]),
  hash: blob(path, row["hash"]),
});

/** Parameters: the number behind which to begin, and how many. */
export const selectAudit =
  "SELECT sequence, bytes, hash FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?";

export const pragma = (db: DatabaseSync, name: string): unknown => {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return row === undefined ? undefined : Object.values(row)[0];
};

const recognise = (db: DatabaseSync, path: string): void => {
  if (pragma(db, "application_id") !== applicationId) {
    throw new StoreFault("foreign", `a database, but not a store of countersign: ${path}`);
  }
  const version = number(path, pragma(db, "user_version"));
  if (version !== schemaVersion) {
    const sentence = `this store has the format ${version}, and this countersign knows ${schemaVersion}`;
    throw new StoreFault("newer", `${sentence}: ${path}. Use the version that wrote it, or a later one`);
  }
};

/** Opens an existing store without the right to change it. */
export const openReadOnly = (path: string): DatabaseSync => {
  checkFile(path);
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true });
    recognise(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw toFault(path, error);
  }
};

/** Opens an existing store for this process alone. What is not ours, or not whole, is left as it was. */
export const openExclusive = (path: string): DatabaseSync => {
  openReadOnly(path).close();
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path);
    db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON");
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    // Only macOS needs to be told that a flush should reach the disk.
    db.exec("PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON");
    // The lock comes with the first write and stays.
    db.exec("BEGIN IMMEDIATE");
    recognise(db, path);
    for (const [name, wanted] of [
      ["locking_mode", "exclusive"],
      ["journal_mode", "wal"],
      ["synchronous", 2],
    ] as const) {
      const is = pragma(db, name);
      if (is !== wanted) {
        const sentence = `SQLite did not take ${name} = ${wanted} (it is ${is})`;
        throw new StoreFault("unreachable", `${sentence}: ${path}. The store belongs on a local disk`);
      }
    }
    for (const table of ["store", "record"]) {
      const result = pragma(db, `quick_check(${table})`);
      if (result !== "ok") throw damaged(path, String(result).replace(/\s+/g, " "));
    }
    return db;
  } catch (error) {
    db?.close();
    throw toFault(path, error);
  }
};
