/** What every derivation style gives for a node; docs/keys.md defines each of them. */

import type { Curve } from "../../protocol/curve/curve.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import type { Secret } from "../../protocol/secret.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";
import { SetupError } from "../setup-error.ts";
import type { Wallet, WalletPlace } from "./wallet.ts";

/** BOLT 3's base secrets, by the names of their basepoints. */
export const channelKeys = ["funding", "revocation", "payment", "delayed", "htlc"] as const;
export type ChannelKey = (typeof channelKeys)[number];

/** Each secret is made anew for the one who asks, and his to wipe. */
export interface NodeKeys {
  /** The secret of the node id; it signs BOLT 12 invoices too. */
  identity(): Secret;
  channel(id: ChannelId, key: ChannelKey): Secret;
  /** What all per-commitment secrets of the channel follow from (BOLT 3, "Per-commitment Secret Requirements"). */
  shachain(id: ChannelId): Secret;
  readonly wallet: Wallet;
  closingPlace(id: ChannelId): WalletPlace;
  /** The base of the keys that a payer signs invoice requests with (BOLT 12), where the style has one. */
  payer(): Secret | undefined;
  /** What a host's keys for payment secrets follow from, where the style has it. */
  inboundPayment(): Secret | undefined;
  /** For the host's own use, one for each `info`, where the style has them. */
  derived(info: Uint8Array): Secret | undefined;
  /** Wipes the seed, which is the style's from the beginning, and whatever else was kept. */
  close(): void;
}

export interface KeysRoot {
  readonly seed: Secret;
  readonly network: Network;
  readonly nodeIndex: number;
  readonly curve: Curve;
  /** Style `cln` alone: its channel keys follow from the peer too. */
  readonly peerOf?: (channel: ChannelId) => NodeId | undefined;
}

/** SLIP 44: all test networks are coin type 1. */
export const coinType = (network: Network): 0 | 1 => (network === "bitcoin" ? 0 : 1);

/** The node software that these styles come from has one node to a seed. */
export const onlyNode = (style: string, { nodeIndex }: KeysRoot): void => {
  if (nodeIndex !== 0)
    throw new SetupError(
      "invalid",
      `a seed of style ${style} has one node, of index 0, and none of index ${nodeIndex}`,
      "Give each node a seed of its own.",
    );
};

export const seedLength = ({ seed }: KeysRoot, allowed: readonly number[]): number => {
  const length = seed.use((bytes) => bytes.length);
  if (!allowed.includes(length)) throw new RangeError(`not a seed of this style: ${length} bytes`);
  return length;
};
