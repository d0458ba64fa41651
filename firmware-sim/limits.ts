/** The device's own limits. It has no chain, and ticks in a clock's place, so what counts are single requests, sums and a person's word. */

import { mostOffered } from "../protocol/device/core.ts";
import type { Network } from "../protocol/operations/fields.ts";
import { msat, sat } from "../protocol/units.ts";
import { type Policy, readPolicy } from "../signer/core/policy.ts";

/** A commitment with all of them, in every variant that may live, fits into a page. */
export const mostHtlcs = 100;
/** That a channel may say it accepts. */
export const mostAccepted = mostHtlcs - mostOffered;
/** A bank of 64 KiB holds this many standings, and a step more. */
const mostChannels = 400;

const all = 2_100_000_000_000_000n;

/**
 * Nothing leaves without a person, so what a person is shown and agrees to has no limit here: that is the signer's, whose
 * operator may raise it, and nobody can raise this. Windows of a day begin with the time that the signer
 * tells, and go on by the device's ticks: of fees alone they are limits here. How large a channel of others' money is costs
 * nobody anything.
 */
export const devicePolicy = (network: Network): Policy => ({
  ...readPolicy(network, { preset: network === "bitcoin" ? "routing-node" : "regtest" }),
  unattendedPayment: msat(0n),
  unattendedFunding: sat(0n),
  maxOfferedHtlcs: mostOffered,
  maxOfferedInFlight: msat(all * 1000n),
  maxPayment: msat(all * 1000n),
  maxSentPerDay: msat(all * 1000n),
  maxRoutingFee: msat(all * 1000n),
  maxRoutingFeePpm: 1_000_000,
  maxChannels: mostChannels,
  maxChannelValue: sat(all),
  maxChannelsValue: sat(all),
  maxReserve: sat(all),
  maxPush: msat(all * 1000n),
  maxFundedPerDay: sat(all),
  allowlist: [],
  payees: [],
});
