/** `npm run model`: see the usage below. */

import { runSuite, say, tell, whole } from "../runner.ts";
import { runModel } from "./run.ts";

const usage = `npm run model -- [--steps N] [--seed TEXT] [--json]

A thief plays at random against the signer and against a reference that knows the whole history. The exit code is 1 where
the two disagree, or a thief got more than was approved and may be exposed.

Options:
  --steps N    how many requests (100000)
  --seed TEXT  the same seed plays the same (1)
  --json       one JSON line on the output
`;

process.exitCode = await runSuite({
  usage,
  options: { steps: { type: "string", default: "100000" }, seed: { type: "string", default: "1" } },
  run: async ({ steps, seed, json }) => {
    const report = await runModel({ seed, steps: whole("steps", steps), say });
    tell(report, json);
    return report.disagreements + report.overdrawn + report.faults > 0 ? 1 : 0;
  },
});
