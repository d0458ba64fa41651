/** Red-team 15: someone at the disk rewrites the audit log; `countersign audit verify` names the place. */

import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { link, record } from "../../signer/audit.ts";
import { openStore } from "../../signer/store/sqlite.ts";
import { seenOf } from "../../signer/store/witnessed.ts";
import { replaceWitness } from "../../signer/witness.ts";
import { type Installed, install } from "../scripted/command.ts";
import { attack, honest } from "../scripted/tally.ts";

const records = 12;
const clock = { now: () => 1_700_000_000_000 };

/** A directory whose log has as many records, of its own. */
const written = async (label: string): Promise<Installed> => {
  const installed = await install((home) => ["--witness", join(home, "witness")]);
  const store = await openStore({ path: installed.store });
  for (let n = 1; n <= records; n++) {
    const entry = record({ kind: "admin", time: clock.now() + n, detail: `${label} ${n}` });
    await store.commit({ epoch: store.epoch, writes: [], audit: [entry] });
  }
  replaceWitness(join(installed.home, "witness"), seenOf(store, clock));
  await store.close();
  return installed;
};

let own: Installed;
let other: Installed;
beforeAll(async () => {
  [own, other] = await Promise.all([written("own"), written("other")]);
});
afterAll(() => {
  own?.remove();
  other?.remove();
});

/** A row, as whoever has the file may write it. */
interface Row {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly hash: Uint8Array;
}

/** Verified once the log was rewritten; afterwards the true one stands there again. */
const rewritten = (change: (db: DatabaseSync) => void, more: { readonly witness?: false } = {}) => {
  const kept = join(own.home, "kept");
  const config = join(own.dir, "countersign.toml");
  copyFileSync(own.store, kept);
  copyFileSync(config, `${kept}.toml`);
  const db = new DatabaseSync(own.store);
  try {
    change(db);
  } finally {
    db.close();
  }
  if (more.witness === false) withoutWitness(config);
  try {
    const { status, stdout } = own.command("audit", "verify", "--json");
    return { status, verdict: JSON.parse(stdout) as Record<string, unknown> };
  } finally {
    for (const side of ["-wal", "-shm"]) rmSync(own.store + side, { force: true });
    copyFileSync(kept, own.store);
    copyFileSync(`${kept}.toml`, config);
  }
};

const withoutWitness = (config: string): void => {
  const text = readFileSync(config, "utf8");
  writeFileSync(config, text.replace(/^witness = .*$/m, ""));
};

const rowsOf = (path: string): Row[] => {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return db.prepare("SELECT sequence, bytes, hash FROM audit ORDER BY sequence").all() as unknown as Row[];
  } finally {
    db.close();
  }
};
const rowIn = (rows: readonly Row[], sequence: number): Row => {
  const row = rows[sequence - 1];
  if (row === undefined) throw new RangeError(`no record ${sequence}`);
  return row;
};
const put = (db: DatabaseSync, { sequence, bytes, hash }: Row): void => {
  db.prepare("INSERT OR REPLACE INTO audit VALUES (?, ?, ?)").run(sequence, bytes, hash);
};
const lie = record({ kind: "admin", time: clock.now(), detail: "nothing happened" });

/** What the attacker writes, and the place that must be named. */
const attacks: Readonly<
  Record<string, readonly [change: (db: DatabaseSync) => void, sequence: number, what: string]>
