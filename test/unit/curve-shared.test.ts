import { randomBytes } from "node:crypto";
import { getSharedSecret, Point as NoblePoint } from "@noble/secp256k1";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point } from "../../protocol/units.ts";
import {
  both,
  bytes32,
  halves,
  n,
  native,
  noble,
  number,
  refused,
  secret,
  signatureOf,
  text,
} from "./curve-backends.ts";

const seed = process.env["CURVE_SEED"] ?? toHex(randomBytes(8));
let drawn = 0;
const draw = (): Uint8Array => sha256(text(`${seed} shared ${drawn++}`));
const scalar = (): bigint => (number(draw()) % (n - 1n)) + 1n;
const wrongLengths = [0, 1, 31, 34, 63, 65].map((length) => new Uint8Array(length).fill(2));

describe("shared secrets", () => {
  // BOLT 8, Appendix A: the initiator's three and the responder's one that has another key.
  test.each([
    [
      "12".repeat(32),
      "028d7500dd4c12685d1f568b4c2b5048e8534b873319f3a8daa612b469132ec7f7",
      "1e2fb3c8fe8fb9f262f649f64d26ecf0f2c0a805a767cf02dc2d77a6ef1fdcc3",
    ],
    [
      "12".repeat(32),
      "02466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f27",
      "c06363d6cc549bcb7913dbb9ac1c33fc1158680c89e972000ecd06b36c472e47",
    ],
    [
      "11".repeat(32),
      "02466d7fcae563e5cb09a0d1870bb580344804617879a14949cf22285f1bae3f27",
      "b36b6d195982c5be874d6d542dc268234379e1ae4ff1709402135b7de5cf0766",
    ],
  ])("BOLT 8: %s", (own, theirs, shared) => {
    expect(both((curve) => curve.ecdh(new Secret(fromHex(own)), fromHex(theirs) as Point))).toBe(shared);
  });

  test("both sides come to the same one, and it is that of another library", () => {
    for (let i = 0; i < 60; i++) {
      const [a, b] = [scalar(), scalar()];
      const [ours, theirs] = [native.publicKey(secret(a)), native.publicKey(secret(b))];
      const shared = both((curve) => curve.ecdh(secret(a), theirs));
      expect(shared, `CURVE_SEED=${seed}, input ${i}`).toBe(both((curve) => curve.ecdh(secret(b), ours)));
      expect(shared).toBe(toHex(sha256(getSharedSecret(bytes32(a), theirs))));
    }
  });

  test("neither the secret nor the point is changed", () => {
    const [own, theirs] = [secret(9n), native.publicKey(secret(4n))];
    const before = toHex(theirs);
    both((curve) => curve.ecdh(own, theirs));
    expect(own.use(number)).toBe(9n);
    expect(toHex(theirs)).toBe(before);
  });

  test("what is no secret and no point is malformed", () => {
    const point = native.publicKey(secret(1n));
    for (const value of [0n, n, n + 1n, 2n ** 256n - 1n])
      expect(both((curve) => curve.ecdh(secret(value), point))).toEqual(refused);
    for (const bytes of wrongLengths) {
      expect(both((curve) => curve.ecdh(new Secret(bytes), point))).toEqual(refused);
      expect(both((curve) => curve.ecdh(secret(1n), bytes as Point))).toEqual(refused);
    }
    const { x } = NoblePoint.BASE;
    const forms = [0, 1, 4, 5, 6, 7, 0xff].map((prefix) => [prefix, x] as const);
    for (const [prefix, at] of [...forms, [2, 5n], [3, 5n], [2, 2n ** 256n - 1n], [3, 0n]] as const) {
      const bad = fromHex(prefix.toString(16).padStart(2, "0") + toHex(bytes32(at))) as Point;
      expect(
        both((curve) => curve.ecdh(secret(1n), bad)),
        toHex(bad),
      ).toEqual(refused);
    }
    expect(both((curve) => curve.ecdh(secret(1n), NoblePoint.BASE.toBytes(false) as Point))).toEqual(refused);
    expect(both((curve) => curve.ecdh(secret(1n), new Proxy(point, {})))).toEqual(refused);
  });
});

