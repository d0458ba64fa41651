/** The limits of one node. Their sentences are in policy/figures.ts, whole policies by name in policy/presets.ts. */

import { z } from "zod";
import type { ValueOf } from "../../protocol/codec.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { bounds } from "../../protocol/operations/node.ts";
import { type Feerate, type Msat, msat, type Point, type Sat, type Script } from "../../protocol/units.ts";
import { figures } from "./policy/figures.ts";
import { presetFor, presetNames, presetPolicy } from "./policy/presets.ts";

export interface Policy {
  readonly maxChannels: number;
  readonly maxChannelValue: Sat;
  readonly maxChannelsValue: Sat;
  readonly maxFundedPerDay: Sat;
  /** Up to it our own money goes into a channel, or out of the wallet, without a person. */
  readonly unattendedFunding: Sat;
  readonly maxPush: Msat;
  readonly minDelay: number;
  readonly maxDelay: number;
  readonly minDustLimit: Sat;
  readonly maxDustLimit: Sat;
  readonly maxReserve: Sat;

  readonly minFeerate: Feerate;
  /** Where we open, and so pay. */
  readonly maxFeerate: Feerate;
  readonly maxOfferedHtlcs: number;
  readonly maxOfferedInFlight: Msat;
  /** Blocks from the chain's tip to the expiry of an HTLC that we offer. */
  readonly maxHtlcExpiry: number;
  /** What may leave our balance in one commitment for HTLCs that a host of a lesser tier can't list. */
  readonly maxTrimmed: Msat;
  readonly maxTrimmedPerDay: Msat;

  readonly forwarding: boolean;
  /** Blocks by which an incoming HTLC must outlast the outgoing one, or it covers nothing. */
  readonly minForwardDelta: number;
  readonly maxForwardExposure: Msat;
  readonly maxZeroConfExposure: Msat;

  /** False: no outgoing payment is approved at all. */
  readonly sending: boolean;
  /** Amount and fee limit together; up to it no person is asked. */
  readonly unattendedPayment: Msat;
  /** The amount, without its fee. */
  readonly maxPayment: Msat;
  /** Amounts and fee limits of approved payments. */
  readonly maxSentPerDay: Msat;
  readonly maxRoutingFee: Msat;
  readonly maxRoutingFeePpm: number;
  readonly payees: readonly Point[];

  readonly minOnchainFeerate: Feerate;
  readonly maxOnchainFeerate: Feerate;
  readonly maxSweepFeerate: Feerate;
  readonly maxClosingFeerate: Feerate;
  readonly maxFeesPerDay: Sat;
  readonly walletGap: number;
  /** Seconds. */
  readonly maxChainAge: number;
  /** Scripts of others that our money may go to. */
  readonly allowlist: readonly Script[];
}

/** A share alone would leave a small payment no route: nodes on the way ask a base fee as well (BOLT 7). */
export const smallFee = msat(100_000n);

/** The highest fee limit of a payment of this amount. */
export const routingFeeLimit = (policy: Policy, amount: Msat): Msat => {
  const share = (amount * BigInt(policy.maxRoutingFeePpm)) / 1_000_000n;
  const byShare = share > smallFee ? share : smallFee;
  return msat(byShare < policy.maxRoutingFee ? byShare : policy.maxRoutingFee);
};

const refuseAt = (key: string, message: string, input: unknown): z.ZodError =>
  new z.ZodError([{ code: "custom", path: [key], message, input }]);

export const defaultPolicy = (network: Network): Policy => readPolicy(network, undefined);

type Schemas = { readonly [Name in keyof Policy]: z.ZodType<Policy[Name]> };

const schemas = Object.fromEntries(
  Object.entries(figures).map(([name, { schema }]) => [name, schema]),
) as unknown as Schemas;

/** The `[policy]` table of the configuration, and of a file of its own; what it leaves out is the preset's. */
export const policyTable = z.strictObject({ preset: z.enum(presetNames), ...schemas }).partial();

const ranges = [
  ["minFeerate", "maxFeerate"],
  ["minOnchainFeerate", "maxOnchainFeerate"],
  ["minDelay", "maxDelay"],
  ["minDustLimit", "maxDustLimit"],
] as const;

export const readPolicy = (network: Network, table: unknown): Policy => {
  const { preset = presetFor(network), ...figuresGiven } = policyTable.parse(table ?? {});
  const base = presetPolicy(preset, network);
  if (base === undefined)
    throw refuseAt("preset", `${preset} is for money of no worth, not for ${network}`, preset);
  const given = Object.entries(figuresGiven).filter(([, value]) => value !== undefined);
  const policy = { ...base, ...(Object.fromEntries(given) as Partial<Policy>) };
  // A range with nothing in it would refuse every channel, and an operator should hear of it before a host does.
  for (const [least, most] of ranges) {
    if (policy[least] > policy[most])
      throw refuseAt(least, `${policy[least]} is above ${most}, which is ${policy[most]}`, policy[least]);
  }
  return policy;
};

/** The part that a host must know to stay inside. */
export const boundsOf = (policy: Policy): ValueOf<typeof bounds> => ({
  minFeerate: policy.minFeerate,
  maxFeerate: policy.maxFeerate,
  maxChannelValue: policy.maxChannelValue,
  maxPush: policy.maxPush,
  minDelay: policy.minDelay,
  maxDelay: policy.maxDelay,
  minDustLimit: policy.minDustLimit,
  maxDustLimit: policy.maxDustLimit,
  maxReserve: policy.maxReserve,
  maxOfferedHtlcs: policy.maxOfferedHtlcs,
  maxOfferedInFlight: policy.maxOfferedInFlight,
  maxTrimmed: policy.maxTrimmed,
  maxClosingFeerate: policy.maxClosingFeerate,
});
