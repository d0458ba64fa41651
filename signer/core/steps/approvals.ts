/** listApprovals, decideApproval: what a host asked for, put before a person. */

import { equal, toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { ListedApproval } from "../../../protocol/operations/admin.ts";
import { msat } from "../../../protocol/units.ts";
import { type Facts, refuse } from "../rule.ts";
import { textOf } from "../rules/table.ts";
import type { Approval } from "../state.ts";
import { type Change, type Decision, refused, type Settings, type Step, type View } from "../step.ts";
import { approve, limitsOn, withdrawn } from "./payment.ts";

const most = 300;

/** What was denied stays so; anything else has an end. */
const shownStanding = ({ standing, until }: Approval, now: number): ListedApproval["standing"] =>
  standing !== "denied" && until < now ? "expired" : standing;

const listed = (approval: Approval, now: number): ListedApproval => ({
  id: approval.id,
  subject: approval.subject,
  standing: shownStanding(approval, now),
  amount: msat(approval.amount),
  shown: approval.shown,
  asked: BigInt(approval.asked),
  until: BigInt(approval.until),
  by: approval.by,
});

/** What waits first, the oldest before the others; then what was decided, the latest first. */
const byUrgency = (a: ListedApproval, b: ListedApproval): number => {
  if (a.standing === "pending" || b.standing === "pending") {
    if (a.standing !== b.standing) return a.standing === "pending" ? -1 : 1;
    return Number(a.asked - b.asked);
  }
  return Number(b.asked - a.asked);
};

export const listApprovals: Step<"listApprovals", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { state }, view: { approvals, now } }) => {
    const all = [...approvals.values()]
      .map((approval) => listed(approval, now))
      .filter(({ standing }) => state === "all" || standing === "pending")
      .toSorted(byUrgency);
    return {
      is: "told",
      reply: () => ({ approvals: all.slice(0, most), more: Math.max(all.length - most, 0) }),
    };
  },
};

type Answer = Decision<"decideApproval">;

const no = (facts: Facts): Answer => refused(refuse(textOf("commitment-payment-approved"), facts));

const kept = (change: Change, approval: Approval, now: number): Answer => ({
  is: "kept",
  change: { ...change, approvals: new Map([[toHex(approval.id), approval]]) },
  detail: `${approval.standing} ${toHex(approval.id)} by ${approval.by}`,
  reply: () => ({ standing: shownStanding(approval, now) }),
});

interface Scene {
  readonly view: View;
  readonly settings: Settings;
}

/** A person's word covers consent alone: limits are asked as of now, and a payment is charged to its window now. */
const approving = ({ view, settings }: Scene, approval: Approval, by: string): Answer => {
  // A denial stands: otherwise whoever comes second could undo it. The host may propose something else.
  if (approval.standing === "denied")
    return no({ approval: approval.id, standing: "denied", by: approval.by });
  const approved: Approval = { ...approval, standing: "approved", by };
  if (!isKnown(approval.intent)) return kept({}, approved, view.now);
  const { hash, intent } = approval.intent;
  const { kind, amount, feeLimit } = intent;
  const proposed = { kind, hash, amount: msat(amount), feeLimit: msat(feeLimit) };
  const refusal = limitsOn({ view, settings }, proposed);
  return refusal === undefined ? kept(approve(view, hash, intent), approved, view.now) : refused(refusal);
};

/** Also of what was approved before, as long as nothing was done with it. */
const denying = (view: View, approval: Approval, by: string): Answer => {
  const denied: Approval = { ...approval, standing: "denied", by };
  // What was signed can be published at any time.
  if (isKnown(approval.bound)) return no({ approval: approval.id, used: true });
  if (!isKnown(approval.intent)) return kept({}, denied, view.now);
  const payment = view.payments.get(toHex(approval.intent.hash));
  const isInForce =
    payment !== undefined && isKnown(payment.intent) && equal(payment.intent.content, approval.id);
  if (!isInForce) return kept({}, denied, view.now);
  const change = withdrawn(view, payment);
  return change === undefined
    ? no({ approval: approval.id, onItsWay: true })
    : kept(change, denied, view.now);
};

export const decideApproval: Step<"decideApproval", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { id, verdict, by }, view, settings }) => {
    if (by.trim() === "") throw new Malformed("by", "somebody decides");
    const approval = view.approvals.get(toHex(id));
    if (approval === undefined) return no({ approval: id, known: false });
    if (approval.standing === (verdict === "approve" ? "approved" : "denied"))
      return { is: "told", reply: () => ({ standing: shownStanding(approval, view.now) }) };
    // What was approved lets HTLCs out for a while after its time: it can be taken back as long as it is known.
    if (approval.until < view.now && approval.standing !== "approved")
      return no({ approval: id, expired: approval.until, now: view.now });
    return verdict === "approve" ? approving({ view, settings }, approval, by) : denying(view, approval, by);
  },
};
