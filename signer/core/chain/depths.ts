/** How deep is deep, and how early is in time. In blocks; these are of the protocol, not of the policy. */

import type { Network } from "../../../protocol/operations/fields.ts";
import type { Height } from "../../../protocol/units.ts";

/**
 * "Reasonable depth" of BOLT 5: from here on an HTLC may be failed back. Since 2015 no reorganisation of the public
 * chain was as deep, and it is what LDK waits (ANTI_REORG_DELAY), so a host does not ask earlier.
 */
export const deep = 6;

/** BOLT 5, "General Nomenclature": irrevocably resolved; nothing of it is looked for any more. */
export const irrevocable = 100;

/** 2R+G+S of BOLT 2, "`cltv_expiry_delta` Selection": so long before its expiry a received HTLC goes on chain. */
export const claimBefore = 18;

/** G of the same: so long after its expiry an offered one does. */
export const timeoutAfter = 2;

/** S of the same: what a transaction that was published may take to be mined. */
export const inclusion = 12;

/** Honest hosts act 18 (LDK) to 10 blocks (lnd) before the expiry: later than all of them, with time to do it. */
export const claimAlarm = 9;

/** Honest hosts close at most 3 blocks after the expiry (LDK, LATENCY_GRACE_PERIOD_BLOCKS). */
export const timeoutAlarm = 6;

/** Confirmations: 1 in the block itself. */
export const depthAt = (since: Height, tip: Height): number => Math.max(0, tip - since + 1);

export const isDeep = (since: Height, tip: Height): boolean => depthAt(since, tip) >= deep;

/**
 * From here on what is received in a channel covers what goes out. No implementation uses a channel earlier by its own
 * default (Core Lightning: 3 on bitcoin, 1 elsewhere; lnd: 3; LDK: 6), unless it trusts the funding unconfirmed; and
 * three blocks cost more than any policy's preset lets out by it.
 */
export const coverDepth = (network: Network): number => (network === "bitcoin" ? 3 : 1);
