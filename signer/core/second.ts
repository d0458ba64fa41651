/**
 * Keys may sit behind a core of their own, on a device: it judges again, on its own state, what changes or signs
 * anything, and its outcome is the answer. What this signer knows alone (chain, status, limits) is not shown to it.
 */

import { unknown } from "../../protocol/codec.ts";
import type { AnyRequest, Name, Reply } from "../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import type { Change, Decision } from "./step.ts";

export const judgedTwice: ReadonlySet<Name> = new Set<Name>([
  "new",
  "check",
  "setup",
  "signCounterpartyCommitment",
  "validateHolderCommitment",
  "revokeHolderCommitment",
  "validateCounterpartyRevocation",
  "signHolderCommitment",
  "signClosing",
  "signSimpleClosing",
  "signSplice",
  "spend",
  "proposePayment",
  "withdrawPayment",
  "showPreimages",
  "signInvoice",
  "signBolt12",
  "signGossip",
  "signMessage",
  "deriveSecret",
  "inboundPaymentKey",
  "forget",
]);

/** An id is given out by this signer, which may have given out some before it had this device. */
export const askedOf = (request: AnyRequest, reply: Reply<Name> | undefined): AnyRequest =>
  request.name === "new" && reply !== undefined
    ? { name: "new", body: { ...request.body, wanted: (reply as Reply<"new">).channel } }
    : request;

/** Of a refusal that waits for a person. */
export const questionIn = ({ final, facts }: Refusal): string | undefined =>
  !final && facts.some(({ name, value }) => name === "standing" && value === "pending")
    ? facts.find(({ name }) => name === "approval")?.value
    : undefined;

/** So that an operator sees which of the two it was. */
const saidBy = (outcome: Outcome<Name>): Outcome<Name> =>
  outcome.is === "refusal" && outcome.refusal.facts.length < 32
    ? {
        ...outcome,
        refusal: { ...outcome.refusal, facts: [...outcome.refusal.facts, { name: "by", value: "device" }] },
      }
    : outcome;

/** What takes the place of the job's signatures: those of the replies, in order; or the first outcome that is none. */
export const signaturesIn = (
  outcomes: readonly Outcome<Name>[],
): { readonly signatures: readonly Uint8Array[] } | { readonly other: Outcome<Name> } => {
  const signatures: Uint8Array[] = [];
  for (const outcome of outcomes) {
    if (outcome.is !== "reply") return { other: saidBy(outcome) };
    const { reply } = outcome;
    if ("signatures" in reply) signatures.push(...reply.signatures.filter((one) => one !== unknown));
    else if ("signature" in reply) signatures.push(reply.signature);
  }
  return { signatures };
};

/** Of a channel that is over here, and that a device keeps until its person says so: that is the device's own matter. */
const isKeptThere = ({ name }: AnyRequest, theirs: Outcome<Name>): boolean =>
  name === "forget" &&
  theirs.is === "refusal" &&
  ["channel-settled", "channel-known"].includes(theirs.refusal.rule);

interface Twice {
  /** Made durable before it is shown there. */
  readonly change: Change;
  /** What is answered once it was. */
  outcome(theirs: Outcome<Name>): Outcome<Name>;
}

/**
 * Undefined where this signer's word is the last one. What waits for a person here is shown there all the same: whoever
 * says yes at the device is heard here too.
 */
export const twiceOf = (decision: Decision<Name>, request: AnyRequest): Twice | undefined => {
  switch (decision.is) {
    case "told":
      return { change: {}, outcome: saidBy };
    case "kept": {
      const own = (): Outcome<Name> => ({ is: "reply", reply: decision.reply({ points: [] }) });
      return {
        change: decision.change,
        outcome: (theirs) => (isKeptThere(request, theirs) ? own() : saidBy(theirs)),
      };
    }
    case "signed":
      return { change: decision.change, outcome: saidBy };
    case "asked":
    case "refused": {
      const { refusal } = decision;
      if (questionIn(refusal) === undefined) return undefined;
      return {
        change: decision.is === "asked" ? decision.change : {},
        outcome: () => ({ is: "refusal", refusal }),
      };
    }
  }
};
