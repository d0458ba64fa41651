/** checkPayment, proposePayment, withdrawPayment: consent and limits are decided before an HTLC is offered. showPreimages. */

import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import { sha256 } from "../../../protocol/hash.ts";
import type { Reply } from "../../../protocol/operations/index.ts";
import { operations } from "../../../protocol/operations/index.ts";
import { clip, type Fact, type Refusal } from "../../../protocol/outcome.ts";
import { maxPending, pendingIn, stale } from "../approvals.ts";
import { maxIssued } from "../issued.ts";
import { keeping, shownBy } from "../payments/preimages.ts";
import { type Proof, type Proposed, proofOf } from "../payments/proposal.ts";
import { crowdedOut, expired } from "../payments/square.ts";
import { judge, refuse } from "../rule.ts";
import {
  consentRules,
  intentRules,
  type ProposalView,
  proofRules,
  type Terms,
  wholeOf,
} from "../rules/intent.ts";
import { textOf } from "../rules/table.ts";
import { type Approval, freshPayment, type Intent, type NodeState, type Payment } from "../state.ts";
import { type Change, type Changes, given, refused, type Settings, type Step, type View } from "../step.ts";
import { charge, giveBack, spent } from "../velocity.ts";

const day = 86_400;

type Standing = Reply<"proposePayment">["standing"];

export const approvalOf = (proposed: Proposed): Uint8Array =>
  sha256(operations.proposePayment.packedRequest.encode(proposed));

const shownOf = ({ kind, amount, feeLimit, hash }: Proposed, proof: Proof): readonly Fact[] => {
  const { payee, signed, description } = proof;
  return [
    { name: "kind", value: kind },
    { name: "amount", value: `${amount} msat` },
    { name: "feeLimit", value: `${feeLimit} msat` },
    // Only a signature says who is paid.
    { name: "payee", value: signed && isKnown(payee) ? toHex(payee) : "anyone" },
    { name: "hash", value: toHex(hash) },
    { name: "description", value: clip(description, 256) },
  ];
};

const intentOf = (proposed: Proposed, proof: Proof, id: Uint8Array, now: number): Intent => ({
  content: id,
  kind: proposed.kind,
  amount: proposed.amount,
  feeLimit: proposed.feeLimit,
  payee: proof.payee,
  at: now,
  until: isKnown(proof.expires) ? Math.min(now + day, proof.expires) : now + day,
});

/** What an intent has reserved of the window, as far as nothing of it went out. */
const reservedBy = (payment: Payment | undefined): bigint =>
  payment !== undefined && isKnown(payment.intent) && payment.settledOut === 0n
    ? payment.intent.amount + payment.intent.feeLimit
    : 0n;

const released = (node: NodeState, payment: Payment | undefined): NodeState => {
  if (payment === undefined || !isKnown(payment.intent)) return node;
  const sent = giveBack(node.windows.sent, payment.intent.at, reservedBy(payment));
  return { ...node, windows: { ...node.windows, sent } };
};

/** Of what is in the window still, what would be free again if this payment were not made. */
const creditOf = (node: NodeState, payment: Payment | undefined, now: number): bigint =>
  spent(node.windows.sent, now) - spent(released(node, payment).windows.sent, now);

/** Charged to the window, and kept under its hash: HTLCs find it there. */
export const approve = (
  view: View,
  hash: Payment["hash"],
  intent: Intent,
): Change & { readonly payments: Changes<Payment> } => {
  const key = toHex(hash);
  const payment = view.payments.get(key);
  const node = released(view.node, payment);
  const sent = charge(node.windows.sent, view.now, intent.amount + intent.feeLimit);
  return {
    node: { ...node, time: view.now, windows: { ...node.windows, sent } },
    payments: new Map([[key, { ...(payment ?? freshPayment(hash)), intent: { ...intent, at: view.now } }]]),
  };
};

interface Judged {
  readonly refusal: Refusal | undefined;
  readonly standing: Standing;
  readonly intent: Intent;
  readonly id: Uint8Array;
}

const standingOf = (view: View, intent: Intent, waits: boolean): Standing => {
  const approval = view.approvals.get(toHex(intent.content));
  if (approval !== undefined && approval.until >= view.now) return approval.standing;
  return waits ? "pending" : "approved";
};

export interface Scene {
  readonly view: View;
  readonly settings: Settings;
}

const viewOf = ({ view, settings }: Scene, proposed: Terms, proof: Proof): ProposalView => {
  const payment = view.payments.get(toHex(proposed.hash));
  return {
    proposed,
    proof,
    policy: settings.policy,
    network: settings.network,
    node: view.node,
    payment,
    now: view.now,
    reserved: creditOf(view.node, payment, view.now),
  };
};

/** What no person can wave through, as it stands now. */
export const limitsOn = ({ view, settings: { policy } }: Scene, proposed: Terms): Refusal | undefined => {
  const key = toHex(proposed.hash);
  const payment = view.payments.get(key);
  const { node, now } = view;
  const reserved = creditOf(node, payment, now);
  const refusal =
    view.outlook.trouble ?? judge(intentRules, { proposed, policy, node, payment, now, reserved });
  if (refusal !== undefined) return refusal;
  // An approval is bound to exactly what was approved, and that is on its way.
  return view.ledger.channelsOf(key).size > 0 && reservedBy(payment) > 0n
    ? refuse(textOf("commitment-payment-approved"), { hash: proposed.hash, onItsWay: true })
    : undefined;
};

