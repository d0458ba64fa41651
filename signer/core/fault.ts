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
