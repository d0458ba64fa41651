/** Funding, withdrawals, and whatever else our wallet pays. */

import type { Texts } from "./text.ts";

const answer = "Let an approver decide: `countersign approvals list`, then `approve` or `deny`.";

export const onchainTexts = {
  "onchain-format-standard": {
    kind: "core",
    sentence:
      "A transaction has version 2, a height or nothing as its locktime, no signature, and an input of ours.",
    hint: "Send the transaction without signatures and with what is said of each of its inputs and outputs.",
  },
  "onchain-max-size": {
    kind: "core",
    sentence: "A signed transaction has at most 400,000 weight units: a larger one is not relayed.",
    hint: "Split the transaction.",
  },
  "onchain-funding-non-malleable": {
    kind: "core",
    sentence: "Every input of a transaction that funds a channel is proven to be native segregated witness.",
    hint: "Bring the previous transaction of every input that is not ours, and no input behind a script hash.",
  },
  "onchain-output-scriptpubkey": {
    kind: "core",
    sentence: "A funding output pays the 2-of-2 of its channel.",
    hint: "The host built the funding output with other keys than those of the setup.",
  },
  "onchain-output-match-commitment": {
    kind: "core",
    sentence: "A funding output has the value and the outpoint that its channel was set up with.",
    hint: "The channel was set up for another funding transaction.",
  },
  "onchain-initial-commitment-countersigned": {
    kind: "core",
    later: true,
    sentence:
      "We pay into a channel only after the counterparty's signatures on our first commitment were verified.",
    hint: "Validate commitment 0 first.",
  },
  "onchain-no-unknown-outputs": {
    kind: "consent",
    sentence:
      "Every output is our wallet's, a channel's or the allowlist's, is small enough for nobody to be asked, or a person agreed to it.",
    hint: answer,
  },
  "onchain-fee-range": {
    kind: "limit",
    sentence:
      "The fee of a transaction of our wallet lies within the policy's feerates, also where a person approved it.",
    hint: "Choose another feerate, or change minOnchainFeerate and maxOnchainFeerate.",
  },
  "onchain-wallet-path-predictable": {
    kind: "core",
    sentence:
      "What is called ours pays a script that the signer derives, no further than a gap above the highest index used.",
    hint: "Use the next address; one further off may never be found again from the seed.",
  },
  "velocity-transferred": {
    kind: "limit",
    sentence:
      "What we pay to others within a day, on chain and by payments, stays within the policy's limit.",
    hint: "Wait until an hour of yesterday is over, or raise maxSentPerDay.",
  },
  "onchain-input-value-proven": {
    kind: "core",
    sentence:
      "What an input is worth and whose it is is proven, committed to by its signature, or was never said otherwise.",
    hint: "Bring the previous transaction of each input; an output that is ours is never called somebody else's.",
  },
  "onchain-no-double-fund": {
    kind: "core",
    later: true,
    sentence:
      "An input that was signed into a channel's funding is not spent otherwise unless a person agreed to it.",
    hint: answer,
  },
} as const satisfies Texts;
