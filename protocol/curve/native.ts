import { type Arithmetic, checked } from "./checked.ts";
import type { Curve } from "./curve.ts";
import { type Schnorr, schnorrOver } from "./schnorr.ts";

type Bindings = typeof import("secp256k1/bindings.js");

/** What the package throws where there is no answer. Anything else that it throws is a fault, and stays one. */
const refusals: ReadonlySet<string> = new Set([
  "Private Key is invalid",
  "Public Key could not be parsed",
  "Public key could not be recover",
  "Signature could not be parsed",
  "The nonce generation function failed, or the private key was invalid",
  "The sum of the public keys is not valid",
  "The tweak was out of range or equal to zero",
  "The tweak was out of range or the resulted private key is invalid",
  "Scalar was invalid (zero or overflow)",
]);

const answer = <T>(ask: () => T): T | undefined => {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Error && refusals.has(error.message)) return undefined;
    throw error;
  }
};

const plain = {};

const over = (bindings: Bindings): Omit<Arithmetic, keyof Schnorr> => ({
  name: "native",
  constantTime: true,
  isPoint: (key) => bindings.publicKeyVerify(key),
  isSecret: (secret) => bindings.privateKeyVerify(secret),
  publicKey: (secret) => answer(() => bindings.publicKeyCreate(secret, true)),
  addTweak: (key, tweak) => answer(() => bindings.publicKeyTweakAdd(key, tweak, true)),
  multiply: (key, tweak) => answer(() => bindings.publicKeyTweakMul(key, tweak, true)),
  add: (a, b) => answer(() => bindings.publicKeyCombine([a, b], true)),
  addSecret: (secret, tweak) => answer(() => bindings.privateKeyTweakAdd(secret, tweak)) !== undefined,
  multiplySecret: (secret, tweak) => answer(() => bindings.privateKeyTweakMul(secret, tweak)) !== undefined,
  ecdh: (secret, key, into) => answer(() => bindings.ecdh(key, secret, plain, into)) !== undefined,
  sign: (digest, secret, extra, into) =>
    answer(() => bindings.ecdsaSign(digest, secret, extra === undefined ? plain : { data: extra }, into))
      ?.recid,
  verify: (digest, signature, key) => answer(() => bindings.ecdsaVerify(signature, digest, key)) ?? false,
  recover: (digest, signature, recoveryId) =>
    answer(() => bindings.ecdsaRecover(signature, recoveryId, digest, true)),
});

/** libsecp256k1, constant time in its secrets. Throws, and never falls back to another backend, where it is missing. */
export const loadNative = async (): Promise<Curve> => {
  let bindings: Bindings;
  try {
    ({ default: bindings } = await import("secp256k1/bindings.js"));
  } catch (cause) {
    throw new Error(
      `the native secp256k1 backend does not load on ${process.platform}-${process.arch}: ` +
        "build it with `npm rebuild secp256k1 --ignore-scripts=false` (this needs a C++ compiler), or choose the " +
        "backend `noble`, whose running time depends on the secrets",
      { cause },
    );
  }
  bindings.contextRandomize(crypto.getRandomValues(new Uint8Array(32)));
  const arithmetic = over(bindings);
  return checked({ ...arithmetic, ...schnorrOver(arithmetic) });
};
