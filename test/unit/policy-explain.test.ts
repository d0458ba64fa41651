import { describe, expect, test } from "vitest";
import { feerate, msat, sat } from "../../protocol/units.ts";
import { networks } from "../../signer/config.ts";
import { presetNames, presetPolicy } from "../../signer/core/policy/presets.ts";
import { defaultPolicy, readPolicy } from "../../signer/core/policy.ts";
import {
  grouped,
  showFeerate,
  showMsat,
  showSat,
  showSeconds,
  showShare,
} from "../../signer/policy/amounts.ts";
import { explainPolicy } from "../../signer/policy/explain.ts";
import { odditiesOf } from "../../signer/policy/oddities.ts";

const node = `02${"ab".repeat(32)}`;
const explain = (table: object): readonly string[] => explainPolicy(readPolicy("bitcoin", table));

describe("amounts", () => {
  test("are grouped for people", () => {
    expect(grouped(0)).toBe("0");
    expect(grouped(999)).toBe("999");
    expect(grouped(1_000)).toBe("1,000");
    expect(grouped(2_100_000_000_000_000n)).toBe("2,100,000,000,000,000");
    expect(showSat(sat(50_000n))).toBe("50,000 sat");
    expect(showMsat(msat(50_000_000n))).toBe("50,000 sat");
    expect(showMsat(msat(1_234_007n))).toBe("1,234.007 sat");
    expect(showFeerate(feerate(253))).toBe("253 sat/kw (1 sat/vB)");
    expect(showFeerate(feerate(75_000))).toBe("75,000 sat/kw (300 sat/vB)");
    expect(showShare(20_000)).toBe("2 %");
    expect(showShare(500)).toBe("0.05 %");
    expect(showSeconds(21_600)).toBe("6 hours");
    expect(showSeconds(3_600)).toBe("1 hour");
    expect(showSeconds(5_400)).toBe("90 minutes");
    expect(showSeconds(601)).toBe("601 seconds");
  });
});

describe("a policy in plain sentences", () => {
  test("says what is paid without asking", () => {
    expect(explain({ maxSentPerDay: 1_000_000_000 })).toContain(
      "Pays up to 50,000 sat at once without asking a person; at most 1,000,000 sat a day.",
    );
    expect(explain({ unattendedPayment: 0 })).toContain(
      "Asks a person for each payment; at most 2,000,000 sat a day.",
    );
    expect(explain({ payees: [node] })).toContain(
      "Pays invoices of 1 listed node up to 1,000,000 sat without asking a person.",
    );
  });

  test("says the limit that holds, not the one that is written", () => {
    expect(
      explain({ unattendedPayment: 9_000_000, maxPayment: 7_000_000, maxSentPerDay: 3_000_000 }),
    ).toEqual(
      expect.arrayContaining([
        "Pays up to 3,000 sat at once without asking a person; at most 3,000 sat a day.",
        "Pays at most 3,000 sat at once, whoever approves it.",
      ]),
    );
  });

  test("says what it never does", () => {
    const told = explain({ preset: "receive-only" });
    expect(told).toContain("Pays nothing: no payment is approved, not even by a person.");
    expect(told).toContain("Forwards nothing for others.");
    expect(told.filter((sentence) => /^Pays (up|at|invoices|routing)/.test(sentence))).toEqual([]);
  });

  test("says what leaves on chain", () => {
    expect(explain({})).toContain("Asks a person for each opening that we pay for, and for each withdrawal.");
    expect(explain({ unattendedFunding: 2_000_000 })).toContain(
      "Opens channels and withdraws up to 2,000,000 sat without asking a person.",
    );
    expect(explain({})).toContain("Sends money on chain to its own wallet alone, unless a person approves.");
    expect(explain({ allowlist: ["51", "52"] })).toContain(
      "Sends money on chain to its own wallet and to 2 listed scripts, unless a person approves.",
    );
  });

  test.each(presetNames)("is written for people: %s", (preset) => {
    for (const sentence of explainPolicy(presetPolicy(preset, "regtest") ?? defaultPolicy("regtest")))
      expect(sentence).toMatch(/^[A-Z][^_]*\.$/);
  });
});

