/** `npm run redteam`: see the usage below. Progress goes to the error stream, the summary to the output. */

import { parseArgs } from "node:util";
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

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const wrong = (why: string): number => {
  say(`${why}\n\n${usage}`);
  return 2;
};

const table = ({ families: sums, ok }: Report): string => {
  const lines = sums.map(({ n, name, tests, failed, attempts, refused, honest_passed, missing }) => {
    const figures = [tests, failed, attempts, refused, honest_passed].map((f) => String(f).padStart(9));
    return `${String(n).padStart(2)}  ${name.padEnd(64)}${missing === undefined ? figures.join("") : `  none: ${missing}`}`;
  });
  const head = ["tests", "failed", "attempts", "refused", "honest"].map((h) => h.padStart(9)).join("");
  return `${"".padEnd(68)}${head}\n${lines.join("\n")}\n${ok ? "ok" : "NOT ok"}\n`;
};

const parsed = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      family: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  }).values;

const main = async (args: readonly string[]): Promise<number> => {
  let options: ReturnType<typeof parsed>;
  try {
    options = parsed(args);
  } catch (error) {
    return wrong((error as Error).message);
  }
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const foreign = options.family.find((n) => !families.some((family) => String(family.n) === n));
  if (foreign !== undefined) return wrong(`there is no family ${foreign}`);
  const chosen: readonly Family[] =
    options.family.length === 0 ? families : families.filter(({ n }) => options.family.includes(String(n)));

  const ran = await runTests(chosen);
  for (const { file, path } of unclaimed(ran)) say(`in no family: ${file}: ${path.join(" > ")}`);
  const report = reportOf(chosen, ran);
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : table(report));
  return report.ok ? 0 : 1;
};

process.exit(await main(process.argv.slice(2)));
