/** A Lightning node without keys, on this machine, in a minute. */

import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exitCodes } from "../exit.ts";
import { toJson } from "../json.ts";
import { play, type Tally } from "./scenario.ts";
import { openTimeline } from "./timeline.ts";

export interface DemoOptions {
  readonly json?: true;
  readonly keep?: true;
  readonly device?: true;
}

const deviceIntro = `Three Lightning nodes on a chain of their own. Bob's machine holds no keys, and neither does his signer: they are on a
device in software, in a process of its own, with a screen and two buttons. What it shows stands in the boxes; a person in
software holds its buttons. Nothing leaves this machine, and no money is real.
`;

const intro = `Three Lightning nodes on a chain of their own. Bob's machine holds no keys: a signer in another process does,
and signs what its rules allow. Nothing leaves this machine, and no money is real.
`;

export const run = async (options: DemoOptions): Promise<void> => {
  const [json, keep] = [options.json === true, options.keep === true];
  const directory = mkdtempSync(join(tmpdir(), "countersign-demo-"));
  const write = (text: string): void => void process.stdout.write(text);
  const timeline = openTimeline({ json, live: process.stdout.isTTY === true, write });
  if (!json) write(`${options.device === true ? deviceIntro : intro}\n`);
  const children: ChildProcess[] = [];
  // Also where Ctrl-C, or a reader that has left, ends it: no signer goes on without its demo, and no keys stay behind.
  const clear = (): void => {
    for (const child of children) child.kill("SIGKILL");
    if (!keep) rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  };
  process.on("exit", clear);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => {
      process.stderr.write("\ncountersign: interrupted\n");
      process.exit(exitCodes.interrupted.code);
    });
  let tally: Tally | undefined;
  try {
    tally = await play({
      timeline,
      directory,
      onDevice: options.device === true,
      onProcess: (child) => void children.push(child),
    });
  } catch (error) {
    // The step has told what was wrong.
    if (!(error instanceof Error)) throw error;
    process.exitCode = exitCodes.fault.code;
    if (json) write(`${toJson({ ok: false, reason: error.message, seconds: timeline.seconds() })}\n`);
  } finally {
    clear();
    process.off("exit", clear);
    if (keep && !json) write(`\nWhat the nodes and the signer wrote is in ${directory}\n`);
  }
  if (tally === undefined) return;
  const { payments, refusals, crashes } = tally;
  if (json) write(`${toJson({ ok: true, payments, refusals, crashes, seconds: timeline.seconds() })}\n`);
  else
    write(
      `\nDone in ${timeline.seconds()} s: ${payments} payments, ${refusals} refusals, ${crashes} ${crashes === 1 ? "crash" : "crashes"}, each step checked.\n`,
    );
};
