/** What was found wrong before anything was asked of the signer: a file, a flag of Node, a passphrase. */
export type SetupProblem =
  | "usage"
  | "exists"
  | "missing"
  | "invalid"
  | "passphrase"
  | "permissions"
  | "unsafe"
  | "unavailable"
  | "interrupted";

/** Meant for the operator, in words: never a secret in it, and never mixed with a fault, which is a bug or a broken disk. */
export class SetupError extends Error {
  override readonly name = "SetupError";
  readonly problem: SetupProblem;
  readonly remedy: string;

  constructor(problem: SetupProblem, message: string, remedy = "") {
    super(message);
    this.problem = problem;
    this.remedy = remedy;
  }
}
