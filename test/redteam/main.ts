/** `npm run redteam`: see the usage below. Progress goes to the error stream, the summary to the output. */

import { Misused, runSuite, say } from "../runner.ts";
import { type Family, families } from "./families.ts";
import { type Report, reportOf, unclaimed } from "./report.ts";
import { runTests } from "./run.ts";

const usage = `npm run redteam -- [--family N]... [--json]

Attacks the signer as a compromised host, a colluding peer or someone at its disk would, and counts for each family of
attacks how many attempts there were, how many were refused, and how many honest requests passed beside them.
The exit code is 1 when an attempt succeeds, an honest request does not, or a test is in no family.

Options:
  --family N  only this one, or these: ${families.map(({ n }) => n).join(", ")}
  --json      one JSON line on the output (npm itself prints two lines before: \`npm run --silent redteam\` leaves them out)
`;

const table = ({ families: sums, ok }: Report): string => {
  const lines = sums.map(({ n, name, tests, failed, attempts, refused, honest_passed, missing }) => {
    const figures = [tests, failed, attempts, refused, honest_passed].map((f) => String(f).padStart(9));
    return `${String(n).padStart(2)}  ${name.padEnd(64)}${missing === undefined ? figures.join("") : `  none: ${missing}`}`;
  });
  const head = ["tests", "failed", "attempts", "refused", "honest"].map((h) => h.padStart(9)).join("");
  return `${"".padEnd(68)}${head}\n${lines.join("\n")}\n${ok ? "ok" : "NOT ok"}\n`;
};

const code = await runSuite({
  usage,
  options: { family: { type: "string", multiple: true, default: [] } },
  run: async ({ family, json }) => {
    const foreign = family.find((n) => !families.some((one) => String(one.n) === n));
    if (foreign !== undefined) throw new Misused(`there is no family ${foreign}`);
    const chosen: readonly Family[] =
      family.length === 0 ? families : families.filter(({ n }) => family.includes(String(n)));
    const ran = await runTests(chosen);
    for (const { file, path } of unclaimed(ran)) say(`in no family: ${file}: ${path.join(" > ")}`);
    const report = reportOf(chosen, ran);
    process.stdout.write(json ? `${JSON.stringify(report)}\n` : table(report));
    return report.ok ? 0 : 1;
  },
});
process.exit(code);
