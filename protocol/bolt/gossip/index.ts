/**
 * Gossip that is signed (BOLT 7): parsed whole, or Malformed.
 *
 * A funding key signs two things: the double SHA-256 of a `channel_announcement`, and that of a BIP 143 preimage,
 * which spends its channel. So no bytes may be read as the one that can be the other:
 * - A preimage begins with the transaction's version, low byte first; an announcement with the length of its features,
 *   at most 255, so with a zero (see `features`). No version that is relayed has a zero there.
 * - Were there such a version: the funding output is spent by a script of 71 bytes, so its preimage has 228, and an
 *   announcement of 228 bytes has at most 54 of features. Its chain hash then begins at one of the offsets 2 to 56,
 *   and at least twelve of its bytes lie in `hashPrevouts` or `hashSequence`, the rest there or in the outpoint's txid:
 *   a hash would have to be found that is the genesis block's. Zeros, as `ANYONECANPAY` puts there, are not.
 * A `channel_update` begins with the chain hash: as a preimage its first four bytes would be the version, which is none,
 * and the others `hashPrevouts`. A `node_announcement` has the first argument alone; the node's key, which signs it,
 * spends nothing.
 */

import * as P from "micro-packed";
import { compare, concat, equal } from "../../bytes.ts";
import { unpack } from "../../codec.ts";
import { doubleSha256 } from "../../hash.ts";
import { invalid, Malformed } from "../../malformed.ts";
import type { Network } from "../../operations/fields.ts";
import type { NodeId, Point, Signature } from "../../units.ts";
import { addressFault } from "./address.ts";
import { isMinimal, isSameChannel, type ShortChannelId, sig } from "./fields.ts";
import {
  type Bodies,
  type ChannelAnnouncement,
  type ChannelUpdate,
  type GossipName,
  kinds,
  type NodeAnnouncement,
} from "./messages.ts";

export { type Address, type Addresses, addressTypes } from "./address.ts";
export { formatShortChannelId, hasFeature, isMinimal, isSameChannel, type ShortChannelId } from "./fields.ts";
export type { Bodies, ChannelAnnouncement, ChannelUpdate, GossipName, NodeAnnouncement } from "./messages.ts";

/** BOLT 1, "Lightning Message Format": two bytes of these are the type. */
const maxMessage = 65_535;

const bounded = (length: number, signatures: number): void => {
  if (length > maxMessage - 2 - 64 * signatures) throw invalid(`${length} bytes`);
};

/** From the bytes that are signed, which have neither type nor signatures in front. */
export const decodeGossip = <N extends GossipName>(name: N, bytes: Uint8Array): Bodies[N] => {
  const { body, signatures } = kinds[name];
  bounded(bytes.length, signatures);
  return unpack(body, bytes);
};

export const encodeGossip = <N extends GossipName>(name: N, body: Bodies[N]): Uint8Array =>
  kinds[name].body.encode(body);

/** Of what was parsed, so that nothing else can have one. */
export const gossipDigest = <N extends GossipName>(name: N, body: Bodies[N]): Uint8Array =>
  doubleSha256(encodeGossip(name, body));

/** A message as peers send it. */
export type SignedGossip = {
  readonly [N in GossipName]: {
    readonly is: N;
    /** Four of an announced channel: of both nodes, then of both funding keys. One of the others. */
    readonly signatures: readonly Signature[];
    readonly body: Bodies[N];
  };
}[GossipName];

const names = Object.keys(kinds) as readonly GossipName[];

export const decodeSignedGossip = (message: Uint8Array): SignedGossip => {
  const type = ((message[0] ?? 0) << 8) | (message[1] ?? 0);
  const is = names.find((name) => kinds[name].type === type);
  if (is === undefined) throw new Malformed("type", `${type} is no gossip that is signed`);
  const { signatures: count } = kinds[is];
  const start = 2 + 64 * count;
  const signatures = unpack(P.array(count, sig), message.subarray(2, start));
  return { is, signatures, body: decodeGossip(is, message.subarray(start)) } as SignedGossip;
};

