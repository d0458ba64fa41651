/** Consent and limits of a payment, before the node commits to anything. */

import { equal } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Network } from "../../../protocol/operations/fields.ts";
import { msat } from "../../../protocol/units.ts";
import { max, min } from "../balance.ts";
import type { Proof, Proposed } from "../payments/proposal.ts";
import { type Policy, routingFeeLimit, smallFee } from "../policy.ts";
import type { Rule } from "../rule.ts";
import type { NodeState, Payment } from "../state.ts";
import { spent } from "../velocity.ts";
import { rule } from "./table.ts";

/** What is left of a proposal when only its approval waits. */
export type Terms = Pick<Proposed, "kind" | "hash" | "amount" | "feeLimit">;

export interface IntentView {
  readonly proposed: Terms;
  readonly policy: Policy;
  readonly node: NodeState;
  readonly payment: Payment | undefined;
  readonly now: number;
  /** Reserved for this very hash already, and to be replaced. */
  readonly reserved: bigint;
}

export interface ProposalView extends IntentView {
  readonly proof: Proof;
  readonly network: Network;
}

export const wholeOf = ({ amount, feeLimit }: Pick<Proposed, "amount" | "feeLimit">): bigint =>
  amount + feeLimit;

/** What the invoice proves once for all: a payment that fails one of these is not even put before a person. */
export const proofRules: readonly Rule<ProposalView>[] = [
  rule("node-network", ({ proof, network }) =>
    proof.signed && proof.network !== network ? { invoice: proof.network, signer: network } : undefined,
  ),
  rule("bolt12-invoice-bound", ({ proof }) =>
    proof.unbound === undefined ? undefined : { because: proof.unbound },
  ),
  rule("invoice-not-expired", ({ proof, now }) =>
    isKnown(proof.expires) && now > proof.expires ? { expired: proof.expires, now } : undefined,
  ),
];

/** No person can wave these through: asked when a payment is proposed, and again when somebody approves it. */
export const intentRules: readonly Rule<IntentView>[] = [
  rule("payment-once", ({ payment, proposed }) =>
    payment !== undefined && isKnown(payment.intent) && payment.settledOut > 0n
      ? { hash: proposed.hash, settled: payment.settledOut }
      : undefined,
  ),
  rule("receive-only", ({ policy }) =>
    policy.sending || policy.forwarding ? undefined : { sending: policy.sending },
  ),
  rule("merchant-no-sends", ({ policy }) =>
    policy.sending || !policy.forwarding ? undefined : { sending: policy.sending },
  ),
  rule("payment-fee-limit", ({ proposed, policy }) => {
    // A rebalance has no amount of its own to take a share of.
    const max =
      proposed.kind === "rebalance" ? policy.maxRoutingFee : routingFeeLimit(policy, msat(proposed.amount));
    return proposed.feeLimit > max ? { feeLimit: proposed.feeLimit, max } : undefined;
  }),
  rule("commitment-payment-approved", ({ proposed, policy }) =>
    proposed.amount > policy.maxPayment ? { amount: proposed.amount, max: policy.maxPayment } : undefined,
  ),
  rule("commitment-payment-velocity", ({ proposed, policy, node, now, reserved }) => {
    const sum = spent(node.windows.sent, now) - reserved + wholeOf(proposed);
    return sum > policy.maxSentPerDay ? { withThis: sum, maxPerDay: policy.maxSentPerDay } : undefined;
  }),
];

/** In millionths: what every preset lets a route cost. */
const modestShare = 20_000n;

/**
 * A fee is whoever's who forwards, which may be the host's own peer, and not the payee's: it is small beside what the
 * payee gets, or somebody is asked.
 */
const isModest = ({ amount, feeLimit }: Terms): boolean =>
  feeLimit <= max((amount * modestShare) / 1_000_000n, min(smallFee, amount));

/** Without an amount in the invoice the payee gives its preimage for any, and the rest stays with whoever forwarded it. */
const isToListed = ({ proposed, proof: { payee, signed, amount }, policy }: ProposalView): boolean =>
  signed &&
  isKnown(amount) &&
  isKnown(payee) &&
  policy.payees.some((one) => equal(one, payee)) &&
  isModest(proposed);

/** What of this a person has to be asked about. */
export const consentRules: readonly Rule<ProposalView>[] = [
  rule("commitment-payment-allowlisted", (view) => {
    const { proposed, proof, policy } = view;
    const { payee } = proof;
    const { unattendedPayment: unattended } = policy;
    // A rebalance without a fee is worth nothing by itself, and still moves what others may keep.
    if (unattended > 0n && wholeOf(proposed) <= unattended) return undefined;
    if (isToListed(view)) return undefined;
    return {
      amount: wholeOf(proposed),
      unattended,
      payee: isKnown(payee) ? payee : "anyone",
    };
  }),
];
