/** The parts of the three gossip messages that are signed: all but type and signatures (BOLT 7). */

import * as P from "micro-packed";
import type { Network } from "../../operations/fields.ts";
import type { Msat, NodeId, Point } from "../../units.ts";
import { type Addresses, addresses } from "./address.ts";
import {
  amount,
  byte,
  bytes,
  chain,
  features,
  key,
  type ShortChannelId,
  short,
  shortChannelId,
  tail,
  word,
} from "./fields.ts";

export interface ChannelAnnouncement {
  readonly features: Uint8Array;
  readonly chain: Network;
  readonly shortChannelId: ShortChannelId;
  readonly nodeId1: NodeId;
  readonly nodeId2: NodeId;
  readonly bitcoinKey1: Point;
  readonly bitcoinKey2: Point;
  /** Fields of a later version. */
  readonly tail: Uint8Array;
}

export interface NodeAnnouncement {
  readonly features: Uint8Array;
  readonly timestamp: number;
  readonly nodeId: NodeId;
  readonly rgbColor: Uint8Array;
  readonly alias: Uint8Array;
  readonly addresses: Addresses;
  readonly tail: Uint8Array;
}

export interface ChannelUpdate {
  readonly chain: Network;
  readonly shortChannelId: ShortChannelId;
  readonly timestamp: number;
  readonly messageFlags: number;
  readonly channelFlags: number;
  readonly cltvExpiryDelta: number;
  readonly htlcMinimum: Msat;
  readonly feeBaseMsat: number;
  readonly feeProportionalMillionths: number;
  readonly htlcMaximum: Msat;
  readonly tail: Uint8Array;
}

export interface Bodies {
  readonly channel_announcement: ChannelAnnouncement;
  readonly node_announcement: NodeAnnouncement;
  readonly channel_update: ChannelUpdate;
}

export type GossipName = keyof Bodies;

export interface GossipKind<Body> {
  readonly type: number;
  readonly signatures: number;
  readonly body: P.CoderType<Body>;
}

export const kinds: { readonly [N in GossipName]: GossipKind<Bodies[N]> } = {
  channel_announcement: {
    type: 256,
    signatures: 4,
    body: P.struct({
      features,
      chain,
      shortChannelId,
      nodeId1: key,
      nodeId2: key,
      bitcoinKey1: key,
      bitcoinKey2: key,
      tail,
    }),
  },
  node_announcement: {
    type: 257,
    signatures: 1,
    body: P.struct({
      features,
      timestamp: word,
      nodeId: key,
      rgbColor: bytes(3),
      alias: bytes(32),
      addresses,
      tail,
    }),
  },
  channel_update: {
    type: 258,
    signatures: 1,
    body: P.struct({
      chain,
      shortChannelId,
      timestamp: word,
      messageFlags: byte,
      channelFlags: byte,
      cltvExpiryDelta: short,
      htlcMinimum: amount,
      feeBaseMsat: word,
      feeProportionalMillionths: word,
      htlcMaximum: amount,
      tail,
    }),
  },
};
