/** Red-team 6: what may leave within a day, across restarts, withdrawals, a clock that is set back, and many hashes. */

import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import { type Msat, msat } from "../../protocol/units.ts";
import { unpackNode } from "../../signer/core/node-records.ts";
import { nodeKey } from "../../signer/core/places.ts";
import { spent } from "../../signer/core/velocity.ts";
import { htlcOf, preimageOf } from "../scripted/channel.ts";
import {
  adds,
  type Heist,
  half,
  plan,
  propose,
  settles,
  stolen,
  update,
  withdraw,
} from "../scripted/heist.ts";
import { plainTime, type Rig, rig } from "../scripted/road.ts";
import { honestPassed } from "../scripted/tally.ts";

const hour = 3_600;
const most = 100_000_000n;
const policy = { maxSentPerDay: msat(most) };

interface Clock {
  now: number;
}
const gang = async (count = 1, more: Record<string, Msat | boolean> = {}): Promise<[Heist, Clock]> => {
  const clock = { now: plainTime };
  const signer = await rig({ proposes: false, policy: { ...policy, ...more }, time: () => clock.now });
  return [await plan(signer, count), clock];
};

let made = 0;
const fresh = (amount: bigint) => htlcOf("holder", amount, `limit ${made++}`);

const passes = async (heist: Heist, amount: bigint, feeLimit = 0n): Promise<ReturnType<typeof fresh>> => {
  const htlc = fresh(amount);
  const outcome = await propose(heist, htlc, { feeLimit: msat(feeLimit) });
  expect(outcome).toMatchObject({ is: "reply", reply: { standing: "approved" } });
  honestPassed();
  return htlc;
};
const refuses = async (heist: Heist, amount: bigint, feeLimit = 0n): Promise<void> => {
  expect(await propose(heist, fresh(amount), { feeLimit: msat(feeLimit) })).toMatchObject({
    is: "refusal",
    refusal: { rule: "commitment-payment-velocity", kind: "limit", final: false },
  });
};

const sentIn = async ({ session, store }: Rig, now: number): Promise<bigint> => {
  const record = (await store.load(session.node)).get(nodeKey(session.node));
  return record === undefined ? 0n : spent(unpackNode(record.bytes).windows.sent, now);
};

