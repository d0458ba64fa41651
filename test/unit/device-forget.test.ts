/** A device forgets channels: by itself those in which nothing was ever ours, and others when somebody says that they are over. */

import { describe, expect, test } from "vitest";
import { openJournal } from "../../firmware-sim/journal.ts";
import { devicePolicy } from "../../firmware-sim/limits.ts";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { encodeCoreAnswer } from "../../protocol/device/core.ts";
import { type ChannelId, msat } from "../../protocol/units.ts";
import { random } from "../fuzz/random.ts";
import { answerTo, approver, questionsOf } from "../scripted/approvers.ts";
import { add, ask, htlcOf, keysendOf, plainTerms } from "../scripted/channel.ts";
import { type Core, openCore } from "../scripted/device-rig.ts";
import { judged, opened, rigOf } from "../scripted/device-setting.ts";
import { carol, type Scene, scene } from "../scripted/scene.ts";

const theirs = plainTerms({ opener: "counterparty" });
const stranger = (core: Core, label: string, terms = theirs): Promise<Scene> =>
  scene({ signer: rigOf(core), label, terms, peer: carol });

const forget = (core: Core, { opened: { node, channel } }: Scene) =>
  judged(core, "forget", { node, channel });
const kept = { is: "refusal", refusal: { rule: "channel-settled" } };
const over = (core: Core, { opened: { channel } }: Scene) => core.ask({ is: "over", channel });

/** As its flash is at this moment. */
const inFlash = (core: Core) => openJournal(core.flash.fork({ int: random(1).int }));
const placesIn = (core: Core): readonly bigint[] =>
  inFlash(core)
    .entries("channel")
    .map(([id]) => id);
const channelsIn = async (core: Core): Promise<readonly ChannelId[]> => {
  const answer = await core.ask({ is: "channels" });
  if (answer.is !== "channels") throw new Error(answer.is);
  return answer.channels;
};

describe("a channel in which nothing was ever ours", () => {
  test.each([
    ["before any commitment", async () => {}],
    ["with its first commitments", async (on: Scene) => void (await on.advance(0n, on.start))],
  ])("is forgotten without a word: %s", async (_, go) => {
    const { core, on } = await opened();
    const one = await stranger(core, "never");
    await go(one);
    const { channel } = one.opened;
    expect(await channelsIn(core)).toEqual([on.opened.channel, channel]);
    const asked = core.asked.length;
    expect(await forget(core, one)).toEqual({ is: "reply", reply: {} });
    expect(placesIn(core)).toEqual([on.opened.channel]);
    expect(await channelsIn(core)).toEqual([on.opened.channel]);
    expect(core.asked.length).toBe(asked);
    // Once more, as by a signer that did not hear it: nothing is written for that.
    const { step } = core;
    expect(await forget(core, one)).toEqual({ is: "reply", reply: {} });
    expect(core.step).toBe(step);
  });

  test("is one that we meant to fund, too, as long as we had no commitment of it", async () => {
    const { core, says } = await opened();
    says.yes = true;
    const ours = await stranger(core, "ours", plainTerms());
    says.yes = false;
    const { sign, validate } = await ours.at(0n, ours.start);
    await judged(core, "signCounterpartyCommitment", sign);
    expect(await forget(core, ours)).toEqual({ is: "reply", reply: {} });
    expect(await judged(core, "validateHolderCommitment", validate)).toMatchObject({
      refusal: { rule: "channel-known" },
    });
  });

  test("makes room: 450 strangers that never fund theirs, one after the other", async () => {
    expect(devicePolicy("bitcoin").maxChannels).toBe(400);
    const core = await openCore();
    await core.load();
    for (let i = 0; i < 450; i++)
      expect((await forget(core, await stranger(core, `n ${i}`))).is).toBe("reply");
    const flash = inFlash(core);
    expect([flash.entries("channel"), flash.entries("vouch")]).toEqual([[], []]);
    expect(core.faults).toEqual([]);
    expect(core.asked.filter((one) => !one.startsWith("Keep node keys"))).toEqual([]);
  }, 20_000);

  test("is one place of 400, and the 401st is taken when one is forgotten", async () => {
    const core = await openCore({ policy: (network) => ({ ...devicePolicy(network), maxChannels: 3 }) });
    await core.load();
    const all = [await stranger(core, "a"), await stranger(core, "b"), await stranger(core, "c")] as const;
    await expect(stranger(core, "d")).rejects.toThrow("channel-peer-limits");
    expect((await forget(core, all[1])).is).toBe("reply");
    await stranger(core, "d");
    await expect(stranger(core, "e")).rejects.toThrow("channel-peer-limits");
  });
});

