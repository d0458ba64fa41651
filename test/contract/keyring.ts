/** What every keyring promises, in software or on a device. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChannelKey } from "../../protocol/bolt/claim.ts";
import { deriveKey, deriveRevocationKey } from "../../protocol/bolt/derive.ts";
import { emptyShachain, insert, lookup, type ShachainStore } from "../../protocol/bolt/shachain.ts";
import { concat, toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import {
  channelId,
  commitmentNumber,
  type Point,
  revocationSecret,
  type Signature,
  signature,
} from "../../protocol/units.ts";
import type { Job, Keyring } from "../../signer/core/ports.ts";
import { durable } from "../durable.ts";

export interface OpenKeyring {
  readonly keyring: Keyring;
  close(): Promise<void> | void;
}

export interface KeyringPromises {
  /** What closing scripts are made for: LDK's keys have one for the whole node. */
  readonly closing: "channel" | "node";
}

const curve = nobleCurve();
export const digestOf = (n: number): Uint8Array => sha256(Uint8Array.of(n));
const number = (n: bigint) => commitmentNumber(n);
const channel = channelId(1n);
const other = channelId((1n << 63n) - 1n);
const counterpartyPoint = curve.publicKey(new Secret(digestOf(77)));

const revealed = revocationSecret(digestOf(78));
/** One of each key that a channel's claims are signed with. */
const claims: readonly ChannelKey[] = [
  { base: "payment" },
  { base: "funding" },
  { base: "delayed", point: counterpartyPoint },
  { base: "htlc", point: counterpartyPoint },
  { base: "revocation", revealed },
];

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
  { kind: "closings", channel, digests: [7, 8].map(digestOf) },
  { kind: "spend", inputs: claims.map((key, n) => ({ digest: digestOf(20 + n), channel, key })) },
  { kind: "spend", inputs: [{ digest: digestOf(30), place: { account: 0, branch: 0, index: 7 } }] },
  { kind: "secret", channel, number: number(0n) },
  { kind: "secret", channel: other, number: number((1n << 48n) - 1n) },
  { kind: "gossip", channel, digest: digestOf(8) },
  { kind: "gossip", channel: unknown, digest: digestOf(8) },
  { kind: "invoice", digest: digestOf(9) },
  { kind: "message", digest: digestOf(10) },
  { kind: "bolt12", digest: digestOf(11), tweak: unknown },
  { kind: "bolt12", digest: digestOf(11), tweak: Uint8Array.of(1, 2, 3) },
  { kind: "derivedSecret", label: new Uint8Array(0) },
  { kind: "derivedSecret", label: new Uint8Array(256) },
  { kind: "inboundPaymentKey" },
];

const verifies = (digest: Uint8Array, signature: Signature, key: Point): boolean =>
  curve.verify({ digest, signature, key });

