import { describe, expect, test } from "vitest";
import { p2wpkh, p2wsh } from "../../protocol/bitcoin/script.ts";
import { decodeTx, type Witness, weightOf } from "../../protocol/bitcoin/tx.ts";
import type { ChannelType, Htlc, Party } from "../../protocol/bolt/channel.ts";
import { settle } from "../../protocol/bolt/trim.ts";
import {
  closingWeight,
  commitmentFee,
  commitmentWeight,
  expectedWitnessWeight,
  htlcTransactionFee,
  htlcTransactionWeight,
} from "../../protocol/bolt/weight.ts";
import { feerate, height, msat, paymentHash, point, sat, script } from "../../protocol/units.ts";
import { bytesOf, caseHtlcs, figures } from "./bolt3-figures.ts";

const htlc = (offeredBy: Party, amount: bigint): Htlc => ({
  offeredBy,
  amount: msat(amount),
  hash: paymentHash(new Uint8Array(32)),
  expiry: height(500),
});

test("the example of BOLT 3, Fee Calculation", () => {
  const settled = settle({
    type: "static_remotekey",
    opener: "broadcaster",
    toBroadcaster: msat(100_000_000n),
    toCountersignatory: msat(50_000_000n),
    htlcs: [
      htlc("broadcaster", 5_000_000n),
      htlc("broadcaster", 1_000_000n),
      htlc("countersignatory", 7_000_000n),
      htlc("countersignatory", 800_000n),
    ],
    feerate: feerate(5000),
    dustLimit: sat(546n),
  });
  expect(settled?.baseFee).toBe(5340n);
  expect(settled?.feePaid).toBe(7140n);
  expect(settled?.untrimmed.map(({ amount }) => amount)).toEqual([5_000_000n, 7_000_000n]);
  expect(settled?.trimmed.map(({ amount }) => amount)).toEqual([1_000_000n, 800_000n]);
  expect(htlcTransactionFee("static_remotekey", "timeout", feerate(5000))).toBe(3315n);
  expect(htlcTransactionFee("static_remotekey", "success", feerate(5000))).toBe(3515n);
  expect(htlcTransactionFee("anchors", "success", feerate(5000))).toBe(0n);
});

describe("appendix C: fees and outputs", () => {
  const withFees = figures.commitment.cases.filter(({ base_fee }) => base_fee !== undefined);
  test("15 cases name their fees", () => expect(withFees.length).toBe(15));

  test.each(figures.commitment.cases)("$name", (c) => {
    const settled = settle({
      type: "static_remotekey",
      opener: "broadcaster",
      toBroadcaster: msat(BigInt(c.to_local_msat)),
      toCountersignatory: msat(BigInt(c.to_remote_msat)),
      htlcs: caseHtlcs(c.name, c.to_local_msat),
      feerate: feerate(c.local_feerate_per_kw),
      dustLimit: sat(546n),
    });
    if (settled === undefined) throw new Error("no such commitment");
    if (c.base_fee !== undefined) expect(settled.baseFee).toBe(BigInt(c.base_fee));
    if (c.actual_fee !== undefined) expect(settled.feePaid).toBe(BigInt(c.actual_fee));
    expect(settled.shortfall > 0n).toBe(c.name.includes("greater than funder amount"));
    expect(settled.untrimmed.length).toBe(c.num_htlcs);

    const { tx } = decodeTx(bytesOf(c.commit_tx));
    expect(10_000_000n - tx.outputs.reduce((sum, { value }) => sum + value, 0n)).toBe(settled.feePaid);
    for (const { amount, script: text } of c.outputs) {
      const [, wscript, key] = /^(?:wscript ([0-9a-f]+)|P2WPKH\(([0-9a-f]+)\))$/.exec(text) ?? [];
      const expected =
        wscript === undefined ? p2wpkh(point(bytesOf(key ?? ""))) : p2wsh(script(bytesOf(wscript)));
      expect(tx.outputs).toContainEqual({ value: BigInt(amount), script: expected });
    }
  });
});

test("two anchors cannot be paid out of nothing", () => {
  const terms = {
    type: "anchors",
    opener: "broadcaster",
    toCountersignatory: msat(1_000_000_000n),
    htlcs: [],
    feerate: feerate(253),
    dustLimit: sat(354n),
  } as const;
  expect(settle({ ...terms, toBroadcaster: msat(329_999n) })).toBeUndefined();
  // One anchor stands for the output that there is.
  expect(settle({ ...terms, toBroadcaster: msat(330_000n) })).toMatchObject({
    toBroadcaster: 0n,
    toCountersignatory: 1_000_000n,
    anchors: ["countersignatory"],
    feePaid: 0n,
    baseFee: 284n,
    shortfall: 330n + 284n,
  });
  const htlcs = [htlc("countersignatory", 400_000n)];
  expect(settle({ ...terms, htlcs, toBroadcaster: msat(659_999n) })).toBeUndefined();
  expect(settle({ ...terms, htlcs, toBroadcaster: msat(660_000n) })?.anchors).toEqual([
    "broadcaster",
    "countersignatory",
  ]);
});

