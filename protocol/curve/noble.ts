import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { etc, getPublicKey, hashes, Point, sign, utils, verify } from "@noble/secp256k1";
import { type Arithmetic, checked } from "./checked.ts";
import type { Curve } from "./curve.ts";

const { n: order } = Point.CURVE();

const tweakOf = (bytes: Uint8Array): bigint | undefined => {
  const tweak = etc.bytesToNumberBE(bytes);
  return tweak < order ? tweak : undefined;
};

const pointOf = (bytes: Uint8Array): Point | undefined => {
  try {
    return Point.fromBytes(bytes);
  } catch {
    return undefined;
  }
};

const encoded = (point: Point): Uint8Array | undefined => (point.is0() ? undefined : point.toBytes());

/** The secret passes through BigInts and strings, which cannot be wiped: one more reason to prefer the native one. */
const changed = (secret: Uint8Array, next: bigint): boolean => {
  if (next === 0n) return false;
  const bytes = etc.numberToBytesBE(next);
  secret.set(bytes);
  bytes.fill(0);
  return true;
};

const arithmetic: Arithmetic = {
  name: "noble",
  constantTime: false,
  isPoint: (key) => utils.isValidPublicKey(key, true),
  isSecret: (secret) => utils.isValidSecretKey(secret),
  publicKey: (secret) => (utils.isValidSecretKey(secret) ? getPublicKey(secret) : undefined),
  addTweak: (key, tweak) => {
    const [base, by] = [pointOf(key), tweakOf(tweak)];
    return base === undefined || by === undefined
      ? undefined
      : encoded(base.add(Point.BASE.multiplyUnsafe(by)));
  },
  multiply: (key, tweak) => {
    const [base, by] = [pointOf(key), tweakOf(tweak)];
    return base === undefined || by === undefined ? undefined : encoded(base.multiplyUnsafe(by));
  },
  add: (a, b) => {
    const [left, right] = [pointOf(a), pointOf(b)];
    return left === undefined || right === undefined ? undefined : encoded(left.add(right));
  },
  addSecret: (secret, tweak) => {
    const by = tweakOf(tweak);
    return by !== undefined && changed(secret, etc.mod(etc.bytesToNumberBE(secret) + by, order));
  },
  multiplySecret: (secret, tweak) => {
    const by = tweakOf(tweak);
    return by !== undefined && changed(secret, etc.mod(etc.bytesToNumberBE(secret) * by, order));
  },
  sign: (digest, secret, extra, into) => {
    if (!utils.isValidSecretKey(secret)) return false;
    into.set(sign(digest, secret, { prehash: false, lowS: true, extraEntropy: extra ?? false }));
    return true;
  },
  verify: (digest, signature, key) => verify(signature, digest, key, { prehash: false, lowS: true }),
};

/** The portable backend, and the oracle that the native one is tested against. BigInt is not constant time. */
export const nobleCurve = (): Curve => {
  hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);
  return checked(arithmetic);
};
