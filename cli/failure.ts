import { CommanderError } from "commander";
import { Malformed } from "../protocol/malformed.ts";
import { faultText } from "../signer/hardening.ts";
import { SetupError } from "../signer/setup-error.ts";
import { exitCodes, exitOf, Unable } from "./exit.ts";

export interface Failure {
  readonly code: number;
  /** For the error stream; empty where all was said already. */
  readonly text: string;
}

export const failureOf = (error: unknown): Failure => {
  if (error instanceof SetupError) {
    const remedy = error.remedy === "" ? "" : `\n${error.remedy}`;
    return { code: exitOf(error.problem), text: `countersign: ${error.message}${remedy}` };
  }
  if (error instanceof Unable)
    return { code: exitCodes[error.exit].code, text: `countersign: ${error.message}` };
  if (error instanceof Malformed)
    return { code: exitCodes.invalid.code, text: `countersign: ${error.message}` };
  // Commander has printed the help or the reason itself. Help that was asked for is no error, and has 0 there too.
  if (error instanceof CommanderError)
    return { code: error.exitCode === 0 ? exitCodes.ok.code : exitCodes.usage.code, text: "" };
  return { code: exitCodes.fault.code, text: `countersign: ${faultText(error)}` };
};
