/** A signer alone on the chain, whose keys are on a device: what it publishes is asked for there as a host would ask. */

import { afterEach, describe, expect, test } from "vitest";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import type { Alone } from "../scripted/alone.ts";
import { add, preimageOf } from "../scripted/channel.ts";
import { type Bench, deviceBench } from "../scripted/device.ts";
import { deviceTerms } from "../scripted/device-life.ts";
import { payTo } from "../scripted/real-channel.ts";
import { bob } from "../scripted/scene.ts";
import {
  addressOf,
  channelWith,
  closed,
  exitOf,
  isTaken,
  mined,
  offered,
  outputOf,
  received,
  refusals,
  started,
  stopAll,
} from "./own-coins.kit.ts";

const benches: Bench[] = [];
const closings: (() => Promise<void>)[] = [];
afterEach(async () => {
  await stopAll();
  for (const close of closings.splice(0)) await close();
  for (const one of benches.splice(0)) await one.close();
});

const withDevice = async (): Promise<{ readonly on: Alone; readonly bench: Bench }> => {
  const time = (): number => Math.floor(Date.now() / 1000);
  const bench = await deviceBench({ time });
  const keyring = await bench.keyring(grouped(memoryDisk().open()));
  benches.push(bench);
  closings.push(keyring.close);
  return { on: await started({ watch: () => keyring, second: true }), bench };
};

const types = ["anchors", "static_remotekey"] as const;
const termsOf = (type: (typeof types)[number]) => ({ ...deviceTerms, type });

describe.each(types)("a channel of a signer with its keys on a device, %s", (type) => {
  test("comes home from our own commitment, HTLCs too", async () => {
    const { on, bench } = await withDevice();
    const channel = await channelWith(on, termsOf(type), bob, offered, received);
    if (type === "anchors") payTo(on.chain, await addressOf(on), 20_000n, 30_000n);
    await mined(on);
    const home = await closed(on, channel);
    await mined(on);
    expect(isTaken(on, outputOf(home, 60_000n))).toBe(true);
    await mined(on, 300 - on.chain.tip().height);
    await mined(on);
    expect(isTaken(on, outputOf(home, 50_000n))).toBe(true);
    await mined(on, 144);
    await mined(on);
    const { unconfirmed } = await on.reply("chainSource", {});
    expect({ unconfirmed, refused: refusals(on), faults: on.rig.faults, there: bench.faults }).toEqual({
      unconfirmed: 0,
      refused: [],
      faults: [],
      there: [],
    });
  });

  test("punishes a breach", async () => {
    const { on, bench } = await withDevice();
    const channel = await channelWith(on, termsOf(type), bob);
    await channel.step([offered, received].reduce(add, channel.balances));
    const cheat = channel.theirs(1n);
    await channel.step(channel.balances);
    expect(on.chain.publish([cheat.raw])).toEqual({ is: "accepted" });
    await mined(on, 1);
    await mined(on, 1);
    const { tx, txid } = cheat.commitment;
    const taken = tx.outputs.flatMap(({ value }, index) =>
      value === 330n ? [] : [isTaken(on, { txid, index })],
    );
    expect(taken).toEqual([true, true, true, true]);
    expect([on.rig.faults, refusals(on), bench.faults]).toEqual([[], [], []]);
  });
});

test("what others may add to is not signed: it waits for a coin, and exit says so", async () => {
  const { on } = await withDevice();
  const channel = await channelWith(on, termsOf("anchors"), bob, offered, received);
  const home = await exitOf(on, channel);
  expect(home.transactions.map(({ what }) => what)).toEqual(["brings our balance to our wallet"]);
  expect(home.left.filter((one) => one.includes("when a coin of ours pays for it"))).toHaveLength(2);
  payTo(on.chain, await addressOf(on), 20_000n, 30_000n);
  await mined(on);
  const again = await exitOf(on, channel, 1_000, [preimageOf("in")]);
  expect(again.transactions.filter(({ what }) => /^(claims|takes back)/.test(what))).toHaveLength(2);
});
