/** A store under a witness: no commit is answered before the witness has it, and one that was rolled back is found. */

import { equal } from "../../protocol/bytes.ts";
import { genesis } from "../audit/chain.ts";
import type { Clock } from "../clock.ts";
import type { Seen, Unreadable, Witness } from "../witness.ts";
import { type OpenStore, poison } from "./store.ts";

export type Finding =
  /** The store has all that was witnessed, and `by` commits more. One is usual after a crash. */
  | { readonly is: "whole"; readonly by: number }
  | { readonly is: "foreign"; readonly sentence: string }
  | { readonly is: "behind"; readonly by: number; readonly sentence: string }
  | { readonly is: "forked"; readonly sentence: string }
  | Unreadable;

export type Trouble = Exclude<Finding["is"], "whole">;
export const troubles = [
  "missing",
  "damaged",
  "foreign",
  "behind",
  "forked",
] as const satisfies readonly Trouble[];

const on = (time: number): string => new Date(time).toISOString();
const commits = (n: number): string => (n === 1 ? "1 commit" : `${n} commits`);

const endsIn = async (store: OpenStore, { sequence, hash }: Seen): Promise<boolean> => {
  if (sequence === 0) return equal(hash, genesis(store.id));
  const [row] = await store.audit(sequence - 1, 1);
  return row !== undefined && row.sequence === sequence && equal(row.hash, hash);
};

export const compareToWitness = async (store: OpenStore, seen: Seen): Promise<Finding> => {
  if (!equal(store.id, seen.id))
    return {
      is: "foreign",
      sentence: "the witness is another store's: store and witness don't belong together",
    };
  const { version, sequence } = store.head();
  const by = seen.version - version;
  if (by > 0)
    return {
      is: "behind",
      by,
      sentence: `the store is ${commits(by)} behind what was witnessed at ${on(seen.time)}: an older copy stands in its place`,
    };
  // As many commits, but others: an older copy that went on without its witness.
  if (sequence < seen.sequence || !(await endsIn(store, seen)))
    return {
      is: "forked",
      sentence:
        `the store does not have audit record ${seen.sequence} as it was witnessed at ${on(seen.time)}: ` +
        "an older copy went on in its place",
    };
  return { is: "whole", by: version - seen.version };
};

/** What the witness will say of the store as it is. */
export const seenOf = (store: OpenStore, clock: Clock): Seen => ({
  id: store.id,
  ...store.head(),
  time: clock.now(),
});

/**
 * Beneath the grouping, so that it is written once for a group. A crash between the two leaves the witness behind,
 * never ahead.
 */
export const witnessed = (store: OpenStore, witness: Witness, clock: Clock): OpenStore => {
  const poisoned = poison();
  return {
    ...store,
    commit: async (group) => {
      poisoned.check();
      const outcome = await store.commit(group);
      if (outcome === "done") poisoned.with(() => witness.keep(seenOf(store, clock)));
      return outcome;
    },
    close: async () => {
      try {
        await store.close();
      } finally {
        witness.close();
      }
    },
  };
};
