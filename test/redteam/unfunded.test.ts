/** Red-team 2: money on a funding that nobody publishes, cover that is changed for a worse one, and what rounding brings in. */

import { describe, expect, test } from "vitest";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { msat, sat } from "../../protocol/units.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import { add, htlcOf, plainTerms, preimageOf, remove } from "../scripted/channel.ts";
import {
  type Fed,
  type FedChannel,
  feed,
  mineOn,
  nextOf,
  openOn,
  pass,
  step,
  unmine,
} from "../scripted/fed.ts";
import { adds, type Change, plan, settles, stolen, update } from "../scripted/heist.ts";
import { issueOf } from "../scripted/payments.ts";
import { peer } from "../scripted/peer.ts";
import { curve, rig } from "../scripted/road.ts";

const bob = peer("bob", curve);
const carol = peer("carol", curve);

const replies = (outcome: Outcome<Name>): boolean => outcome.is === "reply";

interface Gang {
  readonly fed: Fed;
  /** Of the thief's own money, if it ever were on the chain. */
  readonly air: readonly FedChannel[];
  /** Nearly all of it is ours, and it is deep. */
  readonly ours: FedChannel;
}

/** Nothing is approved, and next to nothing may be out for others. */
const gang = async (airs: number, policy: Partial<Policy> = {}): Promise<Gang> => {
  const mainnet = { ...defaultPolicy("bitcoin"), maxForwardExposure: msat(1_000n), ...policy };
  const fed = await feed({ proposes: false, policy: mainnet });
  await pass(fed, 1);
  const theirs = { opener: "counterparty", value: sat(1_000_000n) } as const;
  const air: FedChannel[] = [];
  for (let i = 0; i < airs; i++) air.push(await openOn(fed, bob, plainTerms(theirs), `air ${i}`));
  const ours = await openOn(fed, carol, plainTerms({ ...theirs, push: msat(980_000_000n) }), "ours");
  await mineOn(fed, [ours.funding]);
  await pass(fed, 10);
  return { fed, air, ours };
};

/** Takes this in at the channel in the air, all of it, and gives it away at ours as far as the signer lets it go. */
const passOn = async ({ fed, ours }: Gang, air: FedChannel, amount: bigint, label: string): Promise<void> => {
  const proof = [preimageOf(label)];
  // So that the hash is never done with, and what settled for it is remembered.
  const crumb = htlcOf("counterparty", 1_000_000n, label, 500);
  const received = htlcOf("counterparty", amount, label, 400);
  const offered = htlcOf("holder", amount, label, 200);
  await step(fed, air, add(air.balances, crumb));
  await step(fed, air, add(air.balances, received));
  await step(fed, air, remove(air.balances, received, "fulfil"), proof);
  const { sign } = await nextOf(fed, ours, add(ours.balances, offered));
  if (!replies(await fed.rig.outcome("signCounterpartyCommitment", sign))) return;
  await step(fed, ours, add(ours.balances, offered));
  await step(fed, ours, remove(ours.balances, offered, "fulfil"), proof);
};

describe("a funding that is not on the chain", () => {
  test("covers nothing by what settled on it either", async () => {
    const heist = await gang(1);
    const before = heist.ours.balances.holder;
    await passOn(heist, heist.air[0] as FedChannel, 900_000_000n, "h1");
    expect(before - heist.ours.balances.holder).toBe(0n);
    expect(heist.fed.rig.faults).toEqual([]);
  });

  test.each(["oldest", "newest"])(
    "covers as much as the policy trusts to all such channels together, the %s first",
    async (first) => {
      const trusted = 1_000_000_000n;
      const heist = await gang(2, { maxZeroConfExposure: msat(trusted) });
      const more = await openOn(
        heist.fed,
        carol,
        plainTerms({ opener: "counterparty", push: msat(980_000_000n) }),
        "more",
      );
      await mineOn(heist.fed, [more.funding]);
      await pass(heist.fed, 5);
      const before = heist.ours.balances.holder + more.balances.holder;
      const airs = first === "oldest" ? heist.air : heist.air.toReversed();
      for (const [at, air] of airs.entries())
        await passOn({ ...heist, ours: at === 0 ? heist.ours : more }, air, 900_000_000n, `h${at}`);
      const gone = before - heist.ours.balances.holder - more.balances.holder;
      expect(gone).toBeLessThanOrEqual(trusted);
    },
  );
});

