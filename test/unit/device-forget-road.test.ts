/** A whole signer with its keys on a device: what is over for it, and how the device comes to forget it too. */

import { afterEach, describe, expect, test } from "vitest";
import { openJournal } from "../../firmware-sim/journal.ts";
import { unknown } from "../../protocol/codec.ts";
import type { AnyRequest, Reply } from "../../protocol/operations/index.ts";
import { type ChannelId, channelId, msat } from "../../protocol/units.ts";
import type { DeviceKeyring } from "../../signer/device/keyring.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { random } from "../fuzz/random.ts";
import { spending } from "../scripted/chain.ts";
import { htlcOf, keysendOf, plainTerms } from "../scripted/channel.ts";
import { type Bench, type BenchOptions, deviceBench } from "../scripted/device.ts";
import { deviceTerms } from "../scripted/device-life.ts";
import { type Fed, feed, mineOn, openOn, pass } from "../scripted/fed.ts";
import { rig } from "../scripted/road.ts";
import { bob, carol, scene } from "../scripted/scene.ts";

const open: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

const { holder } = deviceTerms;
const theirs = plainTerms({ opener: "counterparty", holder });

const placesIn = ({ flash }: Bench): readonly bigint[] =>
  openJournal(flash.fork({ int: random(1).int }))
    .entries("channel")
    .map(([id]) => id);

const started = async (options: BenchOptions): Promise<{ bench: Bench; keyring: DeviceKeyring }> => {
  const bench = await deviceBench(options);
  const keyring = await bench.keyring(grouped(memoryDisk().open()));
  open.push(keyring.close, bench.close);
  return { bench, keyring };
};

test("strangers open channels and never fund them: 450 come and go, and nobody is asked", async () => {
  const { bench, keyring } = await started({});
  const signer = await rig({ watch: () => keyring, proposes: false });
  const { node } = signer.session;
  for (let i = 0; i < 450; i++) {
    const one = await scene({ signer, label: `stranger ${i}`, terms: theirs, peer: carol });
    if (i % 50 === 0) await one.advance(0n, one.start);
    await signer.call("forget", { node, channel: one.opened.channel });
  }
  expect(placesIn(bench)).toEqual([]);
  expect(bench.asked.map(({ title }) => title).slice(-1)).toEqual(["Keep node keys"]);
  expect([...signer.faults, ...bench.faults]).toEqual([]);
}, 30_000);

interface Road {
  readonly bench: Bench;
  readonly keyring: DeviceKeyring;
  readonly fed: Fed;
  /** Over for the signer: closed, swept, and a hundred blocks deep. */
  readonly channel: ChannelId;
  ask(channel?: ChannelId): Promise<Reply<"deviceForget">>;
  /** What the person was asked about it. */
  asked(): number;
}

const title = "Over for good?";

const closed = async (person: BenchOptions = {}): Promise<Road> => {
  const { bench, keyring } = await started(person);
  const fed = await feed({ watch: () => keyring, proposes: false });
  await pass(fed, 1);
  const { node } = fed.rig.session;
  const one = await openOn(fed, bob, { ...theirs, push: msat(400_000_000n) }, "closing");
  await mineOn(fed, [one.funding]);
  const end = spending([one.shared.funding]);
  await mineOn(fed, [end]);
  await pass(fed, 99);
  const { channel } = one;
  // The host hears that it is forgotten: whatever the device keeps, nothing of it can be signed.
  await fed.rig.call("forget", { node, channel });
  expect(placesIn(bench)).toEqual([channel]);
  return {
    ...{ bench, keyring, fed, channel },
    ask: async (wanted) => {
      const request = { name: "deviceForget", body: { node, channel: wanted ?? unknown } } as AnyRequest;
      return (await keyring.admin.reply(request, fed.rig.session.isForgotten)) as Reply<"deviceForget">;
    },
    asked: () => bench.asked.filter((one) => one.title === title).length,
  };
};

const well = ({ bench, fed }: Road): void => {
  expect([...bench.faults, ...fed.rig.faults]).toEqual([]);
};

