/**
 * Derivation style `ldk`, version 1: rust-lightning's `KeysManager` (lightning/src/sign/mod.rs) without
 * `v2_remote_key_derivation`, and around it ldk-node's way from the words. Defined in docs/keys.md.
 */

import { createHash } from "node:crypto";
import type { Curve } from "../../protocol/curve/curve.ts";
import { Secret } from "../../protocol/secret.ts";
import type { ChannelId } from "../../protocol/units.ts";
import { childOf, type ExtendedSecret, hardened, keyAt, masterOf, wipe } from "./bip32.ts";
import {
  type ChannelKey,
  coinType,
  type KeysRoot,
  type NodeKeys,
  onlyNode,
  seedLength,
} from "./node-keys.ts";
import { openWallet } from "./wallet.ts";

/** The hardened children of `KeysManager`'s master key. */
const children = {
  node: 0,
  destination: 1,
  shutdown: 2,
  channels: 3,
  inboundPayment: 5,
  peerStorage: 6,
  receiveAuth: 7,
} as const;

/** In the order in which each follows from the one before it, the first from the commitment seed. */
const steps: readonly { readonly key: ChannelKey; readonly info: string }[] = [
  { key: "funding", info: "funding key" },
  { key: "revocation", info: "revocation base key" },
  { key: "payment", info: "payment key" },
  { key: "delayed", info: "delayed payment base key" },
  { key: "htlc", info: "HTLC base key" },
];

/**
 * LDK's `channel_keys_id` of a channel: what a `KeysManager` that was started at time 0 gives its first channel, when
 * the channel's id here is its `user_channel_id`.
 */
export const channelKeysId = (id: ChannelId): Uint8Array => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setBigUint64(24, id);
  return bytes;
};

export interface LdkKeys extends NodeKeys {
  /** Of any `channel_keys_id`, also one that LDK chose itself. */
  channelOf(keysId: Uint8Array, key: ChannelKey): Secret;
  shachainOf(keysId: Uint8Array): Secret;
  /** LDK 0.2 and later. */
  peerStorage(): Secret;
  receiveAuth(): Secret;
}

const sha256 = (...parts: readonly (Secret | Uint8Array | string)[]): Secret => {
  const hash = createHash("sha256");
  for (const part of parts) {
    if (part instanceof Secret) part.use((bytes) => hash.update(bytes));
    else hash.update(part);
  }
  const bytes = hash.digest();
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
};

/** `derive_channel_keys`: the seed of one channel. */
const channelSeed = (curve: Curve, seed: Secret, channels: ExtendedSecret, keysId: Uint8Array): Secret => {
  if (keysId.length !== 32) throw new RangeError(`not a channel_keys_id: ${keysId.length} bytes`);
  // LDK reads 64 bits and keeps the low 31 of them: those of the nanoseconds, not of the counter before them.
  const low = new DataView(keysId.buffer, keysId.byteOffset).getUint32(4) % 2 ** 31;
  const child = childOf(curve, channels, hardened(low));
  try {
    return sha256(keysId, seed, child.key);
  } finally {
    wipe(child);
  }
};

const commitmentSeed = (channel: Secret): Secret => sha256(channel, "commitment seed");

const channelKey = (channel: Secret, wanted: ChannelKey): Secret => {
  let at = commitmentSeed(channel);
  for (const { key, info } of steps) {
    const before = at;
    at = sha256(channel, before, info);
    before.wipe();
    if (key === wanted) break;
  }
  return at;
};

export const ldkKeys = (root: KeysRoot): LdkKeys => {
  const { seed, network, curve } = root;
  onlyNode("ldk", root);
  // As ldk-node does: 64 bytes are BIP 39's, and LDK's seed is their master key. 32 are LDK's seed itself.
  const words = seedLength(root, [32, 64]) === 64;
  const ownSeed = (): Secret => {
    if (!words) return seed.use((bytes) => new Secret(bytes));
    const { key, chainCode } = masterOf(seed);
    chainCode.wipe();
    return key;
  };
  const ldkSeed = ownSeed();
  const openMaster = (): ExtendedSecret => masterOf(ldkSeed);

  const usingMaster = <T>(action: (master: ExtendedSecret) => T): T => {
    const master = openMaster();
    try {
      return action(master);
    } finally {
      wipe(master);
    }
  };
  const child = (index: number): Secret => usingMaster((master) => keyAt(curve, master, [hardened(index)]));
  const channels = usingMaster((master) => childOf(curve, master, hardened(children.channels)));

  const fromChannel = (keysId: Uint8Array, derive: (channel: Secret) => Secret): Secret => {
    const channel = channelSeed(curve, ldkSeed, channels, keysId);
    try {
      return derive(channel);
    } finally {
      channel.wipe();
    }
  };
  const channelOf = (keysId: Uint8Array, key: ChannelKey) =>
    fromChannel(keysId, (channel) => channelKey(channel, key));
  const shachainOf = (keysId: Uint8Array) => fromChannel(keysId, commitmentSeed);

  const ldkMaster = { name: "ldk", open: openMaster };
  const wallet = openWallet({
    curve,
    network,
    accounts: [
      {
        master: { name: "seed", open: () => masterOf(seed) },
        path: [84, coinType(network), 0].map(hardened),
        branches: ["p2wpkh", "p2wpkh"],
      },
      { master: ldkMaster, path: [hardened(children.destination)], branches: [] },
      { master: ldkMaster, path: [hardened(children.shutdown)], branches: [] },
    ],
  });

  return {
    identity: () => child(children.node),
    channel: (id, key) => channelOf(channelKeysId(id), key),
    shachain: (id) => shachainOf(channelKeysId(id)),
    channelOf,
    shachainOf,
    wallet,
    // `get_shutdown_scriptpubkey`: one script for all channels.
    closingPlace: () => ({ account: 2, branch: 0, index: 0 }),
    // Payers' keys follow from the inbound payment key, in the host.
    payer: () => undefined,
    derived: () => undefined,
    inboundPayment: () => child(children.inboundPayment),
    peerStorage: () => child(children.peerStorage),
    receiveAuth: () => child(children.receiveAuth),
    close: () => {
      seed.wipe();
      ldkSeed.wipe();
      wipe(channels);
    },
  };
};
