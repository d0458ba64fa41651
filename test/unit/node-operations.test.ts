/** What the node key does, held against code that is not the signer's own: noble, and readers of each message. */

import { describe, expect, test } from "vitest";
import { decodeSignedGossip, encodeSignedGossip, gossipDigest } from "../../protocol/bolt/gossip/index.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { doubleSha256, sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import {
  commitmentNumber,
  msat,
  type Point,
  revocationSecret,
  type Signature,
} from "../../protocol/units.ts";
import { announcementOf, askAnnouncement, askSelf, askUpdate, selfOf, updateOf } from "../scripted/node.ts";
import { rig } from "../scripted/road.ts";
import { bob, scene } from "../scripted/scene.ts";

const noble = nobleCurve();
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("ecdh", () => {
  test("is BOLT 8's, with the node key: the other end finds the same", async () => {
    const on = await rig();
    const { node } = on.session;
    const other = new Secret(sha256(ascii("other")));
    const { shared } = await on.call("ecdh", { node, point: noble.publicKey(other) });
    expect(shared).toEqual(noble.ecdh(other, node).use((bytes) => Uint8Array.from(bytes)));
  });

  test("commits nothing, however often strangers ask", async () => {
    let commits = 0;
    const on = await rig({
      wrap: (store) => ({
        ...store,
        commit: (group) => {
          commits++;
          return store.commit(group);
        },
      }),
    });
    const { node } = on.session;
    for (const n of [1, 2, 3])
      await on.call("ecdh", { node, point: noble.publicKey(new Secret(sha256(Uint8Array.of(n)))) });
    expect(commits).toBe(0);
    await on.call("signMessage", { node, message: new Uint8Array(0) });
    expect(commits).toBe(1);
  });

  test("is never with ourselves, under either sign", async () => {
    const on = await rig();
    const { node } = on.session;
    const opposite = node.with(0, (node[0] as number) ^ 1) as Point;
    for (const point of [node, opposite]) {
      const refusal = await on.refusal("ecdh", { node, point });
      expect(refusal).toMatchObject({ rule: "ecdh-not-own-keys", final: true });
    }
  });

  test("of what is no point of the curve is malformed", async () => {
    const on = await rig();
    const point = Uint8Array.of(2, ...new Uint8Array(32).fill(0xff)) as Point;
    const outcome = await on.outcome("ecdh", { node: on.session.node, point });
    expect(outcome).toMatchObject({ is: "malformed", malformed: { path: "point" } });
  });
});

describe("signMessage", () => {
  test("signs what every node's verifier recovers the key from", async () => {
    const on = await rig();
    const { node } = on.session;
    for (const text of ["", "Countersign", "x".repeat(4_096)]) {
      const { signature, recoveryId } = await on.call("signMessage", { node, message: ascii(text) });
      const digest = doubleSha256(ascii(`Lightning Signed Message:${text}`));
      expect(noble.recover(digest, signature, recoveryId)).toEqual(node);
    }
  });
});

