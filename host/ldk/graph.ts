/** One node's ways through the public channels, and how its payments fared on them. */

import {
  DefaultMessageRouter,
  DefaultRouter,
  type EntropySource,
  type Logger,
  type MessageRouter,
  MultiThreadedLockableScore,
  type NetworkGraph,
  ProbabilisticScorer,
  ProbabilisticScoringDecayParameters,
  ProbabilisticScoringFeeParameters,
  Result_ProbabilisticScorerDecodeErrorZ_OK,
  type Router,
} from "lightningdevkit";
import type { NodeStore } from "./store.ts";

export interface Routing {
  readonly router: Router;
  readonly messageRouter: MessageRouter;
  /** Not part of a turn: what is lost of it is learned again. */
  keep(): void;
  tick(): void;
}

export interface RoutingParts {
  readonly store: Pick<NodeStore, "kept" | "keep">;
  readonly graph: NetworkGraph;
  readonly logger: Logger;
  readonly entropy: EntropySource;
}

export const openRouting = ({ store, graph, logger, entropy }: RoutingParts): Routing => {
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
    router: router.as_Router(),
    messageRouter: messageRouter.as_MessageRouter(),
    keep: () => store.keep("scores", scores.write()),
    tick: () => scorer.as_ScoreUpdate().time_passed(BigInt(Math.floor(Date.now() / 1000))),
  };
};
