import type { Durable, Job } from "../signer/core/ports.ts";

/** For keyrings alone, whose tests have no store: the one place outside of the core's commit that makes one. */
export const durable = <J extends Job>(job: J): Durable<J> => job as Durable<J>;
