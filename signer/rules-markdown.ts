/** docs/rules.md, printed from the rules themselves. */

import { allRules } from "./core/rules/index.ts";

const kinds = {
  core: "can't be configured; its refusals are final, but for those that may pass once something else has happened",
  limit: "a figure of the policy; what it refuses may pass later",
  consent: "asks a person, above what the policy lets pass; what it refuses may pass later",
} as const;

export const printRules = (): string => {
  const rows = allRules.map(
    ({ name, kind, sentence, hint }) => `| \`${name}\` | ${kind} | ${sentence} | ${hint} |`,
  );
  return [
    "# Rules",
    "",
    "Printed from the code by `npm run print`. Every refusal names one of these, with the facts that it compared.",
    "",
    ...Object.entries(kinds).map(([kind, meaning]) => `- **${kind}**: ${meaning}.`),
    "",
    "| rule | kind | what it demands | what the operator can do |",
    "|---|---|---|---|",
    ...rows,
    "",
  ].join("\n");
};
