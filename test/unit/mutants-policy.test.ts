import { describe, expect, test } from "vitest";
import { defaultPolicy, readPolicy } from "../../signer/core/policy.ts";

const btc = 100_000_000n;

describe("what an operator who sets nothing gets", () => {
  test("on mainnet is what may be lost of a bitcoin", () => {
    expect(defaultPolicy("bitcoin")).toMatchObject({
      // The least that nodes relay: 1 sat per vbyte, rounded up as they round it (BOLT 2, `feerate_per_kw`).
      minFeerate: 253,
      maxFeerate: 75_000,
      maxClosingFeerate: 75_000,
      maxChannelValue: btc,
      maxPush: 0n,
      // A day to two weeks.
      minDelay: 144,
      maxDelay: 2016,
      minDustLimit: 354n,
      maxDustLimit: 1_000n,
      // A twentieth of the largest channel; half of it in flight.
      maxReserve: 5_000_000n,
      maxOfferedInFlight: 50_000_000_000n,
      // BOLT 2, `max_accepted_htlcs`.
      maxOfferedHtlcs: 483,
      maxTrimmed: 50_000_000n,
    });
  });

  test("with money of no worth is wider, and not without bounds", () => {
    for (const network of ["testnet", "signet", "regtest"] as const)
      expect(defaultPolicy(network)).toMatchObject({
        maxFeerate: 75_000,
        maxDelay: 2016,
        maxChannelValue: 10n * btc,
        maxPush: 10n * btc * 1000n,
        maxReserve: btc,
        minDelay: 6,
        maxOfferedInFlight: 10n * btc * 1000n,
      });
  });
});

describe("a figure of the policy", () => {
  test.each([
    ["maxChannelValue", 2_100_000_000_000_000n],
    ["maxPush", 2_100_000_000_000_000_000n],
  ] as const)("%s may be all the bitcoin that there will ever be, and no more", (name, most) => {
    expect(readPolicy("bitcoin", { [name]: most })[name]).toBe(most);
    expect(() => readPolicy("bitcoin", { [name]: most + 1n })).toThrow("more than there will ever be");
  });

  test.each([
    ["minDelay", 1, 0],
    ["maxDelay", 2016, 2017],
    ["maxOfferedHtlcs", 1, 0],
    ["maxOfferedHtlcs", 483, 484],
    ["minFeerate", 253, 252],
    ["maxFeerate", 1_000_000, 1_000_001],
    ["minDustLimit", 354, 353],
    ["maxChannelValue", 0, -1],
  ] as const)("%s may be %d and not %d", (name, good, bad) => {
    expect(Number(readPolicy("bitcoin", { [name]: good })[name])).toBe(good);
    expect(() => readPolicy("bitcoin", { [name]: bad })).toThrow();
  });

  test("a delay is of one block at least and of two weeks at most", () => {
    for (const blocks of [1, 2016])
      expect(readPolicy("bitcoin", { minDelay: blocks, maxDelay: blocks })).toMatchObject({
        minDelay: blocks,
        maxDelay: blocks,
      });
    expect(() => readPolicy("bitcoin", { minDelay: 0, maxDelay: 0 })).toThrow();
    expect(() => readPolicy("bitcoin", { minDelay: 2017, maxDelay: 2017 })).toThrow();
  });

  test("a range of one figure is a range", () => {
    for (const [least, most, only] of [
      ["minFeerate", "maxFeerate", 1_000],
      ["minDelay", "maxDelay", 144],
      ["minDustLimit", "maxDustLimit", 546],
    ] as const) {
      expect(Number(readPolicy("bitcoin", { [least]: only, [most]: only })[least])).toBe(only);
      expect(() => readPolicy("bitcoin", { [least]: only + 1, [most]: only })).toThrow(`is above ${most}`);
    }
  });

  test("a script of the allowlist has a byte at least and 520 at most", () => {
    const allowlist = (bytes: number) => readPolicy("bitcoin", { allowlist: ["ab".repeat(bytes)] }).allowlist;
    expect(allowlist(1)[0]).toEqual(Uint8Array.of(0xab));
    expect(allowlist(520)[0]).toHaveLength(520);
    expect(() => allowlist(0)).toThrow();
    expect(() => allowlist(521)).toThrow();
  });
});
