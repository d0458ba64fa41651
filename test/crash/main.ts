/** `npm run crash`: see the usage below. Progress goes to the error stream, the summary to the output. */

import { randomBytes } from "node:crypto";
import { runSuite, say, tell, whole } from "../runner.ts";
import { crash } from "./run.ts";

const usage = `npm run crash -- [--cycles N] [--channels N] [--seed TEXT] [--json]

Kills a signer with SIGKILL, at random moments and at each point of a commit, while honest hosts and thieves ask it, and
compares what it says and does over all its lives. The exit code is 1 for anything but zeros behind the requests.

Options:
  --cycles N    how often it is killed (50)
  --channels N  places of the host at which something happens (12)
  --seed TEXT   of what is asked; kills meet what they meet
  --json        one JSON line on the output
`;

const code = await runSuite({
  usage,
  options: {
    cycles: { type: "string", default: "50" },
    channels: { type: "string", default: "12" },
    seed: { type: "string", default: randomBytes(4).toString("hex") },
  },
  run: async ({ cycles, channels, seed, json }) => {
    say(`seed ${seed}`);
    const { notes, seen, ...result } = await crash({
      cycles: whole("cycles", cycles),
      channels: whole("channels", channels),
      ...{ seed, progress: say },
    });
    const counts = [...seen].map(([name, count]) => `${name} ${count}`);
    say(`operations: ${counts.toSorted().join(", ")}`);
    for (const note of notes) say(note);
    tell(result, json);
    const { conflicts, early_secrets, lost, stuck, thefts } = result;
    return conflicts + early_secrets + lost + stuck + thefts === 0 ? 0 : 1;
  },
});
process.exit(code);
