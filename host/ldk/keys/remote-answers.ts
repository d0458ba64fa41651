/** From outcomes to replies, where nothing but a reply is of use. */

import { toHex } from "../../../protocol/bytes.ts";
import type { Name, Reply } from "../../../protocol/operations/index.ts";
import type { Outcome, Refusal } from "../../../protocol/outcome.ts";
import { NotUnderstood, Refused, SignerFault } from "../../failures.ts";

export const answerOf = <N extends Name>(_: N, outcome: Outcome<N>): Reply<N> => {
  switch (outcome.is) {
    case "reply":
      return outcome.reply;
    case "refusal":
      throw new Refused(outcome.refusal);
    case "malformed":
      throw new NotUnderstood(outcome.malformed.path, outcome.malformed.reason);
    case "fault":
      throw new SignerFault(outcome.fault);
  }
};

/** What a person types who agrees. Undefined where nobody is asked, or somebody has said no. */
export const approvalCommand = ({ facts }: Refusal): string | undefined => {
  const of = (wanted: string) => facts.find(({ name }) => name === wanted)?.value;
  const approval = of("approval");
  return approval === undefined || of("standing") !== "pending"
    ? undefined
    : `countersign approvals approve ${approval}`;
};

/** Nothing is wrong: a person has to agree first, or did not. */
export class NotApproved extends Error {
  override readonly name = "NotApproved";
  readonly standing: "pending" | "denied" | "settled";
  /** By which the approval is known. */
  readonly approval: Uint8Array;

  constructor(standing: "pending" | "denied" | "settled", approval: Uint8Array) {
    const id = toHex(approval);
    super(
      {
        pending: `the payment waits for approval ${id}: countersign approvals approve ${id}, then send it again`,
        denied: `the payment was denied (approval ${id})`,
        settled: `the payment was made (approval ${id})`,
      }[standing],
    );
    this.standing = standing;
    this.approval = approval;
  }
}