const judged = (scene: Scene, proposed: Proposed, proof: Proof): Judged => {
  const { view } = scene;
  const id = approvalOf(proposed);
  const known = view.payments.get(toHex(proposed.hash));
  if (known !== undefined && isKnown(known.intent) && equal(known.intent.content, id)) {
    const { intent } = known;
    // As it was approved, it is approved until its time is over; then it is judged anew.
    const settled = known.settledOut > 0n;
    if (settled || intent.until >= view.now)
      return { refusal: undefined, standing: settled ? "settled" : "approved", intent, id };
  }
  const intent = intentOf(proposed, proof, id, view.now);
  const subject = viewOf(scene, proposed, proof);
  const refusal = judge(proofRules, subject) ?? limitsOn(scene, proposed);
  const waits = judge(consentRules, subject) !== undefined;
  return { refusal, standing: standingOf(view, intent, waits), intent, id };
};

const prepare = (body: Proposed, _live: unknown, _known: unknown, { curve, network }: Settings) => ({
  built: proofOf(curve, body, network),
  checks: [],
});

export const checkPayment: Step<"checkPayment", Proof> = {
  prepare,
  decide: ({ body, view, settings, prepared }) => {
    const { refusal, standing } = judged({ view, settings }, body, given(prepared, "proof"));
    return refusal === undefined ? { is: "told", reply: () => ({ standing }) } : refused(refusal);
  },
};

const asked = (view: View, proposed: Proposed, proof: Proof, { id, intent }: Judged): Approval => ({
  id,
  subject: "payment",
  standing: "pending",
  amount: wholeOf(proposed),
  shown: shownOf(proposed, proof),
  asked: view.now,
  until: intent.until,
  by: "",
  intent: { hash: proposed.hash, intent },
  bound: unknown,
});

export const proposePayment: Step<"proposePayment", Proof> = {
  prepare,
  decide: ({ body, view, settings, prepared }) => {
    const proof = given(prepared, "proof");
    const result = judged({ view, settings }, body, proof);
    if (result.refusal !== undefined) return refused(result.refusal);
    const { id, intent, standing } = result;
    const reply = () => ({ standing, approval: id, until: BigInt(intent.until) });
    const key = toHex(id);
    const live = view.payments.get(toHex(body.hash))?.intent;
    if (live === intent) return { is: "told", reply };
    switch (standing) {
      case "approved": {
        const sweep = { most: 16, but: toHex(body.hash) };
        const isCrowded = settings.clockless === true && view.payments.size >= maxIssued;
        const swept = isCrowded ? crowdedOut(view, sweep) : expired(view, sweep, settings);
        const base = swept.node === undefined ? view : { ...view, node: swept.node };
        const change = approve(base, body.hash, intent);
        return {
          is: "kept",
          change: { ...change, payments: new Map([...(swept.payments ?? []), ...change.payments]) },
          reply,
        };
      }
      case "pending": {
        const known = view.approvals.get(key);
        // Whose time is over nobody can answer: it is asked anew.
        if (known?.standing === "pending" && known.until >= view.now) return { is: "told", reply };
        if (pendingIn(view) >= maxPending)
          return refused(refuse(textOf("commitment-payment-approved"), { waiting: maxPending }));
        const approvals = new Map<string, Approval | undefined>([
          ...stale(view),
          [key, asked(view, body, proof, result)],
        ]);
        return { is: "kept", change: { approvals }, reply };
      }
      case "denied":
      case "settled":
        return { is: "told", reply };
    }
  },
};

/** What was reserved is free again. Undefined where something of it is, or was, on its way. */
export const withdrawn = (view: View, payment: Payment): Change | undefined => {
  const key = toHex(payment.hash);
  if (view.ledger.channelsOf(key).size > 0 || payment.settledOut > 0n) return undefined;
  const rest: Payment = { ...payment, intent: unknown };
  return {
    node: released(view.node, payment),
    payments: new Map([[key, isKnown(rest.issued) ? rest : undefined]]),
  };
};

export const withdrawPayment: Step<"withdrawPayment", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { hash }, view, settings }) => {
    const payment = view.payments.get(toHex(hash));
    const reply = () => ({});
    if (payment === undefined || !isKnown(payment.intent)) return { is: "told", reply };
    const change = withdrawn(view, payment);
    return change === undefined
      ? // What failed may still be in a live commitment; and without preimages it may only look paid.
        refused(
          refuse(
            { ...textOf("payment-once"), later: payment.settledOut === 0n || settings.tier !== "full" },
            { hash, onItsWay: true },
          ),
        )
      : { is: "kept", change, reply };
  },
};

export const showPreimages: Step<"showPreimages", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { preimages }, view }) => {
    const change = keeping(view, shownBy(preimages));
    const reply = () => ({});
    return change.payments === undefined ? { is: "told", reply } : { is: "kept", change, reply };
  },
};
