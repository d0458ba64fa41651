/** Exit codes are for scripts: documented in the README, and never given another meaning. */

import type { SetupProblem } from "../signer/setup-error.ts";

export const exitCodes = {
  ok: { code: 0, meaning: "done" },
  fault: { code: 1, meaning: "something broke: a bug, or the machine" },
  usage: { code: 2, meaning: "the command line is wrong; nothing was done" },
  refused: { code: 3, meaning: "a rule said no, or something would have been overwritten; nothing was done" },
  invalid: { code: 4, meaning: "a file or the words are missing, damaged or not valid" },
  passphrase: { code: 5, meaning: "the passphrase or the PIN is wrong, or too weak" },
  unsafe: { code: 6, meaning: "files or the process are open to others; the message says how to close them" },
  unavailable: { code: 69, meaning: "no signer answers, or this system lacks what it needs" },
  interrupted: { code: 130, meaning: "interrupted by the operator" },
} as const;

export type Exit = keyof typeof exitCodes;

const exits: Readonly<Record<SetupProblem, Exit>> = {
  usage: "usage",
  exists: "refused",
  missing: "invalid",
  invalid: "invalid",
  passphrase: "passphrase",
  permissions: "unsafe",
  unsafe: "unsafe",
  unavailable: "unavailable",
  interrupted: "interrupted",
};

export const exitOf = (problem: SetupProblem): number => exitCodes[exits[problem]].code;

/** The signer answered, and not with what was asked for. */
export class Unable extends Error {
  override readonly name = "Unable";
  readonly exit: Exit;

  constructor(exit: Exit, message: string) {
    super(message);
    this.exit = exit;
  }
}

/** For `--help`. */
export const exitTable = (): string =>
  Object.values(exitCodes)
    .map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`)
    .join("\n");
