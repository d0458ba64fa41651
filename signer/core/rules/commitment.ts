/** What a commitment must keep to, whoever's it is: its form, its figures, and what it follows from. */

import { anchorValue } from "../../../protocol/bolt/channel.ts";
import { commitmentFee, htlcTransactionFee } from "../../../protocol/bolt/weight.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe } from "../../../protocol/codec.ts";
import type { Htlc, Tier } from "../../../protocol/operations/fields.ts";
import { type Outpoint, type Preimage, toMsat, toSat } from "../../../protocol/units.ts";
import {
  type Accounts,
  type Before,
  by,
  dustLimitOf,
  explained,
  type Followed,
  follow,
  hull,
  keyOf,
  listOf,
  min,
  openingBalance,
  type Succession,
  total,
} from "../balance.ts";
import { worst } from "../payments/settlement.ts";
import type { Policy } from "../policy.ts";
import { maxSettled } from "../records.ts";
import type { Facts, Rule } from "../rule.ts";
import type { Content, Hidden, NodeState, Setup } from "../state.ts";
import { spent } from "../velocity.ts";
import { rule } from "./table.ts";

/** What does not change with the channel's progress: judged before anything is built. */
export interface ContentView extends Accounts {
  readonly tier: Tier;
  readonly funding: Outpoint;
  readonly preimages: Maybe<readonly Preimage[]>;
}

/** Below it the HTLC has no output in the owner's commitment (BOLT 3, "Trimmed Outputs"). */
const thresholds = ({ owner, setup, content }: Accounts, dustLimit: bigint) => {
  const { type } = setup.terms;
  const own = dustLimit + htlcTransactionFee(type, "timeout", content.feerate);
  const others = dustLimit + htlcTransactionFee(type, "success", content.feerate);
  return ({ offeredBy }: Htlc): bigint => (offeredBy === owner ? own : others);
};

const trimmedWrongly = (view: ContentView): Facts | undefined => {
  const { owner, setup, content } = view;
  const { least, most } = dustLimitOf(setup.terms[owner].dustLimit);
  const needed = thresholds(view, least);
  for (const [index, htlc] of content.htlcs.entries()) {
    if (toSat(htlc.amount) < needed(htlc))
      return { htlc: index, amount: htlc.amount, threshold: needed(htlc) };
  }
  const enough = thresholds(view, most);
  for (const [index, htlc] of isKnown(content.trimmed) ? content.trimmed.entries() : []) {
    if (toSat(htlc.amount) >= enough(htlc))
      return { trimmed: index, amount: htlc.amount, threshold: enough(htlc) };
  }
  for (const value of [content.toHolder, content.toCounterparty]) {
    if (value > 0n && value < least) return { output: value, dustLimit: least };
  }
  return undefined;
};

const first = ({ content, setup: { terms }, owner }: ContentView): Facts | undefined => {
  if (content.number !== 0n) return undefined;
  const { value, opener, type } = terms;
  const gross = openingBalance(terms);
  const due = commitmentFee(type, 0, content.feerate) + (type === "anchors" ? 2n * anchorValue : 0n);
  const { least, most } = dustLimitOf(terms[owner].dustLimit);
  const expected = {
    toHolder: gross / 1000n - (opener === "holder" ? due : 0n),
    toCounterparty: (toMsat(value) - gross) / 1000n - (opener === "holder" ? 0n : due),
  };
  for (const name of ["toHolder", "toCounterparty"] as const) {
    const wanted = expected[name];
    const found = content[name];
    const fits = found === 0n ? wanted < most : found === wanted && wanted >= least;
    if (!fits) return { [name]: found, expected: wanted };
  }
  return undefined;
};

const missing = ({ tier, content, preimages }: ContentView): Facts | undefined => {
  if (tier !== "full") return undefined;
  if (!isKnown(content.trimmed)) return { unknown: "trimmed" };
  return isKnown(preimages) ? undefined : { unknown: "preimages" };
};

export const contentRules: readonly Rule<ContentView>[] = [
  rule("commitment-input-match-funding", ({ funding, setup }) =>
    equal(funding.txid, setup.funding.txid) && funding.index === setup.funding.index
      ? undefined
      : { asked: funding.txid, index: funding.index, funding: setup.funding.txid },
  ),
  rule("node-tier", missing),
  rule("commitment-first-no-htlcs", ({ content }) =>
    content.number === 0n && listOf(content).length > 0 ? { htlcs: listOf(content).length } : undefined,
  ),
  rule("commitment-outputs-trimmed", trimmedWrongly),
  rule("commitment-initial-funding-value", first),
  rule("commitment-value-conserved", explained),
];

