/** What the tests of the styles share. */

import { hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { bech32, bech32m } from "@scure/base";
import { z } from "zod";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { loadNative, nobleCurve } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import type { KeysRoot } from "../../signer/keys/node-keys.ts";

export const curve = await loadNative();
export const noble = nobleCurve();
export const hexOf = (secret: Secret | undefined): string | undefined => secret?.use(toHex);
export const publicOf = (secret: Secret): string => toHex(curve.publicKey(secret));
export const vector = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vectors/keys-${name}.json`, import.meta.url), "utf8"));

export const root = (seed: Uint8Array | string, more: Partial<KeysRoot> = {}): KeysRoot => ({
  seed: new Secret(typeof seed === "string" ? fromHex(seed) : seed),
  network: "regtest",
  nodeIndex: 0,
  curve,
  ...more,
});
export const programOf = (address: string): string => {
  const codec = address.startsWith("bcrt1p") ? bech32m : bech32;
  const [version, ...words] = codec.decode(address as `bcrt1${string}`).words;
  const program = codec.fromWords(words);
  return toHex(Uint8Array.of(version === 0 ? 0 : 0x50 + (version as number), program.length, ...program));
};

export const hex = z.string();

export const hkdf = (ikm: Uint8Array, salt: Uint8Array | string, info: string, length = 32): Uint8Array =>
  new Uint8Array(hkdfSync("sha256", ikm, salt, info, length));
