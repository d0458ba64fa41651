/** `npm run soak -- --minutes N [--seed TEXT] [--keyless 1|2] [--keep] [--json]` */

import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";
import { soak } from "./run.ts";

const usage = "usage: npm run soak -- --minutes N [--seed TEXT] [--keyless 1|2] [--keep] [--json]";

const read = () => {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string", default: "2" },
        seed: { type: "string", default: randomBytes(4).toString("hex") },
        keyless: { type: "string", default: "2" },
        keep: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
      },
    });
    const minutes = Number(values.minutes);
    if (!(minutes > 0 && minutes < 10_000)) throw new Error("not a count of minutes");
    const { keyless } = values;
    if (keyless !== "1" && keyless !== "2") throw new Error("one or two nodes are without keys");
    return { ...values, minutes, keyless: keyless === "1" ? (1 as const) : (2 as const) };
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    return process.exit(2);
  }
};

const { minutes, seed, keyless, keep, json } = read();
process.stderr.write(`seed ${seed}\n`);
const { notes, refused, broken, ...result } = await soak({
  ...{ seconds: minutes * 60, seed, keyless, keep },
  progress: (text) => process.stderr.write(`${text}\n`),
});
process.stderr.write(`refused ${refused}, broken ${broken}\n`);
if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
else
  for (const [name, value] of Object.entries(result)) process.stdout.write(`${name.padEnd(20)} ${value}\n`);
const { stuck, lost, double, closed_unexpectedly } = result;
process.exit(stuck + lost + double + closed_unexpectedly + refused + broken === 0 ? 0 : 1);
