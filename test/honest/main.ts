/** `npm run honest -- [--runs N] [--seed TEXT] [--flow NAME] [--json]` */

import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { chainFlows, endings, flows } from "./flows/index.ts";
import { replayAll } from "./replay-all.ts";
import { total, trial } from "./trial.ts";
import { shown } from "./world.ts";

const usage = "usage: npm run honest -- [--runs N] [--seed TEXT] [--flow NAME] [--json]";

const read = () => {
  try {
    const { values } = parseArgs({
      options: {
        runs: { type: "string", default: "300" },
        seed: { type: "string", default: randomBytes(4).toString("hex") },
        flow: { type: "string" },
        json: { type: "boolean", default: false },
      },
    });
    const runs = Number(values.runs);
    if (!(Number.isInteger(runs) && runs > 0)) throw new Error("not a count");
    const { flow } = values;
    const names = [...flows, ...chainFlows].map(({ name }) => name);
    if (flow !== undefined && !names.includes(flow)) throw new Error(`flows are ${names.join(", ")}`);
    return { ...values, flow, runs };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
};

const { runs, seed, flow, json } = read();
process.stderr.write(`seed ${seed}\n`);
const result = await trial({
  ...{ runs, seed },
  ...(flow === undefined ? {} : { flow }),
  progress: ({ seed: one, tier, failure }, done) => {
    if (failure !== undefined) {
      const { flows: live, step, what, request } = failure;
      process.stderr.write(`run ${one} (${tier}), step ${step}, flows ${live.join(", ")}: ${what}\n`);
      if (request !== undefined) process.stderr.write(`  asked ${shown(request)}\n`);
    } else if (done % 50 === 0) process.stderr.write(`${done} of ${runs} runs\n`);
  },
});
for (const { name } of [...flows, ...chainFlows, ...endings])
  process.stderr.write(`${name.padEnd(24)} ${result.played.get(name) ?? 0}\n`);
for (const [rule, times] of result.later) process.stderr.write(`waited for ${rule}: ${times}\n`);
for (const [name, value] of Object.entries(result.counts))
  process.stderr.write(`${name.padEnd(24)} ${value}\n`);
// What LDK nodes asked is no flow that could be chosen.
const replayed = flow === undefined ? await replayAll() : undefined;
for (const why of replayed?.failures ?? []) process.stderr.write(`${why}\n`);
const summary = {
  ...total(result),
  ...(replayed === undefined
    ? {}
    : {
        recordings: replayed.recordings,
        recorded_requests: replayed.requests,
        recorded_failures: replayed.failures.length,
      }),
};
if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
else
  for (const [name, value] of Object.entries(summary)) process.stdout.write(`${name.padEnd(20)} ${value}\n`);
const failures = summary.final_refusals + summary.stuck + (replayed?.failures.length ?? 0);
process.exit(failures === 0 ? 0 : 1);
