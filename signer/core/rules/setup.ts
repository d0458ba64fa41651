/** What an opening must keep to; checked when it is asked about, and again when it is fixed. */

import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Terms, Tier } from "../../../protocol/operations/fields.ts";
import { type Sat, type Script, toMsat } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";
import type { Facts, Rule } from "../rule.ts";
import type { NodeState } from "../state.ts";
import { spent } from "../velocity.ts";
import { rule } from "./table.ts";

export interface SetupView {
  readonly terms: Terms;
  readonly tier: Tier;
  readonly policy: Policy;
  /** Of our own wallet. */
  readonly closingScript: Script;
  readonly node: NodeState;
  readonly now: number;
  /** That are set up already. */
  readonly others: { readonly count: number; readonly value: bigint };
}

const sides = ["holder", "counterparty"] as const;

const outside = (value: bigint | number, min: bigint | number, max: bigint | number): Facts | undefined =>
  value < min || value > max ? { value, min, max } : undefined;

/** BOLT 2: what cannot be, whoever asks for it. */
const inconsistent = ({ terms }: SetupView): Facts | undefined => {
  const { value, push, contribution, opener } = terms;
  const funder = opener === "holder" ? contribution : value - contribution;
  if (contribution > value) return { contribution, value };
  if (push > funder * 1000n) return { push, funder };
  return undefined;
};

export const isOurs = (
  { policy, closingScript }: Pick<SetupView, "policy" | "closingScript">,
  paid: Script,
): boolean => equal(paid, closingScript) || policy.allowlist.some((allowed) => equal(paid, allowed));

/** The first of the two sides for which it is known and breaks the rule. */
const ofBoth = (
  terms: Terms,
  field: "dustLimit" | "reserve",
  check: (value: Sat) => Facts | undefined,
): Facts | undefined => {
  for (const side of sides) {
    const value = terms[side][field];
    const facts = isKnown(value) ? check(value) : undefined;
    if (facts !== undefined) return { side, ...facts };
  }
  return undefined;
};

export const setupRules: readonly Rule<SetupView>[] = [
  rule("channel-safe-type", inconsistent),
  rule("node-tier", ({ terms, tier }) => {
    const side = sides.find((one) => !isKnown(terms[one].dustLimit));
    return tier === "full" && side !== undefined ? { unknown: "dustLimit", side } : undefined;
  }),
  rule("channel-contest-delay-range-holder", ({ terms, policy }) =>
    outside(terms.holder.toSelfDelay, policy.minDelay, policy.maxDelay),
  ),
  rule("channel-contest-delay-range-counterparty", ({ terms, policy }) =>
    outside(terms.counterparty.toSelfDelay, policy.minDelay, policy.maxDelay),
  ),
  rule("funding-max", ({ terms, policy }) => outside(terms.value, 0n, policy.maxChannelValue)),
  rule("channel-peer-limits", ({ terms, policy, others }) => {
    const value = others.value + terms.value;
    if (others.count >= policy.maxChannels) return { channels: others.count, max: policy.maxChannels };
    return value > policy.maxChannelsValue ? { value, max: policy.maxChannelsValue } : undefined;
  }),
  rule("velocity-funding", ({ terms, policy, node, now }) => {
    const sum = spent(node.windows.funded, now) + toMsat(terms.contribution);
    const max = toMsat(policy.maxFundedPerDay);
    return terms.contribution > 0n && sum > max ? { withThis: sum, maxPerDay: max } : undefined;
  }),
  rule("fee-exposure", ({ policy, node, now }) => {
    const sum = spent(node.windows.fees, now);
    const max = toMsat(policy.maxFeesPerDay);
    return sum > max ? { today: sum, maxPerDay: max } : undefined;
  }),
  rule("channel-dust-limit-range", ({ terms, policy }) =>
    ofBoth(terms, "dustLimit", (limit) => outside(limit, policy.minDustLimit, policy.maxDustLimit)),
  ),
  rule("channel-reserve-range", ({ terms, policy }) => {
    const max = policy.maxReserve < terms.value ? policy.maxReserve : terms.value;
    return ofBoth(terms, "reserve", (reserve) => outside(reserve, 0n, max));
  }),
  rule("mutual-destination-allowlisted", (view) => {
    const upfront = view.terms.holder.upfrontScript;
    if (!isKnown(upfront) || upfront.length === 0 || isOurs(view, upfront)) return undefined;
    return { script: upfront };
  }),
];

/** What a person has to be asked about, and what of it. */
export const openingConsent: readonly Rule<SetupView>[] = [
  rule("onchain-no-channel-push", ({ terms, policy }) =>
    terms.opener === "holder" ? outside(terms.push, 0n, policy.maxPush) : undefined,
  ),
  rule("onchain-no-fund-inbound", ({ terms: { opener, contribution }, policy }) =>
    contribution > policy.unattendedFunding
      ? { opener, contribution, unattended: policy.unattendedFunding }
      : undefined,
  ),
];
