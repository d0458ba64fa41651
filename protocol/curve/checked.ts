import { types } from "node:util";
import { compare, concat } from "../bytes.ts";
import { invalid } from "../malformed.ts";
import { Secret } from "../secret.ts";
import { type Point, point, type Signature, signature } from "../units.ts";
import type { Curve, RecoverableSignature, SchnorrJob, SignJob, VerifyJob } from "./curve.ts";
import { minusOne, modOrder, order } from "./order.ts";

/**
 * What a backend has to bring: arithmetic alone. Lengths are right when it is called. It answers false or
 * undefined where there is no answer (out of range, not on the curve, infinity) and throws on a fault only.
 */
export interface Arithmetic {
  readonly name: Curve["name"];
  readonly constantTime: boolean;
  isPoint(key: Uint8Array): boolean;
  isSecret(secret: Uint8Array): boolean;
  publicKey(secret: Uint8Array): Uint8Array | undefined;
  addTweak(key: Uint8Array, tweak: Uint8Array): Uint8Array | undefined;
  multiply(key: Uint8Array, tweak: Uint8Array): Uint8Array | undefined;
  add(a: Uint8Array, b: Uint8Array): Uint8Array | undefined;
  /** In place, so that no copy of the secret is left behind. */
  addSecret(secret: Uint8Array, tweak: Uint8Array): boolean;
  multiplySecret(secret: Uint8Array, tweak: Uint8Array): boolean;
  /** SHA256 of the compressed product. */
  ecdh(secret: Uint8Array, key: Uint8Array, into: Uint8Array): boolean;
  /**
   * Low s; the nonce is RFC 6979's, `extra` being the additional data of its section 3.6. Answers the recovery id.
   */
  sign(
    digest: Uint8Array,
    secret: Uint8Array,
    extra: Uint8Array | undefined,
    into: Uint8Array,
  ): number | undefined;
  /** False for a high s. */
  verify(digest: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean;
  /** Of high s too. The id is 0 to 3. */
  recover(digest: Uint8Array, signature: Uint8Array, recoveryId: number): Uint8Array | undefined;
  signSchnorr(message: Uint8Array, secret: Uint8Array, aux: Uint8Array, into: Uint8Array): boolean;
  verifySchnorr(message: Uint8Array, signature: Uint8Array, x: Uint8Array): boolean;
}

/** Native code is behind this: what only looks like an array (a proxy, another prototype) does not pass. */
const has = (bytes: Uint8Array, length: number): boolean =>
  types.isUint8Array(bytes) && bytes.length === length;

const sized = (bytes: Uint8Array, length: number, what: string): Uint8Array => {
  if (!has(bytes, length)) throw invalid(`not ${what}: it must have ${length} bytes`);
  return bytes;
};

/** Looks at every byte: the tweak of `addSecret` can be a secret too. */
const isZero = (bytes: Uint8Array): boolean => bytes.reduce((seen, byte) => seen | byte, 0) === 0;

const checkedTweak = (bytes: Uint8Array): Uint8Array => {
  if (isZero(sized(bytes, 32, "a tweak"))) throw invalid("not a tweak: zero");
  return bytes;
};

/**
 * RFC 6979 section 3.2 feeds the digest to the nonce modulo n. The libsecp256k1 of the package feeds it as it is, and
 * would give other bytes; so every backend gets it reduced.
 */
const checkedDigest = (bytes: Uint8Array): Uint8Array =>
  compare(sized(bytes, 32, "a digest"), order) < 0 ? bytes : modOrder(bytes);

/** The point with an even y (BIP340, "lift_x"). */
const evenPrefix = Uint8Array.of(2);

/** The Curve over one backend's arithmetic. What is refused, and how, is decided here once for all of them. */
export const checked = (arithmetic: Arithmetic): Curve => {
  const isPoint = (bytes: Uint8Array) => has(bytes, 33) && arithmetic.isPoint(bytes);
  const isSecret = (bytes: Uint8Array) => has(bytes, 32) && arithmetic.isSecret(bytes);

  const secretBytes = (bytes: Uint8Array): Uint8Array => {
    if (!isSecret(bytes)) throw invalid("not a secret key");
    return bytes;
  };

  /** Names the reason only once it is known that there is one: on the usual road nothing is checked twice. */
  const pointOf = (
    result: Uint8Array | undefined,
    points: readonly Uint8Array[],
    tweak?: Uint8Array,
  ): Point => {
    if (result !== undefined) return point(result);
    if (!points.every(isPoint)) throw invalid("not a public key: it is not on the curve");
    if (tweak !== undefined && compare(tweak, order) >= 0)
      throw invalid("not a tweak: above the order of the curve");
    throw invalid("no public key: the sum is the point at infinity");
  };

  const changed = (secret: Secret, tweak: Uint8Array, step: Arithmetic["addSecret"]): Secret => {
    checkedTweak(tweak);
    const copy = secret.use((bytes) => new Uint8Array(secretBytes(bytes)));
    try {
      if (!step(copy, tweak)) throw invalid("not a tweak: out of range, or the resulting secret key is zero");
      return new Secret(copy);
    } finally {
      copy.fill(0);
    }
  };

  const extra = new Uint8Array(32);
  const counter = new DataView(extra.buffer);

  const signRecoverable = ({ digest, key, lowR }: SignJob): RecoverableSignature => {
    const reduced = checkedDigest(digest);
    const into = new Uint8Array(64);
    return key.use((bytes) => {
      sized(bytes, 32, "a secret key");
      for (let attempt = 0; ; attempt++) {
        counter.setUint32(0, attempt, true);
        const recovery = arithmetic.sign(reduced, bytes, attempt === 0 ? undefined : extra, into);
        if (recovery === undefined) throw invalid("not a secret key");
        if (!lowR || (into[0] as number) < 0x80) return { signature: signature(into), recovery };
      }
    });
  };
  const sign = (job: SignJob): Signature => signRecoverable(job).signature;

  const ecdh = (secret: Secret, key: Point): Secret => {
    sized(key, 33, "a public key");
    const shared = new Uint8Array(32);
    try {
      if (!secret.use((bytes) => arithmetic.ecdh(sized(bytes, 32, "a secret key"), key, shared)))
        throw invalid(isPoint(key) ? "not a secret key" : "not a public key: it is not on the curve");
      return new Secret(shared);
    } finally {
      shared.fill(0);
    }
  };

  const publicKey = (secret: Secret): Point => {
    const key = secret.use((bytes) => arithmetic.publicKey(sized(bytes, 32, "a secret key")));
    if (key === undefined) throw invalid("not a secret key");
    return point(key);
  };

  const addTweak = (key: Point, tweak: Uint8Array): Point => {
    sized(key, 33, "a public key");
    return pointOf(arithmetic.addTweak(key, checkedTweak(tweak)), [key], tweak);
  };

  const addSecret = (secret: Secret, tweak: Uint8Array): Secret =>
    changed(secret, tweak, arithmetic.addSecret);

  const tweakSecret = (secret: Secret, tweak: Uint8Array): Secret => {
    if (publicKey(secret)[0] === evenPrefix[0]) return addSecret(secret, tweak);
    const negated = changed(secret, minusOne, arithmetic.multiplySecret);
    try {
      return addSecret(negated, tweak);
    } finally {
      negated.wipe();
    }
  };

  const tweakX: Curve["tweakX"] = (x, tweak) => {
    const key = addTweak(point(concat(evenPrefix, sized(x, 32, "an x-only public key"))), tweak);
    return { x: key.slice(1), parity: key[0] === evenPrefix[0] ? 0 : 1 };
  };

  const signSchnorr = ({ digest, key, aux }: SchnorrJob): Uint8Array => {
    sized(digest, 32, "a digest");
    sized(aux, 32, "auxiliary randomness");
    const into = new Uint8Array(64);
    if (!key.use((bytes) => arithmetic.signSchnorr(digest, sized(bytes, 32, "a secret key"), aux, into)))
      throw invalid("not a secret key");
    return into;
  };

  const verify = ({ digest, signature, key }: VerifyJob): boolean => {
    const reduced = checkedDigest(digest);
    return has(signature, 64) && has(key, 33) && arithmetic.verify(reduced, signature, key);
  };

  return {
    name: arithmetic.name,
    constantTime: arithmetic.constantTime,
    isPoint,
    isSecret,
    publicKey,
    addTweak,
    multiply: (key, tweak) => {
      sized(key, 33, "a public key");
      return pointOf(arithmetic.multiply(key, checkedTweak(tweak)), [key], tweak);
    },
    add: (a, b) => {
      sized(a, 33, "a public key");
      return pointOf(arithmetic.add(a, sized(b, 33, "a public key")), [a, b]);
    },
    addSecret,
    multiplySecret: (secret, tweak) => changed(secret, tweak, arithmetic.multiplySecret),
    ecdh,
    sign,
    signRecoverable,
    verify,
    recover: (digest, signature, recoveryId) => {
      const reduced = checkedDigest(digest);
      if (!has(signature, 64) || ![0, 1, 2, 3].includes(recoveryId)) return undefined;
      const key = arithmetic.recover(reduced, signature, recoveryId);
      return key === undefined ? undefined : point(key);
    },
    publicKeyX: (secret) => publicKey(secret).slice(1),
    signSchnorr,
    verifySchnorr: ({ digest, signature, key }) => {
      sized(digest, 32, "a digest");
      return has(signature, 64) && has(key, 32) && arithmetic.verifySchnorr(digest, signature, key);
    },
    tweakX,
    tweakSecret,
    signBatch: (jobs) => jobs.map(sign),
    verifyBatch: (jobs) => jobs.map(verify),
  };
};
