/** Payments: what goes out is covered by what comes in, and by what was approved. */

import type { Texts } from "./text.ts";

const propose = "Propose the payment first, and send when the signer has approved it.";
const wait = "Wait until what is on its way has settled, or raise the limit in the policy.";

export const paymentTexts = {
  "commitment-htlc-routing-balance": {
    kind: "core",
    later: true,
    sentence:
      "Of each payment hash, over all channels, no more goes out than came in and was approved, fee limit included.",
    hint: "The host sends on more than it receives, or pays more than was approved.",
  },
  "routing-balanced": {
    kind: "core",
    later: true,
    sentence:
      "What covers an HTLC that went out is not given up before that one is back, or its incoming side is about to expire.",
    hint: "Fail the incoming HTLC only when the outgoing one is irrevocably removed.",
  },
  "routing-cltv-delta": {
    kind: "limit",
    sentence: "An incoming HTLC covers an outgoing one only if it expires later by the policy's delta.",
    hint: "Forward only HTLCs that leave this many blocks, or lower minForwardDelta.",
  },
  "receipt-not-cover": {
    kind: "core",
    later: true,
    sentence: "What we receive for an invoice of ours covers only an approved payment to ourselves.",
    hint: "Propose it as a rebalance if it is one; nobody else's payment can have this hash.",
  },
  "commitment-htlc-offered-hash-matches": {
    kind: "core",
    later: true,
    sentence: "An HTLC that we offer bears the hash of an approved payment, or of an HTLC that we received.",
    hint: propose,
  },
  "commitment-payment-invoiced": {
    kind: "core",
    later: true,
    sentence: "An outgoing payment without cover has an approved intent.",
    hint: propose,
  },
  "commitment-payment-approved": {
    kind: "consent",
    sentence:
      "A payment was approved, by a limit or by a person, exactly as it is made and not too long ago.",
    hint: "Let an approver decide: `countersign approvals list`, then `approve` or `deny`.",
  },
  "commitment-payment-allowlisted": {
    kind: "consent",
    sentence:
      "Above what needs no person, only a signed invoice of a payee on the policy's list is approved by itself: one that says its amount, with a fee limit of at most 2 %, or of 100 sat where that is not more than the amount.",
    hint: "Let an approver decide; or put the payee on the list, ask it for an invoice with an amount, and propose a lower fee limit.",
  },
  "commitment-payment-velocity": {
    kind: "limit",
    sentence: "Amounts and fee limits of the payments approved within a day stay within the policy's limit.",
    hint: "Wait until an hour of yesterday is over, or raise maxSentPerDay.",
  },
  "invoice-not-expired": {
    kind: "limit",
    sentence: "An invoice has not expired when its payment is approved.",
    hint: "Ask the payee for a new invoice.",
  },
  "payment-fee-limit": {
    kind: "limit",
    sentence: "The fee limit of a payment stays within the policy's, absolute and by share of the amount.",
    hint: "Propose a lower fee limit, or raise maxRoutingFee and maxRoutingFeePpm.",
  },
  "payment-once": {
    kind: "core",
    sentence:
      "A payment that was made is not made again, and its parts and retries stay within the approval.",
    hint: "The payment was made: ask for a new invoice to pay again.",
  },
  "bolt12-invoice-bound": {
    kind: "core",
    sentence:
      "A BOLT 12 invoice is signed by its payee, and repeats the offer or refund that it is shown with.",
    hint: "Somebody answered with an invoice for another offer: ask again.",
  },
  "forward-exposure": {
    kind: "limit",
    sentence: "What was sent on for others, and is not yet settled to us, stays within the policy's limit.",
    hint: wait,
  },
  "receive-only": {
    kind: "limit",
    sentence: "A node that only receives approves no payment.",
    hint: "Set `sending` in the policy if this node is to pay.",
  },
  "merchant-no-sends": {
    kind: "limit",
    sentence: "A merchant's node, which forwards and receives, approves no payment.",
    hint: "Set `sending` in the policy if this node is to pay.",
  },
  "no-routing": {
    kind: "limit",
    sentence: "A node that does not forward takes no received HTLC as cover.",
    hint: "Set `forwarding` in the policy if this node is to forward.",
  },
  "commitment-htlc-cltv-range": {
    kind: "limit",
    sentence: "An HTLC that we offer expires within the policy's number of blocks from the tip.",
    hint: "Choose a route with a smaller total delay, or raise maxHtlcExpiry.",
  },
  "commitment-spends-active-utxo": {
    kind: "core",
    later: true,
    sentence: "No HTLC is offered in a channel whose funding output was spent.",
    hint: "The channel is closed on the chain: use another.",
  },
  "commitment-htlc-received-spends-active-utxo": {
    kind: "core",
    later: true,
    sentence:
      "What we receive in a channel whose funding is not deep covers nothing, unless all inputs are ours.",
    hint: "Wait for confirmations, or raise maxZeroConfExposure to the value of such channels.",
  },
} as const satisfies Texts;
