/** `npm run crash`: see the usage below. Progress goes to the error stream, the summary to the output. */

import { randomBytes } from "node:crypto";
import { runSuite, say, tell, whole } from "../runner.ts";
import { crashDevice } from "./device/run.ts";
import { crash } from "./run.ts";

const usage = `npm run crash -- [--device] [--cycles N] [--channels N] [--seed TEXT] [--json]

Kills a signer with SIGKILL, at random moments and at each point of a commit, while honest hosts and thieves ask it, and
compares what it says and does over all its lives. The exit code is 1 for anything but zeros behind the requests.

With its keys on a device in software each cycle kills the signer or the device, or takes away the device's power in the
middle of a write or its cable after any byte, or two of that at once; and holds the device's flash against the signer's
store.

Options:
  --device      keys on a device
  --cycles N    how often it is killed (50)
  --channels N  places of the host at which something happens (12)
  --seed TEXT   of what is asked; kills meet what they meet
  --json        one JSON line on the output
`;

const listed = (kills: number | Readonly<Record<string, number>>): string =>
  typeof kills === "number"
    ? String(kills)
    : Object.entries(kills)
        .map(([what, count]) => `${what} ${count}`)
        .join(", ");

const code = await runSuite({
  usage,
  options: {
    device: { type: "boolean", default: false },
    cycles: { type: "string", default: "50" },
    channels: { type: "string", default: "12" },
    seed: { type: "string", default: randomBytes(4).toString("hex") },
  },
  run: async ({ cycles, channels, seed, device, json }) => {
    say(`seed ${seed}`);
    const asked = {
      cycles: whole("cycles", cycles),
      channels: whole("channels", channels),
      ...{ seed, progress: say },
    };
    const { notes, seen, ...result } = device ? await crashDevice(asked) : await crash(asked);
    const counts = [...seen].map(([name, count]) => `${name} ${count}`);
    say(`operations: ${counts.toSorted().join(", ")}`);
    for (const note of notes) say(note);
    const kills = json ? result.kills : listed(result.kills);
    tell({ ...result, kills }, json);
    const { conflicts, early_secrets, lost, stuck, thefts } = result;
    const apart = "apart" in result ? result.apart : 0;
    return conflicts + early_secrets + lost + stuck + thefts + apart === 0 ? 0 : 1;
  },
});
process.exit(code);
