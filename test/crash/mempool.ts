/** What was published and is not deep yet, in the host's database: every life may publish, the chain's life mines. */

import type { DatabaseSync } from "node:sqlite";
import { equal } from "../../protocol/bytes.ts";

export interface Mempool {
  /** What is known stays as it is. */
  publish(raws: readonly Uint8Array[]): void;
  /** Parents first. */
  waiting(): readonly Uint8Array[];
  bury(raws: readonly Uint8Array[]): void;
}

export const openMempool = (db: DatabaseSync): Mempool => {
  db.exec(
    "CREATE TABLE IF NOT EXISTS mempool (at INTEGER PRIMARY KEY, raw BLOB NOT NULL UNIQUE, deep INTEGER NOT NULL) STRICT",
  );
  const add = db.prepare("INSERT INTO mempool (raw, deep) VALUES (?, 0) ON CONFLICT DO NOTHING");
  const list = db.prepare("SELECT raw FROM mempool WHERE deep = 0 ORDER BY at");
  const bury = db.prepare("UPDATE mempool SET deep = 1 WHERE raw = ?");
  return {
    publish: (raws) => {
      for (const raw of raws) add.run(raw);
    },
    waiting: () => list.all().map((row) => Uint8Array.from(row["raw"] as Uint8Array)),
    bury: (raws) => {
      for (const raw of raws) bury.run(raw);
    },
  };
};

export const isAmong = (raws: readonly Uint8Array[], one: Uint8Array): boolean =>
  raws.some((raw) => equal(raw, one));
