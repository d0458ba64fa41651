/** signClosing: as often as the negotiation needs. */

import { encodeTx } from "../../../protocol/bitcoin/tx.ts";
import { buildClosing, type Closing } from "../../../protocol/bolt/closing.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import { afterFee } from "../outpoints.ts";
import type { Signed } from "../ports.ts";
import { judge, refuse } from "../rule.ts";
import { closingRules } from "../rules/closing.ts";
import { textOf } from "../rules/table.ts";
import type { Live } from "../state.ts";
import { liveOf, noChannel, refused, type Step, type View } from "../step.ts";

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

const costs = (view: View, { setup: { terms, funding } }: Live, { outputs }: Closing["tx"]) =>
  terms.opener === "holder"
    ? afterFee(
        view,
        funding,
        outputs.reduce<bigint>((left, { value }) => left - value, terms.value),
      )
    : {};

export const signClosing: Step<"signClosing", undefined> = {
  essence: (body) => ({ ...body, expected: unknown }),
  prepare: () => undefined,
  decide: ({ body, view, settings: { policy } }) => {
    const live = liveOf(view.channel);
    if (live === undefined) return noChannel(body.channel, view.channel);
    const refusal = judge(closingRules, { live, policy, close: body, payer: live.setup.terms.opener });
    if (refusal !== undefined) return refused(refusal);
    const { tx, txid, digest } = build(body, live);
    if (isKnown(body.expected) && !equal(body.expected, encodeTx(tx)))
      return refused(refuse(textOf("mutual-other"), { rebuilt: txid }));
    return {
      is: "signed",
      change: { ...costs(view, live, tx), channel: { ...live, phase: "closing" } },
      job: { kind: "closing", channel: body.channel, digest },
      reply: (_, signed) => signed as Signed["closing"],
    };
  },
};
