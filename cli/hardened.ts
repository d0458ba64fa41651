/** To be imported before anything else: what it does is done while the other modules are not even loaded. */

import { writeSync } from "node:fs";
import { type Finding, harden } from "../signer/hardening.ts";
import { SetupError } from "../signer/setup-error.ts";
import { exitOf } from "./exit.ts";

const start = (): readonly Finding[] => {
  try {
    return harden();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    writeSync(2, `countersign: ${error.message}\n${error.remedy}\n`);
    return process.exit(exitOf(error.problem));
  }
};

/** What could not be closed, for the command that loads keys to judge. */
export const findings = start();
