/** `npm run crash -- --cycles N [--channels N] [--seed TEXT] [--json]` */

import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { crash } from "./run.ts";

const usage = "usage: npm run crash -- --cycles N [--channels N] [--seed TEXT] [--json]";

const read = () => {
  try {
    const { values } = parseArgs({
      options: {
        cycles: { type: "string", default: "50" },
        channels: { type: "string", default: "12" },
        seed: { type: "string", default: randomBytes(4).toString("hex") },
        json: { type: "boolean", default: false },
      },
    });
    const cycles = Number(values.cycles);
    const channels = Number(values.channels);
    if (!(Number.isInteger(cycles) && cycles > 0 && Number.isInteger(channels) && channels > 0))
      throw new Error("not a count");
    return { ...values, cycles, channels };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
};

const { cycles, channels, seed, json } = read();
process.stderr.write(`seed ${seed}\n`);
const { notes, seen, ...result } = await crash({
  cycles,
  channels,
  seed,
  progress: (text) => process.stderr.write(`${text}\n`),
});
for (const note of notes) process.stderr.write(`${note}\n`);
if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
else
  for (const [name, value] of Object.entries(result)) process.stdout.write(`${name.padEnd(14)} ${value}\n`);
const counts = [...seen].map(([name, count]) => `${name} ${count}`);
process.stderr.write(`operations: ${counts.toSorted().join(", ")}\n`);
const { conflicts, early_secrets, lost, stuck, thefts } = result;
process.exit(conflicts + early_secrets + lost + stuck + thefts === 0 ? 0 : 1);
