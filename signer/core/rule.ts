/** A rule is a name, a sentence and a pure check. What it refuses is a value that a person can act on. */

import { toHex } from "../../protocol/bytes.ts";
import type { Tier } from "../../protocol/operations/fields.ts";
import type { Refusal } from "../../protocol/outcome.ts";

/** Core can't be configured, a limit is a figure of the policy, consent is a person's. */
export type Kind = Refusal["kind"];

export type Facts = Readonly<Record<string, string | number | bigint | boolean | Uint8Array>>;

export interface RuleText {
  readonly name: string;
  readonly kind: Kind;
  readonly sentence: string;
  /** What the operator can do. */
  readonly hint: string;
  /** A core rule that the same request may pass later. */
  readonly later: boolean;
  readonly tiers: Readonly<Record<Tier, Coverage>>;
}

/** How far a rule holds for a host of a tier: what a host cannot tell, no rule can see. */
export type Coverage = "exact" | "bounded" | "absent";

export interface Rule<View> extends RuleText {
  /** The facts that break the rule, or nothing. */
  check(view: View): Facts | undefined;
}

let witness: Set<string> | undefined;

/** Called by every rule that is asked. */
export const noteRule = (name: string): void => {
  witness?.add(name);
};

const shown = (value: Facts[string]): string => (value instanceof Uint8Array ? toHex(value) : String(value));

/** What can pass later under another limit or with a person's word is never final. */
export const refuse = (rule: RuleText, facts: Facts): Refusal => {
  noteRule(rule.name);
  return {
    rule: rule.name,
    kind: rule.kind,
    final: rule.kind === "core" && !rule.later,
    sentence: rule.sentence,
    facts: Object.entries(facts).map(([name, value]) => ({ name, value: shown(value).slice(0, 256) })),
    hint: rule.hint,
  };
};

/** The rules that are asked while `run` runs, in their order. Synchronous, so that nobody else's are among them. */
export const witnessed = <T>(names: Set<string>, run: () => T): T => {
  const before = witness;
  witness = names;
  try {
    return run();
  } finally {
    witness = before;
  }
};

/** The first rule that says no. */
export const judge = <View>(rules: readonly Rule<View>[], view: View): Refusal | undefined => {
  for (const rule of rules) {
    const facts = rule.check(view);
    if (facts !== undefined) return refuse(rule, facts);
  }
  return undefined;
};
