import { availableParallelism } from "node:os";

const most = 4;

/** The workers beside the signer's own thread, for the `threads` of the configuration. */
export const workersFor = (threads: number, cores: number = availableParallelism()): number =>
  threads === 0 ? Math.min(most, cores - 1) : threads - 1;
