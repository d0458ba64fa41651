/** signClosing: as often as the negotiation needs. */

import { encodeTx } from "../../../protocol/bitcoin/tx.ts";
import { buildClosing, type Closing } from "../../../protocol/bolt/closing.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { Signed } from "../ports.ts";
import { judge, type Rule, refuse } from "../rule.ts";
import { closingRules } from "../rules/closing.ts";
import type { Live } from "../state.ts";
import { liveOf, noChannel, refused, type Step } from "../step.ts";

const build = (close: Request<"signClosing">, { setup }: Live): Closing =>
  buildClosing({
    fundingOutpoint: setup.funding,
    fundingValue: setup.terms.value,
    fundingKeys: [setup.holder.funding, setup.counterparty.funding],
    outputs: [
      { value: close.toHolder, script: close.holderScript },
      { value: close.toCounterparty, script: close.counterpartyScript },
    ],
  });

const differs: Omit<Rule<never>, "check"> = {
  name: "mutual-other",
  kind: "core",
  sentence: "The host's closing transaction is the one that the signer builds, byte for byte.",
  hint: "The host's transaction has other inputs, outputs, locktime, version or order.",
};

export const signClosing: Step<"signClosing", undefined> = {
  prepare: () => undefined,
  decide: ({ body, view, settings: { policy } }) => {
    const live = liveOf(view.channel);
    if (live === undefined) return noChannel({ channel: body.channel });
    const refusal = judge(closingRules, { live, policy, close: body });
    if (refusal !== undefined) return refused(refusal);
    const { tx, txid, digest } = build(body, live);
    if (isKnown(body.expected) && !equal(body.expected, encodeTx(tx)))
      return refused(refuse(differs, { rebuilt: txid }));
    return {
      is: "signed",
      change: { channel: { ...live, phase: "closing" } },
      job: { kind: "closing", channel: body.channel, digest },
      reply: (_, signed) => signed as Signed["closing"],
    };
  },
};