describe("signGossip", () => {
  const byNode = (node: Point, digest: Uint8Array, signature: Signature): boolean =>
    noble.verify({ digest, signature, key: node });

  test("an announcement: with the node key, and with the channel's funding key", async () => {
    const on = await scene();
    const { node, shared } = on.opened;
    const body = announcementOf(on.opened, bob);
    const asked = await on.signer.call("signGossip", askAnnouncement(on.opened, body));
    const digest = gossipDigest("channel_announcement", body);
    expect(byNode(node, digest, asked.nodeSignature)).toBe(true);
    if (!isKnown(asked.fundingSignature)) throw new Error("no signature of the funding key");
    const key = shared.holder.funding;
    expect(noble.verify({ digest, signature: asked.fundingSignature, key })).toBe(true);
  });

  test("an update, also of a channel that the host does not name, and as a peer reads it", async () => {
    const on = await scene();
    const { node, channel } = on.opened;
    const body = updateOf(node, bob);
    for (const named of [channel, unknown] as const) {
      const ask = { ...askUpdate(on.opened, body), channel: named };
      const { nodeSignature, fundingSignature } = await on.signer.call("signGossip", ask);
      expect(fundingSignature).toBe(unknown);
      const read = decodeSignedGossip(
        encodeSignedGossip({ is: "channel_update", signatures: [nodeSignature], body }),
      );
      expect(read.body).toEqual(body);
      expect(byNode(node, gossipDigest("channel_update", body), nodeSignature)).toBe(true);
    }
  });

  test("the node's own announcement", async () => {
    const on = await rig();
    const { node } = on.session;
    const { nodeSignature } = await on.call("signGossip", askSelf(node, selfOf(node)));
    expect(byNode(node, gossipDigest("node_announcement", selfOf(node)), nodeSignature)).toBe(true);
  });

  test("what a peer or the host's operator chose is no reason to refuse: an unusual update is signed", async () => {
    const on = await scene();
    const body = updateOf(on.opened.node, bob);
    for (const changes of [
      { htlcMinimum: msat(1_000_000n), htlcMaximum: msat(1n) },
      { messageFlags: 3, channelFlags: body.channelFlags | 2 },
      { timestamp: 0 },
    ])
      await on.signer.call("signGossip", askUpdate(on.opened, { ...body, ...changes }));
  });

  test("says which channel it announces, and a node alone", async () => {
    const on = await scene();
    const { node, channel } = on.opened;
    const announcement = askAnnouncement(on.opened, announcementOf(on.opened, bob));
    const nameless = { ...announcement, channel: unknown } as const;
    const named = { ...askSelf(node, selfOf(node)), channel };
    for (const ask of [nameless, named])
      expect(await on.signer.outcome("signGossip", ask)).toMatchObject({
        is: "malformed",
        malformed: { path: "channel" },
      });
  });
});

describe("what a host may have", () => {
  test("secrets: one for each label and node, the same for ever, and no key of ours", async () => {
    let on = await rig();
    const { node } = on.session;
    const secrets = new Set<string>();
    for (const label of ["", "a", "b", "identity/0", "channel/0/funding/0", "inbound-payment"]) {
      const { secret } = await on.call("deriveSecret", { node, label: ascii(label) });
      on = await on.restart();
      expect(await on.call("deriveSecret", { node, label: ascii(label) })).toEqual({ secret });
      secrets.add(toHex(secret));
      if (noble.isSecret(secret)) expect(noble.publicKey(new Secret(secret))).not.toEqual(node);
    }
    const { key } = await on.call("inboundPaymentKey", { node });
    expect(key).toHaveLength(32);
    secrets.add(toHex(key));
    expect(secrets.size).toBe(7);
  });

  test("random bytes: as many as asked, and other ones each time", async () => {
    const on = await rig();
    const { node } = on.session;
    for (const count of [0, 1, 255]) {
      const { bytes } = await on.call("randomBytes", { node, count });
      expect(bytes).toHaveLength(count);
    }
    const [a, b] = [
      await on.call("randomBytes", { node, count: 32 }),
      await on.call("randomBytes", { node, count: 32 }),
    ];
    expect(a).not.toEqual(b);
  });

  test("what is public of the node", async () => {
    const on = await rig();
    const told = await on.call("identity", { node: on.session.node });
    expect(told.network).toBe("regtest");
    expect(told.accounts.map(({ path }) => path)).toEqual(["m/84'/1'/0'", "m/84'/1'/1'"]);
    for (const { xpub } of told.accounts) expect(xpub).toMatch(/^tpub/);
  });
});

describe("checkFutureSecret", () => {
  test("knows our own secret of any number, and nothing else", async () => {
    const on = await scene();
    const { node, channel } = on.opened;
    await on.advance(0n, on.start);
    const { revoke } = await on.at(1n, on.start);
    await on.advance(1n, on.start);
    const { secret } = await on.signer.call("revokeHolderCommitment", revoke as NonNullable<typeof revoke>);
    const asks = (n: bigint, bytes: Uint8Array) =>
      on.signer.call("checkFutureSecret", {
        ...{ node, channel, number: commitmentNumber(n), secret: revocationSecret(bytes) },
      });
    expect(await asks(0n, secret)).toEqual({ matches: true });
    expect(await asks(1n, secret)).toEqual({ matches: false });
    const last = (1n << 48n) - 1n;
    for (const bytes of [new Uint8Array(32), new Uint8Array(32).fill(0xff), sha256(secret)])
      expect(await asks(last, bytes)).toEqual({ matches: false });
    const nobody = { node, channel: 77n as typeof channel, number: commitmentNumber(0n), secret };
    expect((await on.signer.refusal("checkFutureSecret", nobody)).rule).toBe("channel-known");
  });
});
