import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { msat } from "../../protocol/units.ts";
import { networks } from "../../signer/config.ts";
import { figures } from "../../signer/core/policy/figures.ts";
import { type PresetName, presetFor, presetNames, presetPolicy } from "../../signer/core/policy/presets.ts";
import {
  boundsOf,
  defaultPolicy,
  type Policy,
  policyTable,
  readPolicy,
  routingFeeLimit,
  smallFee,
} from "../../signer/core/policy.ts";

const btc = 100_000_000n;
const node = `02${"ab".repeat(32)}`;

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
    ["on-chain feerates without any between them", { minOnchainFeerate: 3_000, maxOnchainFeerate: 2_000 }],
    ["a preset that does not exist", { preset: "permissive" }],
    ["play money's preset", { preset: "regtest" }],
    ["a number for a switch", { forwarding: 1 }],
    ["text for a switch", { sending: "false" }],
    ["a payee that is no node id", { payees: [node.slice(2)] }],
    ["a payee that is no point's form", { payees: [`05${node.slice(2)}`] }],
    ["a payee in capitals", { payees: [node.toUpperCase()] }],
    ["a share above the whole", { maxRoutingFeePpm: 1_000_001 }],
    ["a tip older than a week", { maxChainAge: 604_801 }],
    ["no patience for one block", { maxChainAge: 599 }],
    ["no wallet gap", { walletGap: 0 }],
    ["an expiry at the tip", { maxHtlcExpiry: 0 }],
  ])("takes no table with %s", (_, table) => {
    expect(() => readPolicy("bitcoin", table)).toThrow();
  });

  test("tells a host every limit that it must stay inside", () => {
    const policy = defaultPolicy("bitcoin");
    const bounds = boundsOf(policy);
    for (const [name, value] of Object.entries(bounds))
      expect(policy[name as keyof typeof policy]).toBe(value);
    expect(Object.keys(policyTable.shape)).toEqual(expect.arrayContaining(Object.keys(bounds)));
  });
});

describe("the defaults", () => {
  test("that hosts were told stay as they are", () => {
    const careful = {
      minFeerate: 253,
      maxFeerate: 75_000,
      maxChannelValue: btc,
      maxPush: 0n,
      minDelay: 144,
      maxDelay: 2016,
      minDustLimit: 354n,
      maxDustLimit: 1_000n,
      maxReserve: btc / 20n,
      maxOfferedHtlcs: 483,
      maxOfferedInFlight: (btc / 2n) * 1000n,
      maxTrimmed: 50_000_000n,
      maxClosingFeerate: 75_000,
    };
    expect(boundsOf(defaultPolicy("bitcoin"))).toEqual(careful);
    expect(boundsOf(defaultPolicy("regtest"))).toEqual({
      ...careful,
      maxChannelValue: 10n * btc,
      maxPush: 10n * btc * 1000n,
      maxReserve: btc,
      minDelay: 6,
      maxOfferedInFlight: 10n * btc * 1000n,
    });
  });

  test("trust nothing unconfirmed, and let nothing leave unasked but small payments", () => {
    const { maxZeroConfExposure, unattendedFunding, payees, allowlist, ...policy } = defaultPolicy("bitcoin");
    expect({ maxZeroConfExposure, unattendedFunding, payees, allowlist }).toEqual({
      maxZeroConfExposure: 0n,
      unattendedFunding: 0n,
      payees: [],
      allowlist: [],
    });
    expect(policy.unattendedPayment).toBeLessThan(policy.maxPayment);
    expect(policy.maxPayment).toBeLessThanOrEqual(policy.maxSentPerDay);
  });

  /** Of their own sources: what each does where nobody configured it. */
  test.each([
    { host: "LDK", delay: 144, dust: 354n, forwardDelta: 72, expiry: 2016 },
    { host: "Core Lightning", delay: 144, dust: 546n, forwardDelta: 34, expiry: 2016 },
  ])("hold $host's own on bitcoin", ({ delay, dust, forwardDelta, expiry }) => {
    for (const preset of presetNames) {
      const policy = presetPolicy(preset, "bitcoin");
      if (policy === undefined) continue;
      expect(policy.minDelay).toBeLessThanOrEqual(delay);
      expect(policy.maxDelay).toBeGreaterThanOrEqual(2016);
      expect(policy.minDustLimit).toBeLessThanOrEqual(dust);
      expect(policy.maxDustLimit).toBeGreaterThanOrEqual(dust);
      expect(policy.maxReserve).toBeGreaterThanOrEqual(policy.maxChannelValue / 100n);
      expect(policy.minForwardDelta).toBeLessThanOrEqual(forwardDelta);
      expect(policy.maxHtlcExpiry).toBeGreaterThanOrEqual(expiry);
      expect(policy.maxTrimmed).toBeGreaterThanOrEqual(50_000_000n);
    }
  });

  test("hold Core Lightning's own delays off bitcoin, in every preset", () => {
    for (const network of ["testnet", "signet", "regtest"] as const)
      for (const preset of presetNames)
        expect(presetPolicy(preset, network)).toMatchObject({ minDelay: 6, minForwardDelta: 6 });
  });
});

