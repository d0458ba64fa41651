import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { Point as NoblePoint } from "@noble/secp256k1";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { modOrder } from "../../protocol/curve/order.ts";
import { schnorrOver } from "../../protocol/curve/schnorr.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point } from "../../protocol/units.ts";
import bip341 from "../vectors/bip341.json" with { type: "json" };
import { both, bytes32, n, native, noble, number, outcome, refused, secret, text } from "./curve-backends.ts";

interface Vector {
  readonly key: string;
  readonly x: string;
  readonly aux: string;
  readonly message: string;
  readonly signature: string;
  readonly valid: boolean;
  readonly comment: string;
}

/** The file of the BIP as it is. */
const vectors: readonly Vector[] = readFileSync(new URL("../vectors/bip340.csv", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => {
    const [, key = "", x = "", aux = "", message = "", signature = "", valid, comment = ""] = line
      .trim()
      .split(",");
    const lower = { key, x, aux, message, signature };
    for (const [name, value] of Object.entries(lower)) Object.assign(lower, { [name]: value.toLowerCase() });
    return { ...lower, valid: valid === "TRUE", comment };
  });

/** BIP340 as the native backend composes it, for messages that have not 32 bytes: the port takes no others. */
const composed = schnorrOver({
  publicKey: (bytes) => (native.isSecret(bytes) ? native.publicKey(new Secret(bytes)) : undefined),
  multiply: (key, by) => (native.isPoint(key) ? native.multiply(key as Point, by) : undefined),
  add: (a, b) => native.add(a as Point, b as Point),
  addSecret: (bytes, by) => {
    native.addSecret(new Secret(bytes), by).use((sum) => bytes.set(sum));
    return true;
  },
  multiplySecret: (bytes, by) => {
    native.multiplySecret(new Secret(bytes), by).use((product) => bytes.set(product));
    return true;
  },
});

describe("the vectors of BIP340", () => {
  test("there are 19, ten of them false, four for messages of other lengths", () => {
    expect(vectors.length).toBe(19);
    expect(vectors.filter(({ message }) => message.length !== 64).length).toBe(4);
    expect(vectors.filter(({ valid }) => !valid).length).toBe(10);
    expect(vectors.filter(({ key }) => key !== "").length).toBe(8);
  });

  test.each(vectors.map((vector, i) => [i, vector] as const))("%i", (_, vector) => {
    const [digest, signature, key] = [vector.message, vector.signature, vector.x].map(fromHex) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    if (digest.length === 32)
      expect(both((curve) => curve.verifySchnorr({ digest, signature, key }))).toBe(vector.valid);
    else {
      expect(both((curve) => curve.verifySchnorr({ digest, signature, key }))).toEqual(refused);
      expect(composed.verifySchnorr(digest, signature, key)).toBe(vector.valid);
    }
    if (vector.key === "") return;
    const by = fromHex(vector.key);
    const aux = fromHex(vector.aux);
    expect(both((curve) => curve.publicKeyX(new Secret(by)))).toBe(vector.x);
    const signed = both((curve) => curve.signSchnorr({ digest, key: new Secret(by), aux }));
    if (digest.length === 32) expect(signed).toBe(vector.signature);
    else expect(signed).toEqual(refused);
    const into = new Uint8Array(64);
    expect(composed.signSchnorr(digest, by, aux, into)).toBe(true);
    expect(toHex(into)).toBe(vector.signature);
    expect(toHex(by)).toBe(vector.key);
  });
});

describe("the vectors of BIP341", () => {
  test("tweaked keys", () => {
    expect(bip341.scriptPubKey.length).toBe(7);
    let odd = 0;
    for (const { given, intermediary, expected } of bip341.scriptPubKey) {
      const [x, tweak] = [fromHex(given.internalPubkey), fromHex(intermediary.tweak)];
      const tweaked = both((curve) => {
        const { x: key, parity } = curve.tweakX(x, tweak);
        return `${toHex(key)} ${parity}`;
      }) as string;
      expect(tweaked.split(" ")[0]).toBe(intermediary.tweakedPubkey);
      // The lowest bit of a control block's first byte is the parity.
      const block = expected.scriptPathControlBlocks?.[0];
      if (block !== undefined) expect(Number(tweaked.split(" ")[1])).toBe((fromHex(block)[0] as number) & 1);
      odd += Number(tweaked.split(" ")[1]);
    }
    expect(odd).toBeGreaterThan(0);
  });

  test("tweaked secrets and what they sign", () => {
    const spends = bip341.keyPathSpending.flatMap(({ inputSpending }) => inputSpending);
    expect(spends.length).toBe(7);
    for (const { given, intermediary, expected } of spends) {
      const internal = new Secret(fromHex(given.internalPrivkey));
      const tweak = fromHex(intermediary.tweak);
      expect(both((curve) => curve.publicKeyX(internal))).toBe(intermediary.internalPubkey);
      expect(both((curve) => curve.tweakSecret(internal, tweak))).toBe(intermediary.tweakedPrivkey);
      const signature = both((curve) =>
        curve.signSchnorr({
          digest: fromHex(intermediary.sigHash),
          key: curve.tweakSecret(internal, tweak),
          aux: new Uint8Array(32),
        }),
      );
      expect(signature).toBe(expected.witness[0]?.slice(0, 128));
    }
  });
});

describe("the backends agree", () => {
  const seed = process.env["CURVE_SEED"] ?? toHex(randomBytes(8));
  let drawn = 0;
  const draw = (): Uint8Array => sha256(text(`${seed} schnorr ${drawn++}`));
  const scalar = (): bigint => (number(draw()) % (n - 1n)) + 1n;

  test("on signatures, good and spoiled, and on tweaks", () => {
    let parities = 0;
    for (let i = 0; i < 60; i++) {
      const [key, digest, aux] = [secret(scalar()), i % 8 === 0 ? bytes32(n + BigInt(i)) : draw(), draw()];
      const signature = native.signSchnorr({ digest, key, aux });
      const x = native.publicKeyX(key);
      const where = `CURVE_SEED=${seed}, input ${i}`;
      expect(toHex(signature), where).toBe(toHex(noble.signSchnorr({ digest, key, aux })));
      const verify = (changes: Partial<Parameters<typeof native.verifySchnorr>[0]>) =>
        both((curve) => curve.verifySchnorr({ digest, signature, key: x, ...changes }));
      expect(verify({}), where).toBe(true);
      const spoiled = Uint8Array.from(signature);
      const at = (draw()[0] as number) % 64;
      spoiled[at] = (spoiled[at] as number) ^ (1 << (i % 8));
      expect(verify({ signature: spoiled }), where).toBe(false);
      expect(verify({ digest: draw() }), where).toBe(false);
      expect(verify({ key: draw() }), where).toBe(false);

      const tweak = bytes32(scalar());
      const tweaked = native.tweakX(x, tweak);
      parities += tweaked.parity;
      expect(tweaked, where).toStrictEqual(noble.tweakX(x, tweak));
      expect(
        both((curve) => curve.publicKeyX(curve.tweakSecret(key, tweak))),
        where,
      ).toBe(toHex(tweaked.x));
    }
    expect(parities).toBeGreaterThan(8);
    expect(parities).toBeLessThan(52);
  });

  test("on what is no job, no key and no signature", () => {
    const [digest, aux] = [draw(), draw()];
    const [key, x] = [secret(7n), native.publicKeyX(secret(7n))];
    const signature = native.signSchnorr({ digest, key, aux });
    const verify = (changes: Partial<Parameters<typeof native.verifySchnorr>[0]>) =>
      both((curve) => curve.verifySchnorr({ digest, signature, key: x, ...changes }));
    for (const length of [0, 1, 31, 33, 63, 64, 65]) {
      const bytes = new Uint8Array(length).fill(2);
      expect(both((curve) => curve.signSchnorr({ digest: bytes, key, aux }))).toEqual(refused);
      expect(both((curve) => curve.signSchnorr({ digest, key, aux: bytes }))).toEqual(refused);
      expect(both((curve) => curve.signSchnorr({ digest, key: new Secret(bytes), aux }))).toEqual(refused);
      expect(both((curve) => curve.publicKeyX(new Secret(bytes)))).toEqual(refused);
      expect(both((curve) => curve.tweakX(bytes, bytes32(1n)))).toEqual(refused);
      expect(both((curve) => curve.tweakX(x, bytes))).toEqual(refused);
      expect(both((curve) => curve.tweakSecret(key, bytes))).toEqual(refused);
      expect(both((curve) => curve.tweakSecret(new Secret(bytes), bytes32(1n)))).toEqual(refused);
      expect(verify({ digest: bytes })).toEqual(refused);
      expect(verify({ key: bytes })).toBe(false);
      if (length !== 64) expect(verify({ signature: bytes })).toBe(false);
    }
    for (const value of [0n, n, 2n ** 256n - 1n]) {
      const [bad, half] = [secret(value), toHex(bytes32(value))];
      expect(both((curve) => curve.signSchnorr({ digest, key: bad, aux }))).toEqual(refused);
      expect(both((curve) => curve.publicKeyX(bad))).toEqual(refused);
      expect(both((curve) => curve.tweakX(x, bytes32(value)))).toEqual(refused);
      expect(both((curve) => curve.tweakSecret(key, bytes32(value)))).toEqual(refused);
      expect(both((curve) => curve.tweakSecret(bad, bytes32(1n)))).toEqual(refused);
      expect(verify({ signature: fromHex(half + toHex(signature.subarray(32))) })).toBe(false);
      expect(verify({ signature: fromHex(toHex(signature.subarray(0, 32)) + half) })).toBe(false);
    }
    // No point has x = 5.
    expect(verify({ key: bytes32(5n) })).toBe(false);
    expect(both((curve) => curve.tweakX(bytes32(5n), bytes32(1n)))).toEqual(refused);
    expect(verify({ signature: new Proxy(signature, {}) })).toBe(false);
    expect(verify({ key: new Proxy(x, {}) })).toBe(false);
  });

  test("a tweak that cancels the key is refused, whichever its parity", () => {
    for (const value of [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n]) {
      const key = secret(value);
      const even = native.publicKey(key)[0] === 2 ? value : n - value;
      const tweak = bytes32(n - even);
      expect(both((curve) => curve.tweakSecret(key, tweak))).toEqual(refused);
      expect(both((curve) => curve.tweakX(curve.publicKeyX(key), tweak))).toEqual(refused);
    }
  });
});

test("a signature that the arithmetic got wrong is not given away", () => {
  let calls = 0;
  const flawed = schnorrOver({
    publicKey: (bytes) => NoblePoint.BASE.multiply(number(bytes)).toBytes(),
    multiply: (key, by) => native.multiply(key as Point, by),
    add: (a, b) => native.add(a as Point, b as Point),
    addSecret: (bytes, by) => {
      const right = (number(bytes) + number(by)) % n;
      bytes.set(bytes32(calls++ === 0 ? right : (right + 1n) % n));
      return true;
    },
    multiplySecret: (bytes, by) => {
      bytes.set(bytes32((number(bytes) * number(by)) % n));
      return true;
    },
  });
  const sign = (into: Uint8Array) => () =>
    flawed.signSchnorr(bytes32(1n), bytes32(3n), new Uint8Array(32), into);
  expect(sign(new Uint8Array(64))()).toBe(true);
  const into = new Uint8Array(64);
  expect(sign(into)).toThrow("does not verify");
  expect(into).toEqual(new Uint8Array(64));
});

test("numbers modulo the order", () => {
  for (const value of [0n, 1n, n - 1n, n, n + 1n, 2n ** 255n, 2n ** 256n - 1n, 255n << 248n])
    expect(outcome(() => modOrder(bytes32(value)))).toBe(toHex(bytes32(value % n)));
});
