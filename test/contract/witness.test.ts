/** What a witness promises: the last group that was answered is in it, whatever was cut short, and nothing newer. */

import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { genesis } from "../../signer/audit/chain.ts";
import { verifyAudit } from "../../signer/audit.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { breakAt } from "../../signer/store/faulty.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { createStore, openStore } from "../../signer/store/sqlite.ts";
import type { OpenStore } from "../../signer/store/store.ts";
import { compareToWitness, seenOf, witnessed } from "../../signer/store/witnessed.ts";
import {
  createWitness,
  onOneDisk,
  openWitness,
  replaceWitness,
  type Seen,
  type Witness,
} from "../../signer/witness.ts";
import { groupOf, newFolder, newPath, trouble, write } from "./store.kit.ts";

const clock = { now: () => 1_700_000_000_000 };
const seen = (version: number, id = 1): Seen => ({
  id: new Uint8Array(32).fill(id),
  version,
  sequence: version * 2,
  hash: new Uint8Array(32).fill(version),
  time: clock.now() + version,
});
const newWitness = (first = seen(0)): string => {
  const path = join(newFolder(), "witness");
  createWitness(path, first);
  return path;
};
const opened = (path: string): Witness => {
  const witness = openWitness(path);
  if ("is" in witness) throw new Error(witness.sentence);
  return witness;
};
const read = (path: string): Seen => {
  const witness = opened(path);
  witness.close();
  return witness.seen;
};
const problem = (what: SetupError["problem"]) =>
  expect.objectContaining({ name: "SetupError", problem: what });
const thrown = (action: () => unknown): unknown => {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
};