describe("presets", () => {
  test("are the defaults of their networks", () => {
    for (const network of networks) {
      const preset = presetFor(network);
      expect(defaultPolicy(network)).toEqual(presetPolicy(preset, network));
      expect(readPolicy(network, { preset })).toEqual(defaultPolicy(network));
    }
  });

  test("are changed by single limits", () => {
    expect(readPolicy("bitcoin", { preset: "merchant", maxChannels: 7 })).toEqual({
      ...presetPolicy("merchant", "bitcoin"),
      maxChannels: 7,
    });
  });

  test.each([
    ["merchant", { sending: false, forwarding: true }],
    ["receive-only", { sending: false, forwarding: false }],
    ["routing-node", { sending: true, forwarding: true }],
    ["mainnet-default", { sending: true, forwarding: true }],
  ] as const)("%s does what its name says", (preset, switches) => {
    expect(readPolicy("bitcoin", { preset })).toMatchObject(switches);
  });

  test.each(["merchant", "receive-only"] as const)(
    "%s with sending on again asks for each payment",
    (preset) => {
      expect(readPolicy("bitcoin", { preset, sending: true })).toMatchObject({ unattendedPayment: 0n });
    },
  );

  test("of play money is for no real money", () => {
    expect(presetPolicy("regtest", "bitcoin")).toBeUndefined();
    for (const network of ["testnet", "signet", "regtest"] as const)
      expect(readPolicy(network, { preset: "regtest" })).toEqual(defaultPolicy("regtest"));
  });
});

test("every limit is read, has one sentence, and a value in every preset", () => {
  const names = Object.keys(figures).sort();
  expect(Object.keys(policyTable.shape).sort()).toEqual([...names, "preset"].sort());
  for (const preset of presetNames)
    expect(Object.keys(presetPolicy(preset satisfies PresetName, "regtest") ?? {}).sort()).toEqual(names);
  const sentences = Object.values(figures).map(({ sentence }) => sentence);
  expect(new Set(sentences).size).toBe(sentences.length);
  for (const sentence of sentences) expect(sentence).toMatch(/^[A-Z].*\.$/);
});

describe("the fee limit of a payment", () => {
  const policy = (changes: Partial<Policy>): Policy => ({ ...defaultPolicy("bitcoin"), ...changes });

  test.each([
    [0n, 100_000n],
    [1_000n, 100_000n],
    [5_000_000n, 100_000n],
    [5_000_050n, 100_001n],
    [100_000_000n, 2_000_000n],
    [749_999_999n, 14_999_999n],
    [750_000_000n, 15_000_000n],
    [1_000_000_000n, 15_000_000n],
  ])("of %d msat is at most %d by default", (amount, limit) => {
    expect(routingFeeLimit(policy({}), msat(amount))).toBe(limit);
  });

  test("is never above the absolute one, not for small payments either", () => {
    expect(routingFeeLimit(policy({ maxRoutingFee: msat(1_000n) }), msat(1n))).toBe(1_000n);
    expect(routingFeeLimit(policy({ maxRoutingFee: msat(0n) }), msat(1_000_000n))).toBe(0n);
  });

  test("is never below the smaller of the absolute one and 100 sat, and grows with the amount", () => {
    const amounts = fc.bigInt({ min: 0n, max: 2_000_000_000n });
    fc.assert(
      fc.property(amounts, amounts, amounts, fc.nat(1_000_000), (a, b, most, ppm) => {
        const limits = policy({ maxRoutingFee: msat(most), maxRoutingFeePpm: ppm });
        const [low, high] = a < b ? [a, b] : [b, a];
        const limit = routingFeeLimit(limits, msat(low));
        expect(limit).toBeLessThanOrEqual(most);
        expect(limit).toBeGreaterThanOrEqual(most < smallFee ? most : smallFee);
        expect(limit).toBeLessThanOrEqual(routingFeeLimit(limits, msat(high)));
      }),
    );
    expect(figures.maxRoutingFeePpm.sentence).toContain(`${smallFee / 1000n} sat`);
  });

  test.each([1_000n, 100_000n, 5_000_000n, 123_456_789n, 1_000_000_000n])(
    "holds what Core Lightning asks for %d msat",
    (amount) => {
      // xpay: 1 %, or 5 sat where that is more; pay: half of that share.
      const share = amount / 100n;
      expect(routingFeeLimit(policy({}), msat(amount))).toBeGreaterThanOrEqual(
        share > 5_000n ? share : 5_000n,
      );
    },
  );

  test.each([1_000n, 250_000n, 5_000_000n, 50_000_000n, 123_456_789n, 1_000_000_000n])(
    "holds what LDK asks for %d msat",
    (amount) => {
      expect(routingFeeLimit(policy({}), msat(amount))).toBeGreaterThanOrEqual(amount / 100n + 50_000n);
    },
  );
});
