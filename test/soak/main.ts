/** `npm run soak`: see the usage below. Progress goes to the error stream, the summary to the output. */

import { randomBytes } from "node:crypto";
import { Misused, runSuite, say, tell } from "../runner.ts";
import { soak } from "./run.ts";

const usage = `npm run soak -- [--minutes N] [--seed TEXT] [--keyless 1|2] [--keep] [--json]

LDK nodes and their signers pay each other while both are killed and the line between them is cut and slowed. The exit
code is 1 where a payment is stuck, lost or made twice, or a channel closes that nobody closed.

Options:
  --minutes N    how long (2)
  --seed TEXT    of what happens when; kills meet what they meet
  --keyless 1|2  how many of the nodes are without keys (2)
  --keep         leaves the nodes' files behind, for a look at what went wrong
  --json         one JSON line on the output
`;

const secondsOf = (minutes: string): number => {
  const seconds = Number(minutes) * 60;
  if (!(seconds > 0 && seconds < 600_000)) throw new Misused(`--minutes is a number, not ${minutes}`);
  return seconds;
};

const keylessOf = (text: string): 1 | 2 => {
  if (text === "1") return 1;
  if (text === "2") return 2;
  throw new Misused("one or two nodes are without keys");
};

const code = await runSuite({
  usage,
  options: {
    minutes: { type: "string", default: "2" },
    seed: { type: "string", default: randomBytes(4).toString("hex") },
    keyless: { type: "string", default: "2" },
    keep: { type: "boolean", default: false },
  },
  run: async ({ minutes, seed, keyless, keep, json }) => {
    say(`seed ${seed}`);
    const { notes, refused, broken, ...result } = await soak({
      ...{ seconds: secondsOf(minutes), seed, keyless: keylessOf(keyless), keep },
      progress: say,
    });
    say(`refused ${refused}, broken ${broken}`);
    tell(result, json);
    const { stuck, lost, double, closed_unexpectedly } = result;
    return stuck + lost + double + closed_unexpectedly + refused + broken === 0 ? 0 : 1;
  },
});
process.exit(code);
