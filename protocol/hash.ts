import { hash } from "node:crypto";
import { ripemd160 as noble } from "@noble/hashes/legacy.js";

/**
 * The one-shot call is several times faster than createHash or a JavaScript SHA-256 on messages this short. It is
 * asked for a string because a Buffer's memory lies outside V8's heap, and to allocate it costs more than the hash.
 */
export const sha256 = (bytes: Uint8Array): Uint8Array => {
  const text = hash("sha256", bytes, "binary");
  const out = new Uint8Array(32);
  for (let i = 0; i < 32; i++) out[i] = text.charCodeAt(i);
  return out;
};
export const doubleSha256 = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
/** OpenSSL 3 keeps RIPEMD-160 in its legacy provider, which need not be there. */
export const ripemd160 = (bytes: Uint8Array): Uint8Array => noble(bytes);
export const hash160 = (bytes: Uint8Array): Uint8Array => ripemd160(sha256(bytes));
