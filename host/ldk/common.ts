/** What the nodes of one worker have in common: one look at the chain, one graph of the public channels, one collector. */

import { observe } from "../../chain/observe.ts";
import type { Observer } from "../../chain/observer.ts";
import type { ChainSource } from "../../chain/source.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { ldkNetwork } from "./config.ts";
import { openPublicChannels, type PublicChannels } from "./gossip.ts";
import { openCollector } from "./library.ts";
import { type LogLevel, openLogger } from "./logger.ts";
import { reasonOf, type Tell } from "./told.ts";

export interface Common {
  readonly network: Network;
  readonly source: ChainSource;
  readonly observer: Observer;
  readonly channels: PublicChannels;
  readonly logLevel: LogLevel;
  /** After the nodes. The source stays open. */
  close(): Promise<void>;
}

export interface CommonParts {
  readonly network: Network;
  readonly source: ChainSource;
  /** Where the graph of public channels is kept. */
  readonly graph: string;
  /** How often the chain's source is looked at. */
  readonly lookEveryMs: number;
  readonly logLevel: LogLevel;
  /** All nodes. */
  readonly tell: Tell;
}

const second = 1_000;
const minute = 60 * second;

export const openCommon = (parts: CommonParts): Common => {
  const { network, source, graph, lookEveryMs, logLevel, tell } = parts;
  const channels = openPublicChannels({
    file: graph,
    network: ldkNetwork[network],
    logger: openLogger(logLevel, tell),
  });
  const observer = observe({
    source,
    everyMs: lookEveryMs,
    onTrouble: ({ of, error }) => {
      // A follower's is its node's own to tell.
      if (of === "source") tell({ is: "trouble", what: "the chain's source", reason: reasonOf(error) });
    },
  });
  const keep = (): void => {
    try {
      channels.keep();
    } catch (error) {
      tell({ is: "trouble", what: "the graph of public channels", reason: reasonOf(error) });
    }
  };
  const timers = [
    setInterval(openCollector(), 20 * second),
    setInterval(() => {
      channels.tick();
      keep();
    }, 10 * minute),
  ];
  return {
    ...{ network, source, observer, channels, logLevel },
    close: async () => {
      for (const timer of timers) clearInterval(timer);
      await observer.close();
      keep();
    },
  };
};
