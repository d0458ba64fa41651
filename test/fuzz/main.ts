/** `npm run fuzz`: see the usage below. Progress goes to the error stream, the summary to the output. */

import { readFileSync } from "node:fs";
import { basename, dirname, relative, resolve } from "node:path";
import { Misused, runSuite, say, whole } from "../runner.ts";
import { runCampaign } from "./campaign.ts";
import { check } from "./check.ts";
import { keep } from "./corpus.ts";
import type { Tally } from "./loop.ts";
import { sampleOf } from "./sample.ts";
import { targetOf, targets } from "./targets.ts";

const usage = `npm run fuzz -- [--seconds N] [--seed S] [--target NAME]... [--json] [--sample]
npm run fuzz -- --replay FILE [--target NAME]

Damages good encodings for N seconds (60) and holds every decoder to its promises. The same seed tries the same inputs.
What fails is kept in test/fuzz/corpus/TARGET/, which \`npm test\` replays; then the exit code is 1.

Options:
  --target NAME  only this one, or these: ${targets.map(({ name }) => name).join(", ")}
  --sample       adds to the corpus an input for each of the most telling outcomes
  --replay FILE  tries one input again; its folder names the target unless --target does
  --json         JSON on the output (npm itself prints two lines before: \`npm run --silent fuzz\` leaves them out)
`;

const totals = (tallies: readonly Tally[]): string => {
  const sum = (of: "runs" | "malformed" | "accepted" | "failures") =>
    tallies.reduce((total, tally) => total + tally[of], 0);
  return `${sum("runs")} inputs, ${sum("malformed")} malformed, ${sum("accepted")} accepted, ${sum("failures")} failed`;
};

const failed = (target: string, why: string, path: string): void => {
  say(`\n${target}: ${why}`);
  say(`kept; again with: npm run fuzz -- --replay ${relative(process.cwd(), path)}\n`);
};

const table = (tallies: readonly Tally[]): string => {
  const columns = ["name", "runs", "malformed", "accepted", "failures"] as const;
  const rows = [
    columns.map(String),
    ...tallies.map((tally) => columns.map((column) => String(tally[column]))),
  ];
  return rows
    .map(([name = "", ...numbers]) => `${name.padEnd(16)}${numbers.map((n) => n.padStart(11)).join("")}\n`)
    .join("");
};

const replay = (file: string, name: string): number => {
  const target = targetOf(name);
  if (target === undefined) throw new Misused(`there is no target \`${name}\``);
  let input: Uint8Array;
  try {
    input = new Uint8Array(readFileSync(file));
  } catch (error) {
    throw new Misused((error as Error).message);
  }
  const verdict = check(target, input);
  process.stdout.write(`${name}: ${verdict.is}: ${verdict.is === "failed" ? verdict.why : verdict.sign}\n`);
  return verdict.is === "failed" ? 1 : 0;
};

process.exitCode = await runSuite({
  usage,
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 32)) },
    target: { type: "string", multiple: true, default: [] },
    replay: { type: "string" },
    sample: { type: "boolean", default: false },
  },
  run: async ({ json, sample, target: only, ...options }) => {
    if (options.replay !== undefined)
      return replay(options.replay, only[0] ?? basename(dirname(resolve(options.replay))));
    const unknown = only.find((name) => targetOf(name) === undefined);
    if (unknown !== undefined) throw new Misused(`there is no target \`${unknown}\``);
    const seconds = Number(options.seconds);
    if (!(seconds > 0)) throw new Misused(`not a number of seconds: ${options.seconds}`);
    const seed = whole("seed", options.seed, 0);

    say(`seed ${seed}`);
    const { tallies, outcomes } = await runCampaign({
      ...{ seconds, seed, only },
      onProgress: (so, ms) => say(`${(ms / 1000).toFixed(0)} s: ${totals(so)}`),
      onFailure: failed,
    });
    if (sample)
      for (const { target, inputs } of outcomes) for (const input of sampleOf(inputs)) keep(target, input);
    const failures = tallies.reduce((sum, tally) => sum + tally.failures, 0);
    const report = { seconds, seed, targets: tallies, failures };
    process.stdout.write(
      json ? `${JSON.stringify(report)}\n` : `${table(tallies)}\n${totals(tallies)}, seed ${seed}\n`,
    );
    return failures === 0 ? 0 : 1;
  },
});
