/** A mutual close is judged against the live commitments; any number of rounds, each anew. */

import { closingWeight, feeOf } from "../../../protocol/bolt/weight.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Side } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import { dustLimitOf, listOf, max, min } from "../balance.ts";
import type { Policy } from "../policy.ts";
import type { Rule } from "../rule.ts";
import type { Live } from "../state.ts";
import { isOurs } from "./setup.ts";
import { rule } from "./table.ts";

export interface ClosingView {
  readonly live: Live;
  readonly policy: Policy;
  readonly close: Request<"signClosing">;
  /** Of the fee: the opener, and in a simple close the closer. */
  readonly payer: Side;
  /** Where the proposal says it: more may be left by rounding, or as dust. */
  readonly fee?: bigint;
}

const sides = ["holder", "counterparty"] as const;

/** With what was left out as dust, and what both balances had under a satoshi. What the other side gets is no fee. */
const feeOfClose = ({ live, close, fee }: ClosingView): bigint => {
  const left = live.setup.terms.value - close.toHolder - close.toCounterparty;
  return fee === undefined ? left : min(fee, left);
};

/** The most, in satoshi, that any live commitment gives us before fees. */
const balance = ({ holder, counterparty }: Live): bigint =>
  [...holder.variants, ...counterparty.variants].reduce((most, { balance: { low } }) => max(most, low), 0n) /
  1000n;

/** Up to it an output may be left out (BOLT 2, "Closing Negotiation"; LDK leaves one of exactly this value out). */
const dust = ({ live: { setup } }: ClosingView): bigint =>
  sides.map((side) => dustLimitOf(setup.terms[side].dustLimit).most).reduce<bigint>(max, 0n);

export const closingRules: readonly Rule<ClosingView>[] = [
  rule("mutual-other", ({ live, close }) => {
    const { funding, terms } = live.setup;
    if (!equal(close.funding.txid, funding.txid) || close.funding.index !== funding.index)
      return { asked: close.funding.txid, funding: funding.txid };
    if (close.toHolder + close.toCounterparty > terms.value)
      return { outputs: close.toHolder + close.toCounterparty, value: terms.value };
    if (close.toHolder === 0n && close.toCounterparty === 0n) return { outputs: 0 };
    return equal(close.holderScript, close.counterpartyScript) ? { bothPay: close.holderScript } : undefined;
  }),
  /**
   * One such commitment of each side is enough. Another content may be live that a crash made both sides forget;
   * what it holds is no cover for anything, and our value is the most that any of them gives us.
   */
  rule("mutual-no-pending-htlcs", ({ live }) => {
    for (const side of sides) {
      const { variants } = live[side];
      if (!variants.some((content) => listOf(content).length === 0))
        return { side, liveCommitments: variants.length };
    }
    return undefined;
  }),
  rule("mutual-value-matches-commitment", (view) => {
    const { live, close, payer } = view;
    const fee = payer === "holder" ? feeOfClose(view) : 0n;
    const due = balance(live) - fee;
    if (close.toHolder + 1n >= due) return undefined;
    return close.toHolder === 0n && due <= dust(view) ? undefined : { toHolder: close.toHolder, due, fee };
  }),
  rule("mutual-destination-allowlisted", ({ live: { setup }, policy, close }) => {
    const upfront = setup.terms.holder.upfrontScript;
    const agreed = isKnown(upfront) && upfront.length > 0 && equal(upfront, close.holderScript);
    const ours = agreed || isOurs({ policy, closingScript: setup.closingScript }, close.holderScript);
    return close.toHolder === 0n || ours ? undefined : { script: close.holderScript };
  }),
  rule("mutual-fee-range", (view) => {
    const { policy, close, payer } = view;
    if (payer !== "holder") return undefined;
    // Nodes reckon with both outputs, and what is left out as dust is fee too, but nobody's choice.
    const weight = closingWeight([close.holderScript, close.counterpartyScript]);
    const left = close.toHolder === 0n || close.toCounterparty === 0n ? dust(view) : 0n;
    const most = feeOf(weight, policy.maxClosingFeerate) + left + 1n;
    const fee = feeOfClose(view);
    return fee > most ? { fee, max: most } : undefined;
  }),
];
