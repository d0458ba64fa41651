/** What every transaction must keep to that our keys sign, whatever it spends. */

import { isWitnessProgram } from "../../../protocol/bitcoin/script.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Outpoint, Txid } from "../../../protocol/units.ts";
import { toMsat } from "../../../protocol/units.ts";
import { type Costs, dueFor, keyOf, maxFunds, type OutpointState, stateOf } from "../outpoints.ts";
import type { Rule } from "../rule.ts";
import type { Input, OwnInput } from "../spend/inputs.ts";
import { claimsIn, feeIn, ownOf } from "../spend/sums.ts";
import type { View } from "../step.ts";
import { spent } from "../velocity.ts";
import type { SpendView } from "./spend.ts";
import { rule } from "./table.ts";

export interface OnchainView extends SpendView {
  readonly txid: Txid;
  readonly signed: boolean;
  readonly costs: Costs;
  readonly view: View;
}

/** Above it a locktime is a time (BIP 65). */
const locktimeThreshold = 500_000_000;
const maxWeight = 400_000;

const repeated = (outpoints: readonly Outpoint[]): boolean =>
  new Set(outpoints.map(keyOf)).size < outpoints.length;

export const formatRules: readonly Rule<OnchainView>[] = [
  rule("onchain-format-standard", (view) => {
    const { tx, signed, inputs } = view;
    if (signed) return { signed };
    if (inputs.some(({ index }) => tx.inputs[index]?.scriptSig !== undefined)) return { signed: true };
    if (repeated(inputs.map(({ outpoint }) => outpoint))) return { repeatedInput: true };
    if (ownOf(view).length === 0) return { ours: 0 };
    if (claimsIn(view).length > 0) return undefined;
    if (tx.version !== 2) return { version: tx.version };
    return tx.locktime >= locktimeThreshold ? { locktime: tx.locktime } : undefined;
  }),
  rule("onchain-max-size", ({ sums: { limits } }) =>
    limits.weight > maxWeight ? { weight: limits.weight, max: maxWeight } : undefined,
  ),
];

const funds = ({ paid }: Pick<OnchainView, "paid">): boolean => paid.some(({ is }) => is === "funding");

/** Each signature commits to what every input is worth (BIP 341), so that a lie makes the whole void. */
const committed = (own: readonly OwnInput[]): boolean => own.every(({ plan }) => plan.stack === "p2tr");

/**
 * Inputs whose values have to hold for good. A signature of BIP 143 commits to one value, so a host could lie about each
 * input while another is signed. A value that is proven takes the place of one that was said: the signatures of that one
 * were void.
 */
export const toRemember = (own: readonly OwnInput[], view: Pick<View, "outpoints">): readonly OwnInput[] => {
  const said = own.length > 1 && own.some(({ proof }) => proof === "said") && !committed(own);
  return said ? own : own.filter(({ outpoint }) => isKnown(stateOf(view, outpoint).value));
};

const wasOurs = ({ value, funds, fees, sent }: OutpointState): boolean =>
  isKnown(value) || funds.length > 0 || fees > 0n || sent > 0n;

export const conflictsOf = ({
  inputs,
  txid,
  view,
}: Pick<OnchainView, "inputs" | "txid" | "view">): readonly Outpoint[] =>
  ownOf({ inputs })
    .map(({ outpoint }) => outpoint)
    .filter((outpoint) => {
      const { funds } = stateOf(view, outpoint);
      return funds.length > 0 && !funds.some((one) => equal(one, txid));
    });

/**
 * Claims alone, of which the signer knows what each is worth: the rules see the whole, whoever was said to own a part before.
 * Else a host could call what a breach forfeits somebody else's, and nobody could take it.
 */
const areClaims = (inputs: readonly Input[]): boolean =>
  inputs.every(({ from, proof }) => from === "channel" && proof === "known");

export const onchainRules: readonly Rule<OnchainView>[] = [
  rule("onchain-funding-non-malleable", (view) => {
    if (!funds(view)) return undefined;
    for (const input of view.inputs) {
      if (input.from === "wallet" && input.nested) return { input: input.index, nested: true };
      if (input.from !== "foreign") continue;
      if (input.proof !== "shown" || input.spent === undefined) return { input: input.index, unproven: true };
      if (!isWitnessProgram(input.spent.script)) return { input: input.index, script: input.spent.script };
    }
    return undefined;
  }),
  rule("onchain-input-value-proven", (subject) => {
    const { inputs, view } = subject;
    const own = ownOf({ inputs });
    for (const { index, outpoint } of areClaims(inputs) ? [] : own)
      if (stateOf(view, outpoint).foreign) return { input: index, saidToBeForeign: true };
    for (const { index, outpoint, from } of inputs)
      if (from === "foreign" && wasOurs(stateOf(view, outpoint))) return { input: index, ours: true };
    for (const { index, outpoint, value, proof } of own) {
      const before = stateOf(view, outpoint).value;
      if (proof === "said" && isKnown(before) && before !== value) return { input: index, value, before };
    }
    return undefined;
  }),
  rule("onchain-no-fund-inbound", ({ sums: { share, shared } }) =>
    shared > 0n ? { agreed: share, beyond: shared } : undefined,
  ),
  rule("onchain-fee-range", (view) => {
    if (claimsIn(view).length > 0) return undefined;
    const fee = feeIn(view.sums);
    const { min, max, weight } = view.sums.limits;
    return fee > max || (fee < min && !view.sums.foreign) ? { fee, min, max, weight } : undefined;
  }),
  rule("fee-exposure", (subject) => {
    const { view, policy, costs, inputs } = subject;
    if (claimsIn({ inputs }).length > 0) return undefined;
    const { fees } = dueFor(view, outpointsOf(subject), costs);
    const sum = spent(view.node.windows.fees, view.now) + fees;
    const max = toMsat(policy.maxFeesPerDay);
    return fees > 0n && sum > max ? { withThis: sum, maxPerDay: max } : undefined;
  }),
  rule("velocity-transferred", (subject) => {
    const { view, policy, costs } = subject;
    const { sent } = dueFor(view, outpointsOf(subject), costs);
    const sum = spent(view.node.windows.sent, view.now) + sent;
    return sent > 0n && sum > policy.maxSentPerDay
      ? { withThis: sum, maxPerDay: policy.maxSentPerDay }
      : undefined;
  }),
  rule("onchain-no-double-fund", (subject) => {
    if (!funds(subject)) return undefined;
    const full = conflictsOf(subject).find((one) => stateOf(subject.view, one).funds.length >= maxFunds);
    return full === undefined ? undefined : { input: keyOf(full), fundings: maxFunds };
  }),
];

export const outpointsOf = (view: Pick<OnchainView, "inputs">): readonly Outpoint[] =>
  ownOf(view).map(({ outpoint }) => outpoint);

export const isFunding = funds;
