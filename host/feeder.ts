/** Shows the signer the blocks that the host follows anyway, unless it has a source of its own or wants none. */

import { type ChainAsk, type Feeder, type FeederEvent, openFeeder, reasonOf } from "../chain/feeder.ts";
import type { Connected, Observer } from "../chain/observer.ts";
import type { ChainSource } from "../chain/source.ts";
import type { Height, NodeId } from "../protocol/units.ts";
import type { SignerClient } from "./client.ts";
import { Unanswered } from "./failures.ts";

export type { Feeder, FeederEvent } from "../chain/feeder.ts";

export type FeedEvent = FeederEvent | { readonly is: "shown"; readonly height: Height };

export interface FeedOptions {
  readonly client: Pick<SignerClient, "outcome">;
  readonly node: NodeId;
  readonly source: Pick<ChainSource, "tip" | "hashAt" | "header" | "block">;
  readonly observer: Pick<Observer, "follow">;
  /** No channel of the node was ever set up: then headers are enough for the blocks so far. */
  readonly isFresh: () => boolean;
  readonly told?: (event: FeedEvent) => void;
  /** After the signer refused what the source shows, or did not answer. */
  readonly retry?: { readonly firstMs: number; readonly mostMs: number };
  /** How long the source may take. */
  readonly patienceMs?: number;
}

const usual = { firstMs: 1_000, mostMs: 60_000 };

export const feedSigner = (options: FeedOptions): Feeder => {
  const { client, node, source, observer, isFresh, told = () => {}, retry = usual, patienceMs } = options;
  const ended = new AbortController();

  // A signer that is away is waited for, but nobody who stops waits for it.
  const { promise: gone, reject } = Promise.withResolvers<never>();
  gone.catch(() => {});
  ended.signal.addEventListener("abort", () => reject(new Unanswered("nobody waits any more")));
  const ask: ChainAsk = (name, body) =>
    Promise.race([client.outcome(name, { node, ...body } as never, { signal: ended.signal }), gone]);

  const feeder = openFeeder({
    ...{ ask, source, observer, isFresh, retry },
    ...(patienceMs === undefined ? {} : { patienceMs }),
    isWanted: async () => {
      const outcome = await ask("chainFeed", {});
      if (outcome.is !== "reply") throw new Unanswered(reasonOf(outcome));
      return outcome.reply.wanted;
    },
    connected: ({ height }: Connected) => told({ is: "shown", height }),
    told,
  });

  return {
    trouble: feeder.trouble,
    close: async () => {
      ended.abort();
      await feeder.close();
    },
  };
};
