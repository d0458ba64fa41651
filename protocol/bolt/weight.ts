/** Expected weights and the fees that follow from them (BOLT 3, "Fee Calculation" and Appendix A; BOLT 5, Appendix A). */

import { outputLength, sizeLength } from "../bitcoin/writer.ts";
import type { Feerate, Sat, Script } from "../units.ts";
import type { ChannelType, Htlc } from "./channel.ts";

/** HTLC-timeout brings back what the broadcaster offered; HTLC-success takes what it was offered. */
export type HtlcTransactionKind = "timeout" | "success";

export const htlcTransactionKind = ({ offeredBy }: Pick<Htlc, "offeredBy">): HtlcTransactionKind =>
  offeredBy === "broadcaster" ? "timeout" : "success";

export const commitmentWeight = (type: ChannelType, untrimmed: number): number =>
  (type === "anchors" ? 1124 : 724) + 172 * untrimmed;

const htlcWeights = {
  static_remotekey: { timeout: 663, success: 703 },
  anchors: { timeout: 666, success: 706 },
} as const;

export const htlcTransactionWeight = (type: ChannelType, kind: HtlcTransactionKind): number =>
  htlcWeights[type][kind];

/** Rounded down. */
export const feeOf = (weight: number, feerate: Feerate): Sat =>
  ((BigInt(weight) * BigInt(feerate)) / 1000n) as Sat;

/** The base fee, which the opener pays. */
export const commitmentFee = (type: ChannelType, untrimmed: number, feerate: Feerate): Sat =>
  feeOf(commitmentWeight(type, untrimmed), feerate);

export const htlcTransactionFee = (type: ChannelType, kind: HtlcTransactionKind, feerate: Feerate): Sat =>
  type === "anchors" ? (0n as Sat) : feeOf(htlcTransactionWeight(type, kind), feerate);

/** What spends an output of a channel, by the stack that it shows. */
export type WitnessKind =
  | "funding"
  | "delayed"
  | "delayed-penalty"
  | "to_remote"
  | "anchor"
  | "htlc-timeout"
  | "htlc-success"
  | "htlc-claim-preimage"
  | "htlc-claim-timeout"
  | "htlc-penalty"
  | "p2wpkh"
  /** By the key path, with the hash type that takes no byte. */
  | "p2tr";

/** With its hash type, at its longest. */
const signature = 73;
const schnorrSignature = 64;
const publicKey = 33;
const preimage = 32;

/** The items in front of the witness script. */
const stacks: Record<WitnessKind, readonly number[]> = {
  funding: [0, signature, signature],
  delayed: [signature, 0],
  "delayed-penalty": [signature, 1],
  to_remote: [signature],
  anchor: [signature],
  "htlc-timeout": [0, signature, signature, 0],
  "htlc-success": [0, signature, signature, preimage],
  "htlc-claim-preimage": [signature, preimage],
  "htlc-claim-timeout": [signature, 0],
  "htlc-penalty": [signature, publicKey],
  p2wpkh: [signature, publicKey],
  p2tr: [schnorrSignature],
};

/** Of one input's stack, at its longest; `script` is the witness script, and what pays to a key has none. */
export const expectedWitnessWeight = (kind: WitnessKind, script?: Script): number => {
  const items = script === undefined ? stacks[kind] : [...stacks[kind], script.length];
  return items.reduce((sum, length) => sum + sizeLength(length) + length, sizeLength(items.length));
};

/** A funding script is always 71 bytes long; marker and flag count as witness. */
const fundingWitness = 224;

/** Of a cooperative close that pays these scripts. */
export const closingWeight = (scripts: readonly Script[]): number =>
  4 * scripts.reduce((sum, script) => sum + outputLength({ script }), 51) + fundingWitness;
