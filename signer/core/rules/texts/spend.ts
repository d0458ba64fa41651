/** What is claimed from channels on the chain: HTLC transactions, sweeps, justice, anchors. */

import type { Texts } from "./text.ts";

const rebuilt =
  "The host built another HTLC transaction than BOLT 3 says, or than the counterparty has signed.";
const later = "Claim with a lower fee: nearer to its deadline more is allowed. Or raise maxSweepFeerate.";

export const spendTexts = {
  "htlc-version": {
    kind: "core",
    sentence: "The transaction that takes an HTLC of our commitment has version 2.",
    hint: rebuilt,
  },
  "htlc-locktime": {
    kind: "core",
    sentence:
      "Its locktime is the expiry of the HTLC that it takes back, and 0 where it takes one by its preimage.",
    hint: rebuilt,
  },
  "htlc-sequence": {
    kind: "core",
    sentence: "The sequence of its HTLC input is 1 with anchors, and 0 without.",
    hint: rebuilt,
  },
  "htlc-to-self-delay": {
    kind: "core",
    sentence: "Its HTLC output is delayed by what the counterparty demanded at opening.",
    hint: "The host took its own delay for the other side's.",
  },
  "htlc-revocation-pubkey": {
    kind: "core",
    sentence:
      "Its HTLC output can be taken with the commitment's revocation key, and with no other but ours.",
    hint: rebuilt,
  },
  "htlc-delayed-pubkey": {
    kind: "core",
    sentence: "Its HTLC output pays our delayed key of the commitment.",
    hint: rebuilt,
  },
  "htlc-other": {
    kind: "core",
    sentence:
      "It takes an HTLC of a commitment that we signed for broadcast, and is what the counterparty has signed.",
    hint: rebuilt,
  },
  "htlc-fee-range": {
    kind: "limit",
    sentence:
      "An HTLC transaction pays the fee that its commitment says, none with anchors; what is added is bounded.",
    hint: later,
  },
  "htlc-cltv-range": {
    kind: "limit",
    sentence: "An HTLC is taken back when it expires, and not more than two weeks of blocks before it.",
    hint: "Ask again when the HTLC has expired, and let the signer's chain source catch up.",
  },
  "sweep-version": {
    kind: "core",
    sentence: "A sweep has version 2.",
    hint: "Relative delays hold from version 2 on (BIP 68).",
  },
  "sweep-locktime": {
    kind: "core",
    later: true,
    sentence:
      "The locktime of a sweep is a height: not before the HTLCs that it takes back expire, and not far off.",
    hint: "Set the locktime to the tip, or to the latest expiry; let the signer's chain source catch up.",
  },
  "sweep-sequence": {
    kind: "core",
    sentence: "Each input of a sweep waits as long as its script demands.",
    hint: "Set the sequence to the contest delay, or to 1 where there are anchors.",
  },
  "sweep-other": {
    kind: "core",
    sentence: "What is swept is ours by the channel's state: the right channel, number, script and HTLC.",
    hint: "The host takes the output for another than it is.",
  },
  "sweep-destination-allowlisted": {
    kind: "consent",
    sentence:
      "What is claimed from channels goes to our wallet or to the allowlist, or a person agreed to it.",
    hint: "Sweep to the wallet, put the script on the allowlist, or let an approver decide.",
  },
  "sweep-fee-range": {
    kind: "limit",
    sentence:
      "The fee of a sweep stays within the policy's feerate, and near a deadline within a multiple of it.",
    hint: later,
  },
  "justice-always-possible": {
    kind: "core",
    later: true,
    sentence:
      "A breach is punished under no limit but that of the fee: above the policy's feerate it comes out of the peer's share.",
    hint: "Lower the fee of the justice transaction; it is signed at once.",
  },
  "fee-exposure": {
    kind: "limit",
    sentence:
      "What we paid in on-chain fees within a day stays within the policy's limit; claims and commitments go on above it.",
    hint: "Wait until an hour of yesterday is over, or raise maxFeesPerDay.",
  },
} as const satisfies Texts;
