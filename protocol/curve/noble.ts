import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import {
  etc,
  getPublicKey,
  getSharedSecret,
  hashes,
  Point,
  recoverPublicKey,
  schnorr,
  sign,
  utils,
  verify,
} from "@noble/secp256k1";
import { concat } from "../bytes.ts";
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
  ecdh: (secret, key, into) => {
    if (!utils.isValidSecretKey(secret) || pointOf(key) === undefined) return false;
    const product = getSharedSecret(secret, key, true);
    into.set(sha256(product));
    product.fill(0);
    return true;
  },
  sign: (digest, secret, extra, into) => {
    if (!utils.isValidSecretKey(secret)) return undefined;
    const options = {
      prehash: false,
      lowS: true,
      extraEntropy: extra ?? false,
      format: "recovered",
    } as const;
    const recovered = sign(digest, secret, options);
    into.set(recovered.subarray(1));
    return recovered[0];
  },
  verify: (digest, signature, key) => verify(signature, digest, key, { prehash: false, lowS: true }),
  recover: (digest, signature, recovery) => {
    try {
      return recoverPublicKey(concat(Uint8Array.of(recovery), signature), digest, { prehash: false });
    } catch {
      return undefined;
    }
  },
  signSchnorr: (message, secret, aux, into) => {
    if (!utils.isValidSecretKey(secret)) return false;
    into.set(schnorr.sign(message, secret, aux));
    return true;
  },
  verifySchnorr: (message, signature, x) => schnorr.verify(signature, message, x),
};

/** The portable backend, and the oracle that the native one is tested against. BigInt is not constant time. */
export const nobleCurve = (): Curve => {
  hashes.hmacSha256 = (key, message) => hmac(sha256, key, message);
  hashes.sha256 = sha256;
  return checked(arithmetic);
};
