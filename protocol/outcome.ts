/** What a request can end as. Three failures, never mixed; all of them are values here. */

import { bool, choice, list, message, text, type ValueOf } from "./codec.ts";
import type { Malformed } from "./malformed.ts";
import type { Name, Reply } from "./operations/index.ts";

export const fact = message("Fact", { name: text("what was compared", 64), value: text("its value", 256) });
export type Fact = ValueOf<typeof fact>;

/** A rule said no. Audited; leaves the connection and the node up. */
export const refusal = message("Refusal", {
  rule: text("name of the rule", 64),
  kind: choice("RuleKind", ["core", "limit", "consent"]),
  /** False: the same request may pass later. */
  final: bool,
  sentence: text("what the rule demands", 512),
  facts: list(fact, 32),
  hint: text("what the operator can do", 512),
});
export type Refusal = ValueOf<typeof refusal>;

/** The bytes were no request; the stream that they came on closes. */
export const malformed = message("MalformedRequest", {
  path: text("path of the field", 256),
  reason: text("what is wrong with it", 512),
});

/** Something broke in the signer: it signs nothing more until it is restarted or mended. */
export const fault = message("Fault", {
  code: choice("FaultCode", ["store", "keyring", "stale", "overload", "internal"]),
  sentence: text("what broke, for the operator", 512),
});
export type Fault = ValueOf<typeof fault>;

export type Outcome<N extends Name> =
  | { readonly is: "reply"; readonly reply: Reply<N> }
  | { readonly is: "refusal"; readonly refusal: Refusal }
  | { readonly is: "malformed"; readonly malformed: ValueOf<typeof malformed> }
  | { readonly is: "fault"; readonly fault: Fault };

/** As much of a text as fits into `max` bytes of UTF-8. */
export const clip = (text: string, max: number): string => {
  const wellFormed = text.toWellFormed();
  const { read, written } = new TextEncoder().encodeInto(wellFormed, new Uint8Array(max));
  return read < wellFormed.length && written <= max ? wellFormed.slice(0, read) : wellFormed;
};

/** Reasons can quote what a stranger sent, at any length. */
export const malformedOf = (error: Malformed): ValueOf<typeof malformed> => ({
  path: clip(error.path, 256),
  reason: clip(error.reason, 512),
});
