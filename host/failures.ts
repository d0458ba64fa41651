/** What a call to the signer can end as, beside its reply. */

import type { Fault, Refusal } from "../protocol/outcome.ts";

/** A rule said no. Where it is not final, the same request may pass later. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    const facts = refusal.facts.map(({ name, value }) => `${name} ${value}`).join(", ");
    super(`refused by ${refusal.rule}: ${refusal.sentence} (${facts}) ${refusal.hint}`);
    this.refusal = refusal;
  }
}

/** The signer is broken and signs nothing until somebody mends it. The request stays in the outbox. */
export class SignerFault extends Error {
  override readonly name = "SignerFault";
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(`the signer has a fault (${fault.code}): ${fault.sentence}`);
    this.fault = fault;
  }
}

/** The signer could not read the request: host and signer do not speak the same language. */
export class NotUnderstood extends Error {
  override readonly name = "NotUnderstood";
  readonly path: string;

  constructor(path: string, reason: string) {
    super(path === "" ? reason : `${path}: ${reason}`);
    this.path = path;
  }
}

/** The client was closed, or a deadline passed, before the answer came. Nothing is known of the request. */
export class Unanswered extends Error {
  override readonly name = "Unanswered";
}
