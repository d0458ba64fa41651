/**
 * Derivation style `native`, version 1, as docs/keys.md defines it: HKDF-SHA256 (RFC 5869) over the 64 bytes of
 * the BIP 39 seed, one label for each key. Frozen: another derivation is another style or version.
 */

import { hkdfSync } from "node:crypto";
import type { Curve } from "../../protocol/curve/curve.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { Secret } from "../../protocol/secret.ts";
import type { ChannelId } from "../../protocol/units.ts";

/** BOLT 3's base secrets, by the names of their basepoints. */
export const channelKeys = ["funding", "revocation", "payment", "delayed", "htlc"] as const;
export type ChannelKey = (typeof channelKeys)[number];

export interface NativeKeys {
  /** The secret of the node id. */
  identity(): Secret;
  channel(id: ChannelId, key: ChannelKey): Secret;
  /** What all per-commitment secrets of the channel follow from (BOLT 3, "Per-commitment Secret Requirements"). */
  shachain(id: ChannelId): Secret;
}

/** Two accounts of the wallet for each node have to fit into the hardened indices of BIP 32. */
export const maxNodeIndex = 2 ** 30 - 1;

export interface NativeRoot {
  readonly seed: Secret;
  /** In every label: words that were tried on a test network give nothing away about the keys that hold money. */
  readonly network: Network;
  readonly nodeIndex: number;
}

const noSalt = new Uint8Array(0);

const expand = (seed: Secret, label: string): Secret => {
  const bytes = new Uint8Array(seed.use((key) => hkdfSync("sha256", key, noSalt, label, 32)));
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
};

export const nativeKeys = (
  { seed, network, nodeIndex }: NativeRoot,
  isSecret: Curve["isSecret"],
): NativeKeys => {
  if (!Number.isInteger(nodeIndex) || nodeIndex < 0 || nodeIndex > maxNodeIndex)
    throw new RangeError(`not the index of a node: ${nodeIndex}`);
  const node = `countersign/native/1/${network}/node/${nodeIndex}`;

  /** The first of the labelled blocks that is a scalar between 1 and n - 1; in practice number 0. */
  const scalar = (label: string): Secret => {
    for (let attempt = 0; ; attempt++) {
      const secret = expand(seed, `${label}/${attempt}`);
      if (secret.use(isSecret)) return secret;
      secret.wipe();
    }
  };

  return {
    identity: () => scalar(`${node}/identity`),
    channel: (id, key) => scalar(`${node}/channel/${id}/${key}`),
    shachain: (id) => expand(seed, `${node}/channel/${id}/shachain`),
  };
};
