import { describe, expect, test } from "vitest";
import { boundsOf, defaultPolicy, policyTable, readPolicy } from "../../signer/core/policy.ts";

describe("the policy", () => {
  test("of mainnet is the careful one, and the others are for play", () => {
    const mainnet = defaultPolicy("bitcoin");
    expect(mainnet).toMatchObject({
      maxPush: 0n,
      minDelay: 144,
      maxDelay: 2016,
      minDustLimit: 354n,
      allowlist: [],
    });
    for (const network of ["testnet", "signet", "regtest"] as const) {
      const play = defaultPolicy(network);
      expect(play.minDelay).toBeLessThan(mainnet.minDelay);
      expect(play.maxFeerate).toBe(mainnet.maxFeerate);
    }
  });

  test("keeps its defaults where the table is silent", () => {
    expect(readPolicy("bitcoin", undefined)).toEqual(defaultPolicy("bitcoin"));
    expect(readPolicy("bitcoin", { maxFeerate: undefined })).toEqual(defaultPolicy("bitcoin"));
    expect(readPolicy("bitcoin", { maxFeerate: 5_000, maxPush: 7n, maxChannelValue: 1_000_000 })).toEqual({
      ...defaultPolicy("bitcoin"),
      maxFeerate: 5_000,
      maxPush: 7n,
      maxChannelValue: 1_000_000n,
    });
  });

  test("reads scripts of the allowlist", () => {
    const { allowlist } = readPolicy("regtest", { allowlist: ["0014aabb", "51"] });
    expect(allowlist).toEqual([Uint8Array.of(0, 0x14, 0xaa, 0xbb), Uint8Array.of(0x51)]);
  });

  test.each([
    ["a key that it does not know", { maxFee: 1 }],
    ["text for a figure", { maxFeerate: "5000" }],
    ["a feerate under the relay minimum", { minFeerate: 252 }],
    ["a fraction", { maxDelay: 1.5 }],
    ["a negative amount", { maxPush: -1 }],
    ["more than there is", { maxChannelValue: 2_100_000_000_000_001n }],
    ["a dust limit that no node relays", { minDustLimit: 353 }],
    ["more HTLCs than BOLT 2 allows", { maxOfferedHtlcs: 484 }],
    ["a delay longer than BOLT 2's usual bound", { maxDelay: 2017 }],
    ["a script that is no hexadecimal", { allowlist: ["0xab"] }],
    ["feerates without any between them", { minFeerate: 3_000, maxFeerate: 2_000 }],
    ["delays without any between them", { minDelay: 2_016, maxDelay: 144 }],
    ["dust limits without any between them", { minDustLimit: 700, maxDustLimit: 600 }],
    ["a lower bound above the default's upper", { minDustLimit: 5_000 }],
  ])("takes no table with %s", (_, table) => {
    expect(() => readPolicy("bitcoin", table)).toThrow();
  });

  test("tells a host every limit that it must stay inside", () => {
    const policy = defaultPolicy("bitcoin");
    const bounds = boundsOf(policy);
    for (const [name, value] of Object.entries(bounds))
      expect(policy[name as keyof typeof policy]).toBe(value);
    expect([...Object.keys(bounds), "allowlist"].sort()).toEqual(Object.keys(policyTable.shape).sort());
  });
});