export interface SuccessionView extends Succession {
  /** All live contents of the number before: one is enough, for each may be the one that both sides remember. */
  readonly predecessors: readonly Before[];
}

/**
 * From no predecessor only the first commitment follows: its own rules fixed what it says. Once the number before is
 * revoked the other side has this one, and it is repeated: nothing is left that another content could be judged by.
 */
export const succeed = ({ predecessors, ...next }: SuccessionView): Followed => {
  if (next.content.number === 0n) {
    const opening = openingBalance(next.setup.terms);
    return {
      is: "borne",
      balance: { low: opening, high: opening },
      charge: 0n,
      settled: [],
      hidden: { lost: 0n, gained: 0n },
      isPlain: true,
    };
  }
  let result: Followed = {
    is: "broken",
    rule: "commitment-retry-same",
    facts: { number: next.content.number, revoked: next.content.number - 1n },
  };
  for (const before of predecessors) {
    const one = follow(next, before);
    // What the proofs that are here explain needs no guess at proofs that were shown with another content.
    if (result.is === "borne" && one.is === "borne" && result.isPlain !== one.isPlain)
      result = result.isPlain ? result : one;
    else if (result.is === "borne" && one.is === "borne")
      result = {
        is: "borne",
        isPlain: one.isPlain,
        balance: hull(result.balance, one.balance),
        charge: min(result.charge, one.charge),
        settled: worst(result.settled, one.settled),
        hidden: net(result.hidden) >= net(one.hidden) ? result.hidden : one.hidden,
      };
    else if (result.is === "broken") result = one;
  }
  return result;
};

export const net = ({ lost, gained }: Hidden): bigint => lost - gained;

export interface LimitView {
  readonly setup: Setup;
  readonly policy: Policy;
  readonly content: Content;
  readonly charge: bigint;
  /**
   * Every live content of both sides. What one of them has already passed the limits of its day, and leaves only
   * step by step: a limit that was lowered since stops what is new, never what is on its way out.
   */
  readonly standing: readonly Content[];
  /** Hashes settled in this channel that the other side's commitments do not yet agree on. */
  readonly settled: number;
}

const offeredIn = (content: Content): readonly Htlc[] => by(listOf(content), "holder");

/** The bound of BOLT 2 on `max_accepted_htlcs`, each way. */
const maxEachWay = 483;

/** Does it offer an HTLC that no live commitment has? */
const offersMore = ({ content, standing }: LimitView): boolean => {
  const known = new Set(standing.flatMap((one) => offeredIn(one).map(keyOf)));
  return offeredIn(content).some((htlc) => !known.has(keyOf(htlc)));
};

export const limitRules: readonly Rule<LimitView>[] = [
  rule("commitment-htlc-count-limit", (view) => {
    const { content, policy, settled } = view;
    const offered = offeredIn(content).length;
    if (settled > maxSettled) return { settled, max: maxSettled };
    if (offered > policy.maxOfferedHtlcs && offersMore(view)) return { offered, max: policy.maxOfferedHtlcs };
    for (const side of ["holder", "counterparty"] as const) {
      const count = by(listOf(content), side).length;
      if (count > maxEachWay) return { side, count, max: maxEachWay };
    }
    return undefined;
  }),
  rule("commitment-htlc-inflight-limit", (view) => {
    const inFlight = total(offeredIn(view.content));
    const max = view.policy.maxOfferedInFlight;
    return inFlight > max && offersMore(view) ? { inFlight, max } : undefined;
  }),
  rule("commitment-fee-range", ({ setup, policy, content, standing }) => {
    const { feerate } = content;
    const rises = standing.every((one) => feerate > one.feerate);
    return setup.terms.opener === "holder" && feerate > policy.maxFeerate && rises
      ? { feerate, max: policy.maxFeerate }
      : undefined;
  }),
  rule("trimmed-budget", ({ charge, policy }) =>
    charge > policy.maxTrimmed ? { unlisted: charge, max: policy.maxTrimmed } : undefined,
  ),
];

export interface DayView {
  readonly node: NodeState;
  readonly now: number;
  readonly policy: Policy;
}

export const dayRules: readonly Rule<DayView>[] = [
  rule("trimmed-budget", ({ node, now, policy }) => {
    const hidden = spent(node.windows.trimmed, now);
    return hidden > policy.maxTrimmedPerDay
      ? { unlisted: hidden, maxPerDay: policy.maxTrimmedPerDay }
      : undefined;
  }),
];
