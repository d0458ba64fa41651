/** A rule is a name, a sentence and a pure check. What it refuses is a value that a person can act on. */

import { toHex } from "../../protocol/bytes.ts";
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
}

export interface Rule<View> extends RuleText {
  /** The facts that break the rule, or nothing. */
  check(view: View): Facts | undefined;
}

const shown = (value: Facts[string]): string => (value instanceof Uint8Array ? toHex(value) : String(value));

/** What can pass later under another limit or with a person's word is never final. */
export const refuse = (rule: RuleText, facts: Facts): Refusal => ({
  rule: rule.name,
  kind: rule.kind,
  final: rule.kind === "core",
  sentence: rule.sentence,
  facts: Object.entries(facts).map(([name, value]) => ({ name, value: shown(value).slice(0, 256) })),
  hint: rule.hint,
});

/** The first rule that says no. */
export const judge = <View>(rules: readonly Rule<View>[], view: View): Refusal | undefined => {
  for (const rule of rules) {
    const facts = rule.check(view);
    if (facts !== undefined) return refuse(rule, facts);
  }
  return undefined;
};