describe("weights", () => {
  /** What 73-byte signatures would add. */
  const slack = (witness: Witness): number =>
    witness.reduce((sum, item) => sum + (item[0] === 0x30 && item.length < 74 ? 73 - item.length : 0), 0);
  const signed = (text: string) => {
    const { tx, witnesses } = decodeTx(bytesOf(text));
    const [witness = []] = witnesses;
    return { tx, witness, expected: weightOf(tx, witnesses) + slack(witness) };
  };

  test("of the commitments of appendices C and F that have all outputs", () => {
    let checked = 0;
    const check = (type: ChannelType, text: string, htlcs: number) => {
      const { tx, witness, expected } = signed(text);
      // The formula counts three bytes for the number of outputs where there are anchors; one is what there is.
      const [others, generous] = type === "anchors" ? [4, 8] : [2, 0];
      if (tx.outputs.length !== htlcs + others) return;
      checked++;
      expect(commitmentWeight(type, htlcs)).toBe(expected + generous);
      const witnessWeight = weightOf(tx, [witness]) - weightOf(tx, [[]]) - 2 + slack(witness);
      expect(expectedWitnessWeight("funding", script(witness[3] ?? new Uint8Array()))).toBe(witnessWeight);
    };
    for (const c of figures.commitment.cases) check("static_remotekey", c.commit_tx, c.num_htlcs);
    for (const c of figures.anchors) check("anchors", c.ExpectedCommitmentTxHex, c.HtlcDescs.length);
    expect(checked).toBeGreaterThan(15);
  });

  test("of the HTLC transactions of appendices C and F", () => {
    let checked = 0;
    const check = (type: ChannelType, text: string) => {
      const { tx, witness, expected } = signed(text);
      const kind = tx.locktime === 0 ? "success" : "timeout";
      const weight = weightOf(tx, [witness]) - weightOf(tx, [[]]) - 2 + slack(witness);
      expect(expectedWitnessWeight(`htlc-${kind}`, script(witness[4] ?? new Uint8Array()))).toBe(weight);
      // The formula counts four bytes for an expiry, and one more.
      const generous = kind === "success" ? 3 : 0;
      expect(htlcTransactionWeight(type, kind)).toBe(expected + generous);
      checked++;
    };
    for (const c of figures.commitment.cases) for (const { tx } of c.htlc_txs) check("static_remotekey", tx);
    for (const c of figures.anchors)
      for (const { ResolutionTxHex } of c.HtlcDescs) check("anchors", ResolutionTxHex);
    expect(checked).toBe(48);
  });

  test("of what claims an output, by the items that it shows", () => {
    const of = (length: number) => script(new Uint8Array(length));
    // One byte counts the items, and one stands in front of each.
    expect(expectedWitnessWeight("delayed", of(77))).toBe(1 + 74 + 1 + 78);
    expect(expectedWitnessWeight("delayed-penalty", of(77))).toBe(1 + 74 + 2 + 78);
    expect(expectedWitnessWeight("to_remote", of(37))).toBe(1 + 74 + 38);
    expect(expectedWitnessWeight("anchor", of(40))).toBe(1 + 74 + 41);
    expect(expectedWitnessWeight("htlc-claim-preimage", of(133))).toBe(1 + 74 + 33 + 134);
    expect(expectedWitnessWeight("htlc-claim-timeout", of(140))).toBe(1 + 74 + 1 + 141);
    // BOLT 5, Appendix A.
    expect(expectedWitnessWeight("htlc-penalty", of(133))).toBe(243);
    expect(expectedWitnessWeight("htlc-penalty", of(139))).toBe(249);
    expect(expectedWitnessWeight("p2wpkh")).toBe(1 + 74 + 34);
  });

  test("fees are rounded down", () => {
    expect(commitmentFee("static_remotekey", 0, feerate(253))).toBe(183n); // 183.172
    expect(commitmentFee("anchors", 483, feerate(0xffff_ffff))).toBe((84_200n * 0xffff_ffffn) / 1000n);
  });

  test("of a close", () => {
    const [wpkh, wsh] = [script(new Uint8Array(22)), script(new Uint8Array(34))];
    // Version 4, input count 1, input 41, output count 1, locktime 4; marker, flag and 222 bytes of witness.
    expect(closingWeight([wpkh, wsh])).toBe(4 * (51 + 31 + 43) + 2 + 222);
  });
});
