/** Nothing leaves before it is on disk: the one promise of a turn. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type NodeStore, openNodeStore } from "../../host/ldk/store.ts";
import { NotDone, openTurns, type TurnParts } from "../../host/ldk/turn.ts";

let directory: string;
let store: NodeStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "countersign-turn-"));
  store = openNodeStore(directory);
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true });
});

const open = (parts: Partial<TurnParts> = {}) => {
  const seen: string[] = [];
  const faults: unknown[] = [];
  const turns = openTurns({
    store,
    settle: () => seen.push("settle"),
    write: () => {
      store.keep("manager", Uint8Array.of(seen.length));
      return 1;
    },
    committed: () => seen.push(`committed ${store.kept("manager") !== undefined}`),
    fatal: (error) => faults.push(error),
    ...parts,
  });
  return { turns, seen, faults };
};

const nextTurn = () => new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)));

describe("a turn", () => {
  test("acts, settles, commits, and only then has effects and answers", async () => {
    const { turns, seen } = open();
    const answered = turns.take(() => {
      turns.afterwards(() => seen.push("effect"));
      seen.push("action");
      return 7;
    });
    expect(seen).toEqual([]);
    expect(await answered).toBe(7);
    expect(seen).toEqual(["action", "settle", "committed true", "effect"]);
  });

  test("what is asked meanwhile is one turn, in order", async () => {
    const { turns, seen } = open();
    await Promise.all(["a", "b", "c"].map((name) => turns.take(() => seen.push(name))));
    expect(seen).toEqual(["a", "b", "c", "settle", "committed true"]);
  });

  test("more than one commit holds are several turns", async () => {
    const { turns, seen } = open();
    await Promise.all(Array.from({ length: 600 }, () => turns.take(() => undefined)));
    expect(seen.filter((one) => one === "settle").length).toBe(3);
  });

  test("what can't be done is told to who asked, and harms nobody else", async () => {
    const { turns, faults } = open();
    const bad = turns.take(() => {
      throw new NotDone("no");
    });
    const good = turns.take(() => "yes");
    await expect(bad).rejects.toThrow("no");
    expect(await good).toBe("yes");
    expect(faults).toEqual([]);
  });

  test.each(["action", "settle", "write"] as const)(
    "a panic in %s: nothing is stored, said or taken any more",
    async (where) => {
      const panic = () => {
        throw new Error("unreachable");
      };
      const effects: string[] = [];
      const { turns, faults, seen } = open(where === "action" ? {} : { [where]: panic });
      void turns.take(() => {
        store.keep("said", Uint8Array.of(1));
        turns.afterwards(() => effects.push("out"));
        if (where === "action") panic();
      });
      await nextTurn();
      expect(faults.length).toBe(1);
      expect(effects).toEqual([]);
      expect(seen.some((one) => one.startsWith("committed"))).toBe(false);
      expect(store.kept("said")).toBeUndefined();
      await expect(turns.take(() => 1)).rejects.toThrow(NotDone);
    },
  );

  test("a commit that fails is a panic too", async () => {
    const effects: string[] = [];
    const { turns, faults } = open({
      store: {
        transaction: (action) => {
          action();
          throw new Error("disk full");
        },
        unhurried: () => {
          throw new Error("nobody nudged");
        },
      },
    });
    void turns.take(() => turns.afterwards(() => effects.push("out")));
    await nextTurn();
    expect(faults).toEqual([new Error("disk full")]);
    expect(effects).toEqual([]);
  });
});

describe("a nudge", () => {
  const counted = () => {
    const commits: string[] = [];
    const parts: Partial<TurnParts> = {
      store: {
        transaction: (action) => {
          commits.push("waited");
          return store.transaction(action);
        },
        unhurried: (action) =>
          store.unhurried(() => {
            const done = action();
            commits.push(`remade ${done.remade}`);
            return done;
          }),
      },
    };
    return { commits, ...open(parts) };
  };

  test("alone does not wait for the disk, and settles and commits like any turn", async () => {
    const { turns, commits, seen } = counted();
    turns.nudge(() => seen.push("nudged"));
    await nextTurn();
    expect(commits).toEqual(["remade 1"]);
    expect(seen).toEqual(["nudged", "settle", "committed true"]);
  });

  test("beside anything else waits with it", async () => {
    const { turns, commits } = counted();
    turns.nudge(() => undefined);
    await turns.take(() => undefined);
    expect(commits).toEqual(["waited"]);
  });

  test("with an effect has nothing that may be lost", async () => {
    const { turns, commits, seen } = counted();
    turns.nudge(() => turns.afterwards(() => seen.push("effect")));
    await nextTurn();
    expect(commits).toEqual(["remade 0"]);
    expect(seen.at(-1)).toBe("effect");
  });

  test("is not taken after the end", async () => {
    const { turns, commits } = counted();
    turns.stop();
    turns.nudge(() => undefined);
    await nextTurn();
    expect(commits).toEqual([]);
  });
});

describe("the node's file", () => {
  const level = () => store.database.prepare("PRAGMA synchronous").get()?.["synchronous"];
  const [normal, full] = [1, 2];

  test("waits for the disk where more was changed than would be made again", () => {
    const inside: unknown[] = [];
    const change = (rows: number, remade: number) =>
      store.unhurried(() => {
        inside.push(level());
        for (let n = 0; n < rows; n++) store.keep(`row ${n}`, Uint8Array.of(n));
        return { result: rows, remade };
      });
    expect(change(2, 2)).toBe(2);
    expect(store.kept("waits")).toBeUndefined();
    expect(change(3, 2)).toBe(3);
    expect(store.kept("waits")).toEqual(Uint8Array.of(0));
    expect(change(0, 0)).toBe(0);
    expect(store.kept("waits")).toEqual(Uint8Array.of(0));
    expect(inside).toEqual([normal, normal, normal]);
    expect(level()).toBe(full);
  });

  test("is waited for again after an action that failed", () => {
    expect(() =>
      store.unhurried(() => {
        store.keep("row", Uint8Array.of(1));
        throw new Error("no");
      }),
    ).toThrow("no");
    expect(level()).toBe(full);
    expect(store.kept("row")).toBeUndefined();
  });

  test("is one node's at a time", () => {
    expect(() => openNodeStore(directory)).toThrow(/locked/);
  });

  test("keeps what a transaction wrote, and nothing of one that failed", () => {
    store.transaction(() => store.keepMonitor("a:0", Uint8Array.of(1)));
    expect(() =>
      store.transaction(() => {
        store.keepMonitor("a:0", Uint8Array.of(2));
        throw new Error("in the middle");
      }),
    ).toThrow("in the middle");
    store.close();
    store = openNodeStore(directory);
    expect(store.monitors()).toEqual([{ funding: "a:0", bytes: Uint8Array.of(1) }]);
    store.archiveMonitor("a:0");
    expect(store.monitors()).toEqual([]);
  });

  test("of another version is not touched", () => {
    store.database.exec("PRAGMA user_version = 2");
    store.close();
    expect(() => openNodeStore(directory)).toThrow(/version 1/);
    rmSync(directory, { recursive: true });
    store = openNodeStore(directory);
  });
});
