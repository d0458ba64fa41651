/** What no signer can do without: the bytes on the disk, and the curve work. Nothing else, and in one process. */

import { randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { commitmentKeys, deriveKeySecret } from "../protocol/bolt/derive.ts";
import type { Curve, VerifyJob } from "../protocol/curve/curve.ts";
import { Secret } from "../protocol/secret.ts";
import type { Point } from "../protocol/units.ts";
import { type Side, side } from "../test/unit/bolt3-channels.ts";

export interface Floor {
  /** Appends as many bytes, and waits until they are on the disk. */
  append(bytes: number): void;
  /** Keys, and one signature for each digest, low R. */
  sign(digests: number): void;
  verify(signatures: number): void;
  /** One multiplication of the generator for each. */
  points(count: number): void;
  close(): void;
}

export const openFloor = (path: string, curve: Curve): Floor => {
  const file = openSync(path, "a");
  const [us, them]: readonly [Side, Side] = [side(curve, 1), side(curve, 2)];
  const fresh = (): Uint8Array => new Uint8Array(randomBytes(32));
  const point: Point = curve.publicKey(new Secret(fresh()));
  const derive = () =>
    commitmentKeys(curve, { broadcaster: them.basepoints, countersignatory: us.basepoints, point });
  const jobs: VerifyJob[] = [];
  for (let i = 0; i < 500; i++) {
    const digest = fresh();
    const signature = curve.sign({ digest, key: us.secrets.htlc, lowR: false });
    jobs.push({ digest, signature, key: us.basepoints.htlc });
  }
  return {
    append: (bytes) => {
      writeSync(file, new Uint8Array(bytes).fill(7));
      fdatasyncSync(file);
    },
    sign: (digests) => {
      derive();
      const { secrets, basepoints } = us;
      curve.sign({ digest: fresh(), key: secrets.funding, lowR: true });
      if (digests === 1) return;
      const key = deriveKeySecret(curve, { secret: secrets.htlc, basepoint: basepoints.htlc }, point);
      curve.signBatch(Array.from({ length: digests - 1 }, () => ({ digest: fresh(), key, lowR: true })));
    },
    verify: (signatures) => {
      derive();
      if (curve.verifyBatch(jobs.slice(0, signatures)).includes(false)) throw new Error("not verified");
    },
    points: (count) => {
      for (let i = 0; i < count; i++) curve.publicKey(us.perCommitmentSecret);
    },
    close: () => closeSync(file),
  };
};
