/** Style `cln` against what Core Lightning's own tests and examples have, and written out a second time. */

import { HDKey } from "@scure/bip32";
import { mnemonicToSeedSync } from "@scure/bip39";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { concat, fromHex, toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId, point } from "../../protocol/units.ts";
import { masterOf } from "../../signer/keys/bip32.ts";
import { type ClnKeys, clnKeys } from "../../signer/keys/cln.ts";
import { openWallet } from "../../signer/keys/wallet.ts";
import { curve, hex, hexOf, hkdf, noble, programOf, publicOf, root, vector } from "./keys.kit.ts";

const cln = z
  .object({
    legacy: z.array(z.object({ hsmSecret: hex, node: hex })),
    words: z.array(z.object({ words: z.string(), node: hex })),
    channels: z.array(
      z.object({
        hsmSecret: hex,
        peer: hex,
        dbid: z.string(),
        revocation: hex,
        payment: hex,
        htlc: hex,
        delayed: hex,
      }),
    ),
    forcedBip32Seed: z.object({ seed: hex, p2wpkh: z.array(z.string()) }),
    addresses: z.array(
      z.object({
        words: z.string(),
        bip86: z.array(z.string()),
        bech32: z.array(z.string()).optional(),
        xpub: z.string().optional(),
      }),
    ),
    derived: z.array(z.object({ words: z.string(), info: hex, secret: hex })),
  })
  .parse(vector("cln"));
const clnFrom = ({
  hsmSecret,
  words,
}: {
  hsmSecret?: string | undefined;
  words?: string | undefined;
}): ClnKeys => clnKeys(root(hsmSecret ?? mnemonicToSeedSync(words ?? "")));

describe("style cln: what Core Lightning's own tests and examples have", () => {
  test.each([...cln.legacy, ...cln.words])("node $node", (expected) => {
    expect(publicOf(clnFrom(expected).identity())).toBe(expected.node);
  });

  test.each(cln.channels)("basepoints of dbid $dbid", ({ hsmSecret, peer, dbid, ...expected }) => {
    const seen: bigint[] = [];
    const keys = clnKeys(
      root(hsmSecret, {
        peerOf: (id) => {
          seen.push(id);
          return point(fromHex(peer));
        },
      }),
    );
    const id = channelId(BigInt(dbid));
    for (const key of ["revocation", "payment", "htlc", "delayed"] as const)
      expect(publicOf(keys.channel(id, key))).toBe(expected[key]);
    expect(seen).toEqual([id, id, id, id]);
  });

  test.each(cln.derived)("derived secret $secret", ({ info, secret, ...source }) => {
    expect(hexOf(clnFrom(source).derived(fromHex(info)))).toBe(secret);
  });

  test.each(cln.addresses)("addresses of $words", ({ words, bip86, bech32: plain = [], xpub }) => {
    const { wallet } = clnFrom({ words });
    const scriptOf = (account: number, index: number) =>
      toHex(wallet.script({ account, branch: 0, index }) as Uint8Array);
    expect(bip86.length + plain.length).toBeGreaterThan(1);
    // lightningd's first address has index 1.
    for (const [at, address] of plain.entries()) expect(scriptOf(0, at + 1)).toBe(programOf(address));
    for (const [at, address] of bip86.entries()) expect(scriptOf(1, at + 1)).toBe(programOf(address));
    if (xpub !== undefined) {
      const main = clnKeys(root(mnemonicToSeedSync(words), { network: "bitcoin" }));
      expect(main.wallet.accounts.map((account) => account.xpub)).toContain(xpub);
    }
  });

  test("m/0/0/i of a forced BIP 32 seed", () => {
    const { seed, p2wpkh } = cln.forcedBip32Seed;
    const wallet = openWallet({
      curve,
      network: "regtest",
      accounts: [
        {
          master: { name: "hsmd", open: () => masterOf(new Secret(fromHex(seed))) },
          path: [0],
          branches: ["p2wpkh"],
        },
      ],
    });
    const scripts = p2wpkh.map(
      (_, at) => wallet.script({ account: 0, branch: 0, index: at + 1 }) as Uint8Array,
    );
    expect(scripts.map(toHex)).toEqual(p2wpkh.map(programOf));
  });
});

describe("style cln, written out again with node:crypto and @scure/bip32", () => {
  test.each([32, 64])("a seed of %d bytes", (length) => {
    const seed = Uint8Array.from({ length }, (_, n) => n * 3);
    const peer = noble.publicKey(new Secret(sha256(Uint8Array.of(9))));
    const keys = clnKeys(root(seed, { peerOf: () => peer }));
    const dbid = 0x0102_0304_0506_0708n;
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(dbid);
    const base = hkdf(seed.subarray(0, 32), "", "peer seed");
    const blocks = hkdf(hkdf(base, concat(peer, number), "per-peer seed"), "", "c-lightning", 192);
    const order = ["funding", "revocation", "htlc", "payment", "delayed"] as const;
    for (const [at, key] of order.entries())
      expect(hexOf(keys.channel(channelId(dbid), key))).toBe(toHex(blocks.subarray(32 * at, 32 * at + 32)));
    expect(hexOf(keys.shachain(channelId(dbid)))).toBe(toHex(blocks.subarray(160)));
    const master = HDKey.fromMasterSeed(hkdf(seed, new Uint8Array(4), "bip32 seed"));
    expect(hexOf(keys.payer())).toBe(toHex(master.derive("m/9735'").privateKey as Uint8Array));
    const index = dbid % 2n ** 31n;
    const path = length === 64 ? `m/86'/0'/0'/0/${index}` : `m/0/0/${index}`;
    const { privateKey } = (length === 64 ? HDKey.fromMasterSeed(seed) : master).derive(path);
    const closing = keys.closingPlace(channelId(dbid));
    expect(hexOf(keys.wallet.secret(closing))).toBe(toHex(privateKey as Uint8Array));
    const p2wpkhOf = keys.wallet.script(closing);
    expect(p2wpkhOf && toHex(p2wpkhOf)).toMatch(/^0014/);
    // What lightningd is told as its BIP 32 base follows from this one in public.
    const own = keys.wallet.accounts.findIndex((account) => account.path === "m/0");
    expect(hexOf(keys.wallet.secret({ account: own, branch: 0, index: 3 }))).toBe(
      toHex(master.derive("m/0/0/3").privateKey as Uint8Array),
    );
    expect(
      keys.wallet.accounts.map(({ master: name, path: at, branches }) => `${name} ${at} ${branches}`),
    ).toEqual(
      length === 64
        ? ["seed m/86'/0'/0' p2wpkh", "seed m/86'/0'/0' p2tr", "hsmd m/0 p2wpkh"]
        : ["hsmd m/0 p2wpkh", "hsmd m/0 p2tr", "hsmd m/0 p2sh-p2wpkh"],
    );
    expect(keys.inboundPayment()).toBeUndefined();
  });

  test("without the peer there is no channel key", () => {
    const keys = clnKeys(root(new Uint8Array(64), { peerOf: () => undefined }));
    expect(() => keys.shachain(channelId(5n))).toThrow("peer of channel 5");
    expect(() => clnKeys(root(new Uint8Array(64))).channel(channelId(5n), "htlc")).toThrow("not known");
  });
});
