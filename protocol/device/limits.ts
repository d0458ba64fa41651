/**
 * What may be changed of a device's own rules: by a person at its buttons, or by approvers whose keys it has pinned. What
 * they sign is bound to the device's present limits by a mark, so that no signature outlives a change of them.
 */

import { concat, equal, toHex } from "../bytes.ts";
import { blob, bool, choice, fixed, list, message, text, u8, u32, type ValueOf } from "../codec.ts";
import type { Curve } from "../curve/curve.ts";
import { sha256 } from "../hash.ts";
import * as f from "../operations/fields.ts";
import { seconds } from "../operations/payment.ts";
import { fact } from "../outcome.ts";
import { script } from "../units.ts";

export const mostApprovers = 8;
const mostListed = 8;

/** x of a point, as BIP 340 has it. */
export const approverKey = fixed("approver's key (BIP 340)", 32, (raw) => raw);

/** The longest is that of a witness program (BIP 141). */
const longestScript = 42;

export const deviceLimits = message("DeviceLimits", {
  /** A payment, or an opening, up to this needs nobody while the allowance lasts. */
  each: f.msat,
  /** That may leave so in all. There is no clock in it: what is used up stays so until somebody sets it again. */
  allowance: f.msat,
  forwarding: bool,
  maxFeerate: f.feerate,
  maxClosingFeerate: f.feerate,
  maxOnchainFeerate: f.feerate,
  maxSweepFeerate: f.feerate,
  /** Scripts of others that money may go to without a word. */
  destinations: list(blob("script", longestScript, script), mostListed),
  /** Nodes whose signed invoices may be paid without a word. */
  payees: list(f.node, mostListed),
  approvers: list(approverKey, mostApprovers),
  /** How many of them must agree. */
  needed: u8("approvers", (n) => n),
});
export type DeviceLimits = ValueOf<typeof deviceLimits>;

/** Of the limits as they are now; another one after each change, and on each device. */
export const limitsMark = fixed("mark of the limits", 16, (raw) => raw);

/** Below the least nothing is relayed. */
const feerates = { least: 253, most: 1_000_000 } as const;

/** Why these can't be set, in words; undefined where they can. */
export const limitsFault = (limits: DeviceLimits): string | undefined => {
  const { approvers, needed, each, allowance } = limits;
  const { maxFeerate, maxClosingFeerate, maxOnchainFeerate, maxSweepFeerate } = limits;
  const odd = [maxFeerate, maxClosingFeerate, maxOnchainFeerate, maxSweepFeerate].find(
    (one) => one < feerates.least || one > feerates.most,
  );
  if (odd !== undefined) return `a feerate of ${odd} is not from ${feerates.least} to ${feerates.most}`;
  if (new Set(approvers.map(toHex)).size !== approvers.length) return "an approver stands there twice";
  if (approvers.length === 0 ? needed !== 0 : needed < 1 || needed > approvers.length)
    return `${needed} of ${approvers.length} approvers can't agree`;
  if (each > allowance) return "each payment may be more than all of them together";
  return undefined;
};

export const deviceQuestion = message("DeviceQuestion", {
  id: fixed("id of the question", 32, (raw) => raw),
  subject: choice("DeviceSubject", ["payment", "outputs", "opening", "cover", "channel", "over"]),
  /** What can leave us by a yes. */
  amount: f.msat,
  shown: list(fact, 32),
  asked: seconds,
});
export type DeviceQuestion = ValueOf<typeof deviceQuestion>;

export const verdict = choice("Verdict", ["approve", "deny"]);
export type Verdict = ValueOf<typeof verdict>;

export const signedBy = message("ApproverSignature", {
  key: approverKey,
  signature: fixed("signature (BIP 340)", 64, (raw) => raw),
});
export type ApproverSignature = ValueOf<typeof signedBy>;
export const approverSignatures = list(signedBy, mostApprovers);

const answerForm = message("SignedAnswer", {
  mark: limitsMark,
  node: f.node,
  question: deviceQuestion,
  verdict,
});
const changeForm = message("SignedLimits", { mark: limitsMark, node: f.node, limits: deviceLimits });

/** What is signed: the words as they were read, so that a signer in between can show no others. */
export type Statement =
  | ({ readonly is: "answer" } & ValueOf<typeof answerForm>)
  | ({ readonly is: "limits" } & ValueOf<typeof changeForm>);

const tags = { answer: "countersign/device/answer", limits: "countersign/device/limits" } as const;

export const statementTag = ({ is }: Statement): string => tags[is];

export const statementBytes = (statement: Statement): Uint8Array => {
  switch (statement.is) {
    case "answer":
      return answerForm.packed.encode(statement);
    case "limits":
      return changeForm.packed.encode(statement);
  }
};

/** A tagged hash (BIP 340, "Design"): no other signature of such a key can be taken for one of these. */
export const statementDigest = (statement: Statement): Uint8Array => {
  const tag = sha256(new TextEncoder().encode(statementTag(statement)));
  return sha256(concat(tag, tag, statementBytes(statement)));
};

/** How many of these approvers signed it; a key counts once. */
export const approversOf = (
  curve: Pick<Curve, "verifySchnorr">,
  statement: Statement,
  approvers: readonly Uint8Array[],
  signatures: readonly ApproverSignature[],
): number => {
  const digest = statementDigest(statement);
  return approvers.filter((key) =>
    signatures.some(
      (one) => equal(one.key, key) && curve.verifySchnorr({ digest, key, signature: one.signature }),
    ),
  ).length;
};

/** Who agreed. */
export const consentBy = choice("ConsentBy", ["person", "allowance", "approvers"]);
export type ConsentBy = ValueOf<typeof consentBy>;

export const limitsNow = {
  mark: limitsMark,
  limits: deviceLimits,
  /** Of the allowance. */
  left: f.msat,
} as const;

export const mostQuestions = 64;
export const questionsNow = {
  questions: list(deviceQuestion, mostQuestions),
  more: u32("questions that are not listed", (n) => n),
} as const;

export const because = text("why, for people", 256);