describe("a forward over deep channels", () => {
  const received = htlcOf("counterparty", 300_000_000n, "h1", 400);
  const offered = htlcOf("holder", 300_000_000n, "h1", 200);

  const forward = async () => {
    const heist = await gang(1, { maxForwardExposure: msat(1_000_000_000n) });
    const { fed, ours } = heist;
    const theirs = await openOn(fed, bob, plainTerms({ opener: "counterparty" }), "theirs");
    await mineOn(fed, [theirs.funding]);
    await pass(fed, 2);
    await step(fed, theirs, add(theirs.balances, received));
    await step(fed, ours, add(ours.balances, offered));
    const giveUp = async () => {
      const { sign } = await nextOf(fed, theirs, remove(theirs.balances, received, "fail"));
      return await fed.rig.outcome("signCounterpartyCommitment", sign);
    };
    return { heist, fed, giveUp };
  };

  test("keeps its cover though an invoice is issued and as much is received on a funding in the air", async () => {
    const { heist, fed, giveUp } = await forward();
    const air = heist.air[0] as FedChannel;
    await step(fed, air, add(air.balances, received));
    await fed.rig.call("signInvoice", issueOf(air.node, "h1", 300_000_000n));
    expect(await giveUp()).toMatchObject({ is: "refusal", refusal: { rule: "routing-balanced" } });
  });

  test("keeps its cover while a reorganisation takes the funding away", async () => {
    const { fed, giveUp } = await forward();
    await unmine(fed, 3);
    await pass(fed, 1);
    expect(await giveUp()).toMatchObject({ is: "refusal", refusal: { rule: "routing-balanced" } });
  });
});

describe("what covers a forward", () => {
  test("is not exchanged for what comes too late, because an invoice of its hash is issued meanwhile", async () => {
    const heist = await plan(await rig({ proposes: false }), 2);
    const incoming = (expiry: number) => htlcOf("counterparty", 30_000_000n, "h1", expiry);
    await update(heist, 0, adds(incoming(700_100)));
    await update(heist, 1, adds(htlcOf("holder", 30_000_000n, "h1", 700_000)));
    await heist.rig.call("signInvoice", issueOf(heist.rig.session.node, "h1", 30_000_000n));
    await update(heist, 0, (now) => add(settles(incoming(700_100), "fail")(now), incoming(699_000)));
    expect(stolen(heist)).toBeLessThanOrEqual(0n);
  });

  test.each([
    [4, 1, 999n],
    [8, 4, 200n],
    [8, 7, 120n],
  ])(
    "is no more than came in, however often %d parts, of which %d fail, are settled together",
    async (count, fails, each) => {
      const heist = await plan(await rig({ proposes: false }), 2);
      const parts = Array.from({ length: count }, (_, at) =>
        htlcOf("counterparty", each, "h1", 700_100 + at),
      );
      await update(heist, 0, adds(htlcOf("counterparty", 1_000_000n, "h1", 700_200)));
      const steps = 12n;
      for (let step = 0n; step < steps; step++) {
        for (const part of parts) await update(heist, 0, adds(part));
        const taken: Change = (now) =>
          parts.reduce((so, part, at) => settles(part, at < fails ? "fail" : "fulfil")(so), now);
        expect(await update(heist, 0, taken, [preimageOf("h1")])).toMatchObject({ is: "reply" });
      }
      const came = 1_000_000n + steps * BigInt(count - fails) * each;
      const out = (amount: bigint) => update(heist, 1, adds(htlcOf("holder", amount, "h1", 700_000)));
      expect(await out(came + 1_000n)).toMatchObject({ is: "refusal" });
      // What is ambiguous goes to our worst case: the part that is not is there.
      expect(await out(1_000_000n)).toMatchObject({ is: "reply" });
      expect(stolen(heist)).toBeLessThanOrEqual(0n);
    },
  );
});
