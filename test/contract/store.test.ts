import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { systemClock } from "../../signer/clock.ts";
import type { Write } from "../../signer/core/ports.ts";
import { breakAt, faulty } from "../../signer/store/faulty.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { openStore } from "../../signer/store/sqlite.ts";
import type { CommitPoint, OpenStore } from "../../signer/store/store.ts";
import { compareToWitness, seenOf, witnessed } from "../../signer/store/witnessed.ts";
import { createWitness, openWitness } from "../../signer/witness.ts";
import {
  audit,
  contents,
  expectWhole,
  filled,
  forget,
  groupOf,
  key,
  neighbour,
  newFolder,
  newPath,
  node,
  type Open,
  trouble,
  write,
} from "./store.kit.ts";

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

    test("what is forgotten is gone, also when it is opened again, and begins at version 0", async () => {
      const open = disk();
      const store = await open();
      await store.commit(groupOf(store, [write("a", 0), write("b", 0), write("a", 1)]));
      expect(await store.commit(groupOf(store, [forget("a", 2), write("b", 1)], "gone"))).toBe("done");
      const left = new Map([[key("b"), { version: 2, bytes: filled(2) }]]);
      expect(await store.load(node)).toEqual(left);
      await expectWhole(store);
      await store.close();

      const again = await open();
      expect(await again.load(node)).toEqual(left);
      await again.commit(groupOf(again, [write("a", 0, filled(9))], "anew"));
      expect((await again.load(node)).get(key("a"))).toEqual({ version: 1, bytes: filled(9) });
      await again.commit(groupOf(again, [write("a", 1, filled(8))]));
      expect((await again.load(node)).get(key("a"))).toEqual({ version: 2, bytes: filled(8) });
      await expectWhole(again);
      await again.close();
    });

    test("one group may forget a record and write it anew, and the other way round", async () => {
      const store = await disk()();
      await store.commit(groupOf(store, [write("a", 0), write("a", 1)]));
      await store.commit(
        groupOf(store, [
          forget("a", 2),
          write("a", 0, filled(7)),
          write("b", 0),
          forget("b", 1),
          write("c", 0),
          forget("c", 1),
          write("c", 0, filled(6)),
        ]),
      );
      expect(await store.load(node)).toEqual(
        new Map([
          [key("a"), { version: 1, bytes: filled(7) }],
          [key("c"), { version: 1, bytes: filled(6) }],
        ]),
      );
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
      ["to forget an older version", [write("b", 0), forget("a", 1)]],
      ["to forget a version that is not there yet", [write("b", 0), forget("a", 3)]],
      ["to forget what was never there", [forget("a", 2), forget("c", 0)]],
      ["to forget what is not there as if it were", [forget("a", 2), forget("c", 1)]],
      ["to forget twice", [forget("a", 2), forget("a", 2)]],
      ["to forget twice, as if nothing were there", [write("b", 0), forget("b", 1), forget("b", 0)]],
      ["a change of what was forgotten", [forget("a", 2), write("a", 2)]],
      ["what was forgotten under its old version plus one", [forget("a", 2), write("a", 3)]],
      ["a new record where one was written anew", [forget("a", 2), write("a", 0), write("a", 0)]],
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
      if (point === "after-commit") expect(store.head()).toMatchObject({ version: 2, sequence: 2 });
      else expect(await contents(store)).toEqual(before);
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

    test.each(points)("a fault %s leaves what was to be forgotten whole, or gone", async (point) => {
      const open = disk();
      const store = await open({ at: breakAt(point, { commit: 2, how: "throw" }) });
      await store.commit(groupOf(store, [write("a", 0), write("b", 0)], "first"));
      const group = groupOf(store, [forget("a", 1), write("b", 1), write("c", 0)], "second");
      await expect(store.commit(group)).rejects.toEqual(trouble("io"));
      await expect(store.commit(groupOf(store, [forget("b", 1)]))).rejects.toEqual(trouble("poisoned"));
      await store.close();
      const again = await open();
      expect([...(await again.load(node)).keys()].sort()).toEqual(
        (point === "after-commit" ? ["b", "c"] : ["a", "b"]).map((name) => key(name)),
      );
      await expectWhole(again);
      const was = point === "after-commit" ? 0 : 1;
      expect(await again.commit(groupOf(again, [write("a", was)], "third"))).toBe("done");
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

/** As the signer opens it: never behind what was witnessed. */
const watched = (): Open => {
  const open = sqlite();
  const path = join(newFolder(), "witness");
  return async (options) => {
    const store = await open(options);
    if (!existsSync(path)) createWitness(path, seenOf(store, systemClock));
    const witness = openWitness(path);
    if ("is" in witness) throw new Error(witness.sentence);
    expect(await compareToWitness(store, witness.seen)).toMatchObject({ is: "whole" });
    return witnessed(store, witness, systemClock);
  };
};

storeContract("memory", memory, "alone");
storeContract("sqlite", sqlite, "alone");
storeContract("sqlite under a witness", watched, "alone");
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
