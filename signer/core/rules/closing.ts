/** A mutual close is judged against the live commitments; any number of rounds, each anew. */

import { closingWeight, feeOf } from "../../../protocol/bolt/weight.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import { spread } from "../balance.ts";
import type { Policy } from "../policy.ts";
import type { Rule } from "../rule.ts";
import type { Content, Live } from "../state.ts";
import { isOurs } from "./setup.ts";

export interface ClosingView {
  readonly live: Live;
  readonly policy: Policy;
  readonly close: Request<"signClosing">;
}

const contents = ({ holder, counterparty }: Live): readonly Content[] => [
  ...holder.variants,
  ...counterparty.variants,
];

const feeOfClose = ({ live, close }: ClosingView): bigint =>
  live.setup.terms.value - close.toHolder - close.toCounterparty;

/** The most, in satoshi, that any live commitment gives us before fees. */
const balance = ({ live, policy }: ClosingView): bigint => {
  let most = 0n;
  for (const owner of ["holder", "counterparty"] as const) {
    for (const content of live[owner].variants) {
      const { low } = spread({ owner, setup: live.setup, policy, content }).holder;
      if (low / 1000n > most) most = low / 1000n;
    }
  }
  return most;
};

/** Below it an output may be left out (BOLT 2, "Closing Negotiation"). */
const dust = ({ live, policy }: ClosingView): bigint => {
  const limits = [live.setup.terms.holder.dustLimit, live.setup.terms.counterparty.dustLimit];
  return limits.reduce<bigint>((most, limit) => {
    const one = isKnown(limit) ? limit : policy.maxDustLimit;
    return one > most ? one : most;
  }, 0n);
};

export const closingRules: readonly Rule<ClosingView>[] = [
  {
    name: "mutual-other",
    kind: "core",
    sentence:
      "A mutual close spends the funding output to one output a side, told apart, worth no more than the channel.",
    hint: "The host's closing transaction is not one of this channel.",
    check: ({ live, close }) => {
      const { funding, terms } = live.setup;
      if (!equal(close.funding.txid, funding.txid) || close.funding.index !== funding.index)
        return { asked: close.funding.txid, funding: funding.txid };
      if (close.toHolder + close.toCounterparty > terms.value)
        return { outputs: close.toHolder + close.toCounterparty, value: terms.value };
      if (close.toHolder === 0n && close.toCounterparty === 0n) return { outputs: 0 };
      return equal(close.holderScript, close.counterpartyScript)
        ? { bothPay: close.holderScript }
        : undefined;
    },
  },
  {
    name: "mutual-no-pending-htlcs",
    kind: "core",
    sentence: "No HTLC is pending in any live commitment of either side.",
    hint: "Wait until the last HTLC has settled and both sides have revoked what had it.",
    check: ({ live }) => {
      const pending = contents(live).reduce(
        (sum, { htlcs, trimmed }) => sum + htlcs.length + (isKnown(trimmed) ? trimmed.length : 0),
        0,
      );
      const missing = live.holder.variants.length === 0 || live.counterparty.variants.length === 0;
      return pending > 0 || missing ? { pending, withoutCommitment: missing } : undefined;
    },
  },
  {
    name: "mutual-destination-allowlisted",
    kind: "consent",
    sentence:
      "A mutual close pays us at a script of the signer's wallet, the agreed upfront script or the allowlist.",
    hint: "Use the closing script that the signer gave with the channel, or add the script to the allowlist.",
    check: ({ live: { setup }, policy, close }) => {
      const upfront = setup.terms.holder.upfrontScript;
      const agreed = isKnown(upfront) && upfront.length > 0 && equal(upfront, close.holderScript);
      const ours = agreed || isOurs({ policy, closingScript: setup.closingScript }, close.holderScript);
      return close.toHolder === 0n || ours ? undefined : { script: close.holderScript };
    },
  },
  {
    name: "mutual-value-matches-commitment",
    kind: "core",
    sentence:
      "We get our balance of the channel, less the fee where we opened it; nothing only where that is dust.",
    hint: "The host's close does not pay us what the last commitments say.",
    check: (view) => {
      const fee = view.live.setup.terms.opener === "holder" ? feeOfClose(view) : 0n;
      const due = balance(view) - fee;
      if (view.close.toHolder + 1n >= due) return undefined;
      return view.close.toHolder === 0n && due < dust(view)
        ? undefined
        : { toHolder: view.close.toHolder, due, fee };
    },
  },
  {
    name: "mutual-fee-range",
    kind: "limit",
    sentence: "Where we pay the fee of a mutual close, its feerate is at most the policy's limit.",
    hint: "Negotiate a lower closing fee, or raise maxClosingFeerate.",
    check: (view) => {
      const { live, policy, close } = view;
      if (live.setup.terms.opener !== "holder") return undefined;
      const outputs = [
        ...(close.toHolder > 0n ? [close.holderScript] : []),
        ...(close.toCounterparty > 0n ? [close.counterpartyScript] : []),
      ];
      // What is left out as dust is fee too, but nobody's choice.
      const max =
        feeOf(closingWeight(outputs), policy.maxClosingFeerate) + (outputs.length < 2 ? dust(view) : 0n);
      const fee = feeOfClose(view);
      return fee > max ? { fee, max } : undefined;
    },
  },
];
