/**
 * What was forgotten, asked or answered at a time stays so only if time never goes back behind it: else what was forgotten
 * could be had again at the old time, and an answer hold for a question that is asked anew in the same second.
 */

import { isKnown } from "../../protocol/codec.ts";
import type { Name } from "../../protocol/operations/index.ts";
import type { Payment } from "./state.ts";
import type { Change, Changes, Decision, Step, Turn, View } from "./step.ts";

const isDropped = (before: Payment | undefined, after: Payment | undefined): boolean =>
  before !== undefined &&
  ((isKnown(before.intent) && !(after !== undefined && isKnown(after.intent))) ||
    (isKnown(before.issued) && !(after !== undefined && isKnown(after.issued))));

const some = <T>(
  changes: Changes<T> = new Map(),
  is: (key: string, after: T | undefined) => boolean,
): boolean => changes.entries().some(([key, after]) => is(key, after));

/** What comes and goes with HTLCs alone has no time in it, so that a commitment writes no record of the node for this. */
const needsTime = ({ payments, approvals, outpoints }: View, change: Change): boolean =>
  some(change.approvals, (key, after) => after !== undefined || approvals.has(key)) ||
  some(change.payments, (key, after) => isDropped(payments.get(key), after)) ||
  some(change.outpoints, (key, after) => after === undefined && outpoints.has(key));

export const keepingTime = (view: View, decision: Decision<Name>): Decision<Name> => {
  if (!("change" in decision)) return decision;
  const { change } = decision;
  const node = change.node ?? view.node;
  if (node.time >= view.now || !needsTime(view, change)) return decision;
  return { ...decision, change: { ...change, node: { ...node, time: view.now } } };
};

/** Every step is decided here, so that none has to remember it. */
export const decidedIn = (step: Step<Name, unknown>, turn: Turn<Name, unknown>): Decision<Name> =>
  keepingTime(turn.view, step.decide(turn));
