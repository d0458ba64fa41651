/** A node waits for its source of blocks as it waits for its signer: after a power cut all of them start at once. */

import { type ChainSource, SourceError } from "../../chain/source.ts";

const retryMs = 2_000;

export interface ReachOptions {
  readonly chain: Pick<ChainSource, "name" | "tip">;
  /** For a person, each reason once. */
  readonly tell: (text: string) => void;
  readonly wait?: (ms: number) => Promise<unknown>;
}

const patience = (ms: number): Promise<unknown> => new Promise((done) => setTimeout(done, ms));

/** Resolves when it answers. What no later answer would mend is thrown. */
export const reached = async ({ chain, tell, wait = patience }: ReachOptions): Promise<void> => {
  for (let told = ""; ; ) {
    try {
      await chain.tip();
      return;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (error.message !== told)
        tell(`No blocks of ${chain.name} yet, which is asked until it answers: ${error.message}`);
      told = error.message;
    }
    await wait(retryMs);
  }
};
