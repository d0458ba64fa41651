/** Whole policies by name, each for one kind of node. A policy file names one and changes single figures. */

import type { Network } from "../../../protocol/operations/fields.ts";
import { feerate, msat, sat } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";

const btc = 100_000_000n;
const inMsat = (satoshi: bigint) => msat(satoshi * 1000n);

/**
 * A person's own node: what a stolen host can send in a day is a sum that hurts and does not ruin. An honest node with
 * LDK's or Core Lightning's own defaults stays inside; where one of those set a figure, it says so.
 */
const mainnetDefault: Policy = {
  maxChannels: 100,
  maxChannelValue: sat(btc),
  maxChannelsValue: sat(5n * btc),
  // One channel of the largest kind.
  maxFundedPerDay: sat(btc),
  // Rare, and a withdrawal doesn't come back: each is worth a look.
  unattendedFunding: sat(0n),
  maxPush: msat(0n),
  // Both LDK (`our_to_self_delay`) and Core Lightning (`watchtime-blocks`) ask for 144 blocks, and take up to 2016.
  minDelay: 144,
  maxDelay: 2016,
  // LDK's is 354 (`MIN_CHAN_DUST_LIMIT_SATOSHIS`), Core Lightning's 546.
  minDustLimit: sat(354n),
  maxDustLimit: sat(1_000n),
  // Each asks for 1 % of the channel (BOLT 2, `channel_reserve_satoshis`).
  maxReserve: sat(btc / 20n),

  minFeerate: feerate(253),
  maxFeerate: feerate(75_000),
  maxOfferedHtlcs: 483,
  maxOfferedInFlight: inMsat(btc / 2n),
  // The most that either of them forwards (`CLTV_FAR_FAR_AWAY`, `max_htlc_cltv`; BOLT 4, "max_htlc_cltv Selection").
  maxHtlcExpiry: 2016,
  // Core Lightning's own bound on dust HTLCs (`max-dust-htlc-exposure-msat`): less would refuse what it offers.
  maxTrimmed: inMsat(50_000n),
  maxTrimmedPerDay: inMsat(100_000n),

  forwarding: true,
  // Core Lightning's `cltv-delta`, after BOLT 2, "cltv_expiry_delta Selection"; LDK's is 72.
  minForwardDelta: 34,
  // LDK lets a tenth of a channel be in flight towards us (`max_inbound_htlc_value_in_flight_percent_of_channel`).
  maxForwardExposure: inMsat(btc / 10n),
  maxZeroConfExposure: msat(0n),

  sending: true,
  unattendedPayment: inMsat(50_000n),
  maxPayment: inMsat(1_000_000n),
  maxSentPerDay: inMsat(2_000_000n),
  // LDK's own limit is 1 % and 50 sat, which 2 %, or 100 sat, covers; Core Lightning's is 1 %, or 5 sat (`xpay`).
  maxRoutingFee: inMsat(15_000n),
  maxRoutingFeePpm: 20_000,
  payees: [],

  minOnchainFeerate: feerate(253),
  maxOnchainFeerate: feerate(75_000),
  maxSweepFeerate: feerate(75_000),
  maxClosingFeerate: feerate(75_000),
  maxFeesPerDay: sat(250_000n),
  walletGap: 100,
  // An hour without a block comes every few days, six hours hardly ever.
  maxChainAge: 6 * 3600,
  allowlist: [],
};

/** Core Lightning's own delays off the mainnet (`watchtime-blocks`, `cltv-delta`): more would refuse its channels. */
const shortDelays: Partial<Policy> = { minDelay: 6, minForwardDelta: 6 };

const changes = {
  "mainnet-default": {},
  "routing-node": {
    maxChannels: 1_000,
    maxChannelsValue: sat(50n * btc),
    maxFundedPerDay: sat(5n * btc),
    maxForwardExposure: inMsat(2n * btc),
    maxTrimmedPerDay: inMsat(1_000_000n),
    maxSentPerDay: inMsat(5_000_000n),
    maxFeesPerDay: sat(2_000_000n),
  },
  // Whoever turns `sending` on again is asked for each payment.
  merchant: { sending: false, unattendedPayment: msat(0n) },
  "receive-only": { sending: false, unattendedPayment: msat(0n), forwarding: false },
  regtest: {
    maxChannels: 10_000,
    maxChannelValue: sat(10n * btc),
    maxChannelsValue: sat(10_000n * btc),
    maxFundedPerDay: sat(10_000n * btc),
    unattendedFunding: sat(10n * btc),
    maxPush: inMsat(10n * btc),
    maxReserve: sat(btc),
    maxOfferedInFlight: inMsat(10n * btc),
    maxTrimmedPerDay: inMsat(btc),
    maxForwardExposure: inMsat(100n * btc),
    unattendedPayment: inMsat(10n * btc),
    maxPayment: inMsat(10n * btc),
    maxSentPerDay: inMsat(10_000n * btc),
    maxRoutingFee: inMsat(btc),
    maxFeesPerDay: sat(10n * btc),
    ...shortDelays,
  },
} as const satisfies Readonly<Record<string, Partial<Policy>>>;

/** Each for whom it is. */
export const presetSentences: Readonly<Record<PresetName, string>> = {
  "mainnet-default":
    "A person's own node: pays small sums by itself, asks for larger ones, forwards a little.",
  "routing-node": "Forwards for its living: many channels, much on its way, payments for rebalancing.",
  merchant: "Is paid, and forwards; no payment leaves it, whoever asks.",
  "receive-only": "Is paid and does nothing else: no payment leaves it, and none passes through.",
  regtest: "Money of no worth: amounts as large as tests like them, and nobody is asked. Not for bitcoin.",
};

export type PresetName = keyof typeof changes;

export const presetNames = Object.keys(changes) as readonly PresetName[] as readonly [
  PresetName,
  ...PresetName[],
];

/** What holds where a file names no preset. */
export const presetFor = (network: Network): PresetName =>
  network === "bitcoin" ? "mainnet-default" : "regtest";

/** Undefined where the preset is not for this network: play money's figures would give real money away. */
export const presetPolicy = (preset: PresetName, network: Network): Policy | undefined => {
  if (network !== "bitcoin") return { ...mainnetDefault, ...shortDelays, ...changes[preset] };
  return preset === "regtest" ? undefined : { ...mainnetDefault, ...changes[preset] };
};
