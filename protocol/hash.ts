import { hash } from "node:crypto";
import { ripemd160 as portable } from "@noble/hashes/legacy.js";

/**
 * The one-shot call is several times faster than createHash or JavaScript on messages this short. It is asked for a
 * string because a Buffer's memory lies outside V8's heap, and to allocate it costs more than the hash.
 */
const native = (algorithm: string, length: number): ((bytes: Uint8Array) => Uint8Array) => {
  return (bytes) => {
    const text = hash(algorithm, bytes, "binary");
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = text.charCodeAt(i);
    return out;
  };
};

export const sha256 = native("sha256", 32);
export const doubleSha256 = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));

/** Some builds of OpenSSL 3 keep RIPEMD-160 in a legacy provider, which need not be there. */
const openRipemd160 = (): ((bytes: Uint8Array) => Uint8Array) => {
  const fast = native("ripemd160", 20);
  try {
    fast(new Uint8Array(0));
    return fast;
  } catch {
    return portable;
  }
};

export const ripemd160 = openRipemd160();
export const hash160 = (bytes: Uint8Array): Uint8Array => ripemd160(sha256(bytes));
