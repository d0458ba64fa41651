import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equal } from "../bytes.ts";
import type { Arithmetic } from "./checked.ts";
import { minusOne, modOrder } from "./order.ts";

/** What BIP340 is made of. */
type Parts = Pick<Arithmetic, "publicKey" | "multiply" | "add" | "addSecret" | "multiplySecret">;
export type Schnorr = Pick<Arithmetic, "signSchnorr" | "verifySchnorr">;

/** Not by `node:crypto`: that would leave the secret half of the nonce in a string. */
const tagged = (tag: string): ((...parts: readonly Uint8Array[]) => Uint8Array) => {
  const prefix = sha256(new TextEncoder().encode(tag));
  return (...parts) => {
    const hash = sha256.create().update(prefix).update(prefix);
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
};
const auxHash = tagged("BIP0340/aux");
const nonceHash = tagged("BIP0340/nonce");
const challengeHash = tagged("BIP0340/challenge");

const even = 2;
const odd = 3;
const withPrefix = (prefix: number, x: Uint8Array): Uint8Array => {
  const key = new Uint8Array(33);
  key[0] = prefix;
  key.set(x, 1);
  return key;
};

/**
 * BIP340 over a library of ECDSA that has none: its multiplications with secrets, its arithmetic modulo n. So signing is
 * as constant in time as they are. `e` is public.
 */
export const schnorrOver = (parts: Parts): Schnorr => {
  /** The multiple of G, and the secret made such that y is even. */
  const normalize = (secret: Uint8Array): Uint8Array | undefined => {
    const key = parts.publicKey(secret);
    if (key?.[0] === odd) parts.multiplySecret(secret, minusOne);
    return key?.subarray(1);
  };

  /** R = s*G - e*P. Infinity has no bytes, and an s that is out of range no multiple: neither needs a rule here. */
  const verifySchnorr: Schnorr["verifySchnorr"] = (message, signature, x) => {
    const [rx, s] = [signature.subarray(0, 32), signature.subarray(32)];
    const e = modOrder(challengeHash(rx, x, message));
    const sG = parts.publicKey(s);
    const minusEP = parts.multiply(withPrefix(odd, x), e);
    const r = sG && minusEP && parts.add(sG, minusEP);
    return r !== undefined && equal(r, withPrefix(even, rx));
  };

  const signSchnorr: Schnorr["signSchnorr"] = (message, secret, aux, into) => {
    const d = Uint8Array.from(secret);
    const t = auxHash(aux);
    const wiped = [d, t];
    try {
      const x = normalize(d);
      if (x === undefined) return false;
      for (let i = 0; i < 32; i++) t[i] = (t[i] as number) ^ (d[i] as number);
      const rand = nonceHash(t, x, message);
      const k = modOrder(rand);
      wiped.push(rand, k);
      const rx = normalize(k);
      if (rx === undefined) throw new Error("the nonce of a Schnorr signature is zero");
      const e = modOrder(challengeHash(rx, x, message));
      if (!parts.multiplySecret(d, e) || !parts.addSecret(d, k))
        throw new Error("a Schnorr signature came out as zero");
      const signature = concat(rx, d);
      // BIP340 asks for it: a fault of the machine in between could give away the key.
      if (!verifySchnorr(message, signature, x)) throw new Error("a Schnorr signature does not verify");
      into.set(signature);
      return true;
    } finally {
      for (const bytes of wiped) bytes.fill(0);
    }
  };

  return { signSchnorr, verifySchnorr };
};
