/** `npm run model -- --steps N --seed S --json` */

import { parseArgs } from "node:util";
import { runModel } from "./run.ts";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    json: { type: "boolean", default: false },
  },
});

const steps = Number(values.steps);
if (!Number.isInteger(steps) || steps < 1) {
  process.stderr.write(`not a number of steps: ${values.steps}\n`);
  process.exit(2);
}

const report = await runModel({
  seed: values.seed,
  steps,
  say: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(
  values.json
    ? `${JSON.stringify(report)}\n`
    : `${Object.entries(report)
        .map(([name, value]) => `${name.padEnd(14)}${value}`)
        .join("\n")}\n`,
);
process.exitCode = report.disagreements + report.overdrawn + report.faults > 0 ? 1 : 0;