describe("the file", () => {
  test("says what was kept last, each time it is opened", () => {
    const path = newWitness();
    expect(read(path)).toEqual(seen(0));
    for (let version = 1; version < 20; version++) {
      const witness = opened(path);
      witness.keep(seen(version));
      if (version % 3 === 0) witness.keep(seen(version, 1));
      witness.close();
      expect(read(path)).toEqual(seen(version));
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("cut short in the midst of a write says what was there before", () => {
    const path = newWitness(seen(1));
    const witness = opened(path);
    witness.keep(seen(2));
    const before = readFileSync(path);
    witness.keep(seen(3));
    witness.close();
    const after = readFileSync(path);
    const changed = [...after.keys()].filter((at) => after[at] !== before[at]);
    const [from = 0, to = 0] = [changed[0], changed.at(-1)];
    expect(to - from).toBeGreaterThan(30);
    for (let done = from; done <= to; done++) {
      writeFileSync(path, Buffer.concat([after.subarray(0, done), before.subarray(done)]));
      expect(read(path).version).toBe(2);
    }
    writeFileSync(path, after);
    expect(read(path).version).toBe(3);
    // And is written on from there: the slot that is whole stays.
    writeFileSync(path, Buffer.concat([after.subarray(0, to), before.subarray(to)]));
    const again = opened(path);
    again.keep(seen(4));
    again.close();
    expect(read(path)).toEqual(seen(4));
  });

  test("is damaged when no slot is whole, and never taken for a new one", () => {
    const path = newWitness(seen(1));
    const witness = opened(path);
    witness.keep(seen(2));
    witness.close();
    const good = readFileSync(path);
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(good.length),
      good.subarray(0, good.length - 1),
      Buffer.concat([good, new Uint8Array(1)]),
      good.map((byte) => byte ^ 1),
    ]) {
      writeFileSync(path, bytes);
      expect(openWitness(path)).toMatchObject({ is: "damaged" });
    }
    const [half, other] = [good.length / 2, newWitness(seen(9, 2))];
    writeFileSync(path, Buffer.concat([readFileSync(other).subarray(0, half), good.subarray(half)]));
    expect(openWitness(path)).toMatchObject({ is: "damaged", sentence: /two stores/ });
  });

  test("that is not there, or not for this user alone, is told apart", () => {
    const folder = newFolder();
    expect(openWitness(join(folder, "none"))).toMatchObject({ is: "missing" });
    expect(openWitness(join(folder, "no", "folder"))).toMatchObject({ is: "missing" });
    const path = newWitness();
    chmodSync(path, 0o644);
    expect(thrown(() => openWitness(path))).toEqual(problem("permissions"));
    mkdirSync(join(folder, "directory"));
    expect(thrown(() => openWitness(join(folder, "directory")))).toBeInstanceOf(SetupError);
  });

  test("is made where nothing is, and replaced only when that is asked for", () => {
    const path = newWitness(seen(5));
    expect(thrown(() => createWitness(path, seen(1)))).toEqual(problem("exists"));
    expect(read(path).version).toBe(5);
    replaceWitness(path, seen(1));
    expect(read(path)).toEqual(seen(1));
    expect(existsSync(`${path}.new`)).toBe(false);
    expect(thrown(() => createWitness(join(path, "in", "no", "folder"), seen(1)))).toEqual(
      problem("missing"),
    );
    expect(onOneDisk(path, newWitness())).toBe(true);
    if (existsSync("/proc/self/stat")) expect(onOneDisk(path, "/proc/self/stat")).toBe(false);
  });
});

/** A store with `n` commits beneath a witness. */
const started = async (n: number) => {
  const path = newPath();
  const store = await openStore({ path });
  const file = newWitness(seenOf(store, clock));
  const both = witnessed(store, opened(file), clock);
  for (let was = 0; was < n; was++) await both.commit(groupOf(both, [write("a", was)], `step ${was}`));
  return { path, file, store: both };
};
const found = async (path: string, file: string) => {
  const store = await openStore({ path });
  const finding = await compareToWitness(store, read(file));
  await store.close();
  return finding;
};
const advance = async (path: string, from: number, to: number, say = "step") => {
  const store = await openStore({ path });
  for (let was = from; was < to; was++)
    await store.commit(groupOf(store, [write("a", was)], `${say} ${was}`));
  await store.close();
};

describe("a store under a witness", () => {
  test("is witnessed before its commit resolves, once for a group", async () => {
    const { store, file } = await started(3);
    expect(read(file)).toEqual({ id: store.id, ...store.head(), time: clock.now() });
    const all = grouped(store);
    const kept: number[] = [];
    await Promise.all(
      ["x", "y", "z"].map(async (name) => {
        await all.commit(groupOf(all, [write(name, 0)], name));
        kept.push(read(file).version);
      }),
    );
    expect(kept).toEqual([4, 4, 4]);
    await all.close();
  });

  test("is whole where it was left, and where the witness missed some", async () => {
    const { store, file, path } = await started(3);
    await store.close();
    expect(await found(path, file)).toEqual({ is: "whole", by: 0 });
    await advance(path, 3, 7);
    expect(await found(path, file)).toEqual({ is: "whole", by: 4 });
    const empty = await started(0);
    await empty.store.close();
    expect(await found(empty.path, empty.file)).toEqual({ is: "whole", by: 0 });
  });

  test("put back to any older copy is behind, by as many commits", async () => {
    const { store, file, path } = await started(0);
    const copies: string[] = [];
    await store.close();
    for (let n = 0; n < 6; n++) {
      const copy = join(newFolder(), "copy");
      copyFileSync(path, copy);
      copies.push(copy);
      const next = witnessed(await openStore({ path }), opened(file), clock);
      await next.commit(groupOf(next, [write("a", n)], `step ${n}`));
      await next.close();
    }
    for (const [n, copy] of copies.entries()) {
      const finding = await found(copy, file);
      expect(finding).toMatchObject({ is: "behind", by: 6 - n });
      expect(finding).toHaveProperty("sentence", expect.stringContaining("2023-11-14T22:13:20.000Z"));
    }
  });

  test("that went on from an older copy is forked, however far it got", async () => {
    const { store, file, path } = await started(2);
    await store.close();
    const copy = join(newFolder(), "copy");
    copyFileSync(path, copy);
    const next = witnessed(await openStore({ path }), opened(file), clock);
    await next.commit(groupOf(next, [write("a", 2)], "true"));
    await next.close();
    await advance(copy, 2, 3, "another");
    expect(await found(copy, file)).toMatchObject({ is: "forked" });
    await advance(copy, 3, 9, "another");
    expect(await found(copy, file)).toMatchObject({ is: "forked" });
    expect(await found(path, file)).toEqual({ is: "whole", by: 0 });
  });

  test("of another signer is foreign", async () => {
    const [one, other] = [await started(2), await started(1)];
    await one.store.close();
    await other.store.close();
    expect(await found(one.path, other.file)).toMatchObject({ is: "foreign" });
  });

  test("that is killed at any point of a commit is never behind its witness", async () => {
    for (const point of ["before-transaction", "before-commit", "after-commit"] as const) {
      const path = join(newFolder(), "store.db");
      createStore(path);
      const first = await openStore({ path });
      const file = newWitness(seenOf(first, clock));
      await first.close();
      const at = breakAt(point, { commit: 3, how: "throw" });
      const store = witnessed(await openStore({ path, at }), opened(file), clock);
      for (let was = 0; was < 2; was++) await store.commit(groupOf(store, [write("a", was)], "x"));
      await expect(store.commit(groupOf(store, [write("a", 2)], "x"))).rejects.toThrow(/broken on purpose/);
      await store.close();
      expect(read(file).version).toBe(2);
      expect(await found(path, file)).toEqual({ is: "whole", by: point === "after-commit" ? 1 : 0 });
    }
  });

  test("whose witness can't be written takes nothing more, and tells nobody that it is done", async () => {
    const store = memoryDisk().open();
    const file = newWitness(seenOf(store, clock));
    const witness = opened(file);
    const both = witnessed(store, witness, clock);
    await both.commit(groupOf(both, [write("a", 0)], "x"));
    // Its disk is gone.
    witness.close();
    await expect(both.commit(groupOf(both, [write("a", 1)], "x"))).rejects.toEqual(trouble("io"));
    await expect(both.commit(groupOf(both, [write("a", 2)], "x"))).rejects.toEqual(trouble("poisoned"));
    expect(store.head().version).toBe(2);
    expect(read(file).version).toBe(1);
  });
});

describe("the audit log beside a witness", () => {
  const chainOf = async (store: OpenStore) => ({
    genesis: genesis(store.id),
    head: store.head(),
    rows: await store.audit(0, 1_000),
  });

  test("is whole with every end that it had, and broken with any other", async () => {
    const store = memoryDisk().open();
    const ends = [store.head()];
    for (let was = 0; was < 5; was++) {
      await store.commit(groupOf(store, [write("a", was)], `${was}`, "more"));
      ends.push(store.head());
    }
    const chain = await chainOf(store);
    for (const end of ends)
      expect(verifyAudit({ ...chain, witnessed: end })).toEqual({ is: "whole", records: 10 });
    const [, , second, , last] = ends;
    if (second === undefined || last === undefined) throw new Error("there are six");
    expect(verifyAudit({ ...chain, witnessed: { ...second, hash: last.hash } })).toMatchObject({
      is: "broken",
      what: "witness",
      sequence: 4,
    });
    // Cut, and its head with it: without the witness nothing shows.
    const cut = { ...chain, head: second, rows: chain.rows.slice(0, 4) };
    expect(verifyAudit(cut)).toEqual({ is: "whole", records: 4 });
    expect(verifyAudit({ ...cut, witnessed: last })).toMatchObject({
      is: "broken",
      what: "witness",
      sequence: 5,
    });
    expect(toHex(last.hash)).not.toBe(toHex(second.hash));
  });
});
