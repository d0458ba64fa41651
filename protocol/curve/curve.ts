import type { Secret } from "../secret.ts";
import type { Point, Signature } from "../units.ts";

/**
 * One signature to make. Deterministic: the nonce is RFC 6979's, and with `lowR` the counter of Bitcoin Core's
 * grinding (an extra-entropy word of 32 bytes, little-endian, from 1) until r is below 2^255.
 */
export interface SignJob {
  readonly digest: Uint8Array;
  readonly key: Secret;
  readonly lowR: boolean;
}

export interface VerifyJob {
  readonly digest: Uint8Array;
  readonly signature: Signature;
  readonly key: Point;
}

/**
 * secp256k1 as the rest of the house needs it. Every backend gives the same bytes for the same job.
 * Bytes from outside are safe to pass, of any value and length: `isPoint`, `isSecret` and `verify` answer false, the
 * others throw `Malformed`; so does `verify` for a digest that has not 32 bytes, because digests are made here. A
 * tweak of zero or not below the order of the group is refused, and so is a result that is zero or infinity.
 */
export interface Curve {
  readonly name: "noble" | "native";
  /** False for a backend whose running time depends on the secret. */
  readonly constantTime: boolean;
  isPoint(bytes: Uint8Array): boolean;
  isSecret(bytes: Uint8Array): boolean;
  publicKey(secret: Secret): Point;
  /** P + t*G; variable time, so `t` must be public. */
  addTweak(point: Point, tweak: Uint8Array): Point;
  /** t*P; variable time, so `t` must be public. */
  multiply(point: Point, tweak: Uint8Array): Point;
  add(a: Point, b: Point): Point;
  /** (s + t) mod n. This `t` may be secret too, as in the two halves of a revocation key. */
  addSecret(secret: Secret, tweak: Uint8Array): Secret;
  /** (s * t) mod n. */
  multiplySecret(secret: Secret, tweak: Uint8Array): Secret;
  sign(job: SignJob): Signature;
  /** Refuses high s. */
  verify(job: VerifyJob): boolean;
  signBatch(jobs: readonly SignJob[]): readonly Signature[];
  verifyBatch(jobs: readonly VerifyJob[]): readonly boolean[];
}
