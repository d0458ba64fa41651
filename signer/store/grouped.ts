/**
 * One fsync for all that arrives within one turn of the event loop: with many channels at work a commit costs little
 * more than its bytes, and a lone one waits for nobody.
 */

import type { Group } from "../core/ports.ts";
import { type OpenStore, poison, StoreFault } from "./store.ts";

export interface GroupLimits {
  /** Commits in one transaction; the others wait for the next. */
  readonly most: number;
}

interface Caller {
  readonly group: Group;
  done(): void;
  failed(fault: unknown): void;
}

export const grouped = (store: OpenStore, { most }: GroupLimits = { most: 512 }): OpenStore => {
  const poisoned = poison();
  let queue: Caller[] = [];
  let running: Promise<void> | undefined;
  let closed = false;

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  const commit = async (callers: readonly Caller[]): Promise<void> => {
    try {
      poisoned.check();
      const foreign = callers.find(({ group }) => group.epoch !== store.epoch);
      if (foreign !== undefined) {
        throw new StoreFault("fenced", `epoch ${foreign.group.epoch} is not the store's, ${store.epoch}`);
      }
      const outcome = await store.commit({
        epoch: store.epoch,
        writes: callers.flatMap(({ group }) => group.writes),
        audit: callers.flatMap(({ group }) => group.audit),
      });
      if (outcome !== "done") {
        const sentence = `another version is stored than ${outcome.stale} was decided on; restart the signer`;
        throw new StoreFault("stale", sentence);
      }
    } catch (fault) {
      // Later ones were decided on the state that these would have made: they fall with them.
      poisoned.set(fault);
      for (const caller of callers) caller.failed(fault);
      return;
    }
    for (const caller of callers) caller.done();
  };

  const run = async (): Promise<void> => {
    while (queue.length > 0) {
      await turn();
      const callers = queue.slice(0, most);
      queue = queue.slice(most);
      await commit(callers);
    }
    running = undefined;
  };

  return {
    id: store.id,
    epoch: store.epoch,
    head: () => store.head(),
    load: (node) => store.load(node),
    audit: (after, limit) => store.audit(after, limit),

    commit: (group) =>
      new Promise((resolve, reject) => {
        if (closed) {
          reject(new StoreFault("closed", "the store is closed"));
          return;
        }
        queue.push({ group, done: () => resolve("done"), failed: reject });
        running ??= run();
      }),

    close: async () => {
      closed = true;
      await running;
      await store.close();
    },
  };
};
