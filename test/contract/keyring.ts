/** What every keyring promises, in software or on a device. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deriveKey } from "../../protocol/bolt/derive.ts";
import { emptyShachain, insert, lookup, type ShachainStore } from "../../protocol/bolt/shachain.ts";
import { toHex } from "../../protocol/bytes.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId, commitmentNumber, type Point, type Signature } from "../../protocol/units.ts";
import type { Job, Keyring } from "../../signer/core/ports.ts";
import { durable } from "../durable.ts";

export interface OpenKeyring {
  readonly keyring: Keyring;
  close(): Promise<void> | void;
}

const curve = nobleCurve();
export const digestOf = (n: number): Uint8Array => sha256(Uint8Array.of(n));
const number = (n: bigint) => commitmentNumber(n);
const channel = channelId(1n);
const other = channelId((1n << 63n) - 1n);
const counterpartyPoint = curve.publicKey(new Secret(digestOf(77)));

/** One of each kind, and of each shape that differs. */
export const jobs: readonly Job[] = [
  { kind: "counterpartyCommitment", channel, point: counterpartyPoint, digest: digestOf(1), htlcDigests: [] },
  {
    kind: "counterpartyCommitment",
    channel,
    point: counterpartyPoint,
    digest: digestOf(1),
    htlcDigests: [2, 3, 4, 5].map(digestOf),
  },
  { kind: "holderCommitment", channel, digest: digestOf(6) },
  { kind: "closing", channel, digest: digestOf(7) },
  { kind: "closing", channel: other, digest: digestOf(7) },
  { kind: "secret", channel, number: number(0n) },
  { kind: "secret", channel: other, number: number((1n << 48n) - 1n) },
];

const verifies = (digest: Uint8Array, signature: Signature, key: Point): boolean =>
  curve.verify({ digest, signature, key });

export const keyringContract = (name: string, open: () => Promise<OpenKeyring>): void => {
  describe(`keyring: ${name}`, () => {
    let opened: OpenKeyring;
    let keyring: Keyring;
    beforeAll(async () => {
      opened = await open();
      keyring = opened.keyring;
    });
    afterAll(() => opened.close());

    test("its node id and all basepoints lie on the curve, and no two are the same", async () => {
      const channels = await Promise.all([channel, other].map((id) => keyring.basepoints(id)));
      const points = [keyring.node, ...channels.flatMap((basepoints) => Object.values(basepoints))];
      expect(points).toHaveLength(11);
      expect(points.every((point) => curve.isPoint(point))).toBe(true);
      expect(new Set(points.map(toHex)).size).toBe(11);
    });

    test("the same job gets the same bytes, after other jobs and from a keyring opened anew", async () => {
      const first = await Promise.all(jobs.map((job) => keyring.sign(durable(job))));
      const again = await Promise.all(jobs.toReversed().map((job) => keyring.sign(durable(job))));
      expect(again.toReversed()).toEqual(first);
      const anew = await open();
      try {
        expect(anew.keyring.node).toEqual(keyring.node);
        expect(await Promise.all(jobs.map((job) => anew.keyring.sign(durable(job))))).toEqual(first);
      } finally {
        await anew.close();
      }
    });

    test("the counterparty's commitment: under the funding key, HTLCs under the key of that point, in order", async () => {
      const { funding, htlc } = await keyring.basepoints(channel);
      const digest = digestOf(10);
      const htlcDigests = Array.from({ length: 40 }, (_, n) => digestOf(100 + n));
      const { signature, htlcSignatures } = await keyring.sign(
        durable({ kind: "counterpartyCommitment", channel, point: counterpartyPoint, digest, htlcDigests }),
      );
      expect(verifies(digest, signature, funding)).toBe(true);
      const key = deriveKey(curve, htlc, counterpartyPoint);
      expect(htlcSignatures).toHaveLength(htlcDigests.length);
      expect(htlcDigests.every((d, at) => verifies(d, htlcSignatures[at] as Signature, key))).toBe(true);
      // DER of at most 71 bytes: of 41 signatures without grinding one would have its top bit set.
      expect([signature, ...htlcSignatures].every(([top]) => (top as number) < 0x80)).toBe(true);
    });

    test("our own commitment and a close: under the funding key of that channel alone", async () => {
      const digest = digestOf(11);
      const mine = await keyring.basepoints(channel);
      const others = await keyring.basepoints(other);
      for (const kind of ["holderCommitment", "closing"] as const) {
        const { signature } = await keyring.sign(durable({ kind, channel, digest }));
        expect(verifies(digest, signature, mine.funding)).toBe(true);
        expect(verifies(digest, signature, others.funding)).toBe(false);
      }
    });

    test("secrets match the points, and are one chain of BOLT 3", async () => {
      const numbers = Array.from({ length: 20 }, (_, n) => number(BigInt(n)));
      const points = await keyring.points(channel, numbers);
      expect(points).toHaveLength(numbers.length);
      let chain: ShachainStore | undefined = emptyShachain;
      for (const [at, n] of numbers.entries()) {
        const { secret } = await keyring.sign(durable({ kind: "secret", channel, number: n }));
        expect(curve.publicKey(new Secret(secret))).toEqual(points[at]);
        chain = chain && insert(chain, n, secret);
        expect(chain && lookup(chain, n)).toEqual(secret);
      }
    });

    test("points are answered in the order asked, up to the last number", async () => {
      const last = number((1n << 48n) - 1n);
      const [c, a, b] = await keyring.points(other, [last, number(0n), number(1n)]);
      expect(await keyring.points(other, [number(0n), number(1n), last])).toEqual([a, b, c]);
      expect(await keyring.points(other, [])).toEqual([]);
    });

    test("closing scripts are P2WPKH, one for each channel, and stay the same", async () => {
      const script = await keyring.closingScript(channel);
      expect(toHex(script)).toMatch(/^0014[0-9a-f]{40}$/);
      expect(await keyring.closingScript(channel)).toEqual(script);
      expect(await keyring.closingScript(other)).not.toEqual(script);
    });
  });
};