> = {
  "cut at the end": [(db) => db.exec("DELETE FROM audit WHERE sequence > 9"), 10, "missing"],
  "cut at the end by one": [(db) => db.exec("DELETE FROM audit WHERE sequence = 12"), 12, "missing"],
  emptied: [(db) => db.exec("DELETE FROM audit"), 1, "missing"],
  "cut at the beginning": [(db) => db.exec("DELETE FROM audit WHERE sequence < 4"), 1, "missing"],
  "cut in the middle": [(db) => db.exec("DELETE FROM audit WHERE sequence BETWEEN 5 AND 7"), 5, "missing"],
  "cut in the middle and numbered anew": [
    (db) => {
      db.exec("DELETE FROM audit WHERE sequence = 5");
      for (let n = 6; n <= records; n++)
        db.exec(`UPDATE audit SET sequence = ${n - 1} WHERE sequence = ${n}`);
    },
    5,
    "missing",
  ],
  edited: [(db) => void db.prepare("UPDATE audit SET bytes = ? WHERE sequence = 6").run(lie), 6, "changed"],
  "edited, with a hash that fits": [
    (db) => put(db, { sequence: 6, bytes: lie, hash: link(rowIn(rowsOf(own.store), 5).hash, 6, lie) }),
    7,
    "changed",
  ],
  "one bit of a hash flipped": [
    (db) => {
      const { bytes, hash } = rowIn(rowsOf(own.store), 3);
      put(db, { sequence: 3, bytes, hash: hash.map((byte, at) => (at === 0 ? byte ^ 1 : byte)) });
    },
    3,
    "changed",
  ],
  "two records exchanged": [
    (db) => {
      const rows = rowsOf(own.store);
      put(db, { ...rowIn(rows, 8), sequence: 4 });
      put(db, { ...rowIn(rows, 4), sequence: 8 });
    },
    4,
    "reordered",
  ],
  "a record put in, the rest moved": [
    (db) => {
      for (let n = records; n >= 7; n--)
        db.exec(`UPDATE audit SET sequence = ${n + 1} WHERE sequence = ${n}`);
      put(db, { sequence: 7, bytes: lie, hash: link(rowIn(rowsOf(other.store), 6).hash, 7, lie) });
    },
    7,
    "inserted",
  ],
  "one added behind the head": [
    (db) => put(db, { sequence: 13, bytes: lie, hash: link(rowIn(rowsOf(own.store), 12).hash, 13, lie) }),
    13,
    "inserted",
  ],
  "a stretch of another store's log": [
    (db) => {
      for (const row of rowsOf(other.store).slice(4, 8)) put(db, row);
    },
    5,
    "changed",
  ],
  "the whole log of another store": [
    (db) => {
      for (const row of rowsOf(other.store)) put(db, row);
    },
    1,
    "changed",
  ],
  "the head set back, as if the end had never been": [
    (db) => {
      const { hash } = rowIn(rowsOf(own.store), 9);
      db.prepare("UPDATE store SET sequence = 9, hash = ?").run(hash);
    },
    10,
    "inserted",
  ],
};

/** From `from` on another chain, head and all: it has no key, so anybody can. */
const forged = (db: DatabaseSync, from: number): void => {
  const rows = rowsOf(own.store);
  let { hash } = rowIn(rows, from - 1);
  for (const { sequence, bytes } of rows.slice(from - 1)) {
    const said = sequence === from ? lie : bytes;
    hash = link(hash, sequence, said);
    put(db, { sequence, bytes: said, hash });
  }
  db.prepare("UPDATE store SET hash = ?").run(hash);
};

const cutAlike = (db: DatabaseSync): void => {
  const { hash } = rowIn(rowsOf(own.store), 9);
  db.exec("DELETE FROM audit WHERE sequence > 9");
  db.prepare("UPDATE store SET sequence = 9, hash = ?").run(hash);
};

describe("a log that was rewritten", () => {
  test.each(Object.keys(attacks))("%s", async (name) => {
    const [change, sequence, what] = attacks[name] ?? [];
    if (change === undefined) throw new RangeError(name);
    const { status, verdict } = rewritten(change, { witness: false });
    await attack(name, () => {
      expect(verdict).toMatchObject({ is: "broken", sequence, what });
      expect(status).toBe(1);
    });
  });

  test("with its head, so that the file alone shows nothing: the witness does", async () => {
    for (const [change, sequence] of [
      [(db: DatabaseSync) => forged(db, 6), records],
      [cutAlike, 10],
    ] as const) {
      expect(rewritten(change, { witness: false }).verdict).toMatchObject({ is: "whole" });
      const { status, verdict } = rewritten(change);
      await attack("forged with its head", () => {
        expect(verdict).toMatchObject({ is: "broken", sequence, what: "witness" });
        expect(status).toBe(1);
      });
    }
  });

  test("the honest neighbour: what the signer wrote is whole, before and after", async () => {
    await honest(() => {
      const { status, stdout } = own.command("audit", "verify");
      expect(stdout).toBe(
        "The audit log is whole: 12 records, each in its place. Record 12 is as it was witnessed.\n",
      );
      expect(status).toBe(0);
    });
    await honest(() => expect(other.json("audit", "verify")).toEqual({ is: "whole", records }));
  });
});