describe("recoverable signatures", () => {
  test("are those of sign, and lead back to the key", () => {
    const ids = new Set<number>();
    let ground = 0;
    for (let i = 0; i < 80; i++) {
      const [key, digest] = [secret(scalar()), i === 0 ? new Uint8Array(32) : draw()];
      const where = `CURVE_SEED=${seed}, input ${i}`;
      for (const lowR of [false, true]) {
        const signed = native.signRecoverable({ digest, key, lowR });
        expect(signed, where).toStrictEqual(noble.signRecoverable({ digest, key, lowR }));
        expect(signed.signature, where).toStrictEqual(native.sign({ digest, key, lowR }));
        if (lowR) expect(signed.signature[0] as number, where).toBeLessThan(0x80);
        else if ((signed.signature[0] as number) >= 0x80) ground++;
        ids.add(signed.recovery);
        const expected = toHex(native.publicKey(key));
        const recover = (id: number, signature = signed.signature) =>
          both((curve) => curve.recover(digest, signature, id));
        expect(recover(signed.recovery), where).toBe(expected);
        expect(recover(signed.recovery ^ 1), where).not.toBe(expected);
        // BOLT 11 lets a writer send a high s: the other y, and so the other id.
        const { r, s } = halves(signed.signature);
        expect(recover(signed.recovery ^ 1, signatureOf(r, n - s)), where).toBe(expected);
      }
    }
    expect(ids).toEqual(new Set([0, 1]));
    expect(ground).toBeGreaterThan(12);
  });

  test("an r that was reduced has the ids 2 and 3", () => {
    let r = 1n;
    while (!noble.isPoint(fromHex(`02${toHex(bytes32(n + r))}`))) r++;
    const digest = sha256(text("wrapped"));
    const keys = [0, 1, 2, 3].map((id) => both((curve) => curve.recover(digest, signatureOf(r, 2n), id)));
    for (const key of keys.slice(2)) {
      const point = fromHex(key as string) as Point;
      expect(both((curve) => curve.verify({ digest, signature: signatureOf(r, 2n), key: point }))).toBe(true);
    }
    expect(keys[2]).not.toBe(keys[3]);
    // Above p - n there is no such r.
    const large = signatureOf(n - 1n, 2n);
    for (const id of [2, 3]) expect(both((curve) => curve.recover(digest, large, id))).toBe(undefined);
  });

  test("what leads to no key is undefined", () => {
    const digest = draw();
    const signature = native.sign({ digest, key: secret(3n), lowR: false });
    const { r, s } = halves(signature);
    for (const id of [-1, 4, 0.5, Number.NaN, Number.POSITIVE_INFINITY, "1" as unknown as number])
      expect(both((curve) => curve.recover(digest, signature, id))).toBe(undefined);
    for (const value of [0n, n, n + 1n, 2n ** 256n - 1n])
      for (const id of [0, 1, 2, 3]) {
        expect(both((curve) => curve.recover(digest, signatureOf(value, s), id))).toBe(undefined);
        expect(both((curve) => curve.recover(digest, signatureOf(r, value), id))).toBe(undefined);
      }
    for (const bytes of wrongLengths) {
      expect(both((curve) => curve.recover(digest, bytes, 0))).toBe(undefined);
      expect(both((curve) => curve.recover(bytes, signature, 0))).toEqual(refused);
      expect(both((curve) => curve.signRecoverable({ digest: bytes, key: secret(1n), lowR: true }))).toEqual(
        refused,
      );
    }
    // s*R = z*G: the key would be infinity.
    const nonce = 5n;
    const x = NoblePoint.BASE.multiply(nonce).toAffine();
    const cancelled = signatureOf(x.x % n, 7n);
    const id = Number(x.y & 1n);
    expect(both((curve) => curve.recover(bytes32((7n * nonce) % n), cancelled, id))).toBe(undefined);
    expect(both((curve) => curve.recover(bytes32((7n * nonce) % n), cancelled, id ^ 1))).not.toBe(undefined);
  });
});
