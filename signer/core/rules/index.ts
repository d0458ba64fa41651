import type { RuleText } from "../rule.ts";
import { ruleNames, textOf } from "./table.ts";

/** Each name once, for whoever explains a policy or prints the documentation. */
export const allRules: readonly RuleText[] = ruleNames.map(textOf);
