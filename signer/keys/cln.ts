/** Derivation style `cln`, version 1: Core Lightning's hsmd (hsmd/libhsmd.c, common/derive_basepoints.c). Defined in docs/keys.md. */

import { concat } from "../../protocol/bytes.ts";
import { Secret } from "../../protocol/secret.ts";
import type { ChannelId, NodeId } from "../../protocol/units.ts";
import { type ExtendedSecret, hardened, keyAt, masterOf, wipe } from "./bip32.ts";
import { expand } from "./expand.ts";
import { type ChannelKey, type KeysRoot, type NodeKeys, onlyNode, seedLength } from "./node-keys.ts";
import { type AccountPlan, indexOf, openWallet } from "./wallet.ts";

/** hsmd's salt where a result can be no scalar: a counter that begins at 0 and, in practice, stays there. */
const firstSalt = new Uint8Array(4);

/** The six blocks of `c-lightning`, in order. */
const places: Readonly<Record<ChannelKey | "shachain", number>> = {
  funding: 0,
  revocation: 1,
  htlc: 2,
  payment: 3,
  delayed: 4,
  shachain: 5,
};

export interface ClnKeys extends NodeKeys {
  /** `dbid` is the number of lightningd's own database; the channel's id here is the same. */
  channelWith(peer: NodeId, dbid: ChannelId, key: ChannelKey | "shachain"): Secret;
}

const usingAll = <T>(secrets: readonly Secret[], action: () => T): T => {
  try {
    return action();
  } finally {
    for (const secret of secrets) secret.wipe();
  }
};

export const clnKeys = (root: KeysRoot): ClnKeys => {
  const { seed, network, curve, peerOf } = root;
  onlyNode("cln", root);
  // 32 bytes are an hsm_secret of before 25.12; 64 are BIP 39's, and only they have the accounts of BIP 86.
  const words = seedLength(root, [32, 64]) === 64;
  const half = seed.use((bytes) => new Secret(bytes.subarray(0, 32)));

  const channelWith = (peer: NodeId, dbid: ChannelId, key: ChannelKey | "shachain"): Secret => {
    const number = new Uint8Array(8);
    // Little-endian: hsmd copies the number as it lies in memory.
    new DataView(number.buffer).setBigUint64(0, dbid, true);
    const base = expand({ from: half, info: "peer seed" });
    const channel = usingAll([base], () =>
      expand({ from: base, salt: concat(peer, number), info: "per-peer seed" }),
    );
    const keys = usingAll([channel], () => expand({ from: channel, info: "c-lightning", length: 6 * 32 }));
    const start = 32 * places[key];
    return usingAll([keys], () => keys.use((bytes) => new Secret(bytes.subarray(start, start + 32))));
  };

  const ofPeer = (id: ChannelId, key: ChannelKey | "shachain"): Secret => {
    const peer = peerOf?.(id);
    if (peer === undefined) throw new Error(`style cln: the peer of channel ${id} is not known`);
    return channelWith(peer, id, key);
  };

  const openMaster = (): ExtendedSecret => {
    const walletSeed = expand({ from: seed, salt: firstSalt, info: "bip32 seed" });
    return usingAll([walletSeed], () => masterOf(walletSeed));
  };

  const own = (...branches: AccountPlan["branches"]): AccountPlan => ({
    master: { name: "hsmd", open: openMaster },
    path: [0],
    branches,
  });
  const bip86 = (...branches: AccountPlan["branches"]): AccountPlan => ({
    master: { name: "seed", open: () => masterOf(seed) },
    // Coin type 0 on every network.
    path: [86, 0, 0].map(hardened),
    branches,
  });
  // lightningd has one numbering of keys and an address of each kind for every number, from BIP 86's account if there
  // is one (wallet/wallet.c, `our_addresses_add_for_index`). Its other wallet it then only asks to be told.
  const accounts = words
    ? [bip86("p2wpkh"), bip86("p2tr"), own("p2wpkh")]
    : [own("p2wpkh"), own("p2tr"), own("p2sh-p2wpkh")];

  return {
    identity: () => expand({ from: half, salt: firstSalt, info: "nodeid" }),
    channel: ofPeer,
    shachain: (id) => ofPeer(id, "shachain"),
    channelWith,
    wallet: openWallet({ curve, network, accounts }),
    closingPlace: (id) => ({ account: 0, branch: 0, index: indexOf(id) }),
    payer: () => {
      const master = openMaster();
      try {
        return keyAt(curve, master, [hardened(9735)]);
      } finally {
        wipe(master);
      }
    },
    // lightningd draws its payment secrets at random and keeps them.
    inboundPayment: () => undefined,
    derived: (info) => {
      const base = expand({ from: seed, info: "derived secrets" });
      return usingAll([base], () => expand({ from: base, info }));
    },
    close: () => {
      seed.wipe();
      half.wipe();
    },
  };
};
