/** What a policy allows, in plain sentences for the person who answers for it. */

import { type Policy, smallFee } from "../core/policy.ts";
import {
  grouped,
  showBlocks,
  showCount,
  showFeerate,
  showMsat,
  showSat,
  showSeconds,
  showShare,
} from "./amounts.ts";

const least = <T extends bigint>(first: T, ...others: readonly T[]): T =>
  others.reduce((lowest, n) => (n < lowest ? n : lowest), first);

const payments = (policy: Policy): readonly string[] => {
  if (!policy.sending) return ["Pays nothing: no payment is approved, not even by a person."];
  const { payees, maxSentPerDay, maxRoutingFee, maxRoutingFeePpm } = policy;
  const alone = least(policy.unattendedPayment, policy.maxPayment, maxSentPerDay);
  const most = least(policy.maxPayment, maxSentPerDay);
  const day = `at most ${showMsat(maxSentPerDay)} a day`;
  const told = [
    alone === 0n
      ? `Asks a person for each payment; ${day}.`
      : `Pays up to ${showMsat(alone)} at once without asking a person; ${day}.`,
    `Pays at most ${showMsat(most)} at once, whoever approves it.`,
    `Pays routing fees up to ${showShare(maxRoutingFeePpm)} of a payment, or ${showMsat(smallFee)} where that is more; never above ${showMsat(maxRoutingFee)}.`,
  ];
  if (payees.length > 0)
    told.push(
      `Pays invoices of ${showCount(payees.length, "listed node")} up to ${showMsat(most)} without asking a person.`,
    );
  return told;
};

const forwarding = (policy: Policy): readonly string[] => {
  if (!policy.forwarding) return ["Forwards nothing for others."];
  const { minForwardDelta, maxForwardExposure, maxZeroConfExposure } = policy;
  return [
    `Forwards for others, with at most ${showMsat(maxForwardExposure)} sent on and not yet received.`,
    `Forwards against an incoming HTLC only if it outlasts the outgoing one by ${showBlocks(minForwardDelta)}.`,
    maxZeroConfExposure === 0n
      ? "Forwards nothing against a channel whose funding is not confirmed."
      : `Forwards up to ${showMsat(maxZeroConfExposure)} against channels whose funding is not confirmed.`,
  ];
};

const channels = (policy: Policy): readonly string[] => {
  const { unattendedFunding, maxPush } = policy;
  return [
    `Keeps up to ${showCount(policy.maxChannels, "channel")}, worth at most ${showSat(policy.maxChannelValue)} each and ${showSat(policy.maxChannelsValue)} together.`,
    `Puts at most ${showSat(policy.maxFundedPerDay)} a day into channels.`,
    unattendedFunding === 0n
      ? "Asks a person for each opening that we pay for, and for each withdrawal."
      : `Opens channels and withdraws up to ${showSat(unattendedFunding)} without asking a person.`,
    maxPush === 0n
      ? "Gives the other side nothing when a channel opens."
      : `Gives the other side up to ${showMsat(maxPush)} when a channel opens.`,
    `Takes contest delays of ${grouped(policy.minDelay)} to ${showBlocks(policy.maxDelay)}, dust limits of ${grouped(policy.minDustLimit)} to ${showSat(policy.maxDustLimit)}, and reserves up to ${showSat(policy.maxReserve)}.`,
    `Offers up to ${showCount(policy.maxOfferedHtlcs, "HTLC")} in a channel, worth at most ${showMsat(policy.maxOfferedInFlight)} together, that expire within ${showBlocks(policy.maxHtlcExpiry)}.`,
    `Lets up to ${showMsat(policy.maxTrimmed)} in one commitment, and ${showMsat(policy.maxTrimmedPerDay)} a day, go into HTLCs too small for an output.`,
  ];
};

const onChain = (policy: Policy): readonly string[] => {
  const { allowlist, maxFeerate, maxOnchainFeerate, maxClosingFeerate, maxSweepFeerate } = policy;
  return [
    `Pays feerates up to ${showFeerate(maxFeerate)} in commitments, ${showFeerate(maxOnchainFeerate)} in fundings and withdrawals, ${showFeerate(maxClosingFeerate)} in mutual closes, and ${showFeerate(maxSweepFeerate)} in claims that are not urgent.`,
    `Opens nothing new after ${showSat(policy.maxFeesPerDay)} of on-chain fees in a day.`,
    `Agrees to nothing new while the chain's tip is older than ${showSeconds(policy.maxChainAge)}.`,
    allowlist.length === 0
      ? "Sends money on chain to its own wallet alone, unless a person approves."
      : `Sends money on chain to its own wallet and to ${showCount(allowlist.length, "listed script")}, unless a person approves.`,
  ];
};

export const explainPolicy = (policy: Policy): readonly string[] => [
  ...payments(policy),
  ...forwarding(policy),
  ...channels(policy),
  ...onChain(policy),
];
