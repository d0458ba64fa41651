/**
 * Pairing: XX, then a short code that a person compares on both screens.
 *
 * XX alone authenticates nobody yet, and a code made from its hash would not either: six digits are a million tries, and
 * who sits between two handshakes can try a million keys in seconds until both hashes give the same code. So each side
 * adds a nonce, and neither can choose its own by the other's: the signer commits to its nonce (a hash), the device answers
 * with its own in the clear, and only then does the signer reveal. By the time that one in the middle learns what would
 * let it compute a code, everything that it could still vary is fixed. One try in a million goes unnoticed, and each
 * try needs a person who opens the pairing and compares.
 *
 * The commitment covers the handshake's hash, and comes after the handshake: the last message of XX carries its sender's
 * static key, which could otherwise be varied after the device's nonce is known. RFC 6189 (ZRTP) section 4.4.1.1 and
 * Vaudenay, "Secure Communications over Insecure Channels Based on Short Authenticated Strings", argue the same.
 */

import { createHmac, timingSafeEqual } from "node:crypto";
import { concat } from "../bytes.ts";

const labelled = (label: string, ...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(
    createHmac("sha256", label)
      .update(concat(...parts))
      .digest(),
  );

/** `hash` is the handshake's: 32 bytes, as each of the nonces. */
export const commitmentOf = (hash: Uint8Array, nonce: Uint8Array): Uint8Array =>
  labelled("countersign pairing commitment", hash, nonce);

export const isCommitted = (commitment: Uint8Array, hash: Uint8Array, nonce: Uint8Array): boolean =>
  timingSafeEqual(commitment, commitmentOf(hash, nonce));

export const codeLength = 6;

/** Decimal digits, with leading zeros. */
export const codeOf = (hash: Uint8Array, signers: Uint8Array, devices: Uint8Array): string => {
  const bytes = labelled("countersign pairing code", hash, signers, devices);
  const number = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  return String(number % 10n ** BigInt(codeLength)).padStart(codeLength, "0");
};
