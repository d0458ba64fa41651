/** `npm run mutate`: see the usage below. Progress goes to the error stream, the report to the output. */

import { globSync } from "node:fs";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { runCampaign } from "./campaign.ts";
import { jsonOf, survivorsOf, tableOf } from "./report.ts";

const usage = `npm run mutate -- [--files GLOB]... [--sample N] [--seed S] [--jobs N] [--budget MS] [--json]

Breaks the signer's core in one place at a time and looks whether a test of test/unit or test/redteam notices.
Left out are mutants that do not compile, and those that test/mutation/equivalent.json gives a reason for.

Options:
  --files GLOB   which sources; may be repeated (signer/core/**/*.ts)
  --sample N     only so many mutants, chosen by the seed
  --seed S       of the sample (1)
  --jobs N       processes beside each other (1)
  --budget MS    what the tests of one mutant may take together, the cheapest first (15000)
  --json         one JSON object on the output (npm itself prints two lines before: \`npm run --silent mutate\`)
`;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

const wrong = (why: string): number => {
  say(`${why}\n\n${usage}`);
  return 2;
};

const parsed = (args: readonly string[]) =>
  parseArgs({
    args: [...args],
    options: {
      files: { type: "string", multiple: true, default: ["signer/core/**/*.ts"] },
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      jobs: { type: "string", default: "1" },
      budget: { type: "string", default: "15000" },
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
  const root = resolve(import.meta.dirname, "../..");
  const files = [...new Set(options.files.flatMap((glob) => globSync(glob, { cwd: root })))]
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
    .sort();
  if (files.length === 0) return wrong(`no such sources: ${options.files.join(", ")}`);
  const figures = {
    seed: Number(options.seed),
    jobs: Number(options.jobs),
    budget: Number(options.budget),
    ...(options.sample === undefined ? {} : { sample: Number(options.sample) }),
  };
  const odd = Object.entries(figures).find(
    ([name, n]) => !Number.isSafeInteger(n) || n < (name === "seed" ? 0 : 1),
  );
  if (odd !== undefined) return wrong(`--${odd[0]} is a whole number`);

  const began = performance.now();
  const outcome = await runCampaign({
    ...{ root, files, say, ...figures },
    onTried: ({ mutant, fate }, done, of) => {
      if (fate.is !== "killed")
        say(`${fate.is}: ${mutant.path}:${mutant.line} ${mutant.change.slice(0, 100)}`);
      if (done % 50 === 0) say(`${done} of ${of}, ${((performance.now() - began) / 1000).toFixed(0)} s`);
    },
  });
  if (options.json) process.stdout.write(`${jsonOf(outcome)}\n`);
  else {
    const { tried, invalid, equivalent } = outcome;
    process.stdout.write(`${survivorsOf(tried)}\n${tableOf(tried)}\n`);
    process.stdout.write(`left out: ${invalid} that do not compile, ${equivalent} that mean the same\n`);
  }
  return 0;
};

process.exitCode = await main(process.argv.slice(2));
