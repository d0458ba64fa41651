import type { Fault as Told } from "../../protocol/outcome.ts";

/** Something broke: no rule's word, and nobody's bad bytes. What it says goes to the host, so it names no secret. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: Told["code"];

  constructor(code: Told["code"], sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.code = code;
  }
}

export const toldOf = (error: unknown): Told =>
  error instanceof Fault
    ? { code: error.code, sentence: error.message }
    : { code: "internal", sentence: "the signer has a defect: see its log" };
