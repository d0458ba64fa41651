import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { readAudit, verifyAudit } from "../../signer/audit.ts";
import { createStore, openStore } from "../../signer/store/sqlite.ts";
import type { StoreTrouble } from "../../signer/store/store.ts";
import {
  contents,
  expectWhole,
  filled,
  groupOf,
  newFolder,
  newPath,
  node,
  root,
  trouble,
  write,
} from "./store.kit.ts";

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

const childFile = fileURLToPath(new URL("store.child.ts", import.meta.url));
const lines = (output: string): readonly Record<string, unknown>[] =>
  output
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const child = (...args: readonly string[]) => {
  const { stdout, stderr, signal } = spawnSync(process.execPath, [childFile, ...args], { encoding: "utf8" });
  expect(stderr).toBe("");
  return { signal, said: lines(stdout) };
};
const mode = (path: string): number => statSync(path).mode & 0o777;

describe("the store's file", () => {
  test("nobody else may read it or its side files", async () => {
    const path = newPath();
    const store = await openStore({ path });
    await store.commit(groupOf(store, [write("a", 0)], "a"));
    const names = readdirSync(join(path, ".."));
    expect(names).toContain("store.db-wal");
    for (const name of names) expect([name, mode(join(path, "..", name))]).toEqual([name, 0o600]);
    await store.close();
    expect(readdirSync(join(path, "..")).filter((name) => name.endsWith(".new"))).toEqual([]);
  });

  test("that others may read or write is not opened", async () => {
    const path = newPath();
    for (const wide of [0o640, 0o604, 0o602, 0o660]) {
      chmodSync(path, wide);
      await expect(openStore({ path })).rejects.toEqual(trouble("exposed"));
    }
    chmodSync(path, 0o600);
    await (await openStore({ path })).close();
  });

  test("is never made by opening, nor made twice", async () => {
    const path = join(newFolder(), "store.db");
    await expect(openStore({ path })).rejects.toEqual(trouble("missing"));
    expect(() => readAudit(path)).toThrow(/no store at/);
    expect(existsSync(path)).toBe(false);
    createStore(path);
    const bytes = readFileSync(path);
    expect(() => createStore(path)).toThrow(/stays as it is/);
    expect(readFileSync(path).equals(bytes)).toBe(true);
    expect(() => createStore(join(path, "..", "no", "such", "folder"))).toThrow(/cannot reach/);
  });

  test("every store has an id of its own", async () => {
    const [a, b] = [await openStore({ path: newPath() }), await openStore({ path: newPath() })];
    expect(toHex(a.id)).not.toBe(toHex(b.id));
    expect(a.id).toHaveLength(32);
    await Promise.all([a.close(), b.close()]);
  });

  test("is held by one process at a time, and free again when that one is killed", async () => {
    const path = newPath();
    const holder = spawn(process.execPath, [childFile, "hold", path], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.add(holder);
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    await expect(openStore({ path })).rejects.toEqual(trouble("held"));
    expect(() => readAudit(path)).toThrow(/another signer holds this store/);
    const gone = new Promise((resolve) => holder.once("exit", resolve));
    holder.kill("SIGKILL");
    await gone;
    children.delete(holder);
    const store = await openStore({ path });
    expect(store.epoch).toBe(2);

    // And the other way round; a try in this process must not cost it its lock either.
    await expect(openStore({ path })).rejects.toEqual(trouble("held"));
    expect(() => readAudit(path)).toThrow(/another signer holds this store/);
    expect(child("open", path).said).toMatchObject([{ trouble: "held" }]);
    expect(await store.commit(groupOf(store, [write("a", 0)], "a"))).toBe("done");
    await store.close();
    expect(child("open", path).said).toEqual([{ epoch: 3 }]);
  });

  test("in a folder that may not be written is neither made nor opened", () => {
    const path = newPath();
    const folder = join(path, "..");
    chmodSync(root, 0o755);
    chmodSync(folder, 0o555);
    const [made, opened] = child("asNobody", path).said;
    expect(made).toMatchObject({ trouble: "unreachable" });
    expect(opened).toMatchObject({ trouble: "unreachable" });
    chmodSync(folder, 0o755);
  });

  test("on a full disk: a fault, nothing lost, nothing taken after", async () => {
    const path = newPath();
    const limited = `ulimit -f 400; exec "$0" "$@"`;
    const args = ["-c", limited, process.execPath, childFile, "fill", path];
    const { stdout } = spawnSync("bash", args, { encoding: "utf8" });
    const [first, second, last] = lines(stdout);
    expect(first).toMatchObject({ trouble: "io" });
    expect(second).toMatchObject({ trouble: "poisoned" });
    const done = Number(last?.["acknowledged"]);
    expect(done).toBeGreaterThan(5);
    expect(last).toEqual({ acknowledged: done, head: done });
    const store = await openStore({ path });
    expect(store.head()).toMatchObject({ version: done, sequence: 2 * done });
    await expectWhole(store);
    await store.close();
  });
});

describe("a process killed in a commit leaves all of it or nothing", () => {
  const check = async (path: string, acknowledged: number, committed: number): Promise<void> => {
    const store = await openStore({ path });
    expect(committed - acknowledged).toBeOneOf([0, 1]);
    const loaded = [...(await store.load(node)).values()];
    const expected = { version: committed, bytes: filled(committed, 3000) };
    expect(loaded).toEqual(committed === 0 ? [] : [expected, expected, expected]);
    expect(store.head()).toMatchObject({ version: committed, sequence: 2 * committed });
    await expectWhole(store);
    expect(await store.commit(groupOf(store, [write("node", committed)], "after"))).toBe("done");
    await store.close();
  };

  const points = (["before-transaction", "before-commit", "after-commit"] as const).flatMap((point) =>
    (["alone", "grouped"] as const).map((kind) => [point, kind] as const),
  );
  test.each(points)("%s, %s", async (point, kind) => {
    for (const commit of [1, 5]) {
      const path = newPath();
      const { signal, said } = child("killAt", path, point, String(commit), kind);
      expect(signal).toBe("SIGKILL");
      expect(said.length).toBe(commit - 1);
      await check(path, commit - 1, point === "after-commit" ? commit : commit - 1);
    }
  });

  test.each(["before", "after"] as const)("%s it, by the wrapper", async (when) => {
    const path = newPath();
    const { signal, said } = child("killAround", path, when, "3");
    expect(signal).toBe("SIGKILL");
    expect(said.length).toBe(2);
    await check(path, 2, when === "after" ? 3 : 2);
  });
});

describe("what is no whole store of ours is left as it was", () => {
  /** A store with something in it, and its file changed in SQL behind its back. */
  const store = async (sql = ""): Promise<string> => {
    const path = newPath();
    const store = await openStore({ path });
    await store.commit(groupOf(store, [write("a", 0), write("b", 0, filled(0xab, 20_000))], "a", "b", "c"));
    await store.close();
    if (sql !== "") {
      const db = new DatabaseSync(path);
      db.exec(sql);
      db.close();
    }
    return path;
  };
  const refused = async (path: string, what: StoreTrouble, sentence: RegExp): Promise<void> => {
    const before = readFileSync(path);
    const refusal = expect(openStore({ path })).rejects;
    await refusal.toMatchObject({ trouble: what, message: expect.stringMatching(sentence) });
    expect(readFileSync(path).equals(before)).toBe(true);
  };

  test("an empty file, a folder, another kind of file", async () => {
    const path = join(newFolder(), "store.db");
    writeFileSync(path, "", { mode: 0o600 });
    await refused(path, "corrupt", /the file is empty/);
    writeFileSync(path, "not a database, but as long as one needs to be: ".repeat(200));
    await refused(path, "foreign", /not a store of countersign/);
    await expect(openStore({ path: join(path, "..") })).rejects.toEqual(trouble("foreign"));
  });

  test("format 1 is still read", async () => {
    const frozen = JSON.parse(readFileSync(new URL("../frozen/store-v1.json", import.meta.url), "utf8")) as {
      file: string;
      id: string;
      records: Readonly<Record<string, { version: number; bytes: string }>>;
    };
    const path = join(newFolder(), "store.db");
    writeFileSync(path, gunzipSync(Buffer.from(frozen.file, "base64")), { mode: 0o600 });
    const opened = await openStore({ path });
    expect(toHex(opened.id)).toBe(frozen.id);
    const records = [...(await opened.load(node))].map(([name, { version, bytes }]) => [
      name,
      { version, bytes: toHex(bytes) },
    ]);
    expect(Object.fromEntries(records)).toEqual(frozen.records);
    expect(opened.epoch).toBe(2);
    expect(opened.head()).toMatchObject({ version: 2, sequence: 3 });
    await expectWhole(opened);
    expect(await opened.commit(groupOf(opened, [write("node", 2), write("channel/2", 0)], "on"))).toBe(
      "done",
    );
    await opened.close();
  });

  test("another program's database", async () => {
    for (const journal of ["DELETE", "WAL"]) {
      const path = join(newFolder(), "store.db");
      writeFileSync(path, "", { mode: 0o600 });
      const db = new DatabaseSync(path);
      db.exec(`PRAGMA journal_mode = ${journal}; CREATE TABLE accounts (name TEXT); PRAGMA user_version = 1`);
      db.close();
      await refused(path, "foreign", /not a store of countersign/);
    }
  });

  test("a later format", async () => {
    await refused(await store("PRAGMA user_version = 2"), "newer", /format 2, and this countersign knows 1/);
  });

  test("cut in the middle, or with a damaged page", async () => {
    const cut = await store();
    truncateSync(cut, Math.floor(statSync(cut).size / 2 / 4096) * 4096);
    await refused(cut, "corrupt", /damaged/);

    const path = await store();
    const pages = statSync(path).size / 4096;
    const whole = readFileSync(path);
    const db = new DatabaseSync(path);
    const owned = db.prepare(
      "SELECT pageno FROM dbstat WHERE name IN ('store', 'record') AND pagetype <> 'overflow'",
    );
    const owner = new Set(owned.all().map((row) => row["pageno"]));
    db.close();
    let noticed = 0;
    for (let page = 1; page < pages; page++) {
      const bent = Buffer.from(whole);
      bent.fill(0x5a, page * 4096, (page + 1) * 4096);
      writeFileSync(path, bent);
      if (owner.has(page + 1)) await refused(path, "corrupt", /damaged/);
      // Every page belongs to the state or to the end of the audit log, but a blob's is read by `load` alone.
      const found = await openStore({ path })
        .then(async (opened) => {
          try {
            await contents(opened);
            return "nothing";
          } finally {
            await opened.close();
          }
        })
        .catch((error: unknown) => error);
      expect(found, `page ${page}`).toEqual(trouble("corrupt"));
      noticed += 1;
    }
    expect(noticed).toBeGreaterThan(5);
  });

  test("a record with one bit changed is not loaded", async () => {
    for (const sql of [
      `UPDATE record SET bytes = X'01' WHERE key LIKE '%/a'`,
      `UPDATE record SET version = 2 WHERE key LIKE '%/a'`,
      `UPDATE record SET key = replace(key, '/a', '/c')`,
    ]) {
      const path = await store(sql);
      const opened = await openStore({ path });
      await expect(opened.load(node)).rejects.toEqual(trouble("corrupt"));
      await opened.close();
    }
  });

  test("with the end of its audit log, or its one row, gone", async () => {
    await refused(await store("DELETE FROM audit WHERE sequence = 3"), "corrupt", /does not end in record 3/);
    await refused(await store("DELETE FROM audit"), "corrupt", /does not end in record 3/);
    await refused(await store("UPDATE store SET sequence = 2"), "corrupt", /does not end in record 2/);
    await refused(await store("DELETE FROM store"), "corrupt", /its one row is gone/);
  });

  test("`readAudit` says what is wrong with the log, and changes nothing", async () => {
    const verdict = async (sql: string): Promise<unknown> => {
      const path = await store(sql);
      const before = readFileSync(path);
      const file = readAudit(path);
      const found = verifyAudit({ ...file, rows: file.rows() });
      file.close();
      file.close();
      expect(readFileSync(path).equals(before)).toBe(true);
      return found;
    };
    expect(await verdict("")).toEqual({ is: "whole", records: 3 });
    expect(await verdict("DELETE FROM audit WHERE sequence = 2")).toMatchObject({
      what: "missing",
      sequence: 2,
    });
    expect(await verdict("DELETE FROM audit WHERE sequence = 3")).toMatchObject({
      what: "missing",
      sequence: 3,
    });
    expect(await verdict("UPDATE audit SET bytes = X'00' WHERE sequence = 2")).toMatchObject({
      what: "changed",
      sequence: 2,
    });
    expect(await verdict("UPDATE store SET hash = zeroblob(32)")).toMatchObject({
      what: "head",
      sequence: 3,
    });
    await expect(verdict("PRAGMA user_version = 2")).rejects.toEqual(trouble("newer"));
  });

  test("`readAudit` reads long logs, what a killed signer left in its side file, and beside no signer", async () => {
    const path = newPath();
    const opened = await openStore({ path });
    const details = Array.from({ length: 2500 }, (_, i) => `record ${i}`);
    await opened.commit(groupOf(opened, [], ...details));
    const copy = join(newFolder(), "store.db");
    for (const end of ["", "-wal"]) copyFileSync(path + end, copy + end);
    await opened.close();

    for (const one of [path, copy]) {
      const file = readAudit(one);
      expect([...file.rows()].length).toBe(2500);
      expect([...file.rows(2400)].length).toBe(100);
      expect(verifyAudit({ ...file, rows: file.rows() })).toEqual({ is: "whole", records: 2500 });
      await expect(openStore({ path: one })).rejects.toEqual(trouble("held"));
      file.close();
      await (await openStore({ path: one })).close();
    }
  });
});
