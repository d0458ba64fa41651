/** One scene, in a process of its own. */

import { replay } from "../replay.ts";
import { saveRecording } from "./files.ts";
import { scenes } from "./flows/index.ts";
import { sceneNames } from "./names.ts";
import { record } from "./town.ts";

const name = sceneNames.find((one) => one === process.argv[2]);
if (name === undefined) throw new Error("no scene of that name");
const begun = performance.now();
try {
  const recording = await record(name, scenes[name]);
  const { failures } = await replay(recording);
  if (failures.length > 0) throw new Error(`it can't be replayed: ${failures.join("\n")}`);
  const length = saveRecording(name, recording);
  const took = Math.round(performance.now() - begun);
  process.stdout.write(
    `${name.padEnd(28)} made anew: ${recording.entries.length} requests, ${length} bytes, ${took} ms\n`,
  );
  process.exit(0);
} catch (error) {
  process.stderr.write(`${name.padEnd(28)} failed: ${(error as Error).stack}\n`);
  process.exit(1);
}
