/**
 * The package's native part. Its index must not be imported: where this part does not load, it falls back to
 * JavaScript without a word. Everything throws an Error where there is no answer.
 */
declare module "secp256k1/bindings.js" {
  interface Bindings {
    /** Blinds the multiplications with secrets. Changes no result. */
    contextRandomize(seed: Uint8Array): void;
    privateKeyVerify(secret: Uint8Array): boolean;
    /** In place. */
    privateKeyTweakAdd(secret: Uint8Array, tweak: Uint8Array): Uint8Array;
    /** In place. */
    privateKeyTweakMul(secret: Uint8Array, tweak: Uint8Array): Uint8Array;
    publicKeyVerify(key: Uint8Array): boolean;
    publicKeyCreate(secret: Uint8Array, compressed: boolean): Uint8Array;
    publicKeyCombine(keys: readonly Uint8Array[], compressed: boolean): Uint8Array;
    publicKeyTweakAdd(key: Uint8Array, tweak: Uint8Array, compressed: boolean): Uint8Array;
    publicKeyTweakMul(key: Uint8Array, tweak: Uint8Array, compressed: boolean): Uint8Array;
    /** `data` are 32 bytes of additional data for the nonce (RFC 6979 section 3.6). */
    ecdsaSign(
      digest: Uint8Array,
      secret: Uint8Array,
      options: { readonly data?: Uint8Array },
      output: Uint8Array,
    ): { readonly signature: Uint8Array; readonly recid: number };
    ecdsaVerify(signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean;
    /** Without a hash function of one's own it is SHA256 of the compressed point. */
    ecdh(
      key: Uint8Array,
      secret: Uint8Array,
      options: Readonly<Record<string, never>>,
      output: Uint8Array,
    ): Uint8Array;
    ecdsaRecover(
      signature: Uint8Array,
      recoveryId: number,
      digest: Uint8Array,
      compressed: boolean,
    ): Uint8Array;
  }
  const bindings: Bindings;
  export = bindings;
}
