/** Every limit once: how it is written in a file, within which bounds, and the sentence that says what it does. */

import { z } from "zod";
import { fromHex } from "../../../protocol/bytes.ts";
import { feerate, msat, type Point, point, type Script, sat, script } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";

export type Unit =
  | "sat"
  | "msat"
  | "feerate"
  | "blocks"
  | "seconds"
  | "count"
  | "ppm"
  | "switch"
  | "scripts"
  | "nodes";

export interface Figure<T> {
  readonly unit: Unit;
  /** Of the value as TOML or JSON has it. */
  readonly schema: z.ZodType<T>;
  readonly sentence: string;
}

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
const blocks = (most: number) => z.int().min(1).max(most);

const asScript = z
  .string()
  .regex(/^([0-9a-f]{2}){1,520}$/, "a script in hexadecimal")
  .transform((text): Script => script(fromHex(text)));
/** Lower case, as the signer prints it: a payee is compared by its bytes, and a person compares the text. */
const asNode = z
  .string()
  .regex(/^0[23][0-9a-f]{64}$/, "a node id: 66 lower-case hexadecimal digits, beginning with 02 or 03")
  .transform((text): Point => point(fromHex(text)));

const inSat = (sentence: string): Figure<Policy["maxChannelValue"]> => ({
  unit: "sat",
  schema: asSat,
  sentence,
});
const inMsat = (sentence: string): Figure<Policy["maxPush"]> => ({ unit: "msat", schema: asMsat, sentence });
/** None is below 253: what pays less is not relayed (1 sat/vB, rounded up). */
const perWeight = (sentence: string): Figure<Policy["maxFeerate"]> => ({
  unit: "feerate",
  schema: asFeerate,
  sentence,
});
const number = (unit: Unit, schema: z.ZodType<number>, sentence: string): Figure<number> => ({
  unit,
  schema,
  sentence,
});
const yesOrNo = (sentence: string): Figure<boolean> => ({ unit: "switch", schema: z.boolean(), sentence });

type Figures = { readonly [Name in keyof Policy]: Figure<Policy[Name]> };

/** In the order in which a file shows them. */
export const sections = {
  Channels: {
    maxChannels: number("count", z.int().min(0).max(100_000), "Channels that may be open at once."),
    maxChannelValue: inSat("What one channel may be worth."),
    maxChannelsValue: inSat("What all open channels may be worth together."),
    maxFundedPerDay: inSat("Our money that may go into channels within 24 hours."),
    unattendedFunding: inSat(
      "An opening, or a withdrawal of our own money, up to this needs no person; 0: each needs one.",
    ),
    maxPush: inMsat("What we may give the other side when a channel opens."),
    minDelay: number("blocks", blocks(2016), "The shortest contest delay, of either side."),
    maxDelay: number("blocks", blocks(2016), "The longest contest delay, of either side."),
    minDustLimit: {
      unit: "sat",
      schema: asSat.refine((n) => n >= 354n, "no dust limit is under 354 (BOLT 3, dust limits)"),
      sentence: "The lowest dust limit, of either side; 354 at least.",
    },
    maxDustLimit: inSat("The highest dust limit, of either side."),
    maxReserve: inSat("The highest channel reserve, of either side."),
  },
  Commitments: {
    minFeerate: perWeight("The feerate below which a commitment may never confirm: a host stays above it."),
    maxFeerate: perWeight("The highest feerate of a commitment whose fee we pay."),
    maxOfferedHtlcs: number("count", z.int().min(1).max(483), "HTLCs that we offer in one channel at once."),
    maxOfferedInFlight: inMsat("What the HTLCs that we offer in one channel may be worth together."),
    maxHtlcExpiry: number(
      "blocks",
      blocks(20_160),
      "How far above the chain's tip an HTLC that we offer may expire.",
    ),
    maxTrimmed: inMsat(
      "What may leave our balance in one commitment for HTLCs too small for an output that the host can't list.",
    ),
    maxTrimmedPerDay: inMsat(
      "What may leave our balances for such HTLCs within 24 hours, unless it comes back.",
    ),
  },
  Forwarding: {
    forwarding: yesOrNo("Whether payments of others may pass through this node."),
    minForwardDelta: number(
      "blocks",
      z.int().min(1).max(2016),
      "The blocks by which an incoming HTLC must outlast the outgoing one that it pays for.",
    ),
    maxForwardExposure: inMsat("What we may have sent on for others that they have not yet paid us."),
    maxZeroConfExposure: inMsat(
      "What may be forwarded on the strength of channels whose funding has no confirmation; 0: nothing.",
    ),
  },
  Payments: {
    sending: yesOrNo("Whether this node may pay at all; if not, nobody can approve a payment."),
    unattendedPayment: inMsat(
      "A payment up to this, its fee limit included, needs no person; 0: each needs one.",
    ),
    maxPayment: inMsat("The largest payment, without its fee; nobody can approve a larger one."),
    maxSentPerDay: inMsat(
      "What may be approved within 24 hours, fee limits included, with and without a person.",
    ),
    maxRoutingFee: inMsat("The highest fee limit of a payment, whatever it is worth."),
    maxRoutingFeePpm: number(
      "ppm",
      z.int().min(0).max(1_000_000),
      "The highest fee limit as a share of the payment, in millionths; a fee limit up to 100 sat is never too high a share.",
    ),
    payees: {
      unit: "nodes",
      schema: z.array(asNode).max(1_000),
      sentence:
        "Nodes, by id, whose invoices of a named amount are paid without a person, within all other limits, at a fee limit up to 2 %, or 100 sat.",
    },
  },
  "On chain": {
    minOnchainFeerate: perWeight("The lowest feerate of a funding or withdrawal."),
    maxOnchainFeerate: perWeight(
      "The highest feerate of a funding or withdrawal, also of one that a person approved.",
    ),
    maxSweepFeerate: perWeight(
      "The highest feerate of claims and sweeps while their deadline is far; near it more is allowed.",
    ),
    maxClosingFeerate: perWeight("The highest feerate of a mutual close whose fee we pay."),
    maxFeesPerDay: inSat(
      "On-chain fees within 24 hours above which nothing new is opened; claims and commitments go on.",
    ),
    walletGap: number(
      "count",
      z.int().min(1).max(10_000),
      "How far above the highest used index a wallet script is still known as ours.",
    ),
    maxChainAge: number(
      "seconds",
      z.int().min(600).max(604_800),
      "How old the chain's tip may be when something new is agreed to.",
    ),
    allowlist: {
      unit: "scripts",
      schema: z.array(asScript),
      sentence: "Scripts of others, in hexadecimal, that our money may go to without a person.",
    },
  },
} as const satisfies Readonly<Record<string, Partial<Figures>>>;

export const figures: Figures = {
  ...sections.Channels,
  ...sections.Commitments,
  ...sections.Forwarding,
  ...sections.Payments,
  ...sections["On chain"],
};
