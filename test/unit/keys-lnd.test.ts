/** Style `lnd` against what lnd's own tests have, and written out a second time. */

import { base58 } from "@scure/base";
import { HDKey } from "@scure/bip32";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { toHex } from "../../protocol/bytes.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId } from "../../protocol/units.ts";
import { families, lndKeys, locatorOf, rootLocatorOf } from "../../signer/keys/lnd.ts";
import { channelKeys } from "../../signer/keys/node-keys.ts";
import { hex, hexOf, noble, programOf, root, vector } from "./keys.kit.ts";

const lnd = z
  .object({
    seed: hex,
    rootKey: z.string(),
    keys: z.array(z.object({ path: z.string(), wif: z.string() })),
    firstAddress: z.string(),
    firstAddressPubKey: hex,
    firstAddressTaproot: z.string(),
    firstAddressTaprootPubKey: hex,
  })
  .parse(vector("lnd"));

describe("style lnd: what lnd's own tests have", () => {
  const keys = lndKeys(root(lnd.seed));
  const accountAt = (path: string) => keys.wallet.accounts.findIndex((account) => account.path === path);

  test.each(lnd.keys)("$path", ({ path, wif }) => {
    // Version, 32 bytes, "compressed", and the checksum.
    const expected = toHex(base58.decode(wif).subarray(1, 33));
    const steps = path.split("/");
    const branch = Number(steps[4]);
    const index = Number(steps[5]);
    if (steps[1] === "1017'") {
      expect(branch).toBe(0);
      expect(hexOf(keys.located(Number.parseInt(steps[3] as string, 10), index))).toBe(expected);
    } else {
      const account = accountAt(steps.slice(0, 4).join("/"));
      expect(hexOf(keys.wallet.secret({ account, branch, index }))).toBe(expected);
    }
  });

  test("the first addresses", () => {
    const places = { plain: accountAt("m/84'/0'/0'"), taproot: accountAt("m/86'/0'/0'") };
    const at = (account: number) => ({ account, branch: 0, index: 0 });
    expect(toHex(keys.wallet.point(at(places.plain)) as Uint8Array)).toBe(lnd.firstAddressPubKey);
    expect(toHex(keys.wallet.script(at(places.plain)) as Uint8Array)).toBe(programOf(lnd.firstAddress));
    expect(toHex(keys.wallet.point(at(places.taproot)) as Uint8Array)).toBe(lnd.firstAddressTaprootPubKey);
    expect(toHex(keys.wallet.script(at(places.taproot)) as Uint8Array)).toBe(
      programOf(lnd.firstAddressTaproot),
    );
  });
});

test("style lnd: change of the BIP 49 account is plain P2WPKH, as btcwallet's KeyScopeBIP0049Plus has it", () => {
  const { wallet } = lndKeys(root(lnd.seed));
  const account = wallet.accounts.findIndex(({ path }) => path === "m/49'/0'/0'");
  const kinds = [0, 1].map((branch) => toHex(wallet.script({ account, branch, index: 3 }) as Uint8Array));
  expect(kinds).toEqual([expect.stringMatching(/^a914.{40}87$/), expect.stringMatching(/^0014.{40}$/)]);
});

describe("style lnd, written out again with @scure/bip32 and the other curve", () => {
  const master = HDKey.fromExtendedKey(lnd.rootKey);
  const theirs = (path: string): Uint8Array => master.derive(path).privateKey as Uint8Array;

  test.each(["bitcoin", "regtest"] as const)("channels on %s", (network) => {
    const keys = lndKeys(root(lnd.seed, { network }));
    const coin = network === "bitcoin" ? 0 : 1;
    expect(hexOf(keys.identity())).toBe(toHex(theirs(`m/1017'/${coin}'/6'/0/0`)));
    for (const id of [0n, 1n, 1_763_000_000n, 2n ** 31n - 2n]) {
      for (const key of channelKeys)
        expect(hexOf(keys.channel(channelId(id), key))).toBe(
          toHex(theirs(`m/1017'/${coin}'/${families[key]}'/0/${id}`)),
        );
      const funding = noble.publicKey(new Secret(theirs(`m/1017'/${coin}'/0'/0/${id}`)));
      const shared = noble.ecdh(new Secret(theirs(`m/1017'/${coin}'/5'/0/${id + 1n}`)), funding);
      expect(hexOf(keys.shachain(channelId(id)))).toBe(hexOf(shared));
      expect(hexOf(keys.revocationRoot(Number(id) + 1, funding))).toBe(hexOf(shared));
    }
    expect([keys.payer(), keys.inboundPayment(), keys.derived(new Uint8Array(1))]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("what a watch-only lnd is created with", () => {
    const accounts = lndKeys(root(lnd.seed, { network: "bitcoin" })).familyAccounts();
    expect(accounts).toHaveLength(256);
    for (const family of [0, 6, 255])
      expect(accounts[family]).toEqual({
        path: `m/1017'/0'/${family}'`,
        xpub: master.derive(`m/1017'/0'/${family}'`).publicExtendedKey,
      });
  });

  test("no two ids share a place, not even where lnd itself can't count to", () => {
    const ids = [
      0n,
      1n,
      2n,
      2n ** 31n - 1n,
      2n ** 31n,
      2n ** 32n,
      2n ** 62n - 1n,
      2n ** 62n,
      2n ** 63n - 2n,
      2n ** 63n - 1n,
    ];
    for (const locator of [locatorOf, (id: bigint) => rootLocatorOf(channelId(id))]) {
      const places = ids.map((id) => locator(id));
      expect(new Set(places.map(String)).size).toBe(ids.length);
      for (const [branch, index] of places as [number, number][]) {
        expect(branch).toBeLessThan(2 ** 32);
        expect(index).toBeLessThan(2 ** 31);
      }
    }
    expect(locatorOf(2n ** 31n - 1n)).toEqual([0, 2 ** 31 - 1]);
    const keys = lndKeys(root(lnd.seed));
    expect(hexOf(keys.channel(channelId(2n ** 63n - 1n), "funding"))).toBe(
      toHex(theirs(`m/1017'/1'/0'/${2 ** 31 - 1}'/${2 ** 31 - 1}`)),
    );
  });

  test.each([
    [-1, 0],
    [0, -1],
    [0, 2 ** 31],
    [2 ** 31, 0],
    [0.5, 0],
    [0, Number.NaN],
  ])("%d, %d is no locator", (family, index) => {
    expect(() => lndKeys(root(lnd.seed)).located(family, index)).toThrow(RangeError);
  });
});
