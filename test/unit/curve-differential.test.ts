import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { benchDigest, benchKey, openLimit } from "../../bench/limit.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import type { Point, Signature } from "../../protocol/units.ts";
import {
  backends,
  bytes32,
  halves,
  n,
  native,
  number,
  outcome,
  secret,
  signatureOf,
  text,
} from "./curve-backends.ts";

describe("the backends agree on random inputs", () => {
  const seed = process.env["CURVE_SEED"] ?? toHex(randomBytes(8));
  let stream = "";
  let drawn = 0;
  const draw = (): Uint8Array => sha256(text(`${seed} ${stream} ${drawn++}`));
  /** One in four has long runs of ones and zeros, where carries go wrong. */
  const scalar = (): bigint => {
    const bits = draw();
    let value = number(bits);
    if ((bits[0] as number) % 4 === 0) {
      value = 0n;
      for (let at = 0, i = 1; at < 256; i++) {
        const run = 1 + ((bits[i % 32] as number) >> 1);
        value = (value << BigInt(run)) | ((bits[i % 32] as number) & 1 ? (1n << BigInt(run)) - 1n : 0n);
        at += run;
      }
    }
    return (value % (n - 1n)) + 1n;
  };
  const tweak = () => bytes32(scalar());
  const key = () => secret(scalar());
  const point = () => native.publicKey(key());
  const signed = () => {
    const [by, digest] = [key(), draw()];
    return { digest, key: native.publicKey(by), signature: native.sign({ digest, key: by, lowR: false }) };
  };
  const flipped = <B extends Uint8Array>(bytes: B): B => {
    const copy = Uint8Array.from(bytes);
    const [where, bit] = draw();
    const at = (where as number) % copy.length;
    copy[at] = (copy[at] as number) ^ (1 << ((bit as number) % 8));
    return copy as B;
  };
  const garbage = (length: number) =>
    fromHex(toHex(draw()) + toHex(draw()) + toHex(draw())).subarray(0, length);
  const spoil = (good: ReturnType<typeof signed>, how: number): ReturnType<typeof signed> => {
    const { r, s } = halves(good.signature);
    switch (how % 6) {
      case 0:
        return { ...good, digest: flipped(good.digest) };
      case 1:
        return { ...good, signature: flipped(good.signature) };
      case 2:
        return { ...good, key: flipped(good.key) };
      case 3:
        return { ...good, signature: signatureOf(r, n - s) };
      case 4:
        return { ...good, key: point() };
      default:
        return { digest: draw(), key: garbage(33) as Point, signature: garbage(64) as Signature };
    }
  };

  // By what an answer of the slower backend costs.
  const plans: readonly (readonly [
    name: string,
    times: number,
    ask: (i: number) => (curve: Curve) => unknown,
    expected?: unknown,
  ])[] = [
    [
      "sign",
      1600,
      () =>
        (
          (job) => (curve: Curve) =>
            curve.sign(job)
        )({ digest: draw(), key: key(), lowR: false }),
    ],
    [
      "sign low R",
      1600,
      () =>
        (
          (job) => (curve: Curve) =>
            curve.sign(job)
        )({ digest: draw(), key: key(), lowR: true }),
    ],
    [
      "verify good",
      500,
      () =>
        (
          (job) => (curve: Curve) =>
            curve.verify(job)
        )(signed()),
      true,
    ],
    [
      "verify bad",
      600,
      (i) =>
        (
          (job) => (curve: Curve) =>
            curve.verify(job)
        )(spoil(signed(), i)),
      false,
    ],
    [
      "publicKey",
      1000,
      () =>
        (
          (by) => (curve: Curve) =>
            curve.publicKey(by)
        )(key()),
    ],
    [
      "addTweak",
      1000,
      () =>
        (
          (a, t) => (curve: Curve) =>
            curve.addTweak(a, t)
        )(point(), tweak()),
    ],
    [
      "multiply",
      700,
      () =>
        (
          (a, t) => (curve: Curve) =>
            curve.multiply(a, t)
        )(point(), tweak()),
    ],
    [
      "add",
      1000,
      () =>
        (
          (a, b) => (curve: Curve) =>
            curve.add(a, b)
        )(point(), point()),
    ],
    [
      "addSecret",
      700,
      () =>
        (
          (a, t) => (curve: Curve) =>
            curve.addSecret(a, t)
        )(key(), tweak()),
    ],
    [
      "multiplySecret",
      700,
      () =>
        (
          (a, t) => (curve: Curve) =>
            curve.multiplySecret(a, t)
        )(key(), tweak()),
    ],
    [
      "isPoint",
      400,
      (i) =>
        (
          (bytes) => (curve: Curve) =>
            curve.isPoint(bytes)
        )(i % 2 ? flipped(point()) : garbage(33)),
    ],
    [
      "isSecret",
      200,
      () =>
        (
          (bytes) => (curve: Curve) =>
            curve.isSecret(bytes)
        )(draw()),
    ],
  ];

  test("ten thousand of them in all", () => {
    expect(plans.reduce((sum, [, times]) => sum + times, 0)).toBe(10_000);
  });

  test.for(plans)("%s", ([name, times, ask, expected]) => {
    [stream, drawn] = [name, 0];
    for (let i = 0; i < times; i++) {
      const question = ask(i);
      const [ours, oracle] = backends.map((curve) => outcome(() => question(curve)));
      const where = `CURVE_SEED=${seed}, ${name}, input ${i}`;
      if (ours !== oracle) expect(ours, where).toBe(oracle);
      if (expected !== undefined && ours !== expected) expect(ours, where).toBe(expected);
    }
  });
});

describe("the system's own libsecp256k1 signs the same bytes", async () => {
  const limit = await openLimit();
  test.skipIf("absent" in limit)(
    "absent" in limit ? `(${limit.absent})` : `release ${limit.version}`,
    async () => {
      if ("absent" in limit) return;
      const load = { htlcs: 30, rounds: 10, seed: 7 };
      for (const lowR of [false, true])
        for (const work of ["sign", "verify"] as const) {
          const { xor, tried, p10us, p50us } = await limit.measure({ ...load, lowR, work });
          const funding = new Secret(benchKey(load.seed));
          const expected = new Uint8Array(64);
          for (let round = 0; round < load.rounds; round++) {
            const digests = Array.from({ length: load.htlcs + 1 }, (_, i) =>
              benchDigest(round * (load.htlcs + 1) + i, load.seed),
            );
            const htlc = native.addSecret(funding, digests[0] as Uint8Array);
            const signatures = native.signBatch(
              digests.map((digest, i) => ({ digest, key: i === 0 ? funding : htlc, lowR })),
            );
            for (const signature of signatures)
              for (const [i, byte] of signature.entries()) expected[i] = (expected[i] as number) ^ byte;
          }
          expect(xor).toBe(toHex(expected));
          expect(tried > 310).toBe(lowR);
          expect(p10us > 0 && p10us <= p50us).toBe(true);
        }
    },
  );
});
