import { hash } from "node:crypto";
import { ripemd160 as noble } from "@noble/hashes/legacy.js";

/** The one-shot call is several times faster than createHash or a JavaScript SHA-256 on messages this short. */
export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(hash("sha256", bytes, "buffer"));
export const doubleSha256 = (bytes: Uint8Array): Uint8Array => sha256(sha256(bytes));
/** OpenSSL 3 keeps RIPEMD-160 in its legacy provider, which need not be there. */
export const ripemd160 = (bytes: Uint8Array): Uint8Array => noble(bytes);
export const hash160 = (bytes: Uint8Array): Uint8Array => ripemd160(sha256(bytes));
