/** `npm run mutate`: see the usage below. Progress goes to the error stream, the report to the output. */

import { globSync } from "node:fs";
import { resolve } from "node:path";
import { Misused, runSuite, say, whole } from "../runner.ts";
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

process.exitCode = await runSuite({
  usage,
  options: {
    files: { type: "string", multiple: true, default: ["signer/core/**/*.ts"] },
    sample: { type: "string" },
    seed: { type: "string", default: "1" },
    jobs: { type: "string", default: "1" },
    budget: { type: "string", default: "15000" },
  },
  run: async ({ json, ...options }) => {
    const root = resolve(import.meta.dirname, "../..");
    const files = [...new Set(options.files.flatMap((glob) => globSync(glob, { cwd: root })))]
      .filter((path) => path.endsWith(".ts") && !path.endsWith(".d.ts"))
      .sort();
    if (files.length === 0) throw new Misused(`no such sources: ${options.files.join(", ")}`);
    const began = performance.now();
    const outcome = await runCampaign({
      ...{ root, files, say },
      seed: whole("seed", options.seed, 0),
      jobs: whole("jobs", options.jobs),
      budget: whole("budget", options.budget),
      ...(options.sample === undefined ? {} : { sample: whole("sample", options.sample) }),
      onTried: ({ mutant, fate }, done, of) => {
        if (fate.is !== "killed")
          say(`${fate.is}: ${mutant.path}:${mutant.line} ${mutant.change.slice(0, 100)}`);
        if (done % 50 === 0) say(`${done} of ${of}, ${((performance.now() - began) / 1000).toFixed(0)} s`);
      },
    });
    if (json) process.stdout.write(`${jsonOf(outcome)}\n`);
    else {
      const { tried, invalid, equivalent } = outcome;
      process.stdout.write(`${survivorsOf(tried)}\n${tableOf(tried)}\n`);
      process.stdout.write(`left out: ${invalid} that do not compile, ${equivalent} that mean the same\n`);
    }
    return 0;
  },
});
