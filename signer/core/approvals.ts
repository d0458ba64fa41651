/** Questions to a person: each bound to what exactly is asked, denied unless somebody approves in time. */

import { concat, toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Fact, Refusal } from "../../protocol/outcome.ts";
import type { Outpoint } from "../../protocol/units.ts";
import { type Facts, refuse } from "./rule.ts";
import { type RuleName, textOf } from "./rules/table.ts";
import type { Approval } from "./state.ts";
import type { Change, View } from "./step.ts";
import { oldestOf } from "./sweeping.ts";

const day = 86_400;

/** Questions that may wait at once. A host could ask for ever. */
export const maxPending = 256;
/** Forgotten with one step, so that no step takes long. */
const swept = 16;

export interface Question {
  readonly subject: Exclude<Approval["subject"], "payment">;
  /** All that an answer is bound to, packed. */
  readonly content: Uint8Array;
  /** In millisatoshi. */
  readonly amount: bigint;
  readonly shown: readonly Fact[];
}

const idOf = ({ subject, content }: Question): Uint8Array =>
  sha256(concat(new TextEncoder().encode(`${subject}:`), content));

/** Approvals whose time is over, a few at a time. */
export const stale = (view: View): ReadonlyMap<string, undefined> => {
  const over = [...view.approvals].flatMap(([key, { until }]) =>
    until + day < view.now ? [{ key, since: until }] : [],
  );
  return new Map(oldestOf(over, swept).map((key) => [key, undefined]));
};

/** The answer in force, if there is one. */
export const approvedFor = (view: View, question: Question): Approval | undefined => {
  const approval = view.approvals.get(toHex(idOf(question)));
  return approval?.standing === "approved" && approval.until >= view.now ? approval : undefined;
};

export const pendingIn = (view: View): number => {
  let count = 0;
  for (const { standing, until } of view.approvals.values())
    if (standing === "pending" && until >= view.now) count += 1;
  return count;
};

export type Asked =
  | { readonly is: "refused"; readonly refusal: Refusal }
  | { readonly is: "asked"; readonly refusal: Refusal; readonly change: Change };

/** The refusal that says that a person has to answer first, and the question made durable. */
export const ask = (view: View, question: Question, rule: RuleName, facts: Facts): Asked => {
  const id = idOf(question);
  const key = toHex(id);
  const known = view.approvals.get(key);
  const standing = known !== undefined && known.until >= view.now ? known.standing : "pending";
  const refusal = refuse(textOf(rule), { ...facts, approval: key, standing });
  if (known !== undefined && known.until >= view.now) return { is: "refused", refusal };
  if (pendingIn(view) >= maxPending)
    return { is: "refused", refusal: refuse(textOf(rule), { ...facts, waiting: maxPending }) };
  const approval: Approval = {
    id,
    subject: question.subject,
    standing: "pending",
    amount: question.amount,
    shown: question.shown,
    asked: view.now,
    until: view.now + day,
    by: "",
    intent: unknown,
    bound: unknown,
  };
  return { is: "asked", refusal, change: { approvals: new Map([...stale(view), [key, approval]]) } };
};

/** Binds an approval to one input, once: what uses it later must spend that input too. */
export const bind = (approval: Approval, input: Outpoint): Change =>
  isKnown(approval.bound)
    ? {}
    : { approvals: new Map([[toHex(approval.id), { ...approval, bound: input }]]) };
