/** What a commitment must keep to, whoever's it is: its form, its figures, and its place in the order. */

import { commitmentFee, htlcTransactionFee } from "../../../protocol/bolt/weight.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import { type Outpoint, type Sat, toMsat, toSat } from "../../../protocol/units.ts";
import { bearable, explained, spread } from "../balance.ts";
import type { Policy } from "../policy.ts";
import type { Facts, Rule } from "../rule.ts";
import type { Content, Setup } from "../state.ts";

/** What does not change with the channel's progress: judged before anything is built. */
export interface ContentView {
  /** Whose commitment it is: who may broadcast it. */
  readonly owner: Side;
  readonly setup: Setup;
  readonly policy: Policy;
  readonly funding: Outpoint;
  readonly content: Content;
}

/** The bound of BOLT 2 on `max_accepted_htlcs`, each way. */
const maxEachWay = 483;

const all = ({ htlcs, trimmed }: Content): readonly Htlc[] =>
  isKnown(trimmed) ? [...htlcs, ...trimmed] : htlcs;
const offered = (content: Content): readonly Htlc[] =>
  all(content).filter(({ offeredBy }) => offeredBy === "holder");

/** Below it the HTLC has no output in the owner's commitment (BOLT 3, "Trimmed Outputs"). */
const threshold = ({ owner, setup, content }: ContentView, htlc: Htlc, dustLimit: Sat): bigint =>
  dustLimit +
  htlcTransactionFee(setup.terms.type, htlc.offeredBy === owner ? "timeout" : "success", content.feerate);

const trimmedWrongly = (view: ContentView): Facts | undefined => {
  const { owner, setup, content, policy } = view;
  const { dustLimit } = setup.terms[owner];
  const least = isKnown(dustLimit) ? dustLimit : policy.minDustLimit;
  for (const [index, htlc] of content.htlcs.entries()) {
    const needed = threshold(view, htlc, least);
    if (toSat(htlc.amount) < needed) return { htlc: index, amount: htlc.amount, threshold: needed };
  }
  if (isKnown(dustLimit) && isKnown(content.trimmed)) {
    for (const [index, htlc] of content.trimmed.entries()) {
      const needed = threshold(view, htlc, dustLimit);
      if (toSat(htlc.amount) >= needed) return { trimmed: index, amount: htlc.amount, threshold: needed };
    }
  }
  for (const value of [content.toHolder, content.toCounterparty]) {
    if (value > 0n && value < least) return { output: value, dustLimit: least };
  }
  return undefined;
};

const first = ({ content, setup, owner, policy }: ContentView): Facts | undefined => {
  if (content.number !== 0n) return undefined;
  const { value, push, contribution, opener, type } = setup.terms;
  const gross = toMsat(contribution) + (opener === "holder" ? -push : push);
  const fee = commitmentFee(type, 0, content.feerate) + (type === "anchors" ? 660n : 0n);
  const { dustLimit } = setup.terms[owner];
  const expected = {
    toHolder: gross / 1000n - (opener === "holder" ? fee : 0n),
    toCounterparty: (toMsat(value) - gross) / 1000n - (opener === "holder" ? 0n : fee),
  };
  for (const name of ["toHolder", "toCounterparty"] as const) {
    const wanted = expected[name];
    const found = content[name];
    const trims = wanted < (isKnown(dustLimit) ? dustLimit : policy.maxDustLimit);
    const keeps = wanted > 0n && wanted >= (isKnown(dustLimit) ? dustLimit : policy.minDustLimit);
    if (!((keeps && found === wanted) || (trims && found === 0n))) return { [name]: found, expected: wanted };
  }
  return undefined;
};

