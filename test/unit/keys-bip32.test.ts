import { readFileSync } from "node:fs";
import { HDKey } from "@scure/bip32";
import { mnemonicToSeedSync } from "@scure/bip39";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { loadNative, nobleCurve } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import {
  descend,
  hardened,
  keyAt,
  masterOf,
  neutered,
  pathText,
  publicAccount,
  publicChildOf,
} from "../../signer/keys/bip32.ts";
import { entropyOf, wordsOf } from "../../signer/keys/seed.ts";
import { openWallet } from "../../signer/keys/wallet.ts";

const native = await loadNative();
const hexOf = (secret: Secret): string => secret.use(toHex);
const vector = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vectors/keys-${name}.json`, import.meta.url), "utf8"));
const pathOf = (text: string): readonly number[] =>
  text
    .split("/")
    .slice(1)
    .map((step) => (step.endsWith("'") ? hardened(Number.parseInt(step, 10)) : Number(step)));

const bip32 = z
  .object({
    vectors: z.array(
      z.object({
        seed: z.string(),
        chains: z.array(z.object({ path: z.string(), xpub: z.string(), xprv: z.string() })),
      }),
    ),
  })
  .parse(vector("bip32")).vectors;

describe.each([native, nobleCurve()])("BIP 32 over $name", (curve) => {
  test.each(bip32.flatMap(({ seed, chains }) => chains.map((chain) => ({ seed, ...chain }))))(
    "its own vector, $path of $seed",
    ({ seed, path, xpub, xprv }) => {
      const master = masterOf(new Secret(fromHex(seed)));
      const found = descend(curve, master, pathOf(path));
      const { privateKey, chainCode } = HDKey.fromExtendedKey(xprv);
      expect(hexOf(found.key)).toBe(toHex(privateKey as Uint8Array));
      expect(hexOf(found.chainCode)).toBe(toHex(chainCode as Uint8Array));
      expect(publicAccount(curve, master, pathOf(path), "bitcoin").xpub).toBe(xpub);
      expect(pathText(pathOf(path))).toBe(path);
    },
  );

  test("agrees with @scure/bip32 on any path, and in public with itself", () => {
    const step = fc.nat({ max: 2 ** 31 - 1 });
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 64 }),
        fc.array(fc.tuple(step, fc.boolean()), { maxLength: 4 }),
        step,
        (seed, steps, last) => {
          const path = steps.map(([index, hard]) => (hard ? hardened(index) : index));
          const master = masterOf(new Secret(seed));
          const theirs = HDKey.fromMasterSeed(seed).derive(pathText(path)).deriveChild(last);
          const ours = keyAt(curve, master, [...path, last]);
          expect(hexOf(ours)).toBe(toHex(theirs.privateKey as Uint8Array));
          const above = neutered(curve, descend(curve, master, path));
          expect(publicChildOf(curve, above, last).point).toEqual(curve.publicKey(ours));
        },
      ),
      { numRuns: 30 },
    );
  });

  test("no hardened child from the public half", () => {
    const above = neutered(curve, masterOf(new Secret(new Uint8Array(32))));
    expect(() => publicChildOf(curve, above, hardened(0))).toThrow(RangeError);
  });
});

test("the parent stays, and what lies between is wiped", () => {
  const made: Secret[] = [];
  const watching: typeof native = {
    ...native,
    addSecret: (secret, tweak) => {
      const child = native.addSecret(secret, tweak);
      made.push(secret, child);
      return child;
    },
  };
  const master = masterOf(new Secret(new Uint8Array(32).fill(7)));
  const before = hexOf(master.key);
  const key = keyAt(watching, master, [1, 2, 3]);
  expect(hexOf(master.key)).toBe(before);
  const left = made.filter((secret) => secret !== key && secret.use((bytes) => bytes.some((b) => b !== 0)));
  expect(made).toHaveLength(6);
  expect(left).toEqual([]);
});

describe("a wallet", () => {
  // BIP 49, 84 and 86, "Test vectors": the same twelve words in each.
  const words =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
  const seed = new Secret(mnemonicToSeedSync(words));
  const master = { name: "seed", open: () => masterOf(seed) };
  const wallet = openWallet({
    curve: native,
    network: "bitcoin",
    accounts: [
      { master, path: [49, 1, 0].map(hardened), branches: ["p2sh-p2wpkh"] },
      { master, path: [84, 0, 0].map(hardened), branches: ["p2wpkh", "p2wpkh"] },
      { master, path: [86, 0, 0].map(hardened), branches: ["p2tr", "p2tr"] },
      { master, path: [hardened(1)], branches: [] },
    ],
  });

  test.each([
    [0, 0, 0, "a914336caa13e08b96080a32b5d818d59b4ab3b3674287"],
    [1, 0, 0, "0014c0cebcd6c3d3ca8c75dc5ec62ebe55330ef910e2"],
    [1, 0, 1, "00149c90f934ea51fa0f6504177043e0908da6929983"],
    [1, 1, 0, "00143e34985dca6fddc9fb369940e4c7d8e2873f529c"],
    [2, 0, 0, "5120a60869f0dbcf1dc659c9cecbaf8050135ea9e8cdc487053f1dc6880949dc684c"],
    [2, 0, 1, "5120a82f29944d65b86ae6b5e5cc75e294ead6c59391a1edc5e016e3498c67fc7bbb"],
    [2, 1, 0, "5120882d74e5d0572d5a816cef0041a96b6c1de832f6f9676d9605c44d5e9a97d3dc"],
  ])("account %d, branch %d, index %d is the BIP's own", (account, branch, index, expected) => {
    const script = wallet.script({ account, branch, index });
    expect(script && toHex(script)).toBe(expected);
  });

  test("its secrets belong to its points, and with taproot to the output key", () => {
    for (const [account, branch, index] of [[0, 0, 5] as const, [1, 1, 6] as const, [3, 0, 0] as const]) {
      const secret = wallet.secret({ account, branch, index });
      expect(secret && native.publicKey(secret)).toEqual(wallet.point({ account, branch, index }));
    }
    const place = { account: 2, branch: 1, index: 7 };
    const secret = wallet.secret(place);
    const script = wallet.script(place);
    expect(secret && toHex(native.publicKeyX(secret))).toBe(script && toHex(script.subarray(2)));
  });

  test.each([
    [4, 0, 0],
    [-1, 0, 0],
    [0, 1, 0],
    [1, 2, 0],
    [1, -1, 0],
    [1, 0.5, 0],
    [1, 0, -1],
    [1, 0, 2 ** 31],
    [1, 0, 0.5],
    [1, 0, Number.NaN],
    [3, 1, 0],
    [3, 0, 1],
  ])("has no place %d/%d/%d", (account, branch, index) => {
    const place = { account, branch, index };
    expect([wallet.point(place), wallet.script(place), wallet.secret(place)]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("tells its accounts", () => {
    const [, account, , single] = wallet.accounts;
    expect(account).toMatchObject({ master: "seed", path: "m/84'/0'/0'", branches: ["p2wpkh", "p2wpkh"] });
    expect(account?.xpub).toBe(
      HDKey.fromMasterSeed(mnemonicToSeedSync(words)).derive("m/84'/0'/0'").publicExtendedKey,
    );
    expect(single).toMatchObject({ path: "m/1'", branches: [] });
  });
});

const bip39 = z
  .object({ vectors: z.array(z.object({ entropy: z.string(), words: z.string() })) })
  .parse(vector("bip39")).vectors;

test.each(bip39)("BIP 39: $entropy", ({ entropy, words }) => {
  expect(wordsOf(new Secret(fromHex(entropy))).join(" ")).toBe(words);
  expect(hexOf(entropyOf(words))).toBe(entropy);
});
