import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { p2wpkh, p2wsh } from "../../protocol/bitcoin/script.ts";
import { weightOf } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import {
  buildSimpleClose,
  type CloseVariant,
  closeVariants,
  dustThreshold,
  isClosingOpReturn,
  outputsOf,
  type SimpleCloseTerms,
  settleSimpleClose,
} from "../../protocol/bolt/simple-close.ts";
import { closingWeight } from "../../protocol/bolt/weight.ts";
import { fundingWitness } from "../../protocol/bolt/witness.ts";
import { fromHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { msat, type Script, sat, script, txid } from "../../protocol/units.ts";
import { verdict } from "./bolt-spend-interpreter.ts";
import { side } from "./bolt3-channels.ts";

const curve = await loadNative();
const [alice, bob] = [side(curve, 1), side(curve, 2)];
const [a, b] = [alice.basepoints.funding, bob.basepoints.funding];
const hex = (text: string): Script => script(fromHex(text));
const returning = hex(`6a06${"ab".repeat(6)}`);
const base: SimpleCloseTerms = {
  fundingOutpoint: { txid: txid(new Uint8Array(32).fill(7)), index: 3 },
  fundingValue: sat(1_000_000n),
  fundingKeys: [a, b],
  closer: { balance: msat(600_000_999n), script: p2wpkh(alice.basepoints.payment) },
  closee: { balance: msat(399_999_001n), script: p2wsh(fundingScript(a, b)) },
  fee: sat(1_000n),
  locktime: 800_123,
};
const variants: readonly CloseVariant[] = [
  "closer_output_only",
  "closee_output_only",
  "closer_and_closee_outputs",
];
const built = (terms: SimpleCloseTerms, variant: CloseVariant) => {
  const close = buildSimpleClose(terms, variant);
  if (close === undefined) throw new Error("no such close");
  return close;
};
const balances = (
  closer: bigint,
  closee: bigint,
  more: Partial<SimpleCloseTerms> = {},
): SimpleCloseTerms => ({
  ...base,
  ...more,
  closer: { ...base.closer, ...more.closer, balance: msat(closer * 1000n) },
  closee: { ...base.closee, ...more.closee, balance: msat(closee * 1000n) },
});

describe("dust", () => {
  test.each([
    ["P2PKH", `76a914${"00".repeat(20)}88ac`, 546n],
    ["P2SH", `a914${"00".repeat(20)}87`, 540n],
    ["P2WPKH", `0014${"00".repeat(20)}`, 294n],
    ["P2WSH", `0020${"00".repeat(32)}`, 330n],
    ["P2TR", `5120${"00".repeat(32)}`, 330n],
    ["pay to anchor", "51024e73", 240n],
    ["a later version, at its longest", `6028${"00".repeat(40)}`, 354n],
    ["OP_RETURN", `6a06${"00".repeat(6)}`, 0n],
  ])("of %s is what BOLT 3 says", (_, text, threshold) => {
    expect(dustThreshold(hex(text))).toBe(threshold);
  });
});

test.each([
  [`6a06${"00".repeat(6)}`, true],
  [`6a05${"00".repeat(5)}`, false],
  [`6a4b${"00".repeat(75)}`, true],
  [`6a4c4b${"00".repeat(75)}`, false],
  [`6a4c4c${"00".repeat(76)}`, true],
  [`6a4c50${"00".repeat(80)}`, true],
  [`6a4c51${"00".repeat(81)}`, false],
  [`6a06${"00".repeat(7)}`, false],
  [`6a06${"00".repeat(5)}`, false],
  ["6a", false],
  ["", false],
  [`0014${"00".repeat(20)}`, false],
])("the closing script %s: OP_RETURN in the form of BOLT 2 is %s", (text, valid) => {
  expect(isClosingOpReturn(hex(text))).toBe(valid);
});

describe("the transaction", () => {
  test("has the form that BOLT 3 gives it", () => {
    const [closer, closee] = [
      { value: 599_000n, script: base.closer.script },
      { value: 399_999n, script: base.closee.script },
    ];
    const tx = (outputs: readonly unknown[]) => ({
      version: 2,
      inputs: [{ outpoint: base.fundingOutpoint, sequence: 0xffff_fffd }],
      outputs,
      locktime: 800_123,
    });
    expect(built(base, "closer_output_only").tx).toEqual(tx([closer]));
    expect(built(base, "closee_output_only").tx).toEqual(tx([closee]));
    expect(built(base, "closer_and_closee_outputs").tx).toEqual(tx([closee, closer]));
    expect(variants.map((variant) => built(base, variant).feePaid)).toEqual([401_000n, 600_001n, 1_001n]);
  });

  test("pays nothing to OP_RETURN, and keeps the output", () => {
    const terms = { ...base, closer: { ...base.closer, script: returning } };
    expect(built(terms, "closer_and_closee_outputs").tx.outputs).toEqual([
      { value: 0n, script: returning },
      { value: 399_999n, script: base.closee.script },
    ]);
    const both = { ...terms, closee: { ...base.closee, script: returning } };
    expect(built(both, "closer_and_closee_outputs").feePaid).toBe(1_000_000n);
  });

  test("is none where the closer can't pay", () => {
    expect(settleSimpleClose(balances(1_000n, 999_000n))).toEqual({ closer: 0n, closee: 999_000n });
    expect(settleSimpleClose(balances(999n, 999_001n))).toBeUndefined();
    for (const variant of variants)
      expect(buildSimpleClose(balances(999n, 999_001n), variant)).toBeUndefined();
  });

  test("is valid with the signatures of both, who find the same one", () => {
    const random = fc.record({
      closer: fc.bigInt({ min: 2_000n, max: 900_000n }),
      fee: fc.bigInt({ min: 0n, max: 2_000n }),
      locktime: fc.nat({ max: 0xffff_ffff }),
      variant: fc.constantFrom(...variants),
      script: fc.constantFrom(base.closer.script, returning, base.closee.script),
    });
    fc.assert(
      fc.property(random, ({ closer, fee, locktime, variant, script }) => {
        const own = { ...base.closer, script };
        const terms = balances(closer, 1_000_000n - closer, { fee: sat(fee), locktime, closer: own });
        const close = built(terms, variant);
        expect(built({ ...terms, fundingKeys: [b, a] }, variant)).toEqual(close);
        const sign = (of: typeof alice) => ({
          key: of.basepoints.funding,
          signature: curve.sign({ digest: close.digest, key: of.secrets.funding, lowR: false }),
        });
        const witness = fundingWitness(sign(alice), sign(bob));
        const spent = [{ value: base.fundingValue, script: p2wsh(fundingScript(a, b)) }];
        expect(verdict({ tx: close.tx, index: 0, spent, witness })).toBeUndefined();
        const other = built({ ...terms, locktime: locktime ^ 1 }, variant);
        expect(verdict({ tx: other.tx, index: 0, spent, witness })).toBeDefined();
        const slack = 2 * 73 - (witness[1]?.length ?? 0) - (witness[2]?.length ?? 0);
        expect(weightOf(close.tx, [witness]) + slack).toBe(
          closingWeight(close.tx.outputs.map((output) => output.script)),
        );
        expect(close.tx.outputs.length).toBe(outputsOf(variant).length);
      }),
      { numRuns: 60 },
    );
  });
});

describe("what may be offered", () => {
  const fee = base.fee;
  test.each<[string, SimpleCloseTerms, readonly CloseVariant[]]>([
    [
      "the closer has more",
      balances(600_000n, 400_000n),
      ["closer_output_only", "closer_and_closee_outputs"],
    ],
    ["they have the same", balances(500_000n, 500_000n), ["closer_output_only", "closer_and_closee_outputs"]],
    [
      "the closer has less",
      balances(400_000n, 600_000n),
      ["closer_and_closee_outputs", "closee_output_only"],
    ],
    ["the closee's is dust", balances(999_671n, 329n), ["closer_output_only"]],
    [
      "the closee's is just none",
      balances(999_670n, 330n),
      ["closer_output_only", "closer_and_closee_outputs"],
    ],
    ["the closer's is dust after the fee", balances(293n + fee, 998_000n), ["closee_output_only"]],
    [
      "the closer's is just none",
      balances(294n + fee, 998_000n),
      ["closer_and_closee_outputs", "closee_output_only"],
    ],
    ["the closer can't pay", balances(999n, 999_001n), []],
    ["the one who has less is the closer, and both are dust", balances(200n, 300n, { fee: sat(0n) }), []],
    ["all of the greater part goes to the fee", balances(600_000n, 400_000n, { fee: sat(600_000n) }), []],
    [
      "the closer has more and throws it away",
      balances(600_000n, 100n, { closer: { ...base.closer, script: returning } }),
      ["closer_output_only"],
    ],
    [
      "the closer has less and throws it away",
      balances(400_000n, 600_000n, { closer: { ...base.closer, script: returning } }),
      ["closer_and_closee_outputs"],
    ],
    [
      "the closee throws its own away",
      balances(999_900n, 100n, { closee: { ...base.closee, script: returning } }),
      ["closer_output_only", "closer_and_closee_outputs"],
    ],
  ])("where %s", (_, terms, expected) => {
    expect(closeVariants(terms)).toEqual(expected);
  });

  test("nothing that is offered has dust, and nobody is left out by the other but as dust or for less", () => {
    const amount = fc.oneof(fc.bigInt({ min: 0n, max: 1_500n }), fc.bigInt({ min: 0n, max: 1_000_000n }));
    fc.assert(
      fc.property(amount, amount, fc.bigInt({ min: 0n, max: 1_500n }), (closer, closee, fee) => {
        const terms = balances(closer, closee, { fee: sat(fee), fundingValue: sat(closer + closee) });
        for (const variant of closeVariants(terms)) {
          const { tx, feePaid } = built(terms, variant);
          for (const { value, script } of tx.outputs)
            expect(value).toBeGreaterThanOrEqual(dustThreshold(script));
          expect(feePaid >= fee).toBe(true);
          const outputs = outputsOf(variant);
          if (!outputs.includes("closer")) expect(closer).toBeLessThan(closee);
          if (!outputs.includes("closee")) expect(closee).toBeLessThanOrEqual(closer);
        }
      }),
      { numRuns: 500 },
    );
  });
});
