/** BOLT 3, "Key Derivation". */

import { concat } from "../bytes.ts";
import type { Curve } from "../curve/curve.ts";
import { sha256 } from "../hash.ts";
import { Secret } from "../secret.ts";
import type { Point, RevocationSecret } from "../units.ts";
import type { Basepoints } from "./channel.ts";

/** Every key of one commitment, seen from no side: whoever builds it finds the same. */
export interface CommitmentKeys {
  readonly revocation: Point;
  readonly broadcasterDelayed: Point;
  readonly broadcasterHtlc: Point;
  readonly countersignatoryHtlc: Point;
  /** Its payment basepoint itself ("`remotepubkey` Derivation"). */
  readonly countersignatoryPayment: Point;
  readonly broadcasterFunding: Point;
  readonly countersignatoryFunding: Point;
}

const tweak = (first: Point, second: Point): Uint8Array => sha256(concat(first, second));

/** A delayed or HTLC key of the commitment at the per-commitment `point`. */
export const deriveKey = (curve: Curve, basepoint: Point, point: Point): Point =>
  curve.addTweak(basepoint, tweak(point, basepoint));

export interface BaseSecret {
  readonly secret: Secret;
  /** The public key of `secret`. */
  readonly basepoint: Point;
}

/** The secret of `deriveKey`. One serves all HTLCs of a commitment: derive it once. */
export const deriveKeySecret = (curve: Curve, { secret, basepoint }: BaseSecret, point: Point): Secret =>
  curve.addSecret(secret, tweak(point, basepoint));

/** Of the countersignatory's `basepoint` and the broadcaster's per-commitment `point`. */
export const deriveRevocationKey = (curve: Curve, basepoint: Point, point: Point): Point =>
  curve.add(
    curve.multiply(basepoint, tweak(basepoint, point)),
    curve.multiply(point, tweak(point, basepoint)),
  );

/** The secret of `deriveRevocationKey`, once the broadcaster has given up its per-commitment secret. */
export const deriveRevocationKeySecret = (
  curve: Curve,
  { secret, basepoint }: BaseSecret,
  revealed: RevocationSecret,
): Secret => {
  const perCommitment = new Secret(revealed);
  const made = [perCommitment];
  try {
    const point = curve.publicKey(perCommitment);
    const theirs = curve.multiplySecret(perCommitment, tweak(point, basepoint));
    const ours = curve.multiplySecret(secret, tweak(basepoint, point));
    made.push(theirs, ours);
    return theirs.use((bytes) => curve.addSecret(ours, bytes));
  } finally {
    for (const one of made) one.wipe();
  }
};

export interface CommitmentParties {
  readonly broadcaster: Basepoints;
  readonly countersignatory: Basepoints;
  /** The broadcaster's per-commitment point. */
  readonly point: Point;
}

export const commitmentKeys = (
  curve: Curve,
  { broadcaster, countersignatory, point }: CommitmentParties,
): CommitmentKeys => ({
  revocation: deriveRevocationKey(curve, countersignatory.revocation, point),
  broadcasterDelayed: deriveKey(curve, broadcaster.delayed, point),
  broadcasterHtlc: deriveKey(curve, broadcaster.htlc, point),
  countersignatoryHtlc: deriveKey(curve, countersignatory.htlc, point),
  countersignatoryPayment: countersignatory.payment,
  broadcasterFunding: broadcaster.funding,
  countersignatoryFunding: countersignatory.funding,
});
