/** How far each rule holds for a host of each tier: what a host can't tell, no rule can see. */

import type { Tier } from "../../../protocol/operations/fields.ts";
import type { Coverage } from "../rule.ts";

type Tiers = Readonly<Record<Tier, Coverage>>;

const everywhere: Tiers = { full: "exact", commitments: "exact", stateless: "exact" };
/** A host without channel state brings nothing that these could be held against. */
const withChannels: Tiers = { full: "exact", commitments: "exact", stateless: "absent" };
/** Without trimmed HTLCs, preimages, dust limits and reserves: within the limit on what may be hidden. */
const listed: Tiers = { full: "exact", commitments: "bounded", stateless: "absent" };

const bounded: ReadonlySet<string> = new Set([
  "channel-dust-limit-range",
  "channel-reserve-range",
  "commitment-outputs-trimmed",
  "commitment-initial-funding-value",
  "commitment-value-conserved",
  "routing-deltas-only-htlc",
  "commitment-payment-settled-preimage",
  "commitment-htlc-routing-balance",
  "routing-balanced",
  "forward-exposure",
  "payment-once",
  "mutual-value-matches-commitment",
]);

/** Decided at intent or on a whole transaction, or about the node itself. */
const free =
  /^(node-|onchain-|velocity-|gossip-|message-|ecdh-|invoice-|chain-|splice-|payment-fee|bolt12-|receive-only|merchant-|commitment-payment-(velocity|allowlisted)|funding-max|sweep-destination|fee-exposure)/;

export const tiersOf = (name: string): Tiers => {
  if (name === "trimmed-budget") return { full: "exact", commitments: "bounded", stateless: "absent" };
  if (bounded.has(name)) return listed;
  return free.test(name) ? everywhere : withChannels;
};
