/** Red-team 13: days that a stolen signer keeps for later, and words that outlive what they were said of. */

import * as fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import type { CoreAnswer } from "../../protocol/device/core.ts";
import { commitmentNumber, feerate, msat, type NodeId, sat } from "../../protocol/units.ts";
import { openDeviceKeyring } from "../../signer/device/keyring.ts";
import { openShelf } from "../../signer/device/shelf.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { questionsOf, setLimits } from "../scripted/approvers.ts";
import { add, ask, htlcOf, keysendOf, plainTerms, preimageOf } from "../scripted/channel.ts";
import { deviceBench } from "../scripted/device.ts";
import { type Core, keyringOf, openCore, policyOf, rigOver } from "../scripted/device-rig.ts";
import { judged, opened, rigOf } from "../scripted/device-setting.ts";
import { plainTime } from "../scripted/road.ts";
import { bob, carol, scene } from "../scripted/scene.ts";
import { published, spending, toWallet, walletCoin } from "../scripted/spends.ts";
import { attack, honest } from "../scripted/tally.ts";
import { request } from "../scripted/thief.ts";
import { steady } from "../steady.ts";

const day = 86_400;
const hour = 3_600;
const late = "clock";

const closings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closings.splice(0).toReversed()) await close();
});

const timed = async () => {
  const device = { ms: 5_000_000, answers: true as boolean | undefined };
  const core = await openCore({
    tick: () => device.ms,
    consents: () => device.answers,
    policy: (network) => ({
      ...policyOf()(network),
      unattendedPayment: msat(0n),
      maxFeesPerDay: sat(3_000n),
      maxOnchainFeerate: feerate(75_000),
    }),
  });
  const opens = (now: number): Promise<CoreAnswer> =>
    core.ask({ is: "open", network: "regtest", tier: "full", index: 0, now: BigInt(now) });
  const loads = async (now: number): Promise<CoreAnswer> => {
    const answer = await opens(now);
    if (answer.is !== "opened" || answer.isOpen) return answer;
    for (const page of core.pages.values()) await core.ask({ is: "load", pages: [page] });
    return core.ask({ is: "begin" });
  };
  await loads(plainTime);
  const rig = rigOver(core, { proposes: false }, () => Promise.reject(new Error("none")));
  const { node } = rig.session;
  let coins = 0;
  /** A coin of the wallet is sent to itself, for all the fees that a day has. */
  const burns = async (now: number): Promise<string> => {
    const coin = await walletCoin(rig, 100_000n, { label: `coin ${coins++}` });
    const { body } = await request(rig, [coin], [await toWallet(rig, 97_000n)]);
    const answer = await core.judge(ask("spend", body), now);
    if (answer.is === "refused") return answer.why;
    return answer.is === "refusal" ? answer.refusal.rule : answer.is;
  };
  const passes = (seconds: number): void => {
    device.ms += seconds * 1_000;
  };
  return { core, node, device, opens, loads, burns, passes };
};

const asks = ({ asked }: Core): readonly string[] =>
  asked.filter((one) => one.startsWith("Is it this time?"));

const hours = (most: number) => fc.integer({ min: -most, max: most }).map((n) => n * hour);
/** What happens to a device, and what its signer says meanwhile. */
const moves = fc.array(
  fc.record({
    is: fc.constantFrom(...(["burn", "burn", "burn", "open", "wait", "off"] as const)),
    for: fc.nat(30 * hour),
    /** Beside the true time; undefined: the day after the last that it had the fees of. */
    said: fc.oneof(fc.constant(undefined), hours(1), hours(300)),
  }),
  { minLength: 20, maxLength: 50 },
);

