import { Fault } from "./fault.ts";
import type { Durable, Group, Store } from "./ports.ts";

/**
 * The only way to obtain a Durable job, hence the only road to a signature: the state that the job follows from,
 * and the audit record that tells of it, are on disk when this resolves.
 */
export const commit = async <Job>(store: Store, group: Group, job: Job): Promise<Durable<Job>> => {
  const result = await store.commit(group).catch((error: unknown) => {
    throw new Fault("store", "the store did not take a commit: see the signer's log", { cause: error });
  });
  if (result !== "done") {
    throw new Fault("stale", `the record ${result.stale} was changed by another signer: stop one of the two`);
  }
  return job as Durable<Job>;
};