export const keyringContract = (
  name: string,
  open: () => Promise<OpenKeyring>,
  { closing }: KeyringPromises = { closing: "channel" },
): void => {
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

    test("the forms of a close: each under the funding key", async () => {
      const { funding } = await keyring.basepoints(channel);
      const digests = [7, 8].map(digestOf);
      const { signatures } = await keyring.sign(durable({ kind: "closings", channel, digests }));
      expect(digests.map((digest, i) => verifies(digest, signatures[i] as Signature, funding))).toEqual([
        true,
        true,
      ]);
    });

    test("claims: each under the key that BOLT 3 derives, in order", async () => {
      const base = await keyring.basepoints(channel);
      const keys = [
        base.payment,
        base.funding,
        deriveKey(curve, base.delayed, counterpartyPoint),
        deriveKey(curve, base.htlc, counterpartyPoint),
        deriveRevocationKey(curve, base.revocation, curve.publicKey(new Secret(revealed))),
      ];
      const inputs = claims.map((key, n) => ({ digest: digestOf(20 + n), channel, key }));
      const { signatures } = await keyring.sign(durable({ kind: "spend", inputs }));
      expect(
        inputs.map(({ digest }, i) => verifies(digest, signature(signatures[i] ?? digest), keys[i] as Point)),
      ).toEqual(keys.map(() => true));
    });

    test("wallet inputs: under the key of the place, taproot's under the output key of BIP 86", async () => {
      let taproot = 0;
      for (const [account, { branches }] of (await keyring.identity()).accounts.entries())
        for (const [branch, form] of branches.entries()) {
          const place = { account, branch, index: 3 };
          const key = await keyring.walletKey(place);
          if (key === undefined) throw new Error("no such place");
          expect(key.form).toBe(form);
          const digest = digestOf(40 + 4 * account + branch);
          const { signatures } = await keyring.sign(durable({ kind: "spend", inputs: [{ digest, place }] }));
          const made = signatures[0] ?? digest;
          if (form === "p2tr") {
            taproot++;
            expect(toHex(key.script.subarray(0, 2))).toBe("5120");
            expect(curve.verifySchnorr({ digest, signature: made, key: key.script.subarray(2) })).toBe(true);
          } else expect(verifies(digest, signature(made), key.point)).toBe(true);
        }
      if (/cln|lnd/.test(name)) expect(taproot).toBeGreaterThan(0);
      expect(await keyring.walletKey({ account: 99, branch: 0, index: 0 })).toBeUndefined();
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

    test("gossip: under the node key, and of a channel under its funding key as well", async () => {
      const digest = digestOf(12);
      const { funding } = await keyring.basepoints(channel);
      const alone = await keyring.sign(durable({ kind: "gossip", digest, channel: unknown }));
      expect(alone.fundingSignature).toBe(unknown);
      const both = await keyring.sign(durable({ kind: "gossip", digest, channel }));
      expect(both.nodeSignature).toEqual(alone.nodeSignature);
      expect(verifies(digest, both.nodeSignature, keyring.node)).toBe(true);
      if (!isKnown(both.fundingSignature)) throw new Error("no signature of the funding key");
      expect(verifies(digest, both.fundingSignature, funding)).toBe(true);
    });

    test("invoices and messages: the node key is recovered", async () => {
      for (const kind of ["invoice", "message"] as const)
        for (const digest of [13, 14, 15, 16].map(digestOf)) {
          const { signature, recoveryId } = await keyring.sign(durable({ kind, digest }));
          expect(curve.recover(digest, signature, recoveryId)).toEqual(keyring.node);
        }
    });

    test("BOLT 12: under the node key, or the one that the tweak and a secret of the host lead to", async () => {
      const digest = digestOf(17);
      const tweak = Uint8Array.of(4, 5, 6);
      const label = new TextEncoder().encode("node-alias-base");
      const { secret } = await keyring.sign(durable({ kind: "derivedSecret", label }));
      const payer = curve.addTweak(keyring.node, sha256(concat(secret, tweak)));
      expect(await keyring.payerKey(tweak)).toEqual(payer);
      for (const [key, by] of [
        [keyring.node, unknown],
        [payer, tweak],
      ] as const) {
        const { signature } = await keyring.sign(durable({ kind: "bolt12", digest, tweak: by }));
        expect(curve.verifySchnorr({ digest, signature, key: key.subarray(1) })).toBe(true);
      }
    });

    test("a shared secret is the one of the other end", async () => {
      const mine = new Secret(digestOf(18));
      const shared = curve.ecdh(mine, keyring.node).use((bytes) => Uint8Array.from(bytes));
      expect(await keyring.ecdh(curve.publicKey(mine))).toEqual(shared);
    });

    test("what the host may have: a secret for each label, a key for its invoices, and randomness", async () => {
      const labels = ["", "a", "b", "node-alias-base"].map((text) => new TextEncoder().encode(text));
      const secrets = await Promise.all(
        labels.map(async (label) => (await keyring.sign(durable({ kind: "derivedSecret", label }))).secret),
      );
      const { key } = await keyring.sign(durable({ kind: "inboundPaymentKey" }));
      const all = [...secrets, key, await keyring.random(32), await keyring.random(32)];
      expect(all.every(({ length }) => length === 32)).toBe(true);
      expect(new Set(all.map(toHex)).size).toBe(all.length);
      expect(await keyring.random(0)).toHaveLength(0);
    });

    test("its accounts are public, and the same again", async () => {
      const identity = await keyring.identity();
      expect(identity.accounts.length).toBeGreaterThan(0);
      for (const { xpub } of identity.accounts) expect(xpub).toMatch(/^[xt]pub/);
      if (isKnown(identity.payer)) expect(curve.isPoint(identity.payer)).toBe(true);
      expect(await keyring.identity()).toEqual(identity);
    });

    test(`closing scripts are P2WPKH, one for each ${closing}, and stay the same`, async () => {
      const script = await keyring.closingScript(channel);
      expect(toHex(script)).toMatch(/^0014[0-9a-f]{40}$/);
      expect(await keyring.closingScript(channel)).toEqual(script);
      const differs = closing === "channel";
      expect(toHex(await keyring.closingScript(other)) !== toHex(script)).toBe(differs);
    });
  });
};