describe("a channel in which something was ours", () => {
  test("is kept until the person says that it is over, who reads what would be lost", async () => {
    const setting = await opened();
    const { core, on, says } = setting;
    expect(await forget(core, on)).toMatchObject(kept);
    expect(await over(core, on)).toEqual({ is: "verdict", verdict: "deny", by: "person" });
    expect(await forget(core, on)).toMatchObject(kept);
    says.yes = true;
    // Who said no is not asked again before the device is locked.
    const { length } = core.asked;
    expect(await over(core, on)).toMatchObject({ verdict: "deny" });
    expect(core.asked).toHaveLength(length);
    await core.powerCycle();
    await core.load();
    expect(await over(core, on)).toEqual({ is: "verdict", verdict: "approve", by: "person" });
    expect(core.asked.at(-1)).toBe(
      "Over for good?, Ours, at most, Channel of, With, Funded by, Its output, Yes: its keys, If it is not over",
    );
    // Its answer was lost on the way.
    expect(await over(core, on)).toMatchObject({ verdict: "approve" });
    expect(core.asked).toHaveLength(length + 1);
    expect(placesIn(core)).toHaveLength(1);
    expect(await forget(core, on)).toEqual({ is: "reply", reply: {} });
    expect(placesIn(core)).toEqual([]);
    expect(await over(core, on)).toEqual({ is: "refused", why: "unknown" });
    expect(await forget(core, on)).toEqual({ is: "reply", reply: {} });
  });

  test.each([
    ["what the other side pushed", plainTerms({ opener: "counterparty", push: msat(1_000n) })],
    ["what it offered us", theirs],
  ])("is one with %s", async (what, terms) => {
    const { core } = await opened();
    const one = await stranger(core, "one", terms);
    await one.advance(0n, one.start);
    if (what.includes("offered")) {
      const { sign } = await one.at(1n, add(one.start, htlcOf("counterparty", 300_000n, "h", 400)));
      expect((await judged(core, "signCounterpartyCommitment", sign)).is).toBe("reply");
    }
    expect(await forget(core, one)).toMatchObject(kept);
    await over(core, one);
    expect(core.asked.at(-1)).toContain("Ours, at most");
  });

  test("is a question that others may answer meanwhile, with all of it that may come to us, HTLCs too", async () => {
    const { core, on } = await opened();
    core.holdScreen();
    const waiting = over(core, on);
    await core.onScreen();
    const question = async () => (await questionsOf(core)).find(({ subject }) => subject === "over");
    expect(await question()).toMatchObject({
      amount: 600_000_000n,
      shown: [{ name: "value", value: "1000000 sat" }, { name: "peer" }, { name: "funding" }],
    });
    // What is on the screen is not how it stands any more: their answer counts for nothing.
    const { sign } = await on.at(1n, add(on.start, htlcOf("counterparty", 21_000_000n, "h", 400)));
    expect((await judged(core, "signCounterpartyCommitment", sign)).is).toBe("reply");
    expect((await question())?.amount).toBe(621_000_000n);
    core.goOn();
    expect(await waiting).toEqual({ is: "refused", why: "unknown" });
    expect(await forget(core, on)).toMatchObject(kept);
  });

  test("can have a place again only under another id", async () => {
    const { core, on, says } = await opened();
    says.yes = true;
    await over(core, on);
    await forget(core, on);
    const { node, channel } = on.opened;
    expect(await judged(core, "new", { node, wanted: channel })).toMatchObject({ is: "refusal" });
    const { reply } = (await judged(core, "new", { node, wanted: unknown })) as {
      reply: { channel: bigint };
    };
    expect(reply.channel).toBe(channel + 1n);
  });
});

