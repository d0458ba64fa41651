/** A commitment that pays too little is raised by a child of our anchor and coins of the signer's own wallet. */

import { afterEach, describe, expect, test } from "vitest";
import { anyones } from "../../chain/embedded/chain.ts";
import { decodeTx, weightOf } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { Secret } from "../../protocol/secret.ts";
import { feerate, msat, type Outpoint, type Script, sat } from "../../protocol/units.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { add } from "../scripted/channel.ts";
import { openReal, payTo } from "../scripted/real-channel.ts";
import { curve } from "../scripted/road.ts";
import { bob, carol, evenTerms } from "../scripted/scene.ts";
import { attack, honest } from "../scripted/tally.ts";
import { verdict } from "./bolt-spend-interpreter.ts";

import {
  addressOf,
  channelOn,
  commitmentIn,
  exitOf,
  isTaken,
  mined,
  offered,
  outputOf,
  received,
  refusals,
  started,
  stopAll,
  sum,
  takerOf,
} from "./own-coins.kit.ts";

const lnd = softwareKeyring({
  ...{ seed: new Secret(new Uint8Array(64).fill(9)), network: "regtest", nodeIndex: 0, curve, style: "lnd" },
});

afterEach(stopAll);

describe("a commitment that pays too little", () => {
  const cheap = 200;
  const policy = { minFeerate: feerate(cheap) };
  const poor = async () => {
    const on = await started({ policy });
    const channel = await channelOn(on);
    await channel.step({ ...add(channel.balances, received), feerate: feerate(cheap) });
    return { on, channel };
  };

  test("is refused by itself, and confirms with a child that pays for both", async () => {
    const { on, channel } = await poor();
    payTo(on.chain, await addressOf(on), 40_000n);
    await mined(on);
    const home = await exitOf(on, channel, 2_000);
    const { raw, txid, tx } = commitmentIn(home);
    expect(on.chain.publish([raw])).toMatchObject({ is: "refused", reason: /fee/ });
    const [child] = home.transactions;
    if (child === undefined) throw new Error("no child");
    expect([child.from, child.wait, child.after]).toEqual([0, 0, txid]);
    expect(home.left).toEqual([
      expect.stringContaining("no coin pays its fee"),
      "coins from before block 110 are not known here",
    ]);
    const { results } = await on.reply("broadcast", { transactions: [raw, child.tx] });
    expect(results.map(({ is }) => is)).toEqual(["accepted", "accepted"]);
    const anchor = outputOf(home, 330n);
    const [ours] = [0, 1]
      .map((at) => ({ txid, index: anchor.index + at }))
      .filter((one) => on.chain.spender(one));
    const paid = takerOf(on, ours as Outpoint);
    expect(paid.txid).toEqual(child.txid);
    const parent = channel.terms.value - sum(tx.outputs.map(({ value }) => value));
    const { witnesses } = decodeTx(raw);
    const weight = paid.weight + weightOf(tx, witnesses);
    expect(Number(paid.fee + parent) / weight).toBeGreaterThanOrEqual(2);
    // Two signatures of the funding and one each of anchor and coin, at most three bytes shorter than reckoned.
    expect(Number(paid.fee + parent) / weight).toBeLessThan(2 + 2 * (16 / weight));
    await mined(on);
    expect(isTaken(on, ours as Outpoint)).toBe(true);
    // What was over pays for the HTLC.
    await mined(on);
    expect(isTaken(on, outputOf(home, 60_000n))).toBe(true);
    expect(refusals(on)).toEqual([]);
  });

  test("gets none at a feerate that the policy does not allow", async () => {
    const { on, channel } = await poor();
    payTo(on.chain, await addressOf(on), 900_000n);
    await mined(on);
    const body = { channel: channel.channel, confirmed: unknown, preimages: [] } as const;
    await attack("a child above the limit", async () =>
      expect(await on.outcome("exit", { ...body, feerate: feerate(76_000) })).toMatchObject({
        ...{ is: "refusal", refusal: { rule: "sweep-fee-range" } },
      }),
    );
    await honest(async () =>
      expect((await on.outcome("exit", { ...body, feerate: feerate(75_000) })).is).toBe("reply"),
    );
  });

  test("is paid for by a taproot coin too", async () => {
    const on = await started({ watch: () => lnd });
    const channel = await channelOn(on);
    const place = { account: 2, branch: 0, index: 0 };
    const key = await lnd.walletKey(place);
    expect(key?.form).toBe("p2tr");
    payTo(on.chain, key?.script as Script, 40_000n);
    await mined(on);
    const home = await exitOf(on, channel, 5_000);
    const [child] = home.transactions;
    if (child === undefined || !isKnown(home.commitment)) throw new Error("no child");
    const { tx, witnesses } = decodeTx(child.tx);
    const parents = new Map([[toHex(home.commitment.txid), decodeTx(home.commitment.tx).tx]]);
    const spent = tx.inputs.map(({ outpoint: { txid, index } }) => {
      const raw = on.chain.transaction(txid)?.raw;
      const parent = parents.get(toHex(txid)) ?? (raw === undefined ? undefined : decodeTx(raw).tx);
      return parent?.outputs[index] ?? { value: sat(0n), script: anyones };
    });
    expect(spent.map(({ value }) => value)).toEqual([330n, 40_000n]);
    for (const [index, witness] of witnesses.entries())
      expect(verdict({ tx, index, spent, witness })).toBeUndefined();
  });

  test("that has no anchor of ours has nothing to lose", async () => {
    const on = await started();
    const { call, chain } = on;
    const terms = evenTerms({
      type: "anchors",
      opener: "counterparty",
      push: msat(0n),
      contribution: sat(0n),
    });
    const real = await openReal({ call, node: on.rig.session.node, chain, peer: bob, terms });
    await on.settled();
    expect(await exitOf(on, real)).toMatchObject({ transactions: [], left: [] });
  });

  test("takes as many coins as it needs", async () => {
    const { on, channel } = await poor();
    payTo(on.chain, await addressOf(on), ...Array.from({ length: 8 }, () => 1_000n));
    await mined(on);
    const countOf = async (rate: number): Promise<number> => {
      const [first] = (await exitOf(on, channel, rate)).transactions;
      return decodeTx(first?.tx ?? new Uint8Array(0)).tx.inputs.length;
    };
    // Anchor and coins; at the last one they are not enough, and the HTLC is claimed with none.
    expect([await countOf(400), await countOf(1_000), await countOf(2_500)]).toEqual([2, 3, 1]);
  });

  test("is raised again with the same coin, and the old child is not offered any more", async () => {
    const { on, channel } = await poor();
    payTo(on.chain, await addressOf(on), 40_000n, 50_000n);
    await mined(on);
    const children = [];
    for (const rate of [1_000, 3_000]) {
      const home = await exitOf(on, channel, rate);
      const [child] = home.transactions;
      if (child === undefined) throw new Error("no child");
      children.push(decodeTx(child.tx).tx);
      const { results } = await on.reply("broadcast", { transactions: [commitmentIn(home).raw, child.tx] });
      expect(results.map(({ is }) => is)).toEqual(["accepted", "accepted"]);
    }
    expect(children[0]?.inputs).toEqual(children[1]?.inputs);
    on.chain.mine(1, { empty: true });
    await on.settled();
    expect(refusals(on)).toEqual([]);
    expect(on.chain.pool().length).toBe(2);
  });

  test("gets no child where it pays what is asked, and says what is missing where no coin is there", async () => {
    const { on, channel } = await poor();
    const poorly = await exitOf(on, channel, 2_000);
    expect(poorly.left[0]).toMatch(/our anchor: the commitment pays less .* [0-9]+ sat at script/);
    payTo(on.chain, await addressOf(on), 40_000n);
    const rich = await channelOn(on, carol, offered);
    const enough = await exitOf(on, rich, 253);
    expect(enough.left[0]).toMatch(/our anchor: spend it where/);
    expect(enough.transactions.some(({ what }) => what.includes("anchor"))).toBe(false);
  });
});
