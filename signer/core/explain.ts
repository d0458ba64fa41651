/** What a dry run says. The session takes the same road as for a host, as far as the decision. */

import { isKnown, type Maybe, unknown } from "../../protocol/codec.ts";
import type { Malformed } from "../../protocol/malformed.ts";
import type { Name, Reply } from "../../protocol/operations/index.ts";
import { malformedOf, type Refusal } from "../../protocol/outcome.ts";
import { textOf } from "./rules/table.ts";
import type { Decision } from "./step.ts";

export type Explained = Reply<"explain">;

const silent = { rule: "", final: false, sentence: "", facts: [], hint: "" } as const;

export const refusedBecause = (
  { rule, final, sentence, facts, hint }: Refusal,
  applied: readonly string[],
): Explained => ({ verdict: "refused", rule, final, sentence, facts, hint, applied });

export const malformedBecause = (error: Malformed, applied: readonly string[]): Explained => {
  const { path, reason } = malformedOf(error);
  return {
    ...silent,
    verdict: "malformed",
    final: true,
    sentence: reason,
    facts: path === "" ? [] : [{ name: "field", value: path }],
    hint: "No rule was asked: the bytes are no request. docs/operations.md has every field.",
    applied,
  };
};

type Passed = Exclude<Decision<Name>, { readonly is: "refused" | "asked" }>;

/** A payment can be taken and still not be paid: its reply says so. */
const standingIn = (name: Name, decision: Passed): Maybe<string> => {
  if (decision.is === "signed" || (name !== "checkPayment" && name !== "proposePayment")) return unknown;
  return (decision.reply({ points: [] }) as Reply<"checkPayment">).standing;
};

export const explained = (name: Name, decision: Decision<Name>, applied: readonly string[]): Explained => {
  if (decision.is === "refused" || decision.is === "asked") return refusedBecause(decision.refusal, applied);
  const standing = standingIn(name, decision);
  if (!isKnown(standing)) return { ...silent, verdict: "accepted", applied };
  const facts = [{ name: "standing", value: standing }];
  if (standing !== "pending") return { ...silent, verdict: "accepted", facts, applied };
  const rule = textOf("commitment-payment-allowlisted");
  return {
    verdict: "accepted",
    rule: rule.name,
    final: false,
    sentence: rule.sentence,
    facts,
    hint: rule.hint,
    applied,
  };
};