describe("fees of a day", () => {
  test("are not kept for later by a signer that lets the time stand", async () => {
    const { core, device, opens, burns, passes } = await timed();
    await honest(async () => expect(await burns(plainTime)).toBe("reply"));
    passes(30 * day);
    await attack("a day that passed unused, and each after it", async () => {
      for (let n = 1; n < 28; n++) expect(await burns(plainTime + n * 25 * hour)).toBe(late);
    });
    await attack("one of them, though the person says no", async () => {
      device.answers = false;
      expect(await opens(plainTime + 25 * hour)).toEqual({ is: "refused", why: "denied" });
      expect(asks(core)).toEqual(["Is it this time?, Now, It thought at least"]);
      expect(await burns(plainTime + 25 * hour)).toBe(late);
    });
    await honest(async () => {
      expect(await burns(plainTime + 30 * day)).toBe("reply");
      // A clock that lags, and a crystal that is fast.
      passes(2 * day);
      expect(await burns(plainTime + 32 * day - hour)).toBe("reply");
    });
    await attack("a second day's within the same", async () => {
      expect(await burns(plainTime + 32 * day + hour)).toBe("fee-exposure");
    });
    await honest(async () => {
      device.answers = true;
      // It was agreed to by mistake, and is set right.
      expect(await opens(plainTime + 20 * day)).toMatchObject({ is: "opened" });
      expect(await burns(plainTime + 20 * day)).toBe("fee-exposure");
    });
  });

  test("do not come an hour sooner with each unlocking", async () => {
    const { core, device, loads, burns, passes } = await timed();
    await honest(async () => expect(await burns(plainTime)).toBe("reply"));
    device.answers = false;
    await attack("an hour that nobody agreed to, again and again", async () => {
      for (let n = 1; n <= 26; n++) {
        await core.powerCycle();
        await loads(plainTime + n * hour);
        expect(await burns(plainTime + n * hour)).not.toBe("reply");
      }
    });
    const before = asks(core).length;
    await honest(async () => {
      await core.powerCycle();
      expect(await loads(plainTime + hour)).toMatchObject({ is: "begun" });
      expect(asks(core).length).toBe(before);
      passes(day);
      expect(await burns(plainTime + hour + day)).toBe("reply");
      await core.powerCycle();
      device.answers = true;
      expect(await loads(plainTime + 2 * day)).toMatchObject({ is: "begun" });
      expect(asks(core).length).toBe(before + 1);
    });
  });
});

test("fees follow the days that pass, whatever the signer says, and where its person agrees to the true time alone", async () => {
  const seen = { burnt: 0, late: 0, agreed: 0 };
  await steady(
    fc.asyncProperty(moves, async (all) => {
      const { core, device, opens, loads, burns, passes } = await timed();
      let now = plainTime;
      let next = now;
      const times: number[] = [];
      for (const move of all) {
        if (move.is === "wait" || move.is === "off") now += move.for;
        const said = move.said === undefined ? next : now + move.said;
        device.answers = said === now;
        switch (move.is) {
          case "wait":
            passes(move.for);
            break;
          case "open":
            await opens(said);
            break;
          case "burn": {
            const outcome = await burns(said);
            if (outcome === late) seen.late++;
            if (outcome !== "reply") break;
            times.push(now);
            next = said + 25 * hour;
            break;
          }
          case "off":
            await core.powerCycle();
            if ((await loads(said)).is === "begun") break;
            device.answers = true;
            expect((await loads(now)).is).toBe("begun");
            seen.agreed++;
        }
      }
      const most = 1 + Math.floor(((now - plainTime) * 1.02 + 4 * hour) / day);
      expect(times.length).toBeLessThanOrEqual(most);
      for (const [at, from] of times.entries())
        expect((times[at + 3] ?? now + day) - from).toBeGreaterThan(day - hour);
      expect(core.faults).toEqual([]);
      seen.burnt += times.length;
    }),
    { numRuns: 40 },
  );
  expect(Math.min(seen.burnt, seen.late, seen.agreed)).toBeGreaterThan(20);
});

