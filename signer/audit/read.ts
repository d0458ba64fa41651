/** Reads the audit log from the file, for when no signer runs; a running one is asked through its admin socket. */

import { auditRow, blob, damaged, number, openReadOnly, selectAudit, toFault } from "../store/file.ts";
import { type AuditRow, type ChainEnd, genesis } from "./chain.ts";

export interface AuditFile {
  readonly genesis: Uint8Array;
  readonly head: ChainEnd;
  /** Records behind number `after`, in order. */
  rows(after?: number): Iterable<AuditRow>;
  /** Until then no signer can open the store. */
  close(): void;
}

const page = 1000;

export const readAudit = (path: string): AuditFile => {
  const db = openReadOnly(path);
  try {
    const store = db.prepare("SELECT id, sequence, hash FROM store WHERE one = 1").get();
    if (store === undefined) throw damaged(path, "its one row is gone");
    const next = db.prepare(selectAudit);
    const read = (after: number): readonly AuditRow[] => {
      try {
        return next.all(after, page).map((row) => auditRow(path, row));
      } catch (error) {
        throw toFault(path, error);
      }
    };
    return {
      genesis: genesis(blob(path, store["id"])),
      head: { sequence: number(path, store["sequence"]), hash: blob(path, store["hash"]) },
      *rows(after = 0) {
        for (let rows = read(after); rows.length > 0; rows = read(rows.at(-1)?.sequence ?? after))
          yield* rows;
      },
      close: () => {
        if (db.isOpen) db.close();
      },
    };
  } catch (error) {
    db.close();
    throw toFault(path, error);
  }
};
