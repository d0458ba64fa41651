/** A process of its own for the store's contract: to hold the lock, to be killed in a commit, to fill its disk. */

import { writeSync } from "node:fs";
import { record } from "../../signer/audit.ts";
import { breakAt, faulty } from "../../signer/store/faulty.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { createStore, openStore } from "../../signer/store/sqlite.ts";
import type { OpenStore } from "../../signer/store/store.ts";
import { type CommitPoint, StoreFault } from "../../signer/store/store.ts";

/** Synchronous: what was said has left the process before anything else happens. */
const say = (what: unknown): void => {
  writeSync(1, `${JSON.stringify(what)}\n`);
};

const prefix = "02".repeat(33);

/** Three records and two audit records a step, so that half a step can be told. */
const step = (store: OpenStore, was: number) =>
  store.commit({
    epoch: store.epoch,
    writes: ["node", "channel/1", "channel/2"].map((name) => ({
      key: `${prefix}/${name}`,
      was,
      bytes: new Uint8Array(3000).fill(was + 1),
    })),
    audit: [0, 1].map((n) => record({ kind: "admin", time: was + 1, detail: `step ${was + 1}.${n}` })),
  });

const steps = async (store: OpenStore, count: number): Promise<void> => {
  for (let was = 0; was < count; was++) {
    await step(store, was);
    say({ acknowledged: was + 1 });
  }
};

const tell = (error: unknown): void =>
  say(
    error instanceof StoreFault
      ? { trouble: error.trouble, message: error.message }
      : { trouble: "unexpected", message: String(error) },
  );

type Task = (path: string, ...more: readonly string[]) => Promise<void>;

const tasks: Readonly<Record<string, Task>> = {
  hold: async (path) => {
    const store = await openStore({ path });
    say({ epoch: store.epoch });
    setInterval(() => {}, 1000);
  },
  open: async (path) => {
    const store = await openStore({ path });
    say({ epoch: store.epoch });
    await store.close();
  },
  killAt: async (path, point, commit, wrap) => {
    const at = breakAt(point as CommitPoint, { commit: Number(commit), how: "kill" });
    const store = await openStore({ path, at });
    await steps(wrap === "grouped" ? grouped(store) : store, 10);
  },
  killAround: async (path, when, commit) => {
    const how = {
      commit: Number(commit),
      when: when === "before" ? "before" : "after",
      how: "kill",
    } as const;
    await steps(faulty(await openStore({ path }), how), 10);
  },
  /** Until the limit that the parent set on the size of files (`ulimit -f`). */
  fill: async (path) => {
    const store = await openStore({ path });
    let done = 0;
    try {
      for (; done < 10_000; done++) await step(store, done);
    } catch (error) {
      tell(error);
    }
    await step(store, done).catch(tell);
    say({ acknowledged: done, head: store.head().version });
  },
  /** As a user who may read the folder, but not write to it. */
  asNobody: async (path) => {
    if (process.getuid?.() === 0) process.setuid?.(65534);
    try {
      createStore(`${path}.new`);
    } catch (error) {
      tell(error);
    }
    await openStore({ path });
  },
};

const [name = "", path = "", ...more] = process.argv.slice(2);
try {
  await tasks[name]?.(path, ...more);
} catch (error) {
  tell(error);
}
