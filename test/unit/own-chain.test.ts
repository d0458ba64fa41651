/** The signer without a host: over a chain that runs every script, it sees, punishes and brings home. */

import { afterEach, describe, expect, test } from "vitest";
import { decodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { feerate, type Outpoint, type Txid } from "../../protocol/units.ts";
import { type Alone, type AloneOptions, alone } from "../scripted/alone.ts";
import { add, htlcOf, preimageOf } from "../scripted/channel.ts";
import { openReal, type RealChannel, type Theirs } from "../scripted/real-channel.ts";
import { bob, evenTerms } from "../scripted/scene.ts";

const types = ["anchors", "static_remotekey"] as const;
const offered = htlcOf("holder", 50_000_000n, "out", 500);
const received = htlcOf("counterparty", 60_000_999n, "in", 600);

const open: Alone[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.stop();
});

const started = async (options: AloneOptions = {}): Promise<Alone> => {
  const one = await alone(options);
  open.push(one);
  await one.settled();
  return one;
};

const channelOn = async (on: Alone, type: (typeof types)[number]): Promise<RealChannel> => {
  const { call, chain } = on;
  const real = await openReal({
    call,
    node: on.rig.session.node,
    chain,
    peer: bob,
    terms: evenTerms({ type }),
  });
  await on.settled();
  return real;
};

const mined = async (on: Alone, count = 1): Promise<void> => {
  on.chain.mine(count);
  await on.settled();
};

const isTaken = ({ chain }: Alone, outpoint: Outpoint): boolean => {
  const by = chain.spender(outpoint);
  return by !== undefined && chain.transaction(by.txid)?.height !== undefined;
};

/** By a block: all outputs but anchors. */
const takenOf = (on: Alone, { commitment: { tx, txid } }: Theirs) =>
  tx.outputs.flatMap(({ value }, index) => (value === 330n ? [] : [isTaken(on, { txid, index })]));

const published = ({ lines }: Alone) => lines.filter(({ event }) => event === "published");

/** With HTLCs in both directions, and then revoked. */
const cheated = async (on: Alone, type: (typeof types)[number]) => {
  const channel = await channelOn(on, type);
  await channel.step([offered, received].reduce(add, channel.balances));
  const cheat = channel.theirs(1n);
  await channel.step(channel.balances);
  return { channel, cheat };
};

const accepted = (on: Alone, ...txs: readonly Uint8Array[]): void =>
  expect(on.chain.publish(txs)).toEqual({ is: "accepted" });

describe.each(types)("a breach of a channel, %s", (type) => {
  test("is punished whole, in one block", async () => {
    const on = await started();
    const { cheat } = await cheated(on, type);
    accepted(on, cheat.raw);
    await mined(on);
    expect(on.chain.pool().length).toBe(4);
    expect((await on.reply("chainSource", {})).unconfirmed).toBe(4);
    expect((await on.reply("heartbeat", {})).well).toBe(false);
    await mined(on);
    expect(takenOf(on, cheat)).toEqual([true, true, true, true]);
    expect((await on.reply("heartbeat", {})).well).toBe(true);
    expect(published(on).length).toBe(4);
    await mined(on);
    expect([published(on).length, (await on.reply("chainSource", {})).unconfirmed]).toEqual([4, 0]);
    expect(on.rig.faults).toEqual([]);
  });

  test("is punished at its second stage, where the cheat was faster", async () => {
    const on = await started();
    const { cheat } = await cheated(on, type);
    accepted(on, cheat.raw);
    on.chain.mine(1);
    const second = cheat.second(offered, preimageOf("out"), on.chain);
    on.chain.reorganise(1, 2, { include: [cheat.raw] });
    await on.settled();
    on.chain.reorganise(1, 2, { include: [second] });
    await on.settled();
    await mined(on);
    expect(takenOf(on, cheat)).toEqual([true, true, true, true]);
    const by = on.chain.spender(cheat.outpoint(offered));
    expect(by?.txid).toEqual(txidOf(decodeTx(second).tx));
    expect(isTaken(on, { txid: by?.txid as Txid, index: 0 })).toBe(true);
    expect(published(on).length).toBeGreaterThan(4);
  });

  test("is punished again after reorganisations of the punishment, and of the breach", async () => {
    const on = await started();
    const { cheat } = await cheated(on, type);
    accepted(on, cheat.raw);
    await mined(on, 1);
    await mined(on, 1);
    on.chain.reorganise(1, 2, { empty: true });
    await on.settled();
    expect(takenOf(on, cheat)).toEqual([false, false, false, false]);
    await mined(on);
    expect(takenOf(on, cheat)).toEqual([true, true, true, true]);
    on.chain.reorganise(5, 6, { empty: true });
    await on.settled();
    expect(await on.reply("heartbeat", {})).toMatchObject({ well: true });
    await mined(on);
    await mined(on);
    expect(takenOf(on, cheat)).toEqual([true, true, true, true]);
  });

  test("is punished whole by a signer that was killed, while cheat and miners went on", async () => {
    const on = await started();
    const { cheat } = await cheated(on, type);
    accepted(on, cheat.raw);
    await mined(on);
    await on.stop();
    const second = cheat.second(offered, preimageOf("out"), on.chain);
    // With anchors it can bid what it likes.
    if (type === "anchors") accepted(on, second);
    on.chain.mine(1);
    on.chain.reorganise(2, 3, { include: [cheat.raw] });
    on.chain.publish([second]);
    on.chain.mine(1);
    const again = await started({ embedded: on.chain, over: await on.rig.restart() });
    for (let i = 0; i < 3; i++) await mined(again);
    expect(takenOf(on, cheat)).toEqual([true, true, true, true]);
    const by = on.chain.spender(cheat.outpoint(offered));
    if (type === "anchors") expect(isTaken(on, { txid: by?.txid as Txid, index: 0 })).toBe(true);
  });

  test("is found by a signer that was off, when it starts again", async () => {
    const on = await started();
    const { cheat } = await cheated(on, type);
    await on.stop();
    accepted(on, cheat.raw);
    on.chain.mine(3);
    const again = await started({ embedded: on.chain, over: await on.rig.restart() });
    expect(on.chain.pool().length).toBe(4);
    // And with nothing new on the chain.
    await again.stop();
    on.chain.reorganise(1, 2, { empty: true });
    await mined(await started({ embedded: on.chain, over: await again.rig.restart() }));
    expect(takenOf(on, cheat)).toEqual([true, true, true, true]);
  });
});

