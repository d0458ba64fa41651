/** What an opening must keep to; checked when it is asked about, and again when it is fixed. */

import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Terms } from "../../../protocol/operations/fields.ts";
import type { Script } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";
import type { Facts, Rule } from "../rule.ts";

export interface SetupView {
  readonly terms: Terms;
  readonly policy: Policy;
  /** Of our own wallet. */
  readonly closingScript: Script;
}

const sides = ["holder", "counterparty"] as const;

const outside = (value: bigint | number, min: bigint | number, max: bigint | number): Facts | undefined =>
  value < min || value > max ? { value, min, max } : undefined;

const raise = "Raise the limit in the policy, or open the channel on other terms.";

const delayRule = (side: (typeof sides)[number]): Rule<SetupView> => ({
  name: `channel-contest-delay-range-${side}`,
  kind: "limit",
  sentence: `The delay that the ${side} demands of the other side's own output lies within the policy's bounds.`,
  hint: raise,
  check: ({ terms, policy }) => outside(terms[side].toSelfDelay, policy.minDelay, policy.maxDelay),
});

/** BOLT 2: what cannot be, whoever asks for it. */
const inconsistent = ({ terms }: SetupView): Facts | undefined => {
  const { value, push, contribution, opener } = terms;
  const funder = opener === "holder" ? contribution : value - contribution;
  if (contribution > value) return { contribution, value };
  if (push > funder * 1000n) return { push, funder };
  return undefined;
};

export const isOurs = ({ policy, closingScript }: Omit<SetupView, "terms">, paid: Script): boolean =>
  equal(paid, closingScript) || policy.allowlist.some((allowed) => equal(paid, allowed));

export const setupRules: readonly Rule<SetupView>[] = [
  {
    name: "channel-safe-type",
    kind: "core",
    sentence:
      "A channel has static_remotekey, or anchors with zero-fee HTLC transactions, and amounts that add up.",
    hint: "Use a channel type that this signer knows.",
    check: inconsistent,
  },
  delayRule("holder"),
  delayRule("counterparty"),
  {
    name: "funding-max",
    kind: "limit",
    sentence: "A channel is worth at most the policy's limit.",
    hint: raise,
    check: ({ terms, policy }) => outside(terms.value, 0n, policy.maxChannelValue),
  },
  {
    name: "onchain-no-channel-push",
    kind: "limit",
    sentence: "What we push to the other side at opening is within the policy's limit.",
    hint: raise,
    check: ({ terms, policy }) =>
      terms.opener === "holder" ? outside(terms.push, 0n, policy.maxPush) : undefined,
  },
  {
    name: "channel-dust-limit-range",
    kind: "limit",
    sentence: "Each side's dust limit lies within the policy's bounds, and never under 354 satoshi.",
    hint: raise,
    check: ({ terms, policy }) => {
      for (const side of sides) {
        const { dustLimit } = terms[side];
        if (!isKnown(dustLimit)) continue;
        const facts = outside(dustLimit, policy.minDustLimit, policy.maxDustLimit);
        if (facts !== undefined) return { side, ...facts };
      }
      return undefined;
    },
  },
  {
    name: "channel-reserve-range",
    kind: "limit",
    sentence: "Each side's channel reserve is within the policy's limit and the channel's value.",
    hint: raise,
    check: ({ terms, policy }) => {
      const max = policy.maxReserve < terms.value ? policy.maxReserve : terms.value;
      for (const side of sides) {
        const { reserve } = terms[side];
        if (!isKnown(reserve)) continue;
        const facts = outside(reserve, 0n, max);
        if (facts !== undefined) return { side, ...facts };
      }
      return undefined;
    },
  },
  {
    name: "mutual-destination-allowlisted",
    kind: "consent",
    sentence:
      "A mutual close pays us at a script of the signer's wallet, the agreed upfront script or the allowlist.",
    hint: "Use the closing script that the signer gave with the channel, or add the script to the allowlist.",
    check: (view) => {
      const upfront = view.terms.holder.upfrontScript;
      if (!isKnown(upfront) || upfront.length === 0 || isOurs(view, upfront)) return undefined;
      return { script: upfront };
    },
  },
];
