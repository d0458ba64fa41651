/** signSimpleClosing: those forms of one proposal that the rules of a mutual close allow. */

import {
  buildSimpleClose,
  type CloseSide,
  type CloseVariant,
  closeVariants,
  outputsOf,
  type SimpleClose,
  type SimpleCloseTerms,
} from "../../../protocol/bolt/simple-close.ts";
import { type Maybe, unknown } from "../../../protocol/codec.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import { type Sat, type Signature, sat } from "../../../protocol/units.ts";
import { afterFee } from "../outpoints.ts";
import type { Signed } from "../ports.ts";
import { judge, refuse } from "../rule.ts";
import { closingRules } from "../rules/closing.ts";
import { textOf } from "../rules/table.ts";
import { type Live, other } from "../state.ts";
import { given, liveOf, noChannel, refused, type Settings, type Step } from "../step.ts";

type Asked = Request<"signSimpleClosing">;

const termsOf = (asked: Asked, { setup }: Live): SimpleCloseTerms => {
  const side = (of: "holder" | "counterparty"): CloseSide => ({
    balance: asked[of],
    script: of === "holder" ? asked.holderScript : asked.counterpartyScript,
  });
  return {
    fundingOutpoint: setup.funding,
    fundingValue: setup.terms.value,
    fundingKeys: [setup.holder.funding, setup.counterparty.funding],
    closer: side(asked.closer),
    closee: side(other(asked.closer)),
    fee: asked.fee,
    locktime: asked.locktime,
  };
};

interface Form {
  readonly variant: CloseVariant;
  readonly close: SimpleClose;
}

/** Held against the rules as the close that it is: what each output pays. */
const judgeForm = (
  { variant, close }: Form,
  asked: Asked,
  terms: SimpleCloseTerms,
  live: Live,
  { policy }: Settings,
): Refusal | undefined => {
  const present = outputsOf(variant);
  const paid = (of: "holder" | "counterparty"): Sat => {
    const party = of === asked.closer ? "closer" : "closee";
    if (!present.includes(party)) return sat(0n);
    const { script } = terms[party];
    return given(
      close.tx.outputs.find((output) => output.script === script),
      "output",
    ).value;
  };
  const { node, channel, funding, holderScript, counterpartyScript, closer, fee } = asked;
  const scripts = { holderScript, counterpartyScript };
  const values = { toHolder: paid("holder"), toCounterparty: paid("counterparty") };
  const said = { node, channel, funding, ...scripts, ...values, expected: unknown } as const;
  return judge(closingRules, { live, policy, close: said, payer: closer, fee });
};

export const signSimpleClosing: Step<"signSimpleClosing", undefined> = {
  prepare: () => undefined,
  decide: ({ body, view, settings }) => {
    const live = liveOf(view.channel);
    if (live === undefined) return noChannel(body.channel, view.channel);
    const terms = termsOf(body, live);
    const forms = closeVariants(terms).flatMap((variant): readonly Form[] => {
      const close = buildSimpleClose(terms, variant);
      return close === undefined || close.feePaid < 0n ? [] : [{ variant, close }];
    });
    const judged = forms.map((form) => ({ form, refusal: judgeForm(form, body, terms, live, settings) }));
    const good = judged.flatMap(({ form, refusal }) => (refusal === undefined ? [form] : []));
    if (good.length === 0)
      return refused(judged[0]?.refusal ?? refuse(textOf("mutual-other"), { forms: 0, fee: body.fee }));
    const costs = body.closer === "holder" ? afterFee(view, live.setup.funding, body.fee) : {};
    return {
      is: "signed",
      change: { ...costs, channel: { ...live, phase: "closing" } },
      job: { kind: "closings", channel: body.channel, digests: good.map(({ close }) => close.digest) },
      reply: (_, signed) => {
        const { signatures } = signed as Signed["closings"];
        const of = (wanted: CloseVariant): Maybe<Signature> =>
          signatures[good.findIndex(({ variant }) => variant === wanted)] ?? unknown;
        return {
          closerOutputOnly: of("closer_output_only"),
          closeeOutputOnly: of("closee_output_only"),
          closerAndCloseeOutputs: of("closer_and_closee_outputs"),
        };
      },
    };
  },
};
