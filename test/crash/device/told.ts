/** What a host heard of each channel, which a device must have in its flash by then. */

import { isKnown } from "../../../protocol/codec.ts";
import type { AnyRequest, Name, Reply } from "../../../protocol/operations/index.ts";
import type { Outcome } from "../../../protocol/outcome.ts";
import type { Checker } from "../checker.ts";

/** Numbers below which something left, as a device's standing has them. */
export interface Heard {
  readonly holder: bigint;
  readonly counterparty: bigint;
  readonly revealed: bigint;
  readonly revoked: bigint;
  /** The lowest that was signed for the chain. */
  readonly broadcast: bigint | undefined;
}

const nothing: Heard = { holder: 0n, counterparty: 0n, revealed: 0n, revoked: 0n, broadcast: undefined };

const fields = {
  validateHolderCommitment: "holder",
  signCounterpartyCommitment: "counterparty",
  revokeHolderCommitment: "revealed",
  validateCounterpartyRevocation: "revoked",
} as const;
type Counted = keyof typeof fields;
const isCounted = (name: Name): name is Counted => name in fields;

const lowest = (a: bigint | undefined, b: bigint): bigint => (a === undefined || b < a ? b : a);

export interface Told {
  readonly checker: Checker;
  readonly heard: ReadonlyMap<bigint, Heard>;
}

/** The same checker, and what it heard beside. */
export const toldTo = (checker: Checker): Told => {
  const heard = new Map<bigint, Heard>();
  const note = ({ name, body }: AnyRequest, outcome: Outcome<Name>): void => {
    if (outcome.is !== "reply" || !("channel" in body) || !isKnown(body.channel)) return;
    const before = heard.get(body.channel) ?? nothing;
    const after = (more: Partial<Heard>): void =>
      void heard.set(body.channel as bigint, { ...before, ...more });
    if (isCounted(name) && "number" in body && isKnown(body.number)) {
      const field = fields[name];
      if (body.number >= before[field]) after({ [field]: body.number + 1n });
    }
    if (name === "signHolderCommitment" && "number" in body && isKnown(body.number))
      after({ broadcast: lowest(before.broadcast, body.number) });
    if (name === "exit") {
      const { commitment } = outcome.reply as Reply<"exit">;
      if (isKnown(commitment)) after({ broadcast: lowest(before.broadcast, commitment.number) });
    }
  };
  return {
    heard,
    checker: {
      ...checker,
      sent: (request) => {
        const judge = checker.sent(request);
        return (move, outcome) => {
          note(request, outcome);
          judge(move, outcome);
        };
      },
    },
  };
};
