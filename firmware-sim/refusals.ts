/** What a device refuses beside the core's rules. */

import { isKnown } from "../protocol/codec.ts";
import type { AnyRequest } from "../protocol/operations/index.ts";
import type { Refusal } from "../protocol/outcome.ts";

export const htlcsIn = ({ body }: AnyRequest): number =>
  ("htlcs" in body ? body.htlcs.length : 0) +
  ("trimmed" in body && Array.isArray(body.trimmed) ? body.trimmed.length : 0);

/** Strangers choose what a channel receives, so how much of it there may be is settled before it opens. */
export const acceptedIn = ({ name, body }: AnyRequest): number => {
  if (name !== "check" && name !== "setup") return 0;
  const { maxAcceptedHtlcs } = body.terms.holder;
  return isKnown(maxAcceptedHtlcs) ? maxAcceptedHtlcs : 0;
};

export const noRoom = (final: boolean, facts: Refusal["facts"], hint: string): Refusal => ({
  rule: "device-room",
  kind: "limit",
  final,
  sentence: "What a device remembers, and answers at once, has a limit.",
  facts,
  hint,
});

/** What it moves goes through channels of others, and whether it came back only the chain and a clock would say. */
export const noRebalance: Refusal = {
  rule: "device-no-rebalance",
  kind: "core",
  final: true,
  sentence: "A node with its keys on a device pays nobody to move its own balance from channel to channel.",
  facts: [],
  hint: "Pay an invoice of one's own other node, or open channels where the balance is needed.",
};

export const notAgreed = (id: string): Refusal => ({
  rule: "device-consent",
  kind: "consent",
  final: false,
  sentence: "Yes is said at the device: by its person, its allowance, or its approvers.",
  facts: [{ name: "approval", value: id }],
  hint: "Answer on the device: it shows the question when the host asks again. Or let its approvers sign: `countersign device questions`.",
});
