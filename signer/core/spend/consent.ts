/** What of a transaction a person has to agree to, and whether one has. */

import { toHex } from "../../../protocol/bytes.ts";
import * as codec from "../../../protocol/codec.ts";
import { outpoint, sat, txid } from "../../../protocol/operations/fields.ts";
import { script as asScript, type Outpoint } from "../../../protocol/units.ts";
import { type Asked, approvedFor, ask, bind, type Question } from "../approvals.ts";
import { max, min } from "../balance.ts";
import { keyOf } from "../outpoints.ts";
import type { Facts } from "../rule.ts";
import { conflictsOf, type OnchainView, outpointsOf } from "../rules/onchain.ts";
import type { RuleName } from "../rules/table.ts";
import { type Change, refused } from "../step.ts";
import { claimsIn, type OtherOutput, othersOf, paysOthers } from "./sums.ts";

/** As long as a transaction can carry, where other fields take only what can be spent. */
const anyScript = codec.blob("script", 100_000, asScript);
const asked = codec.packedFields({
  outputs: codec.list(codec.message("Asked", { value: sat, script: anyScript }), 3_000),
  conflicts: codec.list(outpoint, 1_000),
  /** Of the transaction, where its inputs are promised to another. */
  tx: codec.maybe(txid),
  /** The same outputs may be paid several times, each with a word of its own. */
  again: codec.u8("time", (n) => n),
});

/** Times that the same outputs may be asked about at once. */
const times = 16;

const unknownOutputs = (subject: OnchainView): readonly OtherOutput[] => {
  if (!paysOthers(subject.sums)) return [];
  const unknown = othersOf(subject).filter(({ allowed }) => !allowed);
  const sum = unknown.reduce((total, { value }) => total + value, 0n);
  return claimsIn(subject).length === 0 && sum <= subject.policy.unattendedFunding ? [] : unknown;
};

const shownOf = (outputs: readonly OtherOutput[], conflicts: readonly Outpoint[], { sums }: OnchainView) => [
  ...outputs.slice(0, 24).map(({ value, script: to }) => ({
    name: "pays",
    value: `${value} sat to script ${toHex(to)}`.slice(0, 256),
  })),
  ...(outputs.length > 24 ? [{ name: "andMore", value: `${outputs.length - 24} outputs` }] : []),
  { name: "leaves", value: `${sums.leaving} sat with the fee` },
  ...conflicts.slice(0, 4).map((one) => ({ name: "wasToFundAChannel", value: keyOf(one) })),
];

/** In millisatoshi, of what may be made up by a host. */
const most = 2_100_000_000_000_000_000n;
const amountOf = (leaving: bigint): bigint => max(0n, min(most, leaving * 1000n));

export type Consent = Asked | { readonly is: "agreed"; readonly change: Change };

export const consentTo = (subject: OnchainView): Consent => {
  const { view, txid: id, sums } = subject;
  const outputs = unknownOutputs(subject);
  const conflicts = conflictsOf(subject);
  if (outputs.length === 0 && conflicts.length === 0) return { is: "agreed", change: {} };
  const rule: RuleName =
    outputs.length === 0
      ? "onchain-no-double-fund"
      : claimsIn(subject).length > 0
        ? "sweep-destination-allowlisted"
        : "onchain-no-unknown-outputs";
  const inputs = outpointsOf(subject);
  const [first] = inputs;
  if (first === undefined) throw new Error("nothing of ours is spent");
  const facts: Facts = { outputs: outputs.length, leaving: sums.leaving, conflicts: conflicts.length };
  const questionOf = (again: number): Question => ({
    subject: "outputs",
    content: asked.encode({
      outputs: outputs.map(({ value, script: to }) => ({ value, script: to })),
      conflicts,
      tx: conflicts.length === 0 ? codec.unknown : id,
      again,
    }),
    amount: amountOf(sums.leaving),
    shown: shownOf(outputs, conflicts, subject),
  });
  for (let again = 0; again < times; again++) {
    const question = questionOf(again);
    const approval = approvedFor(view, question);
    if (approval === undefined) return ask(view, question, rule, facts);
    const { bound } = approval;
    if (!codec.isKnown(bound)) return { is: "agreed", change: bind(approval, first) };
    if (inputs.some((one) => keyOf(one) === keyOf(bound))) return { is: "agreed", change: {} };
  }
  return refused(ask(view, questionOf(times - 1), rule, facts).refusal);
};
