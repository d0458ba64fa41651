/** Fees of HTLC transactions with anchors come from the signer's own wallet, without a host. */

import { afterEach, describe, expect, test } from "vitest";
import { decodeTx } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { feerate, type Outpoint } from "../../protocol/units.ts";
import { htlcOf, preimageOf } from "../scripted/channel.ts";
import { payTo } from "../scripted/real-channel.ts";
import { bob, carol } from "../scripted/scene.ts";

import {
  addressOf,
  channelOn,
  closed,
  commitmentIn,
  exitOf,
  isTaken,
  mined,
  offered,
  outputOf,
  preimageClaim,
  received,
  refusals,
  started,
  stopAll,
  takerOf,
} from "./own-coins.kit.ts";

afterEach(stopAll);

describe("HTLC transactions of our own commitment", () => {
  test("are paid for by a coin each, and all of it comes home", async () => {
    const on = await started();
    const channel = await channelOn(on, bob, offered, received);
    payTo(on.chain, await addressOf(on), 20_000n, 30_000n);
    await mined(on);
    const home = await closed(on, channel);
    await mined(on);
    expect(isTaken(on, outputOf(home, 60_000n))).toBe(true);
    expect(on.chain.spender(outputOf(home, 50_000n))).toBeUndefined();
    await mined(on, 300 - on.chain.tip().height);
    await mined(on);
    expect(isTaken(on, outputOf(home, 50_000n))).toBe(true);
    await mined(on, 144);
    await mined(on);
    for (const value of [50_000n, 60_000n]) {
      const { tx, txid } = takerOf(on, outputOf(home, value));
      expect([tx.inputs.length, tx.outputs.length]).toEqual([2, 2]);
      expect(tx.inputs[0]?.outpoint).toEqual(outputOf(home, value));
      // What was over is ours, and what the HTLC paid came home after its delay.
      expect(toHex(tx.outputs[1]?.script ?? new Uint8Array(0))).toBe(toHex(channel.closingScript));
      expect(isTaken(on, { txid, index: 0 })).toBe(true);
    }
    expect(on.rig.faults).toEqual([]);
    expect(refusals(on)).toEqual([]);
  });

  test("pay what is asked to the satoshi, more when the deadline is near, with the same coin", async () => {
    const on = await started();
    const channel = await channelOn(on, bob, received);
    on.chain.suggest(feerate(1_000));
    payTo(on.chain, await addressOf(on), 200_000n, 900_000n);
    await mined(on);
    const home = await closed(on, channel);
    const first = takerOf(on, outputOf(home, 60_000n));
    // Signatures may be two bytes shorter than they are reckoned.
    expect(Number(first.fee)).toBeGreaterThanOrEqual(first.weight);
    expect(Number(first.fee)).toBeLessThan(first.weight + 7);
    // Nobody mines it.
    on.chain.mine(520 - on.chain.tip().height, { empty: true });
    await on.settled();
    const second = takerOf(on, outputOf(home, 60_000n));
    expect(second.fee).toBeGreaterThan(2n * first.fee);
    expect(second.tx.inputs).toEqual(first.tx.inputs);
    const { maxFeerate } = { maxFeerate: 75_000 };
    expect(Number(second.fee)).toBeLessThanOrEqual((maxFeerate * second.weight) / 1_000 + 500);
    await mined(on);
    expect(isTaken(on, outputOf(home, 60_000n))).toBe(true);
  });

  test("share one coin where there is no other, and are built again without what was taken", async () => {
    const on = await started();
    const parts = ["a", "b", "c"].map((label, i) =>
      htlcOf("holder", BigInt(50 + i) * 1_000_000n, label, 300),
    );
    const channel = await channelOn(on, bob, ...parts);
    payTo(on.chain, await addressOf(on), 40_000n);
    await mined(on);
    const home = await closed(on, channel);
    await mined(on, 300 - on.chain.tip().height);
    const outputs = [50_000n, 51_000n, 52_000n].map((value) => outputOf(home, value));
    const batch = takerOf(on, outputs[0] as Outpoint);
    expect(batch.tx.inputs.length).toBe(4);
    for (const one of outputs) expect(on.chain.spender(one)?.txid).toEqual(batch.txid);
    // The counterparty has the preimage of one, and the better miners.
    const theirs = await preimageClaim(on, channel, home, parts[1] as Htlc);
    on.chain.reorganise(1, 2, { include: [theirs] });
    await on.settled();
    const rest = takerOf(on, outputs[0] as Outpoint);
    expect(rest.tx.inputs.length).toBe(3);
    expect(rest.txid).toEqual(on.chain.spender(outputs[2] as Outpoint)?.txid);
    await mined(on);
    for (const one of outputs) expect(isTaken(on, one)).toBe(true);
  });

  test("of two channels do not want the same coin: the second is paid for with what is over of the first", async () => {
    const on = await started();
    const htlc = (label: string) => htlcOf("counterparty", 60_000_000n, label, 600);
    const [one, two] = [await channelOn(on, bob, htlc("in")), await channelOn(on, carol, htlc("more"))];
    payTo(on.chain, await addressOf(on), 40_000n);
    await mined(on);
    const homes = [];
    for (const channel of [one, two]) {
      const home = await exitOf(on, channel, 1_000, [preimageOf("in"), preimageOf("more")]);
      await on.reply("broadcast", { transactions: [commitmentIn(home).raw] });
      homes.push(home);
    }
    await mined(on);
    const outputs = homes.map((home) => outputOf(home, 60_000n));
    expect(outputs.map((output) => on.chain.spender(output) !== undefined)).toEqual([true, false]);
    expect(on.lines.filter(({ event }) => event === "claim-left").length).toBeGreaterThan(0);
    await mined(on);
    await mined(on);
    expect(outputs.map((output) => isTaken(on, output))).toEqual([true, true]);
    const first = takerOf(on, outputs[0] as Outpoint);
    expect(takerOf(on, outputs[1] as Outpoint).tx.inputs[1]?.outpoint).toEqual({
      txid: first.txid,
      index: 1,
    });
    expect(refusals(on)).toEqual([]);
  });

  test("that are worth less than their fee are left, and no coin is spent for them", async () => {
    const on = await started();
    const channel = await channelOn(on, bob, htlcOf("counterparty", 1_000_000n, "in", 600));
    on.chain.suggest(feerate(5_000));
    payTo(on.chain, await addressOf(on), 40_000n);
    await mined(on);
    const home = await closed(on, channel);
    await mined(on);
    expect(on.chain.spender(outputOf(home, 1_000n))).toBeUndefined();
    const { left, transactions } = await exitOf(on, channel, 5_000);
    expect(left.join()).toContain("worth no more than its fee");
    expect(transactions.every(({ tx }) => decodeTx(tx).tx.inputs.length === 1)).toBe(true);
  });

  test("say what is missing where there is no coin, and go out when it came", async () => {
    const on = await started();
    const channel = await channelOn(on, bob, received);
    const home = await closed(on, channel);
    const { left } = await exitOf(on, channel);
    const [, amount, script] = /([0-9]+) sat at script ([0-9a-f]+) would do/.exec(left.join()) ?? [];
    expect(script).toBe(toHex(channel.closingScript));
    expect(on.chain.spender(outputOf(home, 60_000n))).toBeUndefined();
    payTo(on.chain, channel.closingScript, BigInt(amount ?? "0"));
    await mined(on);
    await mined(on);
    expect(isTaken(on, outputOf(home, 60_000n))).toBe(true);
  });

  test("are published by a signer that was killed, and again after a reorganisation of coin and claim", async () => {
    const on = await started();
    const channel = await channelOn(on, bob, received);
    payTo(on.chain, await addressOf(on), 40_000n);
    await mined(on);
    const home = await exitOf(on, channel);
    await on.stop();
    expect(on.chain.publish([commitmentIn(home).raw])).toEqual({ is: "accepted" });
    on.chain.mine(1);
    const again = await started({ embedded: on.chain, over: await on.rig.restart() });
    const { txid } = takerOf(again, outputOf(home, 60_000n));
    await again.stop();
    // Nothing of the pool survives, and the coin, the commitment and the claim are in other blocks.
    on.chain.reorganise(2, 3, { empty: true });
    const last = await started({ embedded: on.chain, over: await again.rig.restart() });
    await mined(last);
    await mined(last);
    await mined(last);
    expect(isTaken(last, outputOf(home, 60_000n))).toBe(true);
    expect(takerOf(last, outputOf(home, 60_000n)).txid).toEqual(txid);
    expect(last.rig.faults).toEqual([]);
  });

  test("take several coins where one is too small, and fewer HTLCs where the feerate has outgrown the coin", async () => {
    const on = await started();
    const parts = ["a", "b", "c"].map((label, i) =>
      htlcOf("holder", BigInt(50 + i) * 1_000_000n, label, 200),
    );
    const channel = await channelOn(on, bob, ...parts);
    payTo(on.chain, await addressOf(on), 1_000n, 1_000n);
    await mined(on);
    const home = await closed(on, channel);
    const outputs = [50_000n, 51_000n, 52_000n].map((value) => outputOf(home, value));
    on.chain.mine(200 - on.chain.tip().height);
    await on.settled();
    // The largest first: the others wait. Our balance, which would pay for all, is not home yet.
    expect(outputs.map((one) => on.chain.spender(one) !== undefined)).toEqual([false, false, true]);
    expect(takerOf(on, outputs[2] as Outpoint).tx.inputs.length).toBe(3);
    payTo(on.chain, await addressOf(on), 3_500n);
    on.chain.mine(1);
    await on.settled();
    const both = takerOf(on, outputs[0] as Outpoint);
    expect([both.tx.inputs.length, on.chain.spender(outputs[1] as Outpoint)?.txid]).toEqual([3, both.txid]);
    const dear = await exitOf(on, channel, 2_000);
    const claims = dear.transactions
      .map(({ tx }) => decodeTx(tx).tx)
      .filter(({ inputs }) => inputs.length > 1);
    expect(claims.map(({ inputs }) => inputs[0]?.outpoint)).toEqual([outputs[1]]);
    expect(dear.left.filter((one) => one.includes("no coin pays its fee")).length).toBe(1);
    const dearer = await exitOf(on, channel, 8_000);
    expect(dearer.left.filter((one) => one.includes("no coin pays its fee")).length).toBe(2);
  });

  test("are tried with one coin no further once that is used up", async () => {
    const on = await started();
    const parts = ["a", "b", "c"].map((label) => htlcOf("holder", 50_000_000n, label, 200));
    const channel = await channelOn(on, bob, ...parts);
    payTo(on.chain, await addressOf(on), 1_500n);
    await mined(on);
    const home = await closed(on, channel);
    on.chain.mine(200 - on.chain.tip().height);
    await on.settled();
    const { left, transactions } = await exitOf(on, channel);
    expect(left.filter((one) => one.includes("no coin pays its fee")).length).toBe(2);
    expect(transactions.filter(({ tx }) => decodeTx(tx).tx.inputs.length === 2).length).toBe(1);
    expect(home.transactions.length).toBeGreaterThan(3);
  });
});