describe("an honest signer", () => {
  test("whose clock comes up in another year is served when it is set right, with nobody there", async () => {
    const time = { signer: plainTime };
    const isAsked = Promise.withResolvers<void>();
    const bench = await deviceBench({
      tick: () => plainTime * 1_000,
      lingers: (title) => {
        if (title === "Is it this time?") isAsked.resolve();
        return title === "Is it this time?";
      },
    });
    closings.push(bench.close);
    const isOpen = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let opens = 0;
    const disk = memoryDisk();
    const keyringOver = async () =>
      openDeviceKeyring({
        ...{ name: "bench", network: "regtest", tier: "full", index: 0, passphrase: false },
        node: keyringOf().node as NodeId,
        connect: bench.connect,
        shelf: await openShelf(disk.open(), new Uint8Array(32)),
        now: () => time.signer,
        witness: () => 0,
        onState: (state) => {
          if (state === "open") isOpen[opens++]?.resolve();
        },
        report: (error) => bench.faults.push(error),
        times: { patienceMs: 100, retryMs: 20, freshMs: 100 },
      });
    const first = await keyringOver();
    await isOpen[0]?.promise;
    await first.close();
    // The device stays on; the machine starts again without a clock.
    time.signer = 1_000;
    const second = await keyringOver();
    closings.push(second.close);
    await isAsked.promise;
    time.signer = plainTime;
    await honest(async () => isOpen[1]?.promise);
    expect(bench.asked.some(({ title }) => title === "Is it this time?")).toBe(false);
    expect(bench.faults).toEqual([]);
  });

  test("has nothing asked of approvers whose time was over before the device was unlocked", async () => {
    const { core, node, loads } = await timed();
    await honest(async () => {
      await core.judge(ask("proposePayment", keysendOf(node, htlcOf("holder", 1_000_000n, "a"))));
      expect(await questionsOf(core)).toHaveLength(1);
      await core.powerCycle();
      expect(await loads(plainTime + 7 * day)).toMatchObject({ is: "begun" });
      expect(await questionsOf(core)).toEqual([]);
    });
  });
});

describe("that a channel is in the chain", () => {
  test("is not what was said under other limits, and kept back until they were changed", async () => {
    const { core, says } = await opened();
    const one = await scene({
      ...{ signer: rigOf(core), label: "one", peer: carol },
      terms: plainTerms({ opener: "counterparty" }),
    });
    await one.advance(0n, one.start);
    await one.advance(1n, add(one.start, htlcOf("counterparty", 100_000_000n, "h", 400)));
    const vouch = (step = core.step) => core.ask({ is: "vouch", step });
    says.yes = true;
    expect(await vouch(core.step + 5n)).toMatchObject({ is: "refused" });
    await setLimits(core, { forwarding: false });
    says.yes = false;
    await attack("without asking again", async () => {
      expect(await vouch()).toMatchObject({ verdict: "deny", by: "person" });
    });
  });
});

describe("a channel that is over", () => {
  test("has no coin left that its keys sign for, whatever kind the signer says it is", async () => {
    const { core, node, on, says } = await opened();
    const { coins } = published({
      ...{ opened: on.opened, peer: bob, owner: "counterparty", number: 0n, balances: on.start },
      ...{ labels: new Map(), preimage: preimageOf, point: bob.point(commitmentNumber(0n)) },
    });
    const { toRemote, anchor } = coins;
    if (toRemote === undefined || anchor === undefined) throw new Error("nothing of ours");
    const fees = await walletCoin(on.signer, 20_000n);
    const asked = [
      spending(node, [toRemote], [await toWallet(on.signer, toRemote.value - 500n)]),
      spending(node, [anchor, fees], [await toWallet(on.signer, 15_000n)]),
    ];
    for (const { body } of asked)
      await honest(async () => expect(await judged(core, "spend", body)).toMatchObject({ is: "reply" }));
    says.yes = true;
    const { channel } = on.opened;
    expect(await core.ask({ is: "over", channel })).toMatchObject({ verdict: "approve" });
    expect(await judged(core, "forget", { node, channel })).toMatchObject({ is: "reply" });
    for (const { body } of asked)
      await attack("a coin of it", async () =>
        expect(await judged(core, "spend", body)).toMatchObject({ refusal: { rule: "channel-known" } }),
      );
    expect(core.faults).toEqual([]);
  });
});
