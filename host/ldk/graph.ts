/** The public channels and how payments fared on them. One graph an instance: each takes 160 MB of LDK's memory. */

import {
  DefaultMessageRouter,
  DefaultRouter,
  type EntropySource,
  type Logger,
  type MessageRouter,
  MultiThreadedLockableScore,
  type Network,
  NetworkGraph,
  Option_UtxoLookupZ,
  P2PGossipSync,
  ProbabilisticScorer,
  ProbabilisticScoringDecayParameters,
  ProbabilisticScoringFeeParameters,
  Result_NetworkGraphDecodeErrorZ_OK,
  Result_ProbabilisticScorerDecodeErrorZ_OK,
  type Router,
} from "lightningdevkit";
import type { NodeStore } from "./store.ts";

export interface Routing {
  readonly graph: NetworkGraph;
  readonly gossip: P2PGossipSync;
  readonly router: Router;
  readonly messageRouter: MessageRouter;
  /** Not part of a turn: what is lost of it is learned again. */
  keep(): void;
  tick(): void;
}

export interface RoutingParts {
  readonly store: Pick<NodeStore, "kept" | "keep">;
  readonly network: Network;
  readonly logger: Logger;
  readonly entropy: EntropySource;
}

export const openRouting = ({ store, network, logger, entropy }: RoutingParts): Routing => {
  const storedGraph = store.kept("graph");
  const readGraph = storedGraph && NetworkGraph.constructor_read(storedGraph, logger);
  const graph =
    readGraph instanceof Result_NetworkGraphDecodeErrorZ_OK
      ? readGraph.res
      : NetworkGraph.constructor_new(network, logger);
  const decay = ProbabilisticScoringDecayParameters.constructor_default();
  const storedScores = store.kept("scores");
  const readScores = storedScores && ProbabilisticScorer.constructor_read(storedScores, decay, graph, logger);
  const scorer =
    readScores instanceof Result_ProbabilisticScorerDecodeErrorZ_OK
      ? readScores.res
      : ProbabilisticScorer.constructor_new(
          ProbabilisticScoringDecayParameters.constructor_default(),
          graph,
          logger,
        );
  const scores = MultiThreadedLockableScore.constructor_new(scorer.as_Score());
  const router = DefaultRouter.constructor_new(
    graph,
    logger,
    entropy,
    scores.as_LockableScore(),
    ProbabilisticScoringFeeParameters.constructor_default(),
  );
  const messageRouter = DefaultMessageRouter.constructor_new(graph, entropy);
  return {
    graph,
    gossip: P2PGossipSync.constructor_new(graph, Option_UtxoLookupZ.constructor_none(), logger),
    router: router.as_Router(),
    messageRouter: messageRouter.as_MessageRouter(),
    keep: () => {
      store.keep("graph", graph.write());
      store.keep("scores", scores.write());
    },
    tick: () => {
      const now = BigInt(Math.floor(Date.now() / 1000));
      graph.remove_stale_channels_and_tracking_with_time(now);
      scorer.as_ScoreUpdate().time_passed(now);
    },
  };
};
