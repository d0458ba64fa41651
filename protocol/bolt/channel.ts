import type { Height, Msat, PaymentHash, Point, Sat } from "../units.ts";

/**
 * What a channel's commitments look like. `anchors` is anchors with zero-fee HTLC transactions; the other has
 * none. Both pay `to_remote` to a key that does not change with the commitment.
 */
export type ChannelType = "static_remotekey" | "anchors";

/** A commitment has one owner, who may broadcast it; the peer countersigns it. */
export type Party = "broadcaster" | "countersignatory";

export const otherParty = (party: Party): Party =>
  party === "broadcaster" ? "countersignatory" : "broadcaster";

/** The public keys that one side brings to a channel (BOLT 2, `open_channel` and `accept_channel`). */
export interface Basepoints {
  readonly funding: Point;
  readonly revocation: Point;
  readonly payment: Point;
  readonly delayed: Point;
  readonly htlc: Point;
}

export interface Htlc {
  readonly offeredBy: Party;
  readonly amount: Msat;
  readonly hash: PaymentHash;
  readonly expiry: Height;
}

/** BOLT 3, "`to_local_anchor` and `to_remote_anchor` Output". */
export const anchorValue = 330n as Sat;
