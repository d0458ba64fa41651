/** Which outcomes of a device wait for its person, and for what: by an approval's id, or by a word of this signer's own. */

import { toHex } from "../../protocol/bytes.ts";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import { questionIn } from "../core/second.ts";

export interface Uncovered {
  readonly hash: string;
  readonly amount: bigint;
}

/** In the place of an approval's id, of cover that a commitment gives up. */
export const uncoveredIn = (id: string): Uncovered | undefined => {
  const [, hash, amount] = /^back\/([0-9a-f]{64})\/([1-9]\d*)$/.exec(id) ?? [];
  return hash === undefined || amount === undefined ? undefined : { hash, amount: BigInt(amount) };
};

const sumIn = ({ facts }: Refusal, wanted: string): bigint => {
  const value = facts.find(({ name }) => name === wanted)?.value ?? "0";
  return /^\d{1,20}$/.test(value) ? BigInt(value) : 0n;
};

/** In the place of an approval's id: whether a channel that others paid into is in the chain. */
export const vouching = "vouch";
/** The device counts nothing that came through it before somebody says so. */
export const doubtOf = (outcome: Outcome<Name>): string | undefined => {
  if (outcome.is !== "refusal") return undefined;
  const { refusal } = outcome;
  if (refusal.rule === "commitment-htlc-received-spends-active-utxo") return vouching;
  if (refusal.rule !== "routing-balanced") return undefined;
  const missing = sumIn(refusal, "out") - sumIn(refusal, "in") - sumIn(refusal, "approved");
  const hash = refusal.facts.find(({ name }) => name === "hash")?.value ?? "";
  return missing > 0n ? `back/${hash}/${missing}` : undefined;
};

/** A person is to be asked. */
export const questionOf = (outcome: Outcome<Name>): string | undefined => {
  if (outcome.is === "refusal") return questionIn(outcome.refusal);
  if (outcome.is !== "reply" || !("standing" in outcome.reply) || !("approval" in outcome.reply))
    return undefined;
  const { standing, approval } = outcome.reply;
  return standing === "pending" ? toHex(approval) : undefined;
};

/** What this signer says of a verdict: it keeps it, or it was never its own question. */
export const isHeard = (outcome: Outcome<Name>): boolean =>
  outcome.is === "reply" ||
  (outcome.is === "refusal" &&
    outcome.refusal.facts.some(({ name, value }) => name === "known" && value === "false"));
