/** The core behind the device's keys: what is asked of a person, what is remembered of time, and where there is an end. */

import { describe, expect, test } from "vitest";
import { openJournal } from "../../firmware-sim/journal.ts";
import { devicePolicy, mostAccepted, mostHtlcs } from "../../firmware-sim/limits.ts";
import { chargeAllowance, limitsIn, setLimits } from "../../firmware-sim/own-limits.ts";
import { shownOf } from "../../firmware-sim/questions.ts";
import { encodeCoreAnswer, mostOffered } from "../../protocol/device/core.ts";
import type { DeviceQuestion } from "../../protocol/device/limits.ts";
import { msat } from "../../protocol/units.ts";
import { ask, htlcOf, keysendOf } from "../scripted/channel.ts";
import { type Core, openCore, rigOver } from "../scripted/device-rig.ts";
import { plainTime } from "../scripted/road.ts";
import { freshFlash } from "./firmware.kit.ts";

const never = (): Promise<never> => Promise.reject(new Error("no restart here"));
const begun = async (core: Core): Promise<boolean> => {
  const answer = await core.load();
  if (answer.is !== "begun") throw new Error(answer.is);
  return answer.isBehind;
};
const opened = async (): Promise<{
  core: Core;
  propose: (label: string, now?: number) => ReturnType<Core["shown"]>;
}> => {
  const core = await openCore();
  await begun(core);
  const { node } = rigOver(core, {}, never).session;
  return {
    core,
    propose: (label, now = plainTime) =>
      core.shown(ask("proposePayment", keysendOf(node, htlcOf("holder", 1_000n, label))), now),
  };
};
const day = 86_400;

describe("a step that is taken again", () => {
  test("comes out the same though the signer's clock went back before it", async () => {
    const { core, propose } = await opened();
    await propose("first", plainTime + 600);
    const before = new Map(core.pages);
    const { request, answer } = await propose("second", plainTime);
    core.pages.clear();
    for (const [key, page] of before) core.pages.set(key, page);
    await core.powerCycle();
    expect(await begun(core)).toBe(true);
    expect(encodeCoreAnswer(await core.ask(request))).toEqual(encodeCoreAnswer(answer));
  });

  test("forgets the same of many, in whatever order they are loaded again", async () => {
    const { core, propose } = await opened();
    for (let i = 0; i < 40; i++) await propose(`old ${i}`);
    const before = new Map(core.pages);
    const { request, answer } = await propose("new", plainTime + 3 * day);
    if (!("pages" in answer)) throw new Error(answer.is);
    expect(answer.pages.filter(({ page }) => page === "unknown")).toHaveLength(16);
    for (const order of [[...before], [...before].toReversed(), [...before].toSorted()]) {
      core.pages.clear();
      for (const [key, page] of order) core.pages.set(key, page);
      await core.powerCycle();
      expect(await begun(core)).toBe(true);
      expect(encodeCoreAnswer(await core.ask(request))).toEqual(encodeCoreAnswer(answer));
    }
  });
});

describe("a question on the screen", () => {
  const question = (shown: DeviceQuestion["shown"]): DeviceQuestion => ({
    ...{ id: new Uint8Array(32), subject: "payment", amount: msat(1_000n) },
    ...{ shown, asked: 0n },
  });
  const valuesOf = (name: string, value: string) =>
    shownOf(question([{ name, value }]), "regtest")
      .facts.slice(1)
      .map((fact) => fact.value);

  test("shows what the core worked out in the device's own forms", () => {
    expect(valuesOf("amount", "21 msat")).toEqual([{ is: "amount", msat: 21n }]);
    expect(valuesOf("value", "21 sat")).toEqual([{ is: "amount", msat: 21_000n }]);
    expect(valuesOf("hash", "ab".repeat(32))).toMatchObject([{ is: "key" }]);
    expect(valuesOf("pays", `5 sat to script 0014${"11".repeat(20)}`)).toMatchObject([
      { is: "amount", msat: 5_000n },
      { is: "address" },
    ]);
    expect(valuesOf("payee", "anyone")).toEqual([{ is: "text", text: "anyone" }]);
  });

  test.each([
    "21 msat",
    "21 sat",
    "ab".repeat(32),
    `02${"ab".repeat(32)}`,
    `5 sat to script 0014${"11".repeat(20)}`,
  ])("quotes a memo that looks like one: %s", (memo) => {
    for (const name of ["description", "anything else"])
      expect(valuesOf(name, memo)).toEqual([{ is: "text", text: memo }]);
  });
});

test("an allowance is for amounts: not for where money goes, nor for what is in the chain", () => {
  const flash = freshFlash(3);
  const journal = openJournal(flash);
  const policy = devicePolicy("regtest");
  const { limits } = limitsIn(journal, policy);
  const all = { ...limits, each: msat(1_000n), allowance: msat(100_000n) };
  setLimits(journal, { mark: new Uint8Array(16).fill(1), limits: all });
  const question = (subject: DeviceQuestion["subject"], n: number): DeviceQuestion => ({
    ...{ id: new Uint8Array(32).fill(n), subject, amount: msat(1_000n), shown: [], asked: 1n },
  });
  const subjects = ["payment", "outputs", "opening", "cover", "channel", "over"] as const;
  expect(subjects.filter((one, n) => chargeAllowance(journal, policy, question(one, n)))).toEqual([
    ...["payment", "opening", "cover"],
  ]);
  expect(limitsIn(openJournal(flash), policy).left).toBe(97_000n);
});

describe("the device's limits", () => {
  test("leave what a person is shown to the person, and hold nobody to a preset", () => {
    for (const network of ["bitcoin", "regtest"] as const) {
      const policy = devicePolicy(network);
      const all = 2_100_000_000_000_000n;
      expect(policy.unattendedPayment + policy.unattendedFunding).toBe(0n);
      for (const name of ["maxChannelValue", "maxChannelsValue", "maxFundedPerDay", "maxReserve"] as const)
        expect(policy[name]).toBe(all);
      for (const name of ["maxPayment", "maxRoutingFee", "maxSentPerDay", "maxPush"] as const)
        expect(policy[name]).toBe(all * 1_000n);
      expect(policy.maxOfferedHtlcs).toBe(mostOffered);
    }
    expect(mostAccepted + mostOffered).toBe(mostHtlcs);
  });
});

test("a lock in the middle of a request leaves no fault, and a device that works when it is unlocked", async () => {
  const { core, propose } = await opened();
  const late = propose("a");
  await core.powerCycle();
  expect((await late).answer).toEqual({ is: "refused", why: "order" });
  expect(core.faults).toEqual([]);
  expect(await begun(core)).toBe(false);
  expect((await propose("a")).answer.is).toBe("reply");
});