describe("what is approved within a day", () => {
  test("stays within the limit, over however many payments, fee limits included", async () => {
    const [heist] = await gang();
    for (let i = 0; i < 9; i++) await passes(heist, 10_000_000n, 100_000n);
    await refuses(heist, 9_000_000n, 100_001n);
    await refuses(heist, 9_100_001n);
    await passes(heist, 9_000_000n, 100_000n);
    await refuses(heist, 1n);
    // A fee limit alone leaves as well: a payment to ourselves is no way around.
    const { hash } = fresh(1n);
    expect(
      await propose(heist, { hash, amount: msat(0n) }, { kind: "rebalance", feeLimit: msat(1n) }),
    ).toMatchObject({ is: "refusal", refusal: { rule: "commitment-payment-velocity" } });
  });

  test("counts after every restart, and with a clock that is set back", async () => {
    const [heist, clock] = await gang();
    await passes(heist, 60_000_000n);
    for (const back of [0, hour, 25 * hour, 1_000 * hour, plainTime]) {
      clock.now = plainTime - back;
      await refuses(heist, 40_000_001n);
      heist.rig = await heist.rig.restart();
      await refuses(heist, 40_000_001n);
    }
    await passes(heist, 40_000_000n);
    // What was charged while the clock was back counts from the time that the signer knew, not from the clock's.
    clock.now = plainTime + 24 * hour;
    await refuses(heist, 1n);
    clock.now = plainTime + 25 * hour;
    await passes(heist, most);
  });

  test("is forgotten an hour at a time, and never before a day is over", async () => {
    const [heist, clock] = await gang();
    for (let i = 0; i < 10; i++) {
      await passes(heist, 10_000_000n);
      clock.now += 2 * hour;
    }
    for (let t = 20; t < 26; t++) {
      clock.now = plainTime + t * hour;
      const gone = t < 25 ? 0n : 10_000_000n;
      await refuses(heist, gone + 1n);
    }
    await passes(heist, 10_000_000n);
  });

  test("comes back when a payment is withdrawn, as often as it was charged and no more", async () => {
    const [heist, clock] = await gang();
    const kept = await passes(heist, 30_000_000n);
    for (let i = 0; i < 5; i++) {
      const { hash } = await passes(heist, 70_000_000n);
      await refuses(heist, 1n);
      expect((await withdraw(heist, hash)).is).toBe("reply");
      // Once more changes nothing.
      expect((await withdraw(heist, hash)).is).toBe("reply");
    }
    await refuses(heist, 70_000_001n);
    // A day later there is nothing to come back to.
    clock.now += 12 * hour;
    await passes(heist, 60_000_000n);
    clock.now += 13 * hour;
    await withdraw(heist, kept.hash);
    await refuses(heist, 40_000_001n);
    await passes(heist, 40_000_000n);
  });

  test("does not come back for a payment that was made, or is on its way", async () => {
    const [heist] = await gang();
    const htlc = await passes(heist, most);
    expect((await half(heist, 0, "counterparty", adds(htlc))).is).toBe("reply");
    expect((await withdraw(heist, htlc.hash)).is).toBe("refusal");
    expect((await half(heist, 0, "holder", adds(htlc))).is).toBe("reply");
    expect((await update(heist, 0, settles(htlc, "fulfil"), [preimageOf("limit x")])).is).toBe("refusal");
    const label = `limit ${made - 1}`;
    expect((await update(heist, 0, settles(htlc, "fulfil"), [preimageOf(label)])).is).toBe("reply");
    expect((await withdraw(heist, htlc.hash)).is).toBe("refusal");
    await refuses(heist, 1n);
    expect(stolen(heist)).toBe(0n);
  });

  test("comes back for one that failed everywhere", async () => {
    const [heist] = await gang();
    const htlc = await passes(heist, most);
    expect((await update(heist, 0, adds(htlc))).is).toBe("reply");
    expect((await half(heist, 0, "counterparty", settles(htlc, "fail"))).is).toBe("reply");
    expect((await withdraw(heist, htlc.hash)).is).toBe("refusal");
    expect((await half(heist, 0, "holder", settles(htlc, "fail"))).is).toBe("reply");
    expect((await withdraw(heist, htlc.hash)).is).toBe("reply");
    await passes(heist, most);
    expect(stolen(heist)).toBeLessThanOrEqual(0n);
  });

  test("is not credited for an approval of a day that is forgotten", async () => {
    const [heist, clock] = await gang();
    const old = await passes(heist, most);
    clock.now += 26 * hour;
    await passes(heist, most);
    // The same hash proposed anew: what it reserved once is in the window no more.
    for (const amount of [most, most - 1n, 1n])
      expect(await propose(heist, { ...old, amount: msat(amount) })).toMatchObject({
        is: "refusal",
        refusal: { rule: "commitment-payment-velocity" },
      });
    expect(await sentIn(heist.rig, clock.now)).toBe(most);
  });

  test("is replaced, not added, where the same payment is proposed on other terms", async () => {
    const [heist, clock] = await gang();
    const htlc = await passes(heist, 60_000_000n);
    for (const amount of [100_000_000n, 90_000_000n]) {
      expect(await propose(heist, { ...htlc, amount: msat(amount) })).toMatchObject({
        is: "reply",
        reply: { standing: "approved" },
      });
      expect(await sentIn(heist.rig, clock.now)).toBe(amount);
    }
    await refuses(heist, 10_000_001n);
    await passes(heist, 10_000_000n);
  });

  test("is not touched by asking what would become of a payment", async () => {
    const [heist, clock] = await gang();
    const { node } = heist.rig.session;
    for (let i = 0; i < 5; i++)
      expect(
        await heist.rig.call("checkPayment", {
          ...{ node, kind: "keysend", hash: fresh(1n).hash, amount: msat(most), feeLimit: msat(0n) },
          ...{ invoice: "", source: "", payee: unknown },
        }),
      ).toEqual({ standing: "approved" });
    expect(await sentIn(heist.rig, clock.now)).toBe(0n);
    await passes(heist, most);
  });
});