describe("a channel that is over for the signer", () => {
  test("keeps its place on the device until its person says so, when somebody asks", async () => {
    const road = await closed();
    const { bench, channel, ask, asked, fed } = road;
    expect(await ask()).toEqual({ result: "done", because: "", channels: [channel] });
    expect(asked()).toBe(0);
    expect(await ask(channel)).toEqual({ result: "done", because: "", channels: [] });
    expect(asked()).toBe(1);
    expect(placesIn(bench)).toEqual([]);
    expect(await ask()).toMatchObject({ channels: [] });
    expect(await ask(channel)).toMatchObject({ result: "unknown" });
    await fed.rig.call("forget", { node: fed.rig.session.node, channel });
    well(road);
  });

  test("is kept where the person says no, and a no is told again", async () => {
    const road = await closed({ consents: (asked) => asked !== title });
    const { bench, channel, ask, asked } = road;
    expect(await ask(channel)).toMatchObject({ result: "denied" });
    expect(await ask(channel)).toMatchObject({ result: "denied" });
    expect([asked(), placesIn(bench)]).toEqual([1, [channel]]);
    expect(await ask()).toMatchObject({ channels: [channel] });
    await bench.powerCycle();
    expect(await ask(channel)).toMatchObject({ result: "denied" });
    expect(asked()).toBe(2);
    well(road);
  });

  test("is no hindrance to others while the person reads", async () => {
    const road = await closed({ lingers: (asked) => asked === title });
    const { bench, channel, ask, fed, keyring } = road;
    const { rig: signer } = fed;
    const waiting = ask(channel);
    await expect.poll(() => bench.device().screen.is, { timeout: 5_000 }).toBe("consent");
    const another = await openOn(fed, carol, theirs, "another");
    expect(another.number).toBe(1n);
    await signer.call("forget", { node: keyring.node, channel: another.channel });
    // A payment has to be shown on the same screen, and is, afterwards.
    const paying = signer.call("proposePayment", keysendOf(keyring.node, htlcOf("holder", 50_000_000n, "a")));
    bench.goOn();
    expect(await waiting).toMatchObject({ result: "done" });
    expect(await paying).toMatchObject({ standing: "approved" });
    expect(placesIn(bench)).toEqual([]);
    well(road);
  });

  test("is forgotten there once the power comes back, if it went in the middle of it", async () => {
    let cuts = 0;
    for (const cut of [0, 6, 12, 17]) {
      let bench: Bench | undefined;
      const road = await closed({
        onPowerCut: () => {
          cuts += 1;
          setTimeout(() => void bench?.powerCycle(), 1);
        },
      });
      bench = road.bench;
      bench.flash.cutAfter(cut);
      const first = await road.ask(road.channel);
      const again = first.result === "done" ? first : await road.ask(road.channel);
      expect(again.result, String(cut)).toMatch(/done|unknown/);
      expect(placesIn(bench)).toEqual([]);
      expect(road.fed.rig.faults).toEqual([]);
    }
    expect(cuts).toBeGreaterThan(2);
  });

  test("and one that is not, or not known, are left alone", async () => {
    const road = await closed();
    const { fed, ask, bench, asked } = road;
    const another = await openOn(fed, carol, { ...theirs, push: msat(1_000_000n) }, "another");
    for (const channel of [another.channel, channelId(99n)])
      expect(await ask(channel)).toMatchObject({ result: "unknown" });
    expect(asked()).toBe(0);
    expect(placesIn(bench)).toContain(another.channel);
    well(road);
  });
});

test("what this signer forgot while the device was away is forgotten there when somebody asks again", async () => {
  const bench = await deviceBench({});
  open.push(bench.close);
  const [own, kept] = [memoryDisk(), memoryDisk()];
  const start = async () => {
    const keyring = await bench.keyring(grouped(kept.open()), { patienceMs: 50 });
    open.push(keyring.close);
    await expect.poll(() => keyring.state(), { timeout: 5_000 }).toBe("open");
    return { keyring, signer: await rig({ disk: own, watch: () => keyring, proposes: false }) };
  };
  const { keyring, signer } = await start();
  const { node } = signer.session;
  const made = async (label: string) =>
    (await scene({ signer, label, terms: theirs, peer: carol })).opened.channel;
  const [one, two] = [await made("one"), await made("two")];
  await keyring.close();
  for (const channel of [one, two])
    expect(await signer.outcome("forget", { node, channel })).toMatchObject({ refusal: { final: false } });
  expect([signer.session.isForgotten(one), placesIn(bench)]).toEqual([true, [one, two]]);
  const later = await start();
  const { length } = bench.asked;
  // The host, or a person.
  expect(await later.signer.call("forget", { node, channel: one })).toEqual({});
  const request = { name: "deviceForget", body: { node, channel: two } } as AnyRequest;
  expect(await later.keyring.admin.reply(request, later.signer.session.isForgotten)).toMatchObject({
    result: "done",
  });
  expect([placesIn(bench), bench.asked.length]).toEqual([[], length]);
  expect([...later.signer.faults, ...bench.faults]).toEqual([]);
});

test("keys that are on no device have no place to free", async () => {
  const signer = await rig();
  const { node } = signer.session;
  expect(await signer.call("deviceForget", { node, channel: unknown })).toMatchObject({
    result: "none",
    channels: [],
  });
  expect(await signer.call("deviceForget", { node, channel: channelId(3n) })).toMatchObject({
    result: "none",
  });
});
