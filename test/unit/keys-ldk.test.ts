/** Style `ldk` against what LDK's own KeysManager gave. */

import { createCipheriv, createHmac, hkdfSync } from "node:crypto";
import { HDKey } from "@scure/bip32";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { concat, fromHex, toHex } from "../../protocol/bytes.ts";
import { channelId, commitmentNumber } from "../../protocol/units.ts";
import { channelKeysId, ldkKeys } from "../../signer/keys/ldk.ts";
import { channelKeys } from "../../signer/keys/node-keys.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { durable } from "../durable.ts";
import { hex, hexOf, root, vector } from "./keys.kit.ts";

const channelSchema = z.object({
  id: z.string().optional(),
  keysId: hex,
  funding: hex,
  revocation: hex,
  payment: hex,
  delayed: hex,
  htlc: hex,
  shachain: hex,
  fundingPoint: hex,
  commitments: z.array(z.object({ number: z.string(), point: hex, secret: hex })),
});
const ldk = z
  .object({
    seeds: z.array(
      z.object({
        seed: hex,
        identity: hex,
        node: hex,
        destinationScript: hex,
        shutdownScript: hex,
        inboundPayment: z.object({
          hash: hex,
          minimumMsat: z.string(),
          expiresAfter: z.number(),
          now: z.string(),
          secret: hex,
        }),
        channels: z.array(channelSchema),
      }),
    ),
  })
  .parse(vector("ldk")).seeds;

/** rust-lightning, lightning/src/ln/inbound_payment.rs, `create_from_hash`: method 1, a hash of the user's own. */
const paymentSecret = (material: Uint8Array, { hash, minimumMsat, expiresAfter, now }: Payment): string => {
  const salt = Buffer.from("LDK Inbound Payment Key Expansion");
  const expanded = Buffer.from(hkdfSync("sha256", material, salt, "", 5 * 32));
  const [infoKey, , userHashKey] = [0, 1, 2].map((n) => expanded.subarray(32 * n, 32 * n + 32));
  if (infoKey === undefined || userHashKey === undefined) throw new Error("too few keys");
  const info = Buffer.alloc(16);
  info.writeBigUInt64BE(BigInt(minimumMsat));
  // Two hours of grace, and the method in the top three bits.
  info.writeBigUInt64BE(BigInt(now) + BigInt(expiresAfter) + 7200n, 8);
  info[0] = (info[0] as number) | (1 << 5);
  const iv = createHmac("sha256", userHashKey).update(info).update(fromHex(hash)).digest().subarray(0, 16);
  return toHex(concat(iv, createCipheriv("chacha20", infoKey, iv).update(info)));
};
type Payment = (typeof ldk)[number]["inboundPayment"];

describe("style ldk: what LDK's own KeysManager gave", () => {
  test.each(ldk)("seed $seed", async (expected) => {
    const keys = ldkKeys(root(expected.seed));
    const keyring = softwareKeyring({ ...root(expected.seed), style: "ldk" });
    expect(hexOf(keys.identity())).toBe(expected.identity);
    expect(toHex(keyring.node)).toBe(expected.node);
    const scriptOf = (account: number) => keys.wallet.script({ account, branch: 0, index: 0 });
    expect(toHex(scriptOf(1) as Uint8Array)).toBe(expected.destinationScript);
    expect(toHex(scriptOf(2) as Uint8Array)).toBe(expected.shutdownScript);
    expect(toHex(await keyring.closingScript(channelId(1n)))).toBe(expected.shutdownScript);
    const material = keys.inboundPayment();
    expect(material?.use((bytes) => paymentSecret(bytes, expected.inboundPayment))).toBe(
      expected.inboundPayment.secret,
    );
    expect(expected.channels.filter(({ id }) => id !== undefined)).toHaveLength(5);
    expect(expected.channels).toHaveLength(9);
    for (const channel of expected.channels) {
      const keysId = fromHex(channel.keysId);
      for (const key of channelKeys) expect(hexOf(keys.channelOf(keysId, key))).toBe(channel[key]);
      expect(hexOf(keys.shachainOf(keysId))).toBe(channel.shachain);
      if (channel.id === undefined) continue;
      const id = channelId(BigInt(channel.id));
      expect(toHex(channelKeysId(id))).toBe(channel.keysId);
      expect(toHex((await keyring.basepoints(id)).funding)).toBe(channel.fundingPoint);
      for (const key of channelKeys) expect(hexOf(keys.channel(id, key))).toBe(channel[key]);
      for (const commitment of channel.commitments) {
        const number = commitmentNumber(BigInt(commitment.number));
        const [at] = await keyring.points(id, [number]);
        expect(at && toHex(at)).toBe(commitment.point);
        const { secret } = await keyring.sign(durable({ kind: "secret", channel: id, number }));
        expect(toHex(secret)).toBe(commitment.secret);
      }
    }
  });

  test("from words: LDK's seed is the master key of the BIP 39 seed, and the wallet is its BIP 84 account", () => {
    const words = new Uint8Array(64).fill(0x5a);
    const master = HDKey.fromMasterSeed(words);
    const inner = ldkKeys(root(master.privateKey as Uint8Array));
    const keys = ldkKeys(root(words));
    expect(hexOf(keys.identity())).toBe(hexOf(inner.identity()));
    expect(hexOf(keys.channel(channelId(3n), "htlc"))).toBe(hexOf(inner.channel(channelId(3n), "htlc")));
    const place = { account: 0, branch: 1, index: 9 };
    const { publicKey } = master.derive("m/84'/1'/0'/1/9");
    expect(toHex(keys.wallet.point(place) as Uint8Array)).toBe(toHex(publicKey as Uint8Array));
    const byIndex = HDKey.fromMasterSeed(master.privateKey as Uint8Array);
    expect(hexOf(keys.peerStorage())).toBe(toHex(byIndex.derive("m/6'").privateKey as Uint8Array));
    expect(hexOf(keys.receiveAuth())).toBe(toHex(byIndex.derive("m/7'").privateKey as Uint8Array));
  });

  test("no other length is a channel_keys_id", () => {
    expect(() => ldkKeys(root(new Uint8Array(32))).shachainOf(new Uint8Array(31))).toThrow(RangeError);
  });
});
