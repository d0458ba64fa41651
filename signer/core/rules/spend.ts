/** What a transaction that claims from channels must keep to (BOLT 3 and 5). */

import { p2wsh } from "../../../protocol/bitcoin/script.ts";
import type { TxOutput } from "../../../protocol/bitcoin/tx.ts";
import { deriveKey, deriveRevocationKey } from "../../../protocol/bolt/derive.ts";
import { delayedScript } from "../../../protocol/bolt/scripts.ts";
import { type Misfit, misfitOf } from "../../../protocol/bolt/spend-sign.ts";
import { equal } from "../../../protocol/bytes.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import type { Height, Point, Script } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";
import { type Facts, type Rule, refuse } from "../rule.ts";
import type { ChannelInput } from "../spend/inputs.ts";
import { claimsIn, feeIn, isJustice, othersOf, type Spending, type Sums } from "../spend/sums.ts";
import { given } from "../step.ts";
import { type RuleName, rule, textOf } from "./table.ts";

export interface SpendView extends Spending {
  readonly sums: Sums;
  readonly policy: Policy;
  readonly curve: Curve;
  readonly height: Height | undefined;
}

/** The part of our HTLC transaction's output that a host has got wrong: a script hash does not tell by itself. */
const mistakeIn = (
  { live, origin, plan }: ChannelInput,
  output: TxOutput | undefined,
  curve: Curve,
): RuleName => {
  const { countersigned } = plan;
  if (output === undefined || origin === undefined || countersigned === undefined) return "htlc-other";
  if (equal(output.script, countersigned.output.script))
    return output.value === countersigned.output.value ? "htlc-other" : "htlc-fee-range";
  const { terms, holder, counterparty } = live.setup;
  const { point } = origin;
  const keys = {
    revocation: deriveRevocationKey(curve, counterparty.revocation, point),
    broadcasterDelayed: deriveKey(curve, holder.delayed, point),
  };
  const is = (change: Partial<typeof keys>, delay = terms.counterparty.toSelfDelay): boolean =>
    equal(output.script, p2wsh(delayedScript({ keys: { ...keys, ...change }, delay })) satisfies Script);
  const anyOf = (name: keyof typeof keys, candidates: readonly Point[]): boolean =>
    candidates.some((key) => is({ [name]: key }));
  if (is({}, terms.holder.toSelfDelay)) return "htlc-to-self-delay";
  const revocations = [
    deriveRevocationKey(curve, holder.revocation, point),
    counterparty.revocation,
    holder.revocation,
    deriveKey(curve, counterparty.revocation, point),
  ];
  if (anyOf("revocation", revocations)) return "htlc-revocation-pubkey";
  const delayed = [holder.delayed, counterparty.delayed, deriveKey(curve, counterparty.delayed, point)];
  return anyOf("broadcasterDelayed", delayed) ? "htlc-delayed-pubkey" : "htlc-other";
};

const names: Readonly<Record<"htlc" | "sweep", Readonly<Record<Misfit, RuleName>>>> = {
  htlc: {
    version: "htlc-version",
    locktime: "htlc-locktime",
    sequence: "htlc-sequence",
    other: "htlc-other",
  },
  sweep: {
    version: "sweep-version",
    locktime: "sweep-locktime",
    sequence: "sweep-sequence",
    other: "sweep-other",
  },
};

/** Of the first input that is not what BOLT 3 says. */
export const misfitRefusal = (view: SpendView): Refusal | undefined => {
  const { tx, curve } = view;
  for (const input of claimsIn(view)) {
    const { index, plan, kind } = input;
    const misfit = misfitOf({ tx, index, plan });
    if (misfit === undefined) continue;
    const output = tx.outputs[index];
    const of = kind === "holderHtlc" ? "htlc" : "sweep";
    const name = of === "htlc" && misfit === "other" ? mistakeIn(input, output, curve) : names[of][misfit];
    const facts: Facts = {
      ...{ input: index, version: tx.version, locktime: tx.locktime },
      sequence: given(tx.inputs[index], "input").sequence,
      ...(output === undefined ? {} : { value: output.value, script: output.script }),
    };
    return refuse(textOf(name), facts);
  }
  return undefined;
};

/** Blocks by which a host may be ahead of the chain that the signer knows. */
const ahead = 2_016;

export const isBreachToUs = (view: Spending): boolean => {
  const claims = claimsIn(view);
  return claims.some(isJustice) && othersOf(view).length === 0;
};

const feeFacts = (view: SpendView): Facts | undefined => {
  const fee = feeIn(view.sums);
  const { min, max, weight } = view.sums.limits;
  return fee > max || (fee < min && !view.sums.foreign) ? { fee, min, max, weight } : undefined;
};

/** Without anchors its fee is the commitment's, and signed by the other side. */
const isFixed = ({ inputs }: SpendView): boolean => {
  const [input] = inputs;
  return inputs.length === 1 && input?.from === "channel" && input.plan.countersigned?.alone === true;
};

export const claimRules: readonly Rule<SpendView>[] = [
  rule("sweep-locktime", ({ tx, height, inputs }) => {
    if (claimsIn({ inputs }).every(({ kind }) => kind === "holderHtlc")) return undefined;
    const most = height === undefined ? 499_999_999 : height + ahead;
    return tx.locktime > most ? { locktime: tx.locktime, max: most } : undefined;
  }),
  rule("htlc-cltv-range", ({ height, inputs }) => {
    if (height === undefined) return undefined;
    for (const { kind, htlc, index } of claimsIn({ inputs })) {
      if (kind !== "holderHtlc" || htlc?.offeredBy !== "holder") continue;
      const most = height + ahead;
      if (htlc.expiry > most) return { input: index, expiry: htlc.expiry, max: most };
    }
    return undefined;
  }),
  rule("justice-always-possible", (view) => (isBreachToUs(view) ? feeFacts(view) : undefined)),
  rule("htlc-fee-range", (view) => {
    const claims = claimsIn(view);
    const only = claims.length > 0 && claims.every(({ kind }) => kind === "holderHtlc");
    return only && !isFixed(view) ? feeFacts(view) : undefined;
  }),
  rule("sweep-fee-range", (view) => {
    const claims = claimsIn(view);
    const others = claims.some(({ kind }) => kind !== "holderHtlc");
    return others && !isBreachToUs(view) ? feeFacts(view) : undefined;
  }),
];