describe.each(types)("a channel that has ended, %s", (type) => {
  test("by the counterparty: ours comes home, HTLCs when they are due or their preimage is known", async () => {
    const on = await started();
    const channel = await channelOn(on, type);
    await channel.step([offered, received].reduce(add, channel.balances));
    const theirs = channel.theirs(1n);
    accepted(on, theirs.raw);
    await mined(on);
    await mined(on);
    const spent = () => takenOf(on, theirs).filter((one) => one).length;
    // With `static_remotekey` our balance is at a key of the wallet's, without a delay.
    expect(spent()).toBe(1);
    expect(on.chain.spender(theirs.outpoint(received))).toBeUndefined();
    // A person has it, and asks for an exit once.
    await on.reply("exit", {
      ...{ channel: channel.channel, feerate: feerate(1_000), confirmed: unknown },
      preimages: [preimageOf("in")],
    });
    await on.settled();
    await mined(on);
    expect(isTaken(on, theirs.outpoint(received))).toBe(true);
    expect(on.chain.spender(theirs.outpoint(offered))).toBeUndefined();
    await mined(on, 500 - on.chain.tip().height);
    await mined(on);
    expect(isTaken(on, theirs.outpoint(offered))).toBe(true);
    expect(spent()).toBe(3);
  });

  test("by a person alone: nothing is closed by itself, and what is broadcast comes home", async () => {
    const on = await started();
    const channel = await channelOn(on, type);
    await channel.step([offered, received].reduce(add, channel.balances));
    await mined(on, 600 - on.chain.tip().height);
    expect((await on.reply("heartbeat", {})).well).toBe(false);
    expect(on.chain.spender(channel.shared.funding)).toBeUndefined();
    const { commitment } = await on.reply("exit", {
      ...{ channel: channel.channel, feerate: feerate(1_000), confirmed: unknown, preimages: [] },
    });
    if (!isKnown(commitment)) throw new Error("no commitment");
    const { results } = await on.reply("broadcast", { transactions: [commitment.tx] });
    expect(results).toEqual([{ txid: commitment.txid, is: "accepted", reason: "" }]);
    await mined(on);
    await mined(on, 144);
    await mined(on);
    const { txid } = commitment;
    const home = decodeTx(commitment.tx).tx.outputs.filter((_, index) => isTaken(on, { txid, index }));
    // With anchors an HTLC transaction pays no fee, and here is no coin that would: see own-coins.test.ts.
    expect(home.length).toBe(type === "anchors" ? 1 : 2);
    const left = on.lines.flatMap((line) => (line.event === "claim-left" ? [line.reason] : []));
    expect(left.some((one) => one.includes("no coin pays its fee"))).toBe(type === "anchors");
    expect(on.lines.filter(({ event }) => event === "publish-refused")).toEqual([]);
  });
});
