/** Red-team 13: a stolen signer that says how late it is. All that a device counts by days hangs on it. */

import { describe, expect, test } from "vitest";
import type { CoreAnswer } from "../../protocol/device/core.ts";
import { ask } from "../scripted/channel.ts";
import { type Core, openCore, rigOver } from "../scripted/device-rig.ts";
import { plainTime } from "../scripted/road.ts";
import { attack, honest } from "../scripted/tally.ts";

const day = 86_400;
const hour = 3_600;
const late: CoreAnswer = { is: "refused", why: "clock" };

const timed = async () => {
  const device = { ms: 5_000_000, answers: true as boolean | undefined };
  const core = await openCore({ tick: () => device.ms, consents: () => device.answers });
  const opens = (now: number): Promise<CoreAnswer> =>
    core.ask({ is: "open", network: "regtest", tier: "full", index: 0, now: BigInt(now) });
  await core.load();
  const rig = rigOver(core, { proposes: false, withPerson: true }, () => Promise.reject(new Error("none")));
  const { node } = rig.session;
  const says = (now: number): Promise<CoreAnswer> =>
    core.judge(ask("signMessage", { node, message: new Uint8Array(8) }), now);
  const passes = (seconds: number): void => {
    device.ms += seconds * 1_000;
  };
  return { core, device, opens, says, passes };
};

const asks = ({ asked }: Core): number => asked.filter((one) => one.startsWith("Is it this time?")).length;

describe("an unlocked device", () => {
  test("believes in no time that did not pass", async () => {
    const { core, opens, says, passes } = await timed();
    await honest(async () => expect(await says(plainTime)).toMatchObject({ is: "reply" }));
    const { step } = core;
    await attack("a day later at once, and a second beyond what it lets pass", async () => {
      expect(await says(plainTime + day)).toEqual(late);
      expect(await says(plainTime + hour + 1)).toEqual(late);
      expect(core.step).toBe(step);
    });
    await attack("a little at a time", async () => {
      for (let i = 1; i <= 6; i++) await says(plainTime + i * 900);
      await opens(plainTime + hour);
      expect(await says(plainTime + hour + 900)).toEqual(late);
    });
    await honest(async () => {
      passes(day);
      expect(await says(plainTime + day)).toMatchObject({ is: "reply" });
      // Its crystal is slow, or the other clock was set right.
      passes(50 * day);
      expect(await says(plainTime + 52 * day)).toMatchObject({ is: "reply" });
      expect(await says(plainTime + 51 * day - hour)).toMatchObject({ is: "reply" });
      expect(asks(core)).toBe(0);
    });
  });

  test("asks its person about a time that leaps, and counts from what they agree to", async () => {
    const { core, device, opens, says } = await timed();
    const later = plainTime + 30 * day;
    device.answers = false;
    await attack("a person who says no, and one who is asked something else", async () => {
      expect(await opens(later)).toEqual({ is: "refused", why: "denied" });
      device.answers = undefined;
      expect(await opens(later)).toEqual({ is: "refused", why: "busy" });
      expect(await says(later)).toEqual(late);
    });
    device.answers = true;
    await honest(async () => {
      expect(await opens(later)).toMatchObject({ is: "opened", isOpen: true });
      expect(await says(later)).toMatchObject({ is: "reply" });
      expect(asks(core)).toBe(3);
    });
    await attack("another month after the one that was agreed to", async () => {
      expect(await says(later + 30 * day)).toEqual(late);
    });
  });
});

describe("a device that had no power", () => {
  test("asks nobody where it may have been an hour, and its person where it was longer", async () => {
    const { core, device, opens, says } = await timed();
    device.answers = false;
    await core.powerCycle();
    await attack("a day with each time that it is switched on", async () => {
      expect(await opens(plainTime + day)).toEqual({ is: "refused", why: "denied" });
      expect(await says(plainTime + day)).toEqual({ is: "refused", why: "order" });
    });
    await honest(async () => {
      expect(await opens(plainTime + hour)).toMatchObject({ is: "opened" });
      expect(asks(core)).toBe(1);
    });
    await attack("an hour more with each `open`", async () => {
      expect(await opens(plainTime + 2 * hour + 1)).toEqual({ is: "refused", why: "denied" });
    });
  });

  test("takes a step again that was cut off, whatever time the signer told before", async () => {
    const { core, passes, says, opens } = await timed();
    const before = new Map(core.pages);
    passes(day);
    const { node } = rigOver(core, { proposes: false, withPerson: true }, () =>
      Promise.reject(new Error("none")),
    ).session;
    const step = core.step;
    const { request } = await core.shown(ask("new", { node, wanted: "unknown" } as never), plainTime + day);
    expect(core.step).toBe(step + 1n);
    await core.powerCycle();
    // Switched on with a clock that lags behind the time of that step.
    await honest(async () => {
      expect(await opens(plainTime)).toMatchObject({ is: "opened" });
      for (const page of before.values()) await core.ask({ is: "load", pages: [page] });
      expect(await core.ask({ is: "begin" })).toMatchObject({ is: "begun", isBehind: true });
      expect(await core.ask(request)).toMatchObject({ is: "reply", step: step + 1n });
    });
    await attack("that time for anything else", async () => {
      expect(await says(plainTime + day)).toEqual(late);
    });
  });

  test("from before it kept a time: its person says what it is", async () => {
    const { core, device, opens } = await timed();
    const { asked } = core;
    expect(asked[0]).toBe("Keep node keys, Network, The host tells, Which of the seed's, Now");
    device.answers = true;
    await core.powerCycle();
    await honest(async () => expect(await opens(plainTime + 400 * day)).toMatchObject({ is: "opened" }));
    expect(asked.at(-1)).toBe("Is it this time?, Now, Not after, it thought");
  });
});
