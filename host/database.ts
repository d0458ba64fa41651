/** The host's own database, in which the outbox lives: what was committed is on the disk, also when the power fails. */

import { DatabaseSync } from "node:sqlite";

export const openDatabase = (path: string): DatabaseSync => {
  const database = new DatabaseSync(path);
  // With WAL anything below FULL may lose the last transactions (sqlite.org/pragma.html, "synchronous").
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
  return database;
};
