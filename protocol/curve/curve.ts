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

/** With which of the four keys that fit the signature (SEC 1, section 4.1.6) it was made. */
export interface RecoverableSignature {
  readonly signature: Signature;
  /** 0 to 3: the id that `recover` wants. */
  readonly recovery: number;
}

/** A BIP340 signature. `digest` is its message. Deterministic: `aux` is part of the job. */
export interface SchnorrJob {
  readonly digest: Uint8Array;
  readonly key: Secret;
  /** 32 bytes (BIP340, "Default Signing"). */
  readonly aux: Uint8Array;
}

export interface SchnorrVerifyJob {
  readonly digest: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  /** 32 bytes: x alone. */
  readonly key: Uint8Array;
}

/**
 * secp256k1 as the rest of the house needs it. Every backend gives the same bytes for the same job.
 * Bytes from outside are safe to pass, of any value and length: `isPoint`, `isSecret`, `verify` and
 * `verifySchnorr` answer false and `recover` undefined, the others throw `Malformed`; so do all for a digest that has
 * not 32 bytes, because digests are made here. A
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
  /** SHA256 of s*P compressed (BOLT 8, "Handshake State"; BOLT 4, "Shared Secret"). */
  ecdh(secret: Secret, point: Point): Secret;
  sign(job: SignJob): Signature;
  /** The signature of `sign`. */
  signRecoverable(job: SignJob): RecoverableSignature;
  /** Refuses high s. */
  verify(job: VerifyJob): boolean;
  /** The key that made an ECDSA signature (SEC 1, section 4.1.6), of high s too; undefined where there is none. */
  recover(digest: Uint8Array, signature: Uint8Array, recoveryId: number): Point | undefined;
  /** 32 bytes: x of the public key (BIP340). */
  publicKeyX(secret: Secret): Uint8Array;
  signSchnorr(job: SchnorrJob): Uint8Array;
  verifySchnorr(job: SchnorrVerifyJob): boolean;
  /** Of lift_x(x) + t*G, the x and whether y is odd (BIP341, "taproot_tweak_pubkey"); variable time. */
  tweakX(x: Uint8Array, tweak: Uint8Array): { readonly x: Uint8Array; readonly parity: 0 | 1 };
  /** The secret behind `tweakX` (BIP341, "taproot_tweak_seckey"). */
  tweakSecret(secret: Secret, tweak: Uint8Array): Secret;
  signBatch(jobs: readonly SignJob[]): readonly Signature[];
  verifyBatch(jobs: readonly VerifyJob[]): readonly boolean[];
}
