/** What a host's own transaction can differ in from the rebuild (BOLT 3): each has a name, so that its writer finds it. */

import type { Texts } from "./text.ts";

const otherKeys = "The host derived a key from another basepoint or point than the signer.";
const otherTransaction = "The host built another transaction than the signer.";

export const constructionTexts = {
  "commitment-revocation-pubkey": {
    kind: "core",
    sentence: "The revocation key of a commitment is the other side's, blinded by the owner's point.",
    hint: otherKeys,
  },
  "commitment-broadcaster-pubkey": {
    kind: "core",
    sentence: "The delayed output of a commitment pays its owner's delayed key.",
    hint: otherKeys,
  },
  "commitment-countersignatory-pubkey": {
    kind: "core",
    sentence: "The undelayed output of a commitment pays the other side's payment key.",
    hint: otherKeys,
  },
  "commitment-to-self-delay-range": {
    kind: "core",
    sentence: "The owner's output is delayed by what the other side demanded at opening.",
    hint: "The host took its own delay for the other side's, or the other way round.",
  },
  "commitment-htlc-revocation-pubkey": {
    kind: "core",
    sentence: "An HTLC output of a commitment can be taken with the commitment's revocation key.",
    hint: otherKeys,
  },
  "commitment-htlc-holder-htlc-pubkey": {
    kind: "core",
    sentence: "An HTLC output of a commitment has our HTLC key of this number.",
    hint: otherKeys,
  },
  "commitment-htlc-counterparty-htlc-pubkey": {
    kind: "core",
    sentence: "An HTLC output of a commitment has the counterparty's HTLC key of this number.",
    hint: otherKeys,
  },
  "commitment-anchor-to-counterparty": {
    kind: "core",
    sentence:
      "A commitment of an anchor channel has the counterparty's anchor, if it has an output or an HTLC.",
    hint: otherTransaction,
  },
  "commitment-anchor-match-fundingkey": {
    kind: "core",
    sentence: "An anchor pays the funding key of the side that it is for.",
    hint: otherKeys,
  },
  "commitment-anchor-static-remotekey": {
    kind: "core",
    sentence:
      "The undelayed output is a key hash with static_remotekey, and a script that waits a block with anchors.",
    hint: "The host built the output of the other channel type.",
  },
  "commitment-singular-to-counterparty": {
    kind: "core",
    sentence: "A commitment pays the counterparty's own output once.",
    hint: otherTransaction,
  },
  "routing-deltas-only-htlc": {
    kind: "core",
    sentence: "Where no HTLC came or went, the balances change by the fee alone.",
    hint: "The host moved value between the sides without an HTLC.",
  },
  "revoke-new-commitment-valid": {
    kind: "core",
    later: true,
    sentence: "A commitment is left only for one that every rule let pass, not for one that was refused.",
    hint: "Look for the refusal of the next commitment: the host may not revoke before it passes.",
  },
  "splice-balance": {
    kind: "core",
    sentence:
      "After a splice we have what we had and put in, less what was approved to leave and our share of the fee.",
    hint: "The host's figures for the splice do not add up.",
  },
  "splice-countersigned": {
    kind: "core",
    sentence:
      "The first commitment on a new funding is validated before we sign into it; this signer validates none yet.",
    hint: "Splicing is not there yet: close the channel, or open another one.",
  },
} as const satisfies Texts;