export const encodeSignedGossip = ({ is, signatures, body }: SignedGossip): Uint8Array => {
  const { type, signatures: count } = kinds[is];
  if (signatures.length !== count) throw new RangeError(`${signatures.length} signatures of ${count}`);
  return concat(Uint8Array.of(type >> 8, type), ...signatures, encodeGossip(is, body));
};

/** A channel as the signer knows it. `ours` and `theirs` are node id and funding key of either side. */
export interface AnnouncedChannel {
  readonly network: Network;
  readonly shortChannelId: ShortChannelId;
  readonly ours: { readonly node: NodeId; readonly funding: Point };
  readonly theirs: { readonly node: NodeId; readonly funding: Point };
}

export const namesChannel = (
  { chain, shortChannelId }: Pick<ChannelUpdate, "chain" | "shortChannelId">,
  channel: Pick<AnnouncedChannel, "network" | "shortChannelId">,
): boolean => chain === channel.network && isSameChannel(shortChannelId, channel.shortChannelId);

/** In both pairs the lesser node's stands first. */
export const namesKeys = (
  { nodeId1, nodeId2, bitcoinKey1, bitcoinKey2 }: ChannelAnnouncement,
  { ours, theirs }: Pick<AnnouncedChannel, "ours" | "theirs">,
): boolean => {
  const [first, second] = compare(ours.node, theirs.node) < 0 ? [ours, theirs] : [theirs, ours];
  return (
    equal(nodeId1, first.node) &&
    equal(nodeId2, second.node) &&
    equal(bitcoinKey1, first.funding) &&
    equal(bitcoinKey2, second.funding)
  );
};

export const directionOf = ({ channelFlags }: ChannelUpdate): 0 | 1 => ((channelFlags & 1) === 0 ? 0 : 1);
export const isDisabled = ({ channelFlags }: ChannelUpdate): boolean => (channelFlags & 2) !== 0;
export const isPrivate = ({ messageFlags }: ChannelUpdate): boolean => (messageFlags & 2) !== 0;

/** Bit 0 of the flags says which of the two nodes the update is from. */
export const isFrom = (update: ChannelUpdate, node: NodeId, peer: NodeId): boolean =>
  directionOf(update) === (compare(node, peer) < 0 ? 0 : 1);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Undefined where the alias is no text with zeros behind it. Chosen by a stranger: clean it before it is shown. */
export const aliasOf = ({ alias }: Pick<NodeAnnouncement, "alias">): string | undefined => {
  const end = alias.findLastIndex((byte) => byte !== 0) + 1;
  try {
    return utf8.decode(alias.subarray(0, end));
  } catch {
    return undefined;
  }
};

const faults: { readonly [N in GossipName]: (body: Bodies[N]) => string | undefined } = {
  channel_announcement: ({ features, nodeId1, nodeId2 }) => {
    if (!isMinimal(features)) return "features are longer than their bits";
    return compare(nodeId1, nodeId2) < 0 ? undefined : "node ids are not in ascending order";
  },
  node_announcement: (body) =>
    aliasOf(body) === undefined ? "alias is not UTF-8" : addressFault(body.addresses),
  channel_update: ({ messageFlags, channelFlags, timestamp, htlcMinimum, htlcMaximum }) => {
    if ((messageFlags & 1) === 0) return "must_be_one is 0";
    if (messageFlags > 3 || channelFlags > 3) return "flags without a meaning are set";
    if (timestamp === 0) return "timestamp is 0";
    return htlcMinimum > htlcMaximum ? "htlc_minimum_msat is above htlc_maximum_msat" : undefined;
  },
};

/** What BOLT 7 says that the origin must not send; undefined where it may. Receivers take most of it. */
export const originFault = <N extends GossipName>(name: N, body: Bodies[N]): string | undefined =>
  body.tail.length > 0 ? "bytes behind the last field" : faults[name](body);
