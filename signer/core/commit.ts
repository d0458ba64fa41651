import { Fault } from "./fault.ts";
import type { Durable, Group, Store } from "./ports.ts";

const another = "another signer changed the store since this one opened it: stop one of the two";

/** Stores throw errors of their own; one that was taken over says so in `trouble`. */
const faultOf = (cause: unknown): Fault => {
  const { trouble } = (cause ?? {}) as { readonly trouble?: unknown };
  return trouble === "stale" || trouble === "fenced"
    ? new Fault("stale", another, { cause })
    : new Fault("store", "the store did not take a commit: see the signer's log", { cause });
};

/**
 * The only way to obtain a Durable job, hence the only road to a signature: the state that the job follows from,
 * and the audit record that tells of it, are on disk when this resolves.
 */
export const commit = async <Job>(store: Store, group: Group, job: Job): Promise<Durable<Job>> => {
  const result = await store.commit(group).catch((error: unknown) => {
    throw faultOf(error);
  });
  if (result !== "done") throw new Fault("stale", another);
  return job as Durable<Job>;
};
