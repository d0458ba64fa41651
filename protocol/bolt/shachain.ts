/** BOLT 3, "Per-commitment Secret Requirements" and "Efficient Per-commitment Secret Storage". */

import { equal } from "../bytes.ts";
import type { Curve } from "../curve/curve.ts";
import { sha256 } from "../hash.ts";
import { Secret } from "../secret.ts";
import type { CommitmentNumber, Point, RevocationSecret } from "../units.ts";

/** Commitments count up from 0, the indices of BOLT 3 down from here. */
const lastIndex = (1n << 48n) - 1n;
const indexOf = (number: CommitmentNumber): bigint => lastIndex - number;

/** `derive_secret`: for an index that is alike with that of `base` but for the lowest `bits` bits. */
const derive = (base: Uint8Array, bits: number, index: bigint): RevocationSecret => {
  let secret: Uint8Array = Uint8Array.from(base);
  for (let bit = bits - 1; bit >= 0; bit--) {
    if (((index >> BigInt(bit)) & 1n) === 0n) continue;
    secret[bit >> 3] = (secret[bit >> 3] as number) ^ (1 << (bit & 7));
    const next = sha256(secret);
    // Whoever finds one on the way has all that follow from it.
    secret.fill(0);
    secret = next;
  }
  return secret as RevocationSecret;
};

export const secretAt = (seed: Secret, number: CommitmentNumber): RevocationSecret =>
  seed.use((bytes) => derive(bytes, 48, indexOf(number)));

export const pointAt = (curve: Curve, seed: Secret, number: CommitmentNumber): Point =>
  curve.publicKey(new Secret(secretAt(seed, number)));

export interface ShachainEntry {
  readonly number: CommitmentNumber;
  readonly secret: RevocationSecret;
}

/**
 * All secrets of the commitments from 0 on, in at most 49 entries: the index of the one at place b ends in b
 * zeros, and those that share its other bits follow from it.
 */
export type ShachainStore = readonly ShachainEntry[];

export const emptyShachain: ShachainStore = [];

/** The number whose secret is to be inserted next. */
export const nextRevealed = (store: ShachainStore): CommitmentNumber => {
  let next = 0n;
  for (const { number } of store) if (number >= next) next = number + 1n;
  return next as CommitmentNumber;
};

const placeOf = (index: bigint): number => {
  let place = 0;
  while (place < 48 && ((index >> BigInt(place)) & 1n) === 0n) place++;
  return place;
};

/**
 * Undefined where the secret is not of the chain that the earlier ones are of, or out of turn. One that is known
 * already changes nothing.
 */
export const insert = (
  store: ShachainStore,
  number: CommitmentNumber,
  secret: RevocationSecret,
): ShachainStore | undefined => {
  const known = lookup(store, number);
  if (known !== undefined) return equal(known, secret) ? store : undefined;
  if (number !== nextRevealed(store)) return undefined;
  const place = placeOf(indexOf(number));
  const consistent = store
    .slice(0, place)
    .every((entry) => equal(derive(secret, place, indexOf(entry.number)), entry.secret));
  if (!consistent) return undefined;
  const entry = { number, secret };
  return place === store.length ? [...store, entry] : store.with(place, entry);
};

export const lookup = (store: ShachainStore, number: CommitmentNumber): RevocationSecret | undefined => {
  const index = indexOf(number);
  for (const [place, entry] of store.entries()) {
    const shift = BigInt(place);
    if (index >> shift === indexOf(entry.number) >> shift) return derive(entry.secret, place, index);
  }
  return undefined;
};
