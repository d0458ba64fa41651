import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId } from "../../protocol/units.ts";
import { channelKeys, type KeysRoot } from "../../signer/keys/node-keys.ts";
import { styles } from "../../signer/keys/seed.ts";
import { openKeys } from "../../signer/keys/styles.ts";
import { SetupError } from "../../signer/setup-error.ts";
import { hexOf, hkdf, noble, root } from "./keys.kit.ts";

describe("every style", () => {
  const seed = new Uint8Array(64).fill(0x5a);
  const peer = noble.publicKey(new Secret(sha256(Uint8Array.of(1))));
  const open = (style: (typeof styles)[number], more: Partial<KeysRoot> = {}) =>
    openKeys(style, root(seed, { peerOf: () => peer, ...more }));

  test("leads the same seed to other keys and scripts", () => {
    const id = channelId(7n);
    const all = styles.flatMap((style) => {
      const keys = open(style);
      const places = keys.wallet.accounts.map((_, account) => ({ account, branch: 0, index: 0 }));
      // The one that is meant to be found by any wallet is the same where two styles take the same path.
      const scripts = style === "ldk" ? places.slice(1) : places;
      return [
        hexOf(keys.identity()),
        hexOf(keys.shachain(id)),
        ...channelKeys.map((key) => hexOf(keys.channel(id, key))),
        ...scripts.map((place) => toHex(keys.wallet.script(place) as Uint8Array)),
      ];
    });
    const shared = all.filter((text, at) => all.indexOf(text) !== at);
    // m/86'/0'/0' of cln and lnd.
    expect(shared).toHaveLength(1);
  });

  test("wipes what it keeps", () => {
    for (const style of styles) {
      const own = new Secret(seed);
      const keys = open(style, { seed: own });
      const before = hexOf(keys.channel(channelId(1n), "htlc"));
      keys.close();
      expect(own.use((bytes) => bytes.every((byte) => byte === 0))).toBe(true);
      let after: string | undefined;
      try {
        after = hexOf(keys.channel(channelId(1n), "htlc"));
      } catch {
        after = undefined;
      }
      expect(after).not.toBe(before);
    }
  });

  test.each(["ldk", "cln", "lnd"] as const)(
    "%s has one node to a seed, and knows how long that is",
    (style) => {
      expect(() => open(style, { nodeIndex: 1 })).toThrow(SetupError);
      expect(() => open(style, { seed: new Secret(new Uint8Array(63)) })).toThrow(RangeError);
    },
  );

  test("native's secrets beside the channels", () => {
    const keys = open("native", { nodeIndex: 4 });
    const label = "countersign/native/1/regtest/node/4";
    expect(hexOf(keys.payer())).toBe(toHex(hkdf(seed, "", `${label}/payer/0`)));
    expect(hexOf(keys.inboundPayment())).toBe(toHex(hkdf(seed, "", `${label}/inbound-payment`)));
    expect(hexOf(keys.derived(Buffer.from("x y")))).toBe(
      toHex(hkdf(hkdf(seed, "", `${label}/derived`), "", "x y")),
    );
  });
});
