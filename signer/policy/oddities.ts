/** Limits that are each valid and together hardly meant. */

import type { Network } from "../../protocol/operations/fields.ts";
import { type Policy, smallFee } from "../core/policy.ts";

export interface Oddity {
  readonly limits: readonly (keyof Policy)[];
  readonly sentence: string;
}

interface Suspicion extends Oddity {
  readonly holds: (policy: Policy) => boolean;
}

const anywhere: readonly Suspicion[] = [
  {
    limits: ["maxChannels"],
    sentence: "No channel can open.",
    holds: ({ maxChannels }) => maxChannels === 0,
  },
  {
    limits: ["maxChannelValue", "maxChannelsValue", "minDustLimit"],
    sentence: "No channel can open: none so small has room for both sides' outputs.",
    // Below it each side's output would be dust (BOLT 2, "The open_channel Message").
    holds: ({ maxChannelValue, maxChannelsValue, minDustLimit }) =>
      maxChannelValue < 2n * minDustLimit || maxChannelsValue < 2n * minDustLimit,
  },
  {
    limits: ["maxChannelsValue", "maxChannelValue"],
    sentence: "One channel may be worth more than all together, so the largest can't open.",
    holds: ({ maxChannelsValue, maxChannelValue }) => maxChannelsValue < maxChannelValue,
  },
  {
    limits: ["maxFundedPerDay"],
    sentence: "We can open no channel, only accept those of others.",
    holds: ({ maxFundedPerDay }) => maxFundedPerDay === 0n,
  },
  {
    limits: ["unattendedFunding", "maxFundedPerDay"],
    sentence: "More may be funded at once without a person than in a whole day.",
    holds: ({ unattendedFunding, maxFundedPerDay }) => unattendedFunding > maxFundedPerDay,
  },
  {
    limits: ["maxTrimmed", "maxTrimmedPerDay"],
    sentence: "One commitment may hide more than a whole day.",
    holds: ({ maxTrimmed, maxTrimmedPerDay }) => maxTrimmed > maxTrimmedPerDay,
  },
  {
    limits: ["maxDustLimit"],
    sentence: "Core Lightning's dust limit is 546 sat: no channel with it can open.",
    holds: ({ maxDustLimit }) => maxDustLimit < 546n,
  },
  {
    limits: ["maxOfferedInFlight"],
    sentence: "We can offer no HTLC, and so neither pay nor forward.",
    holds: ({ maxOfferedInFlight, sending, forwarding }) =>
      maxOfferedInFlight === 0n && (sending || forwarding),
  },
  {
    limits: ["unattendedPayment", "maxPayment"],
    sentence: "More may be paid without a person than may be paid at all; the lower limit holds.",
    holds: ({ sending, unattendedPayment, maxPayment }) => sending && unattendedPayment > maxPayment,
  },
  {
    limits: ["maxPayment", "maxSentPerDay"],
    sentence: "One payment may be larger than a day's; the lower limit holds.",
    holds: ({ sending, maxPayment, maxSentPerDay }) => sending && maxPayment > maxSentPerDay,
  },
  {
    limits: ["maxPayment", "maxSentPerDay"],
    sentence: "Sending is on, and yet nothing can be paid.",
    holds: ({ sending, maxPayment, maxSentPerDay }) => sending && (maxPayment === 0n || maxSentPerDay === 0n),
  },
  {
    limits: ["maxRoutingFee"],
    sentence: "Hardly a route is free: only payments over one hop will go through.",
    holds: ({ sending, maxRoutingFee }) => sending && maxRoutingFee < smallFee,
  },
  {
    limits: ["sending", "unattendedPayment", "payees"],
    sentence: "Sending is off, so what may be paid without a person has no effect.",
    holds: ({ sending, unattendedPayment, payees }) =>
      !sending && (unattendedPayment > 0n || payees.length > 0),
  },
  {
    limits: ["maxForwardExposure"],
    sentence: "Forwarding is on, and yet every forward has to wait for ever.",
    holds: ({ forwarding, maxForwardExposure }) => forwarding && maxForwardExposure === 0n,
  },
  {
    limits: ["maxZeroConfExposure", "maxForwardExposure"],
    sentence: "More is trusted to unconfirmed channels than may be forwarded at all; the lower limit holds.",
    holds: ({ forwarding, maxZeroConfExposure, maxForwardExposure }) =>
      forwarding && maxZeroConfExposure > maxForwardExposure,
  },
  {
    limits: ["minForwardDelta", "maxHtlcExpiry"],
    sentence: "An incoming HTLC has to outlast the outgoing one by longer than any of ours may run.",
    holds: ({ forwarding, minForwardDelta, maxHtlcExpiry }) => forwarding && minForwardDelta >= maxHtlcExpiry,
  },
];

/** Where blocks cost money and a lost race loses it. */
const onMainnet: readonly Suspicion[] = [
  {
    limits: ["minForwardDelta"],
    sentence: "Fewer than 18 blocks may be too few to claim a forwarded payment on chain.",
    // BOLT 2, "cltv_expiry_delta Selection": 2R+G+S, the least for a final hop, is 18.
    holds: ({ forwarding, minForwardDelta }) => forwarding && minForwardDelta < 18,
  },
  {
    limits: ["minForwardDelta"],
    sentence:
      "Core Lightning forwards with 34 blocks: set its `cltv-delta` as high, or its forwards will wait.",
    holds: ({ forwarding, minForwardDelta }) => forwarding && minForwardDelta > 34,
  },
  {
    limits: ["minDelay", "maxDelay"],
    sentence: "LDK and Core Lightning ask for 144 blocks: no channel with their defaults can open.",
    holds: ({ minDelay, maxDelay }) => minDelay > 144 || maxDelay < 144,
  },
  {
    limits: ["minDelay", "maxChainAge"],
    sentence: "The chain's tip may be older than the shortest contest delay: a breach could pass unseen.",
    holds: ({ minDelay, maxChainAge }) => maxChainAge >= minDelay * 600,
  },
  {
    limits: ["maxFeerate", "maxOnchainFeerate", "maxClosingFeerate", "maxSweepFeerate"],
    sentence: "One of them is under 10 sat/vB: when blocks are full, honest transactions will be refused.",
    holds: ({ maxFeerate, maxOnchainFeerate, maxClosingFeerate, maxSweepFeerate }) =>
      Math.min(maxFeerate, maxOnchainFeerate, maxClosingFeerate, maxSweepFeerate) < 2_500,
  },
];

export const odditiesOf = (policy: Policy, network: Network): readonly Oddity[] =>
  [...anywhere, ...(network === "bitcoin" ? onMainnet : [])]
    .filter(({ holds }) => holds(policy))
    .map(({ limits, sentence }) => ({ limits, sentence }));
