import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { type NodeId, point } from "../../protocol/units.ts";
import { genesis, readAudit, record, verifyAudit } from "../../signer/audit.ts";
import type { Group, Write } from "../../signer/core/ports.ts";
import { breakAt, faulty } from "../../signer/store/faulty.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { createStore, openStore } from "../../signer/store/sqlite.ts";
import type { CommitHook, CommitPoint, OpenStore, StoreTrouble } from "../../signer/store/store.ts";

const root = mkdtempSync(join(tmpdir(), "countersign-store-"));
let folders = 0;
const newFolder = (): string => {
  folders += 1;
  const folder = join(root, String(folders));
  mkdirSync(folder);
  return folder;
};
const newPath = (): string => {
  const path = join(newFolder(), "store.db");
  createStore(path);
  return path;
};
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(root, { recursive: true, force: true });
});

const node = point(new Uint8Array(33).fill(2));
const neighbour = point(Uint8Array.from(node).fill(3, 32));
const key = (name: string, of: NodeId = node): string => `${toHex(of)}/${name}`;
const audit = (detail: string): Uint8Array => record({ kind: "admin", time: 1, detail });
const filled = (n: number, length = 500): Uint8Array => new Uint8Array(length).fill(n);
const write = (name: string, was: number, bytes = filled(was + 1)): Write => ({ key: key(name), was, bytes });
const groupOf = (store: OpenStore, writes: readonly Write[], ...details: readonly string[]): Group => ({
  epoch: store.epoch,
  writes,
  audit: details.map(audit),
});
const trouble = (what: StoreTrouble) => expect.objectContaining({ name: "StoreFault", trouble: what });

/** Everything a store holds, as text that can be compared. */
const contents = async (store: OpenStore): Promise<unknown> => ({
  records: [...(await store.load(node)), ...(await store.load(neighbour))]
    .map(([name, { version, bytes }]) => `${name} ${version} ${toHex(bytes)}`)
    .sort(),
  head: store.head(),
  audit: await store.audit(0, 100_000),
});
const expectWhole = async (store: OpenStore): Promise<void> => {
  const rows = await store.audit(0, 100_000);
  const verdict = verifyAudit({ genesis: genesis(store.id), head: store.head(), rows });
  expect(verdict).toEqual({ is: "whole", records: store.head().sequence });
};

type Open = (options?: { readonly at?: CommitHook }) => Promise<OpenStore>;

