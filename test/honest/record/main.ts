/** `npm run record -- [NAME ...]`: plays the scenes with LDK nodes and writes down what their signer was asked. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { sceneNames } from "./names.ts";

const wanted = process.argv.slice(2);
const strange = wanted.filter((name) => !sceneNames.some((one) => one === name));
if (strange.length > 0) {
  process.stderr.write(`no scene is called ${strange.join(", ")}: ${sceneNames.join(", ")}\n`);
  process.exit(2);
}
/** Milliseconds for one scene: the longest takes half a minute. */
const patience = 120_000;
const failed: string[] = [];
for (const name of wanted.length > 0 ? wanted : sceneNames) {
  // LDK's memory is not given back, so that a process for all of them would run out of it.
  const child = spawn(process.execPath, [`${import.meta.dirname}/one.ts`, name], {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: patience,
    killSignal: "SIGKILL",
  });
  const [code] = await once(child, "exit");
  if (code !== 0) failed.push(name);
}
if (failed.length > 0) process.stderr.write(`not recorded: ${failed.join(", ")}\n`);
process.exit(failed.length === 0 ? 0 : 1);
