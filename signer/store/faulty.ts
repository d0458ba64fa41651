/** Breaks a store on purpose, for crash tests. */

import { type CommitHook, type CommitPoint, type OpenStore, poison, StoreFault } from "./store.ts";

export interface Breakage {
  /** Which commit breaks, from 1. */
  readonly commit: number;
  /** After: it is on disk, and nobody hears of it. */
  readonly when: "before" | "after";
  readonly how: "throw" | "kill";
}

const kill = (): never => {
  // Not to be caught, and no handler or buffer of ours runs any more: as near to pulling the plug as a process gets.
  process.kill(process.pid, "SIGKILL");
  throw new StoreFault("io", "killed");
};

export const faulty = (store: OpenStore, { commit, when, how }: Breakage): OpenStore => {
  const poisoned = poison();
  let count = 0;
  const breaks = (): never => {
    if (how === "kill") kill();
    throw new StoreFault("io", `commit ${commit} was broken on purpose`);
  };
  return {
    ...store,
    commit: async (group) => {
      poisoned.check();
      count += 1;
      const now = count === commit;
      if (now && when === "before") poisoned.with(breaks);
      const outcome = await store.commit(group);
      if (now && when === "after") poisoned.with(breaks);
      return outcome;
    },
  };
};

/** A hook for `openStore` that stops a chosen commit in its midst. */
export const breakAt = (
  point: CommitPoint,
  { commit, how }: Pick<Breakage, "commit" | "how">,
): CommitHook => {
  let count = 0;
  return (at) => {
    if (at === "before-transaction") count += 1;
    if (at !== point || count !== commit) return;
    if (how === "kill") kill();
    throw new StoreFault("io", `commit ${commit} was broken on purpose: ${point}`);
  };
};