const storeContract = (name: string, disk: () => Open, kind: "alone" | "grouped") =>
  describe(name, () => {
    test("holds what was committed, under its version, also when it is opened again", async () => {
      const open = disk();
      const store = await open();
      expect(await store.commit(groupOf(store, [write("node", 0), write("channel/1", 0)], "a"))).toBe("done");
      expect(await store.commit(groupOf(store, [write("channel/1", 1)], "b", "c"))).toBe("done");
      const before = await contents(store);
      expect(await store.load(node)).toEqual(
        new Map([
          [key("node"), { version: 1, bytes: filled(1) }],
          [key("channel/1"), { version: 2, bytes: filled(2) }],
        ]),
      );
      expect(store.head()).toMatchObject({ version: 2, sequence: 3 });
      await expectWhole(store);
      await store.close();

      const again = await open();
      expect(again.epoch).toBe(store.epoch + 1);
      expect(again.id).toEqual(store.id);
      expect(await contents(again)).toEqual(before);
      expect(await again.commit(groupOf(again, [write("channel/1", 2)], "d"))).toBe("done");
      await expectWhole(again);
      await again.close();
    });

    test("keeps nodes apart", async () => {
      const store = await disk()();
      const other = { key: key("node", neighbour), was: 0, bytes: filled(7) };
      await store.commit(groupOf(store, [write("node", 0), other]));
      expect([...(await store.load(node)).keys()]).toEqual([key("node")]);
      expect([...(await store.load(neighbour)).keys()]).toEqual([key("node", neighbour)]);
      await store.close();
    });

    test("keeps empty, large and foreign-buffer values byte for byte", async () => {
      const store = await disk()();
      const large = new Uint8Array(3_000_000).map((_, i) => (i * 31) >> 3);
      const view = Uint8Array.from({ length: 64 }, (_, i) => i).subarray(5, 9);
      const writes = [write("a", 0, new Uint8Array(0)), write("b", 0, large), write("c", 0, view)];
      await store.commit(groupOf(store, writes));
      const loaded = await store.load(node);
      expect(loaded.get(key("a"))?.bytes).toEqual(new Uint8Array(0));
      expect(Buffer.compare(loaded.get(key("b"))?.bytes ?? filled(0), large)).toBe(0);
      expect(loaded.get(key("c"))?.bytes).toEqual(Uint8Array.of(5, 6, 7, 8));
      await store.close();
    });

    test("what it gave or took can be changed without changing what it holds", async () => {
      const store = await disk()();
      const bytes = filled(1);
      const packed = audit("a");
      await store.commit({ epoch: store.epoch, writes: [write("a", 0, bytes)], audit: [packed] });
      const before = JSON.stringify(await contents(store));
      bytes.fill(9);
      packed.fill(9);
      (await store.load(node)).get(key("a"))?.bytes.fill(9);
      (await store.audit(0, 1))[0]?.bytes.fill(9);
      expect(JSON.stringify(await contents(store))).toBe(before);
      await store.close();
    });

    test("10,000 records", async () => {
      const open = disk();
      const store = await open();
      const names = Array.from({ length: 10_000 }, (_, i) => `channel/${i}`);
      await store.commit(
        groupOf(
          store,
          names.map((one) => write(one, 0, filled(1, 50))),
          "many",
        ),
      );
      await store.commit(
        groupOf(
          store,
          names.slice(0, 5000).map((one) => write(one, 1, filled(2, 50))),
        ),
      );
      await store.close();
      const again = await open();
      const loaded = await again.load(node);
      expect(loaded.size).toBe(10_000);
      names.forEach((one, i) => {
        const version = i < 5000 ? 2 : 1;
        expect(loaded.get(key(one))?.version).toBe(version);
      });
      await again.close();
    });

    test("one group may write a record several times, in order", async () => {
      const store = await disk()();
      await store.commit(groupOf(store, [write("a", 0), write("a", 1), write("a", 2)]));
      expect((await store.load(node)).get(key("a"))).toEqual({ version: 3, bytes: filled(3) });
      await store.close();
    });

    test("audit records are read in pages", async () => {
      const store = await disk()();
      await store.commit(groupOf(store, [], "a", "b", "c", "d"));
      const numbers = async (after: number, limit: number) =>
        (await store.audit(after, limit)).map(({ sequence }) => sequence);
      expect(await numbers(0, 10)).toEqual([1, 2, 3, 4]);
      expect(await numbers(1, 2)).toEqual([2, 3]);
      expect(await numbers(4, 2)).toEqual([]);
      await store.close();
    });

    const stale: readonly (readonly [string, readonly Write[]])[] = [
      ["an older version", [write("b", 0), write("a", 1)]],
      ["a version that is not there yet", [write("b", 0), write("a", 3)]],
      ["a new record where there is one", [write("b", 0), write("a", 0)]],
      ["a change of what is not there", [write("b", 0), write("a", 2), write("c", 1)]],
    ];
    test.each(stale)("%s is stale, and nothing of its group is kept", async (_, writes) => {
      const open = disk();
      const store = await open();
      await store.commit(groupOf(store, [write("a", 0), write("a", 1)], "before"));
      const before = await contents(store);
      const wrong = writes.at(-1)?.key;
      const attempt = store.commit(groupOf(store, writes, "never"));
      if (kind === "alone") expect(await attempt).toEqual({ stale: wrong });
      else await expect(attempt).rejects.toEqual(trouble("stale"));
      expect(await contents(store)).toEqual(before);
      await store.close();
      const again = await open();
      expect(await contents(again)).toEqual(before);
      await expectWhole(again);
      await again.close();
    });

    test("an epoch that is not its own is fenced off, and nothing is taken after it", async () => {
      const store = await disk()();
      const before = await contents(store);
      for (const epoch of [store.epoch - 1, store.epoch + 1]) {
        const commit = store.commit({ epoch, writes: [write("a", 0)], audit: [audit("never")] });
        await expect(commit).rejects.toEqual(epoch < store.epoch ? trouble("fenced") : trouble("poisoned"));
      }
      expect(await contents(store)).toEqual(before);
      await store.close();
    });

    const points: readonly CommitPoint[] = ["before-transaction", "before-commit", "after-commit"];
    test.each(points)("a fault %s poisons it; opened again it holds all or nothing", async (point) => {
      const open = disk();
      const store = await open({ at: breakAt(point, { commit: 2, how: "throw" }) });
      await store.commit(groupOf(store, [write("a", 0), write("b", 0)], "first"));
      const before = await contents(store);
      await expect(store.commit(groupOf(store, [write("a", 1), write("b", 1)], "second"))).rejects.toEqual(
        trouble("io"),
      );
      await expect(store.commit(groupOf(store, [write("c", 0)], "third"))).rejects.toEqual(
        trouble("poisoned"),
      );
      if (point !== "after-commit") expect(await contents(store)).toEqual(before);
      await store.close();

      const again = await open();
      const versions = [...(await again.load(node)).values()].map(({ version }) => version);
      expect(versions).toEqual(point === "after-commit" ? [2, 2] : [1, 1]);
      expect(again.head()).toMatchObject(
        point === "after-commit" ? { version: 2, sequence: 2 } : { version: 1, sequence: 1 },
      );
      await expectWhole(again);
      expect(await again.commit(groupOf(again, [write("c", 0)], "third"))).toBe("done");
      await again.close();
    });

    test.each(["before", "after"] as const)("a wrapper breaks it %s a commit of choice", async (when) => {
      const open = disk();
      const store = await open();
      const broken = faulty(store, { commit: 2, when, how: "throw" });
      await broken.commit(groupOf(store, [write("a", 0)]));
      await expect(broken.commit(groupOf(store, [write("a", 1)]))).rejects.toEqual(trouble("io"));
      await expect(broken.commit(groupOf(store, [write("b", 0)]))).rejects.toEqual(trouble("poisoned"));
      expect((await store.load(node)).get(key("a"))?.version).toBe(when === "before" ? 1 : 2);
      await store.close();
    });

    test("closed, it takes and gives nothing; closing twice is safe", async () => {
      const store = await disk()();
      await store.close();
      await store.close();
      await expect(store.commit(groupOf(store, [write("a", 0)]))).rejects.toEqual(trouble("closed"));
      await expect(store.load(node)).rejects.toEqual(trouble("closed"));
      await expect(store.audit(0, 1)).rejects.toEqual(trouble("closed"));
    });
  });