describe("approvers", () => {
  const [alice, bert] = [approver(1), approver(2)] as const;
  const wanted = async () => {
    const setting = await opened({ approvers: [alice.key, bert.key], needed: 2 });
    const { core, on } = setting;
    core.holdScreen();
    const waiting = over(core, on);
    await core.onScreen();
    const question = (await questionsOf(core)).find(({ subject }) => subject === "over");
    if (question === undefined) throw new Error("it does not wait");
    return { ...setting, waiting, question };
  };

  test("say that a channel is over in the person's place, whose screen goes dark", async () => {
    const { core, on, node, waiting, question } = await wanted();
    expect(await answerTo(core, node, question, "approve", [alice])).toEqual({
      is: "refused",
      why: "unsigned",
    });
    const approved = { is: "verdict", verdict: "approve", by: "approvers" };
    expect(await answerTo(core, node, question, "approve", [alice, bert])).toEqual(approved);
    expect(await waiting).toEqual(approved);
    expect((await forget(core, on)).is).toBe("reply");
    expect(core.faults).toEqual([]);
  });

  test("say that it is not, each of them, and nobody is asked again before the device is locked", async () => {
    const { core, on, node, waiting, question } = await wanted();
    const denied = { is: "verdict", verdict: "deny", by: "approvers" };
    expect(await answerTo(core, node, question, "deny", [bert])).toEqual(denied);
    expect(await waiting).toEqual(denied);
    expect(await over(core, on)).toEqual(denied);
    expect(await forget(core, on)).toMatchObject(kept);
    expect(await questionsOf(core)).toEqual([]);
  });
});

describe("a step that forgets, and whose answer is lost", () => {
  test.each([
    ["nothing was ours", false],
    ["somebody said that it is over, and was asked once", true],
  ])("is taken again as it was, also after the power was off: %s", async (_, isOurs) => {
    const { core, on, says } = await opened();
    const one = isOurs ? on : await stranger(core, "never");
    says.yes = true;
    if (isOurs) await over(core, one);
    says.yes = false;
    const before = new Map(core.pages);
    const { node, channel } = one.opened;
    const asked = core.asked.length;
    const { request, answer } = await core.shown(ask("forget", { node, channel }));
    expect(answer.is).toBe("reply");
    for (const again of [1, 2]) {
      core.pages.clear();
      for (const [key, page] of before) core.pages.set(key, page);
      await core.powerCycle();
      expect(await core.load(), String(again)).toMatchObject({ is: "begun", isBehind: true });
      expect(toHex(encodeCoreAnswer(await core.ask(request)))).toBe(toHex(encodeCoreAnswer(answer)));
    }
    expect(core.asked.length).toBe(asked);
    expect(core.faults).toEqual([]);
  });

  test("at every word of flash: before it nobody's word is remembered, after it none is needed", async () => {
    let [ahead, behind] = [0, 0];
    const { core: first, on } = await opened();
    const { node, channel } = on.opened;
    // A word is torn at random, and the last one may be whole.
    const tears = 6;
    for (let cut = 0; ; cut++) {
      const core = await openCore({ flash: first.flash.fork({ int: random(cut).int }) });
      for (const [key, page] of first.pages) core.pages.set(key, page);
      core.step = first.step;
      expect(await core.load()).toMatchObject({ isBehind: false });
      await core.ask({ is: "over", channel });
      core.flash.cutAfter(Math.floor(cut / tears));
      const { request, answer } = await core.shown(ask("forget", { node, channel }));
      if (answer.is === "reply") break;
      expect(answer.is).toBe("fault");
      await core.powerCycle();
      const begun = await core.load();
      if (begun.is !== "begun") throw new Error(begun.is);
      if (begun.isBehind) behind += 1;
      else {
        ahead += 1;
        expect(await core.ask(request)).toMatchObject({ refusal: { rule: "channel-settled" } });
        await core.ask({ is: "over", channel });
      }
      expect((await core.ask(request)).is).toBe("reply");
      expect(placesIn(core)).toEqual([]);
    }
    expect(ahead + behind).toBeGreaterThan(10 * tears);
    expect(behind).toBeGreaterThan(0);
  });
});

describe("what a person said of a channel, that it is in the chain", () => {
  test("still counts in the step that forgets it, and goes with the next one", async () => {
    const { core, says, node } = await opened();
    const one = await stranger(core, "real");
    await one.advance(0n, one.start);
    await one.advance(1n, add(one.start, htlcOf("counterparty", 300_000_000n, "h", 400)));
    says.yes = true;
    expect(await core.ask({ is: "vouch", step: core.step })).toMatchObject({ verdict: "approve" });
    await over(core, one);
    const { channel } = one.opened;
    const vouches = () =>
      inFlash(core)
        .entries("vouch")
        .map(([id]) => id);
    expect((await forget(core, one)).is).toBe("reply");
    expect([placesIn(core).includes(channel), vouches()]).toEqual([false, [channel]]);
    await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", 1_000n, "a")));
    expect(vouches()).toEqual([]);
  });
});
