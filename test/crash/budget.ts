/** What the windows of a day must show at least, by what was acknowledged: kept apart from the signer's own sums. */

import { toHex } from "../../protocol/bytes.ts";
import type { AnyRequest, Name, Reply } from "../../protocol/operations/index.ts";

type Windows = Reply<"status">["windows"];
type Floor = ReadonlyMap<Windows[number]["name"], bigint>;

export interface Budget {
  sent(request: AnyRequest): void;
  answered(request: AnyRequest, reply: Reply<Name>): void;
  /** Of now; what is acknowledged later need not be in an answer that is under way. */
  floor(): Floor;
}

export const budget = (): Budget => {
  const reserved = new Map<string, bigint>();
  const asked = new Map<string, { readonly hash: string; readonly amount: bigint }>();
  const funded = new Map<string, bigint>();
  const seen = new Map<Windows[number]["name"], bigint>();
  const sum = (values: Iterable<bigint>): bigint => [...values].reduce((total, one) => total + one, 0n);
  return {
    sent: (request) => {
      // From here on it may be free again, whether its answer comes or not.
      if (request.name === "withdrawPayment") reserved.delete(toHex(request.body.hash));
      if (request.name === "decideApproval" && request.body.verdict === "deny")
        reserved.delete(asked.get(toHex(request.body.id))?.hash ?? "");
    },
    answered: (request, reply) => {
      const { name, body } = request;
      if (name === "proposePayment") {
        const { standing, approval } = reply as Reply<"proposePayment">;
        const [hash, amount] = [toHex(body.hash), body.amount + body.feeLimit];
        asked.set(toHex(approval), { hash, amount });
        if (standing === "approved") reserved.set(hash, amount);
      }
      if (name === "decideApproval" && body.verdict === "approve") {
        const what = asked.get(toHex(body.id));
        if (what !== undefined) reserved.set(what.hash, what.amount);
      }
      if (name === "setup") funded.set(String(body.channel), body.terms.contribution * 1000n);
      if (name === "status")
        for (const window of (reply as Reply<"status">).windows)
          if (window.name !== "sent" && window.spent > (seen.get(window.name) ?? 0n))
            seen.set(window.name, window.spent);
    },
    floor: () => new Map([...seen, ["sent", sum(reserved.values())], ["funded", sum(funded.values())]]),
  };
};

export const shrunk = ({ windows }: Reply<"status">, floor: Floor): string | undefined => {
  for (const [name, least] of floor) {
    const spent = windows.find((one) => one.name === name)?.spent;
    if (spent === undefined || spent < least)
      return `the window ${name} has ${spent} where ${least} was acknowledged`;
  }
  return undefined;
};