const memory = (): Open => {
  const disk = memoryDisk();
  return async (options) => disk.open(options);
};
const sqlite = (): Open => {
  const path = newPath();
  return (options) => openStore({ path, ...options });
};
const inGroups = (disk: () => Open) => (): Open => {
  const open = disk();
  return async (options) => grouped(await open(options));
};

storeContract("memory", memory, "alone");
storeContract("sqlite", sqlite, "alone");
storeContract("grouped memory", inGroups(memory), "grouped");
storeContract("grouped sqlite", inGroups(sqlite), "grouped");

describe("grouped", () => {
  /** Counts what reaches the store below. */
  const counting = async (open: Open) => {
    const store = await open();
    const sizes: number[] = [];
    const counted: OpenStore = {
      ...store,
      commit: (group) => {
        sizes.push(group.audit.length);
        return store.commit(group);
      },
    };
    return { store, counted, sizes };
  };

  test("one turn's commits are one transaction, in their order, and each caller hears of its own", async () => {
    const { counted, sizes } = await counting(sqlite());
    const store = grouped(counted);
    const order: number[] = [];
    const commits = Array.from({ length: 100 }, async (_, i) => {
      await store.commit(groupOf(store, [write("node", i), write(`channel/${i}`, 0)], `commit ${i}`));
      expect((await counted.load(node)).get(key(`channel/${i}`))?.version).toBe(1);
      order.push(i);
    });
    expect(sizes).toEqual([]);
    await Promise.all(commits);
    expect(sizes).toEqual([100]);
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const rows = await store.audit(0, 1000);
    expect(rows.map(({ bytes }) => toHex(bytes))).toEqual(order.map((i) => toHex(audit(`commit ${i}`))));
    expect((await store.load(node)).get(key("node"))?.version).toBe(100);
    await expectWhole(store);
    await store.close();
  });

  test("a group has a bound; what exceeds it follows", async () => {
    const { counted, sizes } = await counting(memory());
    const store = grouped(counted, { most: 4 });
    await Promise.all(
      Array.from({ length: 10 }, (_, i) => store.commit(groupOf(store, [write("node", i)], `${i}`))),
    );
    expect(sizes).toEqual([4, 4, 2]);
    await store.close();
  });

  test("commits that arrive while one is being written wait for the next", async () => {
    const { store: below, counted, sizes } = await counting(memory());
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: OpenStore = {
      ...counted,
      commit: async (group) => {
        await gate;
        return counted.commit(group);
      },
    };
    const store = grouped(slow);
    const first = store.commit(groupOf(store, [write("a", 0)], "a"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    const later = [write("a", 1), write("a", 2)].map((one) => store.commit(groupOf(store, [one], "b")));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(below.head().version).toBe(0);
    release();
    await Promise.all([first, ...later]);
    expect(sizes).toEqual([1, 2]);
    await store.close();
  });

  test.each([
    ["memory", memory],
    ["sqlite", sqlite],
  ] as const)("one stale commit fails all of its turn and all later ones: %s", async (_, disk) => {
    const store = grouped(await disk()());
    await store.commit(groupOf(store, [write("a", 0)], "a"));
    const before = await contents(store);
    const turn = [write("b", 0), write("a", 0), write("c", 0)].map((one) =>
      store.commit(groupOf(store, [one], "never")),
    );
    for (const result of await Promise.allSettled(turn)) {
      expect(result).toEqual({ status: "rejected", reason: trouble("stale") });
    }
    await expect(store.commit(groupOf(store, [write("d", 0)], "never"))).rejects.toEqual(trouble("poisoned"));
    expect(await contents(store)).toEqual(before);
    await store.close();
  });

  test("a fault below fails all of its turn and those that wait behind it", async () => {
    const open = sqlite();
    const at = breakAt("before-commit", { commit: 2, how: "throw" });
    const store = grouped(await open({ at }), { most: 2 });
    const results = await Promise.allSettled(
      Array.from({ length: 6 }, (_, i) => store.commit(groupOf(store, [write("a", i)], `${i}`))),
    );
    const troubles = results.map((one) => (one.status === "rejected" ? one.reason.trouble : "done"));
    expect(troubles).toEqual(["done", "done", "io", "io", "poisoned", "poisoned"]);
    await store.close();
    const again = await open();
    expect((await again.load(node)).get(key("a"))?.version).toBe(2);
    await again.close();
  });

  test("closing waits for what was taken", async () => {
    const open = sqlite();
    const store = grouped(await open());
    const commits = [0, 1, 2].map((was) => store.commit(groupOf(store, [write("a", was)])));
    await store.close();
    expect(await Promise.all(commits)).toEqual(["done", "done", "done"]);
    const again = await open();
    expect((await again.load(node)).get(key("a"))?.version).toBe(3);
    await again.close();
  });
});

test("memory: an opening fences off the one before", async () => {
  const disk = memoryDisk();
  const older = disk.open();
  await older.commit(groupOf(older, [write("a", 0)], "a"));
  const newer = disk.open();
  await expect(older.commit(groupOf(older, [write("a", 1)], "b"))).rejects.toEqual(trouble("fenced"));
  expect(await newer.commit(groupOf(newer, [write("a", 1)], "b"))).toBe("done");
  expect(newer.head()).toMatchObject({ version: 2, sequence: 2 });
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
    chmodSync(path, 0o600);
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
    let noticed = 0;
    for (let page = 1; page < pages; page++) {
      const bent = Buffer.from(whole);
      bent.fill(0x5a, page * 4096, (page + 1) * 4096);
      writeFileSync(path, bent);
      // Every page belongs to the state or to the end of the audit log, but some only `load` reads.
      const found = await openStore({ path })
        .then(async (opened) => {
          await contents(opened).finally(() => opened.close());
          return "nothing";
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
