/** The limits of one node: a figure each, with a safe default for its network. */

import { z } from "zod";
import { fromHex } from "../../protocol/bytes.ts";
import type { ValueOf } from "../../protocol/codec.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { bounds } from "../../protocol/operations/node.ts";
import {
  type Feerate,
  feerate,
  type Msat,
  msat,
  type Sat,
  type Script,
  sat,
  script,
} from "../../protocol/units.ts";

export interface Policy {
  readonly minFeerate: Feerate;
  /** Where we open, and so pay. */
  readonly maxFeerate: Feerate;
  readonly maxChannelValue: Sat;
  readonly maxPush: Msat;
  readonly minDelay: number;
  readonly maxDelay: number;
  readonly minDustLimit: Sat;
  readonly maxDustLimit: Sat;
  readonly maxReserve: Sat;
  readonly maxOfferedHtlcs: number;
  readonly maxOfferedInFlight: Msat;
  /** What may leave our balance in one commitment for HTLCs that a host of a lesser tier can't list. */
  readonly maxTrimmed: Msat;
  readonly maxClosingFeerate: Feerate;
  /** Scripts of others that a mutual close may pay. */
  readonly allowlist: readonly Script[];
}

const btc = 100_000_000n;

const mainnet: Policy = {
  minFeerate: feerate(253),
  maxFeerate: feerate(75_000),
  maxChannelValue: sat(btc),
  maxPush: msat(0n),
  minDelay: 144,
  maxDelay: 2016,
  minDustLimit: sat(354n),
  maxDustLimit: sat(1_000n),
  maxReserve: sat(btc / 20n),
  maxOfferedHtlcs: 483,
  maxOfferedInFlight: msat((btc / 2n) * 1000n),
  // Core Lightning's own bound on dust HTLCs (`max-dust-htlc-exposure-msat`): less would refuse what it offers.
  maxTrimmed: msat(50_000_000n),
  maxClosingFeerate: feerate(75_000),
  allowlist: [],
};

/** Money of no worth: delays short enough to watch, values as large as tests like them. */
const play: Partial<Policy> = {
  maxChannelValue: sat(10n * btc),
  maxPush: msat(10n * btc * 1000n),
  maxReserve: sat(btc),
  minDelay: 6,
  maxOfferedInFlight: msat(10n * btc * 1000n),
};

export const defaultPolicy = (network: Network): Policy =>
  network === "bitcoin" ? mainnet : { ...mainnet, ...play };

const amount = (max: bigint) =>
  z
    .union([z.int().nonnegative(), z.bigint().nonnegative()])
    .transform((n) => BigInt(n))
    .refine((n) => n <= max, "more than there will ever be");
const asSat = amount(2_100_000_000_000_000n).transform((n) => sat(n));
const asMsat = amount(2_100_000_000_000_000_000n).transform((n) => msat(n));
const asFeerate = z
  .int()
  .min(253)
  .max(1_000_000)
  .transform((n) => feerate(n));

/** The `[policy]` table of the configuration; what it leaves out keeps its default. */
export const policyTable = z
  .strictObject({
    minFeerate: asFeerate,
    maxFeerate: asFeerate,
    maxChannelValue: asSat,
    maxPush: asMsat,
    minDelay: z.int().min(1).max(2016),
    maxDelay: z.int().min(1).max(2016),
    minDustLimit: asSat.refine((n) => n >= 354n, "no dust limit is under 354 (BOLT 3, dust limits)"),
    maxDustLimit: asSat,
    maxReserve: asSat,
    maxOfferedHtlcs: z.int().min(1).max(483),
    maxOfferedInFlight: asMsat,
    maxTrimmed: asMsat,
    maxClosingFeerate: asFeerate,
    allowlist: z.array(
      z
        .string()
        .regex(/^([0-9a-f]{2}){1,520}$/, "a script in hexadecimal")
        .transform((s) => script(fromHex(s))),
    ),
  })
  .partial();

const ranges = [
  ["minFeerate", "maxFeerate"],
  ["minDelay", "maxDelay"],
  ["minDustLimit", "maxDustLimit"],
] as const;

export const readPolicy = (network: Network, table: unknown): Policy => {
  const given = Object.entries(policyTable.parse(table ?? {})).filter(([, value]) => value !== undefined);
  const policy = { ...defaultPolicy(network), ...(Object.fromEntries(given) as Partial<Policy>) };
  // A range with nothing in it would refuse every channel, and an operator should hear of it before a host does.
  for (const [least, most] of ranges) {
    if (policy[least] > policy[most])
      throw new z.ZodError([
        {
          code: "custom",
          path: [least],
          message: `${policy[least]} is above ${most}, which is ${policy[most]}`,
          input: policy[least],
        },
      ]);
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
