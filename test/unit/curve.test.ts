import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Point as NoblePoint } from "@noble/secp256k1";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { openCurve } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point, Signature } from "../../protocol/units.ts";
import vectors from "../vectors/curve-ecdsa.json" with { type: "json" };
import {
  backends,
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

const p = 2n ** 256n - 2n ** 32n - 977n;
const top = 2n ** 256n - 1n;

const wrongLengths = (right: number): Uint8Array[] =>
  [0, 1, 31, 32, 33, 34, 63, 64, 65, 100]
    .filter((length) => length !== right)
    .map((length) => new Uint8Array(length).fill(2));

describe("published vectors", () => {
  test("RFC 6979", () => {
    expect(vectors.rfc6979.length).toBe(11);
    for (const { key, message, signature } of vectors.rfc6979) {
      const digest = sha256(text(message));
      expect(both((curve) => curve.sign({ digest, key: new Secret(fromHex(key)), lowR: false }))).toBe(
        signature,
      );
    }
  });

  test("low R, as Bitcoin Core grinds it", () => {
    let ground = 0;
    for (const { key, digest, signature } of vectors.lowR) {
      const job = { digest: fromHex(digest), key: new Secret(fromHex(key)) };
      expect(both((curve) => curve.sign({ ...job, lowR: true }))).toBe(signature);
      if (toHex(native.sign({ ...job, lowR: false })) !== signature) ground++;
      expect(
        both((curve) =>
          curve.verify({ ...job, key: curve.publicKey(job.key), signature: fromHex(signature) as Signature }),
        ),
      ).toBe(true);
    }
    expect(ground).toBeGreaterThan(vectors.lowR.length / 4);
  });
});

describe("edges", () => {
  const scalars = [
    0n,
    1n,
    2n,
    (n - 1n) / 2n,
    (n + 1n) / 2n,
    n - 2n,
    n - 1n,
    n,
    n + 1n,
    p - 1n,
    p,
    p + 1n,
    top,
  ];
  const inRange = (value: bigint) => value > 0n && value < n;
  const factors = [1n, 2n, 3n, (n - 1n) / 2n, n - 2n, n - 1n];
  const pointOf = (factor: bigint): Point => noble.publicKey(secret(factor));
  const compressed = (prefix: number, x: bigint): Point =>
    fromHex(prefix.toString(16).padStart(2, "0") + toHex(bytes32(x))) as Point;
  const generator = NoblePoint.BASE;
  const noPoints: Point[] = [
    compressed(2, 5n),
    compressed(3, 5n),
    compressed(2, 0n),
    compressed(2, p),
    compressed(2, p + 1n),
    compressed(3, top),
    ...[0, 1, 4, 5, 6, 7, 0xff].map((prefix) => compressed(prefix, generator.x)),
    new Uint8Array(33) as Point,
    generator.toBytes(false) as Point,
    ...(wrongLengths(33) as Point[]),
  ];

  test("secrets", () => {
    for (const value of scalars) {
      expect(
        both((curve) => curve.isSecret(bytes32(value))),
        `${value}`,
      ).toBe(inRange(value));
      const expected = inRange(value)
        ? toHex(generator.multiply(value).toBytes())
        : "Malformed: not a secret key";
      expect(
        both((curve) => curve.publicKey(secret(value))),
        `${value}`,
      ).toBe(expected);
    }
    for (const bytes of wrongLengths(32)) {
      expect(both((curve) => curve.isSecret(bytes))).toBe(false);
      expect(both((curve) => curve.publicKey(new Secret(bytes)))).toEqual(refused);
      expect(
        both((curve) => curve.sign({ digest: bytes32(1n), key: new Secret(bytes), lowR: false })),
      ).toEqual(refused);
    }
  });

  test("secrets by tweaks", () => {
    for (const a of scalars)
      for (const b of scalars) {
        const sum = inRange(a) && inRange(b) ? (a + b) % n : 0n;
        const product = inRange(a) && inRange(b) ? (a * b) % n : 0n;
        const [given, tweak] = [secret(a), bytes32(b)];
        expect(
          both((curve) => curve.addSecret(given, tweak)),
          `${a} + ${b}`,
        ).toEqual(sum === 0n ? refused : toHex(bytes32(sum)));
        expect(
          both((curve) => curve.multiplySecret(given, tweak)),
          `${a} * ${b}`,
        ).toEqual(product === 0n ? refused : toHex(bytes32(product)));
        expect(given.use(number)).toBe(a);
        expect(number(tweak)).toBe(b);
      }
    for (const bytes of wrongLengths(32))
      for (const operation of ["addSecret", "multiplySecret"] as const) {
        expect(both((curve) => curve[operation](secret(1n), bytes))).toEqual(refused);
        expect(both((curve) => curve[operation](new Secret(bytes), bytes32(1n)))).toEqual(refused);
      }
  });

  test("points by tweaks", () => {
    for (const factor of factors)
      for (const tweak of scalars) {
        const sum = inRange(tweak) ? (factor + tweak) % n : 0n;
        const product = inRange(tweak) ? (factor * tweak) % n : 0n;
        const [key, by] = [pointOf(factor), bytes32(tweak)];
        const where = `${factor}, ${tweak}`;
        expect(
          both((curve) => curve.addTweak(key, by)),
          where,
        ).toEqual(sum === 0n ? refused : toHex(pointOf(sum)));
        expect(
          both((curve) => curve.multiply(key, by)),
          where,
        ).toEqual(product === 0n ? refused : toHex(pointOf(product)));
      }
    for (const operation of ["addTweak", "multiply"] as const) {
      for (const key of noPoints)
        expect(
          both((curve) => curve[operation](key, bytes32(2n))),
          toHex(key),
        ).toEqual(refused);
      for (const tweak of wrongLengths(32))
        expect(both((curve) => curve[operation](pointOf(1n), tweak))).toEqual(refused);
    }
  });

  test("sums of points", () => {
    for (const a of factors)
      for (const b of factors) {
        const sum = (a + b) % n;
        expect(
          both((curve) => curve.add(pointOf(a), pointOf(b))),
          `${a}, ${b}`,
        ).toEqual(sum === 0n ? refused : toHex(pointOf(sum)));
      }
    for (const bad of noPoints) {
      expect(
        both((curve) => curve.isPoint(bad)),
        toHex(bad),
      ).toBe(false);
      expect(
        both((curve) => curve.add(bad, pointOf(1n))),
        toHex(bad),
      ).toEqual(refused);
      expect(
        both((curve) => curve.add(pointOf(1n), bad)),
        toHex(bad),
      ).toEqual(refused);
    }
    for (const factor of factors) expect(both((curve) => curve.isPoint(pointOf(factor)))).toBe(true);
  });

  test("each refusal says its own reason", () => {
    expect(both((curve) => curve.add(pointOf(1n), pointOf(n - 1n)))).toMatch(/infinity/);
    expect(both((curve) => curve.addTweak(pointOf(2n), bytes32(n - 2n)))).toMatch(/infinity/);
    expect(both((curve) => curve.addTweak(pointOf(2n), bytes32(n)))).toMatch(/above the order/);
    expect(both((curve) => curve.multiply(pointOf(2n), bytes32(0n)))).toMatch(/zero/);
    expect(both((curve) => curve.multiply(compressed(2, 5n), bytes32(n)))).toMatch(/not on the curve/);
    expect(both((curve) => curve.add(pointOf(2n), fromHex("02") as Point))).toMatch(/33 bytes/);
  });

  test("digests and keys to sign with", () => {
    for (const key of scalars)
      for (const digest of scalars)
        for (const lowR of [false, true]) {
          const where = `${key}, ${digest}`;
          const job = { digest: bytes32(digest), key: secret(key), lowR };
          const signed = both((curve) => curve.sign(job));
          if (!inRange(key)) {
            expect(signed, where).toBe("Malformed: not a secret key");
            continue;
          }
          const signature = fromHex(String(signed)) as Signature;
          const { r, s } = halves(signature);
          expect(s <= n / 2n && (!lowR || r < 2n ** 255n), where).toBe(true);
          expect(native.verify({ digest: bytes32(digest), signature, key: pointOf(key) }), where).toBe(true);
          // The digest counts modulo n (SEC 1, 4.1.3), for the nonce too (RFC 6979, 3.2).
          if (digest >= n)
            expect(toHex(native.sign({ ...job, digest: bytes32(digest - n) })), where).toBe(signed);
        }
  });

  test("a digest of another length is malformed, to sign and to verify", () => {
    const [key, signature] = [pointOf(1n), signatureOf(1n, 1n)];
    for (const digest of wrongLengths(32)) {
      expect(both((curve) => curve.sign({ digest, key: secret(1n), lowR: true }))).toEqual(refused);
      expect(both((curve) => curve.verify({ digest, signature, key }))).toEqual(refused);
    }
  });

  test("signatures that must not verify", () => {
    const digest = sha256(text("edges"));
    const key = pointOf(7n);
    const good = noble.sign({ digest, key: secret(7n), lowR: false });
    const verify = (signature: Signature, by: Point = key) =>
      both((curve) => curve.verify({ digest, signature, key: by }));
    const { r, s } = halves(good);
    expect(verify(good)).toBe(true);
    expect(verify(signatureOf(r, n - s))).toBe(false);
    for (const value of scalars) {
      expect(verify(signatureOf(value, s)), `r = ${value}`).toBe(false);
      expect(verify(signatureOf(r, value)), `s = ${value}`).toBe(false);
      expect(verify(signatureOf(value, value)), `r = s = ${value}`).toBe(false);
    }
    for (const bytes of wrongLengths(64)) expect(verify(bytes as Signature)).toBe(false);
    for (const bad of noPoints) expect(verify(good, bad), toHex(bad)).toBe(false);
  });

  test("an r that was reduced, because the x of its point is above n", () => {
    let r = 1n;
    while (!noble.isPoint(compressed(2, n + r))) r++;
    const digest = sha256(text("wrapped"));
    const s = 2n;
    const nonce = NoblePoint.fromBytes(compressed(2, n + r));
    const invert = (value: bigint, power = n - 2n): bigint =>
      power === 0n ? 1n : ((power & 1n ? value : 1n) * invert((value * value) % n, power >> 1n)) % n;
    // Q = (s*R - z*G) / r: whose key signed so, nobody knows.
    const sum = nonce.multiply(s).subtract(generator.multiply(number(digest)));
    const key = sum.multiply(invert(r)).toBytes() as Point;
    expect(both((curve) => curve.verify({ digest, signature: signatureOf(r, s), key }))).toBe(true);
    expect(both((curve) => curve.verify({ digest, signature: signatureOf(r + 1n, s), key }))).toBe(false);
    expect(both((curve) => curve.verify({ digest, signature: signatureOf(n + r, s), key }))).toBe(false);
  });

  test("what only looks like bytes", () => {
    const detached = new Uint8Array(33).fill(2);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    const lookalikes: unknown[] = [
      undefined,
      null,
      "2".repeat(33),
      new Array(33).fill(2),
      new Uint16Array(33).fill(2),
      new DataView(new ArrayBuffer(33)),
      detached,
      new Proxy(pointOf(1n), {}),
      Object.setPrototypeOf({ length: 33 }, Uint8Array.prototype),
    ];
    for (const lookalike of lookalikes) {
      const fake = lookalike as Point;
      expect(both((curve) => curve.isPoint(fake))).toBe(false);
      expect(both((curve) => curve.isSecret(fake))).toBe(false);
      expect(both((curve) => curve.add(pointOf(1n), fake))).toEqual(refused);
      expect(both((curve) => curve.addTweak(fake, bytes32(1n)))).toEqual(refused);
      expect(both((curve) => curve.multiply(pointOf(1n), fake))).toEqual(refused);
      expect(both((curve) => curve.addSecret(secret(1n), fake))).toEqual(refused);
      expect(both((curve) => curve.sign({ digest: fake, key: secret(1n), lowR: true }))).toEqual(refused);
      const check = { digest: bytes32(1n), signature: signatureOf(1n, 1n), key: pointOf(1n) };
      expect(both((curve) => curve.verify({ ...check, key: fake }))).toBe(false);
      expect(both((curve) => curve.verify({ ...check, signature: fake as Uint8Array as Signature }))).toBe(
        false,
      );
    }
  });

  test("batches are the single answers in order", () => {
    const jobs = [1n, 2n, 3n, n - 1n].map((key, i) => ({
      digest: bytes32(BigInt(i)),
      key: secret(key),
      lowR: i % 2 === 0,
    }));
    for (const curve of backends) {
      const signatures = curve.signBatch(jobs);
      expect(signatures.map(toHex)).toStrictEqual(jobs.map((job) => toHex(curve.sign(job))));
      const checks = jobs.map(({ digest, key }, i) => ({
        digest,
        key: curve.publicKey(key),
        signature: signatures[i ^ (i >> 1)] as Signature,
      }));
      expect(curve.verifyBatch(checks)).toStrictEqual([true, true, false, false]);
      expect(curve.signBatch([])).toStrictEqual([]);
      expect(() => curve.signBatch([...jobs, { digest: bytes32(1n), key: secret(0n), lowR: true }])).toThrow(
        Malformed,
      );
    }
  });
});

describe("loading", () => {
  const node = promisify(execFile);
  const index = new URL("../../protocol/curve/index.ts", import.meta.url).href;
  const child = (script: string, env: Record<string, string> = {}) =>
    node(
      process.execPath,
      ["--input-type=module", "-e", `import { openCurve } from ${JSON.stringify(index)}; ${script}`],
      {
        env: { ...process.env, ...env },
      },
    );

  test("gives the backend that was asked for", async () => {
    expect(await openCurve("noble")).toMatchObject({ name: "noble", constantTime: false });
    expect(await openCurve("native")).toMatchObject({ name: "native", constantTime: true });
  });

  test("never reaches for the package's JavaScript", async () => {
    const { stdout } = await child(`
      import { createRequire } from "node:module";
      await openCurve("native");
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes("node_modules"));
      console.log(JSON.stringify({ bindings: loaded.some((file) => file.endsWith("secp256k1/bindings.js")),
        other: loaded.filter((file) => /elliptic|secp256k1.index\\.js/.test(file)) }));`);
    expect(JSON.parse(stdout)).toStrictEqual({ bindings: true, other: [] });
  });

  test("says what to do where there is no native build, and noble still works", async () => {
    const { stdout } = await child(
      `await openCurve("native").then(() => console.log("loaded"), (error) => console.log(error.message));
       console.log((await openCurve("noble")).name);`,
      { SECP256K1_PREBUILD: "/nonexistent" },
    );
    expect(stdout).toMatch(
      /^the native secp256k1 backend does not load on \S+: .*npm rebuild secp256k1.*`noble`/,
    );
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("noble");
  });
});
