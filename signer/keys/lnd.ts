/** Derivation style `lnd`, version 1: BIP 43 with purpose 1017 (lnd, keychain/derivation.go). Defined in docs/keys.md. */

import type { Secret } from "../../protocol/secret.ts";
import type { ChannelId, Point } from "../../protocol/units.ts";
import {
  childOf,
  descend,
  type ExtendedSecret,
  hardened,
  keyAt,
  masterOf,
  type Path,
  pathText,
  publicAccount,
  wipe,
} from "./bip32.ts";
import {
  type ChannelKey,
  coinType,
  type KeysRoot,
  type NodeKeys,
  onlyNode,
  seedLength,
} from "./node-keys.ts";
import { type AccountKind, type AccountPlan, indexOf, openWallet } from "./wallet.ts";

export const families = {
  funding: 0,
  revocation: 1,
  htlc: 2,
  payment: 3,
  delayed: 4,
  revocationRoot: 5,
  node: 6,
  backupEncryption: 7,
  towerSession: 8,
  towerId: 9,
} as const satisfies Readonly<Record<ChannelKey, number>> & Readonly<Record<string, number>>;

/** How many accounts lnd makes of its own when it creates a watch-only wallet. */
export const watchedFamilies = 256;

/** Branch and index below a family. */
type Locator = readonly [branch: number, index: number];

const perBranch = 1n << 31n;
const lastId = (1n << 63n) - 1n;

/**
 * Below a family: branch 0 and the index for every id that lnd itself could count to. The ids above take the other
 * branches, the hardened ones among them, so that no two ids ever share a key.
 */
export const locatorOf = (id: bigint): Locator => [Number(id / perBranch), Number(id % perBranch)];

/**
 * lnd throws away index 0 of this family (`nextRevocationProducer`), so it is one ahead of the others; the last id has
 * the place that this leaves.
 */
export const rootLocatorOf = (id: ChannelId): Locator => locatorOf(id === lastId ? 0n : id + 1n);

export interface FamilyAccount {
  readonly path: string;
  readonly xpub: string;
}

export interface LndKeys extends NodeKeys {
  /** What lnd's `KeyLocator` names. */
  located(family: number, index: number): Secret;
  /** `shachain` for indices that are not in step: the key of family 5 and the funding key that it is combined with. */
  revocationRoot(index: number, funding: Point): Secret;
  /** What a watch-only lnd is created with, beside the accounts of the wallet. */
  familyAccounts(count?: number): readonly FamilyAccount[];
}

export const lndKeys = (root: KeysRoot): LndKeys => {
  const { seed, network, curve } = root;
  onlyNode("lnd", root);
  // 64 bytes are BIP 39's; 16 are the entropy of lnd's own words (aezeed).
  seedLength(root, [16, 32, 64]);
  const coin = coinType(network);
  const pathOf = (family: number): Path => [1017, coin, family].map(hardened);

  const usingMaster = <T>(action: (master: ExtendedSecret) => T): T => {
    const master = masterOf(seed);
    try {
      return action(master);
    } finally {
      wipe(master);
    }
  };
  /** Branch 0 of the families in daily use, until `close`: from the seed, each key would cost more than a signature. */
  const kept = usingMaster((master) =>
    Array.from({ length: families.node + 1 }, (_, family) => {
      const branch = descend(curve, master, [...pathOf(family), 0]);
      return { branch, point: curve.publicKey(branch.key) };
    }),
  );

  const secretOf = (family: number, locator: Locator): Secret => {
    const known = kept[family];
    const [branch, index] = locator;
    if (known === undefined || branch !== 0)
      return usingMaster((master) => keyAt(curve, master, [...pathOf(family), ...locator]));
    const { key, chainCode } = childOf(curve, known.branch, index, known.point);
    chainCode.wipe();
    return key;
  };

  const isIndex = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < perBranch;
  const located = (family: number, index: number): Secret => {
    if (!isIndex(family) || !isIndex(index)) throw new RangeError(`not a key locator: ${family}, ${index}`);
    return secretOf(family, [0, index]);
  };

  const using = <T>(secret: Secret, action: (secret: Secret) => T): T => {
    try {
      return action(secret);
    } finally {
      secret.wipe();
    }
  };
  const channel = (id: ChannelId, key: ChannelKey): Secret => secretOf(families[key], locatorOf(id));
  const combined = (own: Secret, funding: Point): Secret => using(own, (key) => curve.ecdh(key, funding));

  const account = (purpose: number, branches: readonly AccountKind[]): AccountPlan => ({
    master: { name: "seed", open: () => masterOf(seed) },
    // Coin type 0 on every network, unlike that of the families.
    path: [purpose, 0, 0].map(hardened),
    branches,
  });

  return {
    identity: () => located(families.node, 0),
    channel,
    shachain: (id) =>
      combined(
        secretOf(families.revocationRoot, rootLocatorOf(id)),
        using(channel(id, "funding"), curve.publicKey),
      ),
    located,
    revocationRoot: (index, funding) => combined(located(families.revocationRoot, index), funding),
    familyAccounts: (count = watchedFamilies) =>
      usingMaster((master) =>
        Array.from({ length: count }, (_, family) => ({
          path: pathText(pathOf(family)),
          xpub: publicAccount(curve, master, pathOf(family), network).xpub,
        })),
      ),
    wallet: openWallet({
      curve,
      network,
      // btcwallet gives change of its BIP 49 account plain P2WPKH scripts (`KeyScopeBIP0049Plus`).
      accounts: [
        account(84, ["p2wpkh", "p2wpkh"]),
        account(49, ["p2sh-p2wpkh", "p2wpkh"]),
        account(86, ["p2tr", "p2tr"]),
      ],
    }),
    closingPlace: (id) => ({ account: 0, branch: 0, index: indexOf(id) }),
    payer: () => undefined,
    // lnd has no BOLT 12, and keeps its payment secrets in its database.
    inboundPayment: () => undefined,
    derived: () => undefined,
    close: () => {
      seed.wipe();
      for (const { branch } of kept) wipe(branch);
    },
  };
};
