/** Diffie-Hellman on Curve25519 (RFC 7748) for links between processes and devices; channels have secp256k1. */

import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from "node:crypto";
import { concat, fromHex } from "./bytes.ts";
import { invalid } from "./malformed.ts";
import { Secret } from "./secret.ts";

export const keyLength = 32;

export interface KeyPair {
  readonly secret: Secret;
  readonly public: Uint8Array;
}

/** RFC 8410: what stands before the 32 bytes of a key in DER. */
const privateHead = fromHex("302e020100300506032b656e04220420");
const publicHead = fromHex("302a300506032b656e032100");

const der = <T extends "pkcs8" | "spki">(key: Uint8Array, type: T, head: Uint8Array) => {
  const bytes = concat(head, key);
  return { key: Buffer.from(bytes.buffer), format: "der" as const, type };
};

/** OpenSSL wipes its copy when the object is collected; ours is wiped here. */
const privateOf = (secret: Secret): KeyObject =>
  secret.use((bytes) => {
    const given = der(bytes, "pkcs8", privateHead);
    try {
      return createPrivateKey(given);
    } finally {
      given.key.fill(0);
    }
  });

/** Of any 32 bytes; which bits count is RFC 7748's to say. */
export const keyPair = (secret: Secret): KeyPair => {
  const spki = createPublicKey(privateOf(secret)).export({ format: "der", type: "spki" });
  return { secret, public: Uint8Array.from(spki.subarray(publicHead.length)) };
};

/** A point of low order gives zero to everyone: that is no secret (RFC 7748 section 6.1). */
export const sharedSecret = (own: KeyPair, theirs: Uint8Array): Secret => {
  if (theirs.length !== keyLength) throw invalid(`not a public key: ${theirs.length} bytes`);
  let shared: Buffer;
  try {
    shared = diffieHellman({
      privateKey: privateOf(own.secret),
      publicKey: createPublicKey(der(theirs, "spki", publicHead)),
    });
  } catch {
    throw invalid("a public key of low order");
  }
  try {
    return new Secret(shared);
  } finally {
    shared.fill(0);
  }
};
