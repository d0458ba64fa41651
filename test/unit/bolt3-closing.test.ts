import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { p2wpkh, p2wsh } from "../../protocol/bitcoin/script.ts";
import { inputDigest, sighash } from "../../protocol/bitcoin/sighash.ts";
import { decodeTx, encodeWitnessTx, txidOf, weightOf } from "../../protocol/bitcoin/tx.ts";
import { buildClosing, settleClosing } from "../../protocol/bolt/closing.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { closingWeight } from "../../protocol/bolt/weight.ts";
import { fundingWitness } from "../../protocol/bolt/witness.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { msat, sat, txid } from "../../protocol/units.ts";
import { side } from "./bolt3-channels.ts";

const curve = nobleCurve();
const [alice, bob] = [side(curve, 1), side(curve, 2)];
const [a, b] = [alice.basepoints.funding, bob.basepoints.funding];
const scripts = [p2wpkh(alice.basepoints.payment), p2wsh(fundingScript(a, b))] as const;
const channel = {
  fundingOutpoint: { txid: txid(new Uint8Array(32).fill(7)), index: 3 },
  fundingValue: sat(1_000_000n),
  fundingKeys: [a, b],
} as const;

describe("the balances of a close", () => {
  const terms = {
    opener: msat(600_000_999n),
    accepter: msat(399_999_001n),
    fee: sat(1_000n),
    dustLimit: sat(546n),
  };

  test("the opener pays, and fractions are left to the miner", () => {
    expect(settleClosing(terms)).toEqual({ toOpener: 599_000n, toAccepter: 399_999n });
  });

  test.each([
    [1_546_000n, 546n],
    [1_545_999n, 0n],
    [1_000_000n, 0n],
  ])("of %d msat, with a fee of 1000 sat, the opener gets %d", (opener, toOpener) => {
    expect(settleClosing({ ...terms, opener: msat(opener) })).toEqual({ toOpener, toAccepter: 399_999n });
  });

  test("the accepter's dust is left out as well", () => {
    expect(settleClosing({ ...terms, accepter: msat(545_999n) })?.toAccepter).toBe(0n);
    expect(settleClosing({ ...terms, accepter: msat(546_000n) })?.toAccepter).toBe(546n);
  });

  test("an opener that cannot pay the fee has no close", () => {
    expect(settleClosing({ ...terms, opener: msat(999_999n) })).toBeUndefined();
  });
});

describe("the closing transaction", () => {
  const outputs = [
    { value: sat(500_000n), script: scripts[0] },
    { value: sat(499_000n), script: scripts[1] },
  ];

  test("has the form that BOLT 3 gives it", () => {
    const { tx, txid, digest } = buildClosing({ ...channel, outputs });
    expect(tx).toEqual({
      version: 2,
      inputs: [{ outpoint: channel.fundingOutpoint, sequence: 0xffff_ffff }],
      outputs: [outputs[1], outputs[0]],
      locktime: 0,
    });
    expect(txid).toEqual(txidOf(tx));
    expect(digest).toEqual(
      inputDigest({
        tx,
        index: 0,
        scriptCode: fundingScript(b, a),
        value: channel.fundingValue,
        type: sighash.all,
      }),
    );
  });

  test("equal amounts are ordered by script, a shorter one before what it begins", () => {
    const [first, second] = scripts.map((script) => ({ value: sat(5_000n), script }));
    if (first === undefined || second === undefined) throw new Error();
    const expected = buildClosing({ ...channel, outputs: [first, second] }).tx.outputs;
    expect(expected.map(({ script }) => script.length)).toEqual([22, 34]);
    expect(buildClosing({ ...channel, outputs: [second, first] }).tx.outputs).toEqual(expected);
    const beginning = { value: sat(5_000n), script: first.script.slice(0, 10) as typeof first.script };
    expect(buildClosing({ ...channel, outputs: [first, beginning] }).tx.outputs).toEqual([beginning, first]);
  });

  test("an output of nothing is left out", () => {
    const [first] = outputs;
    if (first === undefined) throw new Error();
    const none = { value: sat(0n), script: scripts[1] };
    expect(buildClosing({ ...channel, outputs: [none, first] }).tx.outputs).toEqual([first]);
  });

  test("both sides find the same, whoever comes first, and their signatures fill the witness", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 999_000n }), fc.boolean(), (value, swapped) => {
        const paid = [
          { value: sat(value), script: scripts[0] },
          { value: sat(999_000n - value), script: scripts[1] },
        ];
        const ours = buildClosing({ ...channel, outputs: paid });
        const theirs = buildClosing({ ...channel, fundingKeys: [b, a], outputs: paid.toReversed() });
        expect(theirs).toEqual(ours);
        const sign = (of: typeof alice) => ({
          key: of.basepoints.funding,
          signature: curve.sign({ digest: ours.digest, key: of.secrets.funding, lowR: false }),
        });
        const [one, two] = swapped ? [bob, alice] : [alice, bob];
        const witness = fundingWitness(sign(one), sign(two));
        expect(fundingWitness(sign(two), sign(one))).toEqual(witness);
        const signed = encodeWitnessTx(ours.tx, [witness]);
        expect(decodeTx(signed)).toEqual({ tx: ours.tx, witnesses: [witness] });
        const slack = 2 * 73 - (witness[1]?.length ?? 0) - (witness[2]?.length ?? 0);
        const used = ours.tx.outputs.map(({ script }) => script);
        expect(weightOf(ours.tx, [witness]) + slack).toBe(closingWeight(used));
      }),
      { numRuns: 30 },
    );
  });
});
