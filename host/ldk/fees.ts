/** What LDK is told to pay, inside of what the signer lets it ask for. LDK asks in a callback, so the answers lie ready. */

import { ConfirmationTarget, FeeEstimator } from "lightningdevkit";
import type { Observer } from "../../chain/observer.ts";

export type Purpose = "urgent" | "normal" | "slow";

/** Satoshi per 1000 weight. BOLT 3, Appendix A: 253 is Bitcoin Core's lowest for relay, rounded up. */
const lowest = 253;
const blocks: Readonly<Record<Purpose, number>> = { urgent: 2, normal: 6, slow: 144 };
/** Where the chain's source knows nothing, as on regtest. */
const fallback: Readonly<Record<Purpose, number>> = { urgent: 2_000, normal: 1_000, slow: 253 };

export interface Fees {
  readonly estimator: FeeEstimator;
  /** For transactions that are built here. */
  feerate(purpose: Purpose): number;
  refresh(observer: Pick<Observer, "feerate">): Promise<void>;
}

interface Limits {
  readonly minFeerate?: number;
  readonly maxFeerate?: number;
}

export const clamp = (feerate: number, { minFeerate = lowest, maxFeerate = 0xffff_ffff }: Limits): number =>
  Math.round(Math.min(Math.max(feerate, lowest, minFeerate), Math.max(maxFeerate, lowest)));

/** The most that is sane: also what LDK measures its exposure to dust by. */
const ceiling = (urgent: number): number => Math.max(10 * urgent, 5_000);

export const feerateFor = (target: ConfirmationTarget, of: (purpose: Purpose) => number): number => {
  switch (target) {
    case ConfirmationTarget.LDKConfirmationTarget_MaximumFeeEstimate:
      return ceiling(of("urgent"));
    case ConfirmationTarget.LDKConfirmationTarget_UrgentOnChainSweep:
      return of("urgent");
    case ConfirmationTarget.LDKConfirmationTarget_NonAnchorChannelFee:
    case ConfirmationTarget.LDKConfirmationTarget_OutputSpendingFee:
      return of("normal");
    // With anchors the commitment's own fee must only bring it into the pool (BOLT 3, "Fees").
    case ConfirmationTarget.LDKConfirmationTarget_AnchorChannelFee:
    case ConfirmationTarget.LDKConfirmationTarget_ChannelCloseMinimum:
      return of("slow");
    case ConfirmationTarget.LDKConfirmationTarget_MinAllowedAnchorChannelRemoteFee:
    case ConfirmationTarget.LDKConfirmationTarget_MinAllowedNonAnchorChannelRemoteFee:
      return lowest;
  }
};

export const openFees = (limits: Limits): Fees => {
  const known: Partial<Record<Purpose, number>> = {};
  const feerate = (purpose: Purpose): number => clamp(known[purpose] ?? fallback[purpose], limits);
  const estimator = FeeEstimator.new_impl({
    get_est_sat_per_1000_weight: (target) => {
      try {
        return clamp(feerateFor(target, feerate), limits);
      } catch {
        return lowest;
      }
    },
  });
  return {
    estimator,
    feerate,
    refresh: async (observer) => {
      for (const purpose of Object.keys(blocks) as readonly Purpose[]) {
        const found = await observer.feerate(blocks[purpose]).catch(() => undefined);
        if (found !== undefined) known[purpose] = found;
      }
    },
  };
};