describe("odd policies", () => {
  test("are none of the presets", () => {
    for (const preset of presetNames)
      for (const network of networks) {
        const policy = presetPolicy(preset, network);
        if (policy !== undefined)
          expect({ preset, network, odd: odditiesOf(policy, network) }).toMatchObject({ odd: [] });
      }
  });

  test.each([
    [{ maxChannels: 0 }, "No channel can open."],
    [{ maxChannelValue: 707 }, /^No channel can open: none so small/],
    [{ maxChannelsValue: 707, maxChannelValue: 707 }, /^No channel can open: none so small/],
    [{ maxChannelsValue: 99_999_999 }, /^One channel may be worth more than all/],
    [{ maxFundedPerDay: 0 }, /^We can open no channel/],
    [{ unattendedFunding: 100_000_001 }, /^More may be funded at once/],
    [{ maxTrimmedPerDay: 49_999_999 }, /^One commitment may hide more/],
    [{ maxDustLimit: 545 }, /^Core Lightning's dust limit/],
    [{ maxOfferedInFlight: 0 }, /^We can offer no HTLC/],
    [{ unattendedPayment: 1_000_000_001 }, /^More may be paid without a person/],
    [{ maxPayment: 2_000_000_001 }, /^One payment may be larger/],
    [{ maxSentPerDay: 0 }, /^Sending is on, and yet/],
    [{ maxPayment: 0 }, /^Sending is on, and yet/],
    [{ maxRoutingFee: 4_999 }, /^Hardly a route/],
    [{ sending: false }, /^Sending is off, so/],
    [{ preset: "merchant", payees: [node] }, /^Sending is off, so/],
    [{ maxForwardExposure: 0 }, /^Forwarding is on, and yet/],
    [{ maxZeroConfExposure: 10_000_000_001 }, /^More is trusted to unconfirmed/],
    [{ maxHtlcExpiry: 34 }, /^An incoming HTLC has to outlast/],
    [{ minForwardDelta: 17 }, /^Fewer than 18 blocks/],
    [{ minForwardDelta: 35 }, /^Core Lightning forwards with 34/],
    [{ minDelay: 145 }, /^LDK and Core Lightning ask for 144/],
    [{ minDelay: 100, maxDelay: 143 }, /^LDK and Core Lightning ask for 144/],
    [{ maxChainAge: 86_400 }, /^The chain's tip may be older/],
    [{ maxSweepFeerate: 2_499 }, /^One of them is under 10 sat\/vB/],
  ] as const)("%o is told", (table, sentence) => {
    const found = odditiesOf(readPolicy("bitcoin", table), "bitcoin");
    expect(found.map((one) => one.sentence)).toContainEqual(
      typeof sentence === "string" ? sentence : expect.stringMatching(sentence),
    );
    const changed = Object.keys(table);
    expect(found.some(({ limits }) => limits.some((limit) => changed.includes(limit)))).toBe(true);
  });

  test.each([
    { maxChannelValue: 708 },
    { maxChannelsValue: 100_000_000 },
    { unattendedFunding: 100_000_000 },
    { maxTrimmedPerDay: 50_000_000 },
    { maxDustLimit: 546 },
    { unattendedPayment: 1_000_000_000 },
    { maxPayment: 2_000_000_000 },
    { maxRoutingFee: 100_000 },
    { preset: "receive-only", maxOfferedInFlight: 0 },
    { maxHtlcExpiry: 35 },
    { minForwardDelta: 18 },
    { maxChainAge: 86_399 },
    { maxSweepFeerate: 2_500 },
  ])("%o is not one", (table) => {
    expect(odditiesOf(readPolicy("bitcoin", table), "bitcoin")).toEqual([]);
  });

  test("are fewer where blocks are cheap", () => {
    expect(odditiesOf(readPolicy("signet", { minForwardDelta: 17, maxFeerate: 300 }), "signet")).toEqual([]);
  });
});