export const contentRules: readonly Rule<ContentView>[] = [
  {
    name: "commitment-input-match-funding",
    kind: "core",
    sentence: "A commitment spends the channel's funding output.",
    hint: "The host's funding outpoint is not the one that was set up.",
    check: ({ funding, setup }) =>
      equal(funding.txid, setup.funding.txid) && funding.index === setup.funding.index
        ? undefined
        : { asked: funding.txid, index: funding.index, funding: setup.funding.txid },
  },
  {
    name: "commitment-first-no-htlcs",
    kind: "core",
    sentence: "Commitment 0 has no HTLCs.",
    hint: "A channel opens without HTLCs.",
    check: ({ content }) =>
      content.number === 0n && all(content).length > 0 ? { htlcs: all(content).length } : undefined,
  },
  {
    name: "commitment-htlc-count-limit",
    kind: "limit",
    sentence:
      "There are at most 483 HTLCs each way, and of those that we offer no more than the policy's limit.",
    hint: "Wait until HTLCs have settled, or raise maxOfferedHtlcs.",
    check: ({ content, policy }) => {
      const ours = offered(content).length;
      const theirs = all(content).length - ours;
      if (ours > policy.maxOfferedHtlcs) return { offered: ours, max: policy.maxOfferedHtlcs };
      return theirs > maxEachWay ? { received: theirs, max: maxEachWay } : undefined;
    },
  },
  {
    name: "commitment-htlc-inflight-limit",
    kind: "limit",
    sentence: "The HTLCs that we offer are together worth at most the policy's limit.",
    hint: "Wait until HTLCs have settled, or raise maxOfferedInFlight.",
    check: ({ content, policy }) => {
      const inFlight = offered(content).reduce((total, { amount }) => total + amount, 0n);
      return inFlight > policy.maxOfferedInFlight ? { inFlight, max: policy.maxOfferedInFlight } : undefined;
    },
  },
  {
    name: "commitment-fee-range",
    kind: "limit",
    sentence: "Where we pay the commitment's fee, its feerate is at most the policy's limit.",
    hint: "Clamp the host's fee estimator to the bounds of hello, or raise maxFeerate.",
    check: ({ setup, content, policy }) =>
      setup.terms.opener === "holder" && content.feerate > policy.maxFeerate
        ? { feerate: content.feerate, max: policy.maxFeerate }
        : undefined,
  },
  {
    name: "commitment-outputs-trimmed",
    kind: "core",
    sentence: "Exactly what is under the dust limit, with the fee of its HTLC transaction, has no output.",
    hint: "The host and the signer disagree on dust limit or feerate.",
    check: trimmedWrongly,
  },
  {
    name: "commitment-initial-funding-value",
    kind: "core",
    sentence:
      "In commitment 0 each side has what it paid in, moved by the push, and the opener pays the fee.",
    hint: "The values of the first commitment do not follow from the terms of the setup.",
    check: first,
  },
  {
    name: "commitment-value-conserved",
    kind: "core",
    sentence: "Outputs, base fee, anchors, trimmed HTLCs and rounding add up to the channel's value.",
    hint: "The host's figures do not add up: values, feerate or the HTLC lists are wrong.",
    check: (view) => explained(view),
  },
  {
    name: "trimmed-budget",
    kind: "limit",
    sentence:
      "What a host that cannot list trimmed HTLCs leaves without output stays within the policy's limit.",
    hint: "Wait until small HTLCs have settled, or raise maxTrimmed.",
    check: ({ setup, content, owner, policy }) => {
      if (isKnown(content.trimmed)) return undefined;
      const hidden = spread({ setup, owner, policy, content }).unexplained;
      return hidden > policy.maxTrimmed ? { unexplained: hidden, max: policy.maxTrimmed } : undefined;
    },
  },
];

/** One predecessor is enough: each passed the rules, and each may be the one that both sides remember. */
export interface SuccessionView extends ContentView {
  readonly predecessors: readonly Content[];
  /** Hashes, in hexadecimal, of the HTLCs that were paid with a preimage; unknown in the lesser tiers. */
  readonly paid: ReadonlySet<string> | "unknown";
}

export const successionRules: readonly Rule<SuccessionView>[] = [
  {
    name: "commitment-payment-settled-preimage",
    kind: "core",
    sentence:
      "Balances change only by HTLCs and fee: an HTLC that we offered is the counterparty's only with its preimage.",
    hint: "The host moved value that no HTLC explains, or did not bring the preimage of one that was paid.",
    check: (view) => {
      if (view.predecessors.length === 0) return undefined;
      let last: Facts | undefined;
      for (const before of view.predecessors) {
        last = bearable(view, before);
        if (last === undefined) return undefined;
      }
      return last;
    },
  },
];
