/** What every rule is called and demands. A name has one meaning, however many places it is checked in. */

import { type Facts, noteRule, type Rule, type RuleText } from "../rule.ts";
import { constructionTexts } from "./texts/construction.ts";
import { nodeTexts } from "./texts/node.ts";
import { onchainTexts } from "./texts/onchain.ts";
import { openingTexts } from "./texts/opening.ts";
import { paymentTexts } from "./texts/payment.ts";
import { spendTexts } from "./texts/spend.ts";
import type { Text, Texts } from "./texts/text.ts";
import { tiersOf } from "./tiers.ts";

const raise = "Raise the limit in the policy, or open the channel on other terms.";
const otherTransaction = "The host built another transaction than the signer.";

const texts = {
  "node-known": {
    kind: "core",
    sentence: "A request names a node whose keys this signer holds.",
    hint: "Give the host the bundle that this signer's init wrote.",
  },
  "node-network": {
    kind: "core",
    sentence: "Host and signer serve the same network.",
    hint: "Point the host at the signer of its network.",
  },
  "node-tier": {
    kind: "core",
    sentence: "A host says all that its tier can tell: in tier `full` nothing of a channel is unknown.",
    hint: "Let the host bring dust limits, trimmed HTLCs and preimages, or create its node in a lesser tier.",
  },

  "channel-known": {
    kind: "core",
    sentence: "A request names a channel that this signer gave out and set up.",
    hint: "The host and the signer do not remember the same channels: was one of them restored from a backup?",
  },
  "channel-original-channel-id-reuse": {
    kind: "core",
    sentence: "A channel id is given out once; a host's own numbering only grows.",
    hint: "Ask for a new channel without naming an id, or with one above all earlier ones.",
  },
  "channel-setup-immutable": {
    kind: "core",
    sentence: "The terms, keys and funding of a channel that was set up do not change.",
    hint: "The same setup is answered again; for other terms open another channel.",
  },
  "channel-safe-type": {
    kind: "core",
    sentence:
      "A channel has static_remotekey, or anchors with zero-fee HTLC transactions, and amounts that add up.",
    hint: "Use a channel type that this signer knows, and no push above what its opener pays in.",
  },
  "channel-contest-delay-range-holder": {
    kind: "limit",
    sentence: "The delay that the holder demands of the other side's output lies within the policy's bounds.",
    hint: raise,
  },
  "channel-contest-delay-range-counterparty": {
    kind: "limit",
    sentence: "The delay that the counterparty demands of our output lies within the policy's bounds.",
    hint: raise,
  },
  "funding-max": {
    kind: "limit",
    sentence: "A channel is worth at most the policy's limit.",
    hint: raise,
  },
  "onchain-no-channel-push": {
    kind: "consent",
    sentence:
      "What we push to the other side at opening is within the policy's limit, or a person agreed to it.",
    hint: "Let an approver decide: `countersign approvals list`, then `approve` or `deny`.",
  },
  "channel-dust-limit-range": {
    kind: "limit",
    sentence: "Each side's dust limit lies within the policy's bounds, and never under 354 satoshi.",
    hint: raise,
  },
  "channel-reserve-range": {
    kind: "limit",
    sentence: "Each side's channel reserve is within the policy's limit and the channel's value.",
    hint: raise,
  },

  "commitment-input-match-funding": {
    kind: "core",
    sentence: "A commitment spends the channel's funding output.",
    hint: "The host's funding outpoint is not the one that was set up.",
  },
  "commitment-first-no-htlcs": {
    kind: "core",
    sentence: "Commitment 0 has no HTLCs.",
    hint: "A channel opens without HTLCs.",
  },
  "commitment-outputs-trimmed": {
    kind: "core",
    sentence: "Exactly what is under the dust limit, with the fee of its HTLC transaction, has no output.",
    hint: "The host and the signer disagree on dust limit or feerate.",
  },
  "commitment-initial-funding-value": {
    kind: "core",
    sentence:
      "In commitment 0 each side has what it paid in, moved by the push, and the opener pays the fee.",
    hint: "The values of the first commitment do not follow from the terms of the setup.",
  },
  "commitment-value-conserved": {
    kind: "core",
    sentence:
      "Outputs, base fee, anchors and HTLCs make up the channel's value, and balances change only by HTLCs and fee.",
    hint: "The host's figures do not add up: values, feerate or the HTLC lists are wrong.",
  },
  "commitment-payment-settled-preimage": {
    kind: "core",
    sentence: "The value of an HTLC that we offered goes to the counterparty only with its preimage.",
    hint: "The host gave up a payment without the preimage that proves it.",
  },
  "commitment-htlc-count-limit": {
    kind: "limit",
    sentence:
      "There are at most 483 HTLCs each way, and of those that we offer no more than the policy's limit.",
    hint: "Wait until HTLCs have settled, or raise maxOfferedHtlcs.",
  },
  "commitment-htlc-inflight-limit": {
    kind: "limit",
    sentence: "The HTLCs that we offer are together worth at most the policy's limit.",
    hint: "Wait until HTLCs have settled, or raise maxOfferedInFlight.",
  },
  "commitment-fee-range": {
    kind: "limit",
    sentence: "Where we pay the commitment's fee, its feerate does not rise above the policy's limit.",
    hint: "Clamp the host's fee estimator to the bounds of hello, or raise maxFeerate.",
  },
  "trimmed-budget": {
    kind: "limit",
    sentence:
      "What leaves our balance for HTLCs without outputs, which the host can't list, is within the policy's limit.",
    hint: "Send fewer small payments at once, or raise maxTrimmed.",
  },

  "commitment-previous-revoked": {
    kind: "core",
    sentence:
      "The counterparty has the next commitment only after it gave the right secret of the one before the last.",
    hint: "Bring its revocations in order; one whose secret is wrong can only be closed with our last commitment.",
  },
  "commitment-not-closed": {
    kind: "core",
    sentence: "After a mutual close was signed there is no new commitment.",
    hint: "The channel ends with the mutual close, or with a commitment that exists already.",
  },
  "commitment-retry-same": {
    kind: "core",
    sentence:
      "Another content of a live number has the same point, is one of at most four, and follows a live commitment.",
    hint: "Ask again for a content that the signer has: what the other side may hold already does not change.",
  },
  "commitment-holder-not-revoked": {
    kind: "core",
    sentence: "Nothing of a number whose secret was released is validated or signed.",
    hint: "This commitment was revoked, and to broadcast it would lose the channel: restore the host's newest state.",
  },
  "revoke-in-order": {
    kind: "core",
    sentence: "Holder commitments are validated and revoked one number at a time.",
    hint: "Bring the earlier commitments and revocations first.",
  },
  "revoke-not-closed": {
    kind: "core",
    sentence:
      "The secret of a commitment that was signed for broadcast stays here, as does any after a mutual close.",
    hint: "The channel is being closed: its present commitment can't be revoked any more.",
  },
  "revoke-new-commitment-signed": {
    kind: "core",
    later: true,
    sentence:
      "A commitment is ours, and its predecessor's secret leaves, when the counterparty's signatures on it are valid.",
    hint: "Bring the next commitment with all signatures; if they fail, host and counterparty disagree on it.",
  },

  "commitment-version": {
    kind: "core",
    sentence: "A commitment has version 2.",
    hint: otherTransaction,
  },
  "commitment-locktime": {
    kind: "core",
    sentence: "A commitment's locktime shows the low half of its obscured number.",
    hint: otherTransaction,
  },
  "commitment-sequence": {
    kind: "core",
    sentence: "A commitment's sequence shows the high half of its obscured number.",
    hint: otherTransaction,
  },
  "commitment-input-single": {
    kind: "core",
    sentence: "A commitment has one input.",
    hint: otherTransaction,
  },
  "commitment-anchors-not-when-off": {
    kind: "core",
    sentence: "There are no anchors where the channel's type has none.",
    hint: otherTransaction,
  },
  "commitment-anchor-amount": {
    kind: "core",
    sentence: "An anchor is worth 330 satoshi.",
    hint: otherTransaction,
  },
  "commitment-anchor-to-holder": {
    kind: "core",
    sentence: "An anchor is there exactly when BOLT 3 says.",
    hint: otherTransaction,
  },
  "commitment-singular-to-holder": {
    kind: "core",
    sentence: "No output comes twice.",
    hint: otherTransaction,
  },
  "commitment-no-unrecognized-outputs": {
    kind: "core",
    sentence: "Every output is one that the signer builds itself.",
    hint: otherTransaction,
  },
  "commitment-scripts": {
    kind: "core",
    sentence: "Every output that the signer builds is there.",
    hint: otherTransaction,
  },
  "commitment-other": {
    kind: "core",
    sentence: "A commitment is the one that the signer builds, or that it validated, byte for byte.",
    hint: "The host names another transaction than the signer's: are both in the same state?",
  },

  "mutual-destination-allowlisted": {
    kind: "consent",
    sentence:
      "A mutual close pays us at a script of the signer's wallet, the agreed upfront script or the allowlist.",
    hint: "Use the closing script that the signer gave with the channel, or add the script to the allowlist.",
  },
  "mutual-other": {
    kind: "core",
    sentence:
      "A mutual close spends the funding output to one output a side, told apart, and is the one that the signer builds.",
    hint: "The host's closing transaction is not one of this channel, or not built as BOLT 3 says.",
  },
  "mutual-no-pending-htlcs": {
    kind: "core",
    sentence: "Each side has a live commitment in which no HTLC is pending.",
    hint: "Wait until the last HTLC has settled.",
  },
  "mutual-value-matches-commitment": {
    kind: "core",
    sentence:
      "We get our balance of the channel, less the fee where we opened it; nothing only where that is dust.",
    hint: "The host's close does not pay us what the last commitments say.",
  },
  "mutual-fee-range": {
    kind: "limit",
    sentence: "Where we pay the fee of a mutual close, its feerate is at most the policy's limit.",
    hint: "Negotiate a lower closing fee, or raise maxClosingFeerate.",
  },

  "channel-settled": {
    kind: "core",
    later: true,
    sentence:
      "A channel is forgotten only when its end is settled on the chain for good, or none of its money can ever be ours.",
    hint: "Wait until the close and all that spends from it are 100 blocks deep; the signer must follow the chain.",
  },
  "chain-validated": {
    kind: "core",
    sentence:
      "A block follows a known one, with work, target and time by the rules, on a signet solved; lighter ones replace none.",
    hint: "The host's chain source is behind, on another chain, or lies: ask for the signer's tip, or give it another source.",
  },
  "chain-not-stale": {
    kind: "limit",
    sentence: "The last block that the signer knows is younger than the policy's limit.",
    hint: "Let the host deliver its blocks, and look at the signer's clock.",
  },
  "chain-deadline-alarm": {
    kind: "limit",
    sentence: "No breach waits to be punished, and no HTLC near its deadline to be claimed.",
    hint: "Publish the justice or claim transaction first; the alarm names channel, outputs and height.",
  },

  ...nodeTexts,
  ...paymentTexts,
  ...constructionTexts,
  ...openingTexts,
  ...onchainTexts,
  ...spendTexts,
} as const satisfies Texts;

export type RuleName = keyof typeof texts;

export const ruleNames = Object.keys(texts) as readonly RuleName[];

export const textOf = (name: RuleName): RuleText => {
  const { kind, sentence, hint, later }: Text = texts[name];
  return { name, kind, sentence, hint, later: later === true, tiers: tiersOf(name) };
};

export const rule = <View>(name: RuleName, check: (view: View) => Facts | undefined): Rule<View> => ({
  ...textOf(name),
  check: (view) => {
    noteRule(name);
    return check(view);
  },
});
