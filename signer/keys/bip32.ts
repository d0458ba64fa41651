/**
 * BIP 32 over the Curve port. @scure/bip32 multiplies secrets in JavaScript, which is not constant-time, and keeps
 * them as plain bytes; here they are Secrets, and the backend is the one that signs.
 */

import { createHmac } from "node:crypto";
import { HDKey } from "@scure/bip32";
import { concat } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { hash160 } from "../../protocol/hash.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point } from "../../protocol/units.ts";

export interface ExtendedSecret {
  readonly key: Secret;
  readonly chainCode: Secret;
}

export interface ExtendedPoint {
  readonly point: Point;
  readonly chainCode: Uint8Array;
}

/** `m/84'/0'`, as the indices of its steps. */
export type Path = readonly number[];

const firstHardened = 2 ** 31;
export const hardened = (index: number): number => index + firstHardened;

export const pathText = (path: Path): string =>
  ["m", ...path.map((index) => (index < firstHardened ? `${index}` : `${index - firstHardened}'`))].join("/");

export const wipe = ({ key, chainCode }: ExtendedSecret): void => {
  key.wipe();
  chainCode.wipe();
};

const hmac = (key: Uint8Array, message: Uint8Array): Uint8Array =>
  createHmac("sha512", key).update(message).digest();

const serialized = (index: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, index);
  return bytes;
};

const seedKey = Buffer.from("Bitcoin seed");

/** BIP 32, "Master key generation". */
export const masterOf = (seed: Secret): ExtendedSecret => {
  const block = seed.use((bytes) => hmac(seedKey, bytes));
  const master = { key: new Secret(block.subarray(0, 32)), chainCode: new Secret(block.subarray(32)) };
  block.fill(0);
  return master;
};

/**
 * "Private parent key → private child key". An index that has no key, of which there is one in 2^127, is a fault here;
 * the nodes whose styles this serves stop at it as well. `own` is the parent's point, where it is at hand.
 */
export const childOf = (
  curve: Curve,
  { key, chainCode }: ExtendedSecret,
  index: number,
  own?: Point,
): ExtendedSecret => {
  const end = serialized(index);
  const message =
    index >= firstHardened
      ? key.use((bytes) => concat(Uint8Array.of(0), bytes, end))
      : concat(own ?? curve.publicKey(key), end);
  const block = chainCode.use((bytes) => hmac(bytes, message));
  message.fill(0);
  try {
    return { key: curve.addSecret(key, block.subarray(0, 32)), chainCode: new Secret(block.subarray(32)) };
  } finally {
    block.fill(0);
  }
};

/** Wipes what lies between; the parent stays the caller's. */
export const descend = (curve: Curve, parent: ExtendedSecret, path: Path): ExtendedSecret => {
  let at = {
    key: parent.key.use((b) => new Secret(b)),
    chainCode: parent.chainCode.use((b) => new Secret(b)),
  };
  for (const index of path) {
    const above = at;
    try {
      at = childOf(curve, above, index);
    } finally {
      wipe(above);
    }
  }
  return at;
};

/** The key at the end of a path, alone. */
export const keyAt = (curve: Curve, parent: ExtendedSecret, path: Path): Secret => {
  const { key, chainCode } = descend(curve, parent, path);
  chainCode.wipe();
  return key;
};

export const neutered = (curve: Curve, { key, chainCode }: ExtendedSecret): ExtendedPoint => ({
  point: curve.publicKey(key),
  chainCode: chainCode.use((bytes) => Uint8Array.from(bytes)),
});

/** "Public parent key → public child key". */
export const publicChildOf = (
  curve: Curve,
  { point, chainCode }: ExtendedPoint,
  index: number,
): ExtendedPoint => {
  if (index >= firstHardened) throw new RangeError("a hardened child follows from the secret alone");
  const block = hmac(chainCode, concat(point, serialized(index)));
  return { point: curve.addTweak(point, block.subarray(0, 32)), chainCode: block.subarray(32) };
};

/** "Serialization format": xpub on bitcoin, tpub elsewhere. */
const versions = (network: Network): { readonly private: number; readonly public: number } =>
  network === "bitcoin"
    ? { private: 0x0488ade4, public: 0x0488b21e }
    : { private: 0x04358394, public: 0x043587cf };

export interface PublicAccount extends ExtendedPoint {
  readonly xpub: string;
}

export const publicAccount = (
  curve: Curve,
  master: ExtendedSecret,
  path: Path,
  network: Network,
): PublicAccount => {
  const parent = descend(curve, master, path.slice(0, -1));
  const account = path.length === 0 ? descend(curve, master, []) : descend(curve, parent, path.slice(-1));
  const fingerprint = hash160(curve.publicKey(parent.key));
  const { point, chainCode } = neutered(curve, account);
  wipe(parent);
  wipe(account);
  const { publicExtendedKey: xpub } = new HDKey({
    versions: versions(network),
    chainCode,
    publicKey: point,
    depth: path.length,
    index: path.at(-1) ?? 0,
    parentFingerprint:
      path.length === 0 ? 0 : new DataView(fingerprint.buffer, fingerprint.byteOffset).getUint32(0),
  });
  return { point, chainCode, xpub };
};
