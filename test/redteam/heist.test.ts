/** Red-team 2, 5 and 11 at random: host and counterparties try whatever comes to them, and what they got is computed. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import type { Side } from "../../protocol/operations/fields.ts";
import { msat, type Preimage } from "../../protocol/units.ts";
import { add, htlcOf, preimageOf, remove } from "../scripted/channel.ts";
import type { Balances } from "../scripted/content.ts";
import {
  channelOf,
  commit,
  type Heist,
  last,
  plan,
  propose,
  revoke,
  stolen,
  withdraw,
} from "../scripted/heist.ts";
import { type RigOptions, rig } from "../scripted/road.ts";
import { steady } from "../steady.ts";

const labels = ["h1", "h2"];
const amounts = [1_000_000n, 20_000_000n, 30_000_000n];
const expiries = [700_000, 700_003, 700_050];
type Next = (below: number) => number;
const from = <T>(next: Next, some: readonly T[]): T => some[next(some.length)] as T;

/** Some change of some content, and what is said of it. */
const changed = (heist: Heist, at: number, owner: Side, before: Balances, next: Next) => {
  const preimages: Preimage[] = [];
  let balances = before;
  if (next(3) === 0) {
    // What the other side's commitment says already, as an honest exchange would go on.
    const { htlcs, holder, counterparty } = last(
      heist,
      at,
      owner === "holder" ? "counterparty" : "holder",
    ).balances;
    balances = { ...before, htlcs, holder, counterparty };
  }
  for (let i = next(5) === 0 ? 2 : 1; i > 0; i--) {
    const { htlcs } = balances;
    if (htlcs.length > 0 && next(2) === 0) {
      const htlc = from(next, htlcs);
      balances = remove(balances, htlc, from(next, ["fulfil", "fail"] as const));
    } else {
      const offeredBy = from(next, ["holder", "counterparty"] as const);
      const htlc = htlcOf(offeredBy, from(next, amounts), from(next, labels), from(next, expiries));
      if (htlcs.length < 6 && balances[offeredBy] > htlc.amount + 20_000_000n) balances = add(balances, htlc);
    }
  }
  // By value alone nothing is told apart that a host lies about.
  const taken = heist.blind && next(4) === 0 ? from(next, [999_000n, ...amounts]) : 0n;
  if (balances.holder > taken + 20_000_000n) {
    const { holder, counterparty } = balances;
    const kept = next(2) === 0 ? taken : 0n;
    balances = { ...balances, holder: msat(holder - taken), counterparty: msat(counterparty + kept) };
  }
  const gone = before.htlcs.filter((one) => !balances.htlcs.includes(one));
  for (const label of labels) {
    const isGone = gone.some(({ hash }) => toHex(hash) === toHex(htlcOf("holder", 1n, label).hash));
    if (isGone ? next(2) === 0 : next(12) === 0) preimages.push(preimageOf(label));
  }
  return { balances, preimages };
};

/** What random numbers make a thief try next. */
const step = async (
  heist: Heist,
  next: Next,
  kinds: readonly ("keysend" | "rebalance")[],
): Promise<string> => {
  const at = next(heist.channels.length);
  const owner: Side = next(2) === 0 ? "holder" : "counterparty";
  const channel = channelOf(heist, at);
  const { hash } = htlcOf("holder", 1n, from(next, labels));
  switch (next(20)) {
    case 0: {
      const kind = from(next, kinds);
      const amount = kind === "rebalance" ? 0n : from(next, amounts);
      const feeLimit = msat(BigInt(next(2)) * 20_000n);
      return `propose ${(await propose(heist, { hash, amount: msat(amount) }, { kind, feeLimit })).is}`;
    }
    case 1:
      return next(3) === 0 ? `withdraw ${(await withdraw(heist, hash)).is}` : "nothing";
    case 2:
      if (next(4) > 0) return "nothing";
      heist.rig = await heist.rig.restart();
      return "restart";
    case 3:
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
    case 9: {
      const { is } = await revoke(heist, at, owner);
      return `revoke ${is}`;
    }
    default: {
      const newest = last(heist, at, owner).number;
      // The next number, or another content of the last.
      const number = newest > channel.revoked[owner] && next(3) === 0 ? newest : newest + 1n;
      const before = channel.live[owner].filter((one) => one.number === number - 1n);
      if (before.length === 0) return "nothing";
      const said = changed(heist, at, owner, from(next, before).balances, next);
      return `commit ${(await commit(heist, at, { owner, number, ...said })).is}`;
    }
  }
};

const numbers = fc.noBias(
  fc.array(fc.nat({ max: 0xffff }), { minLength: 900, maxLength: 2_000, size: "max" }),
);

describe("host and counterparties together", () => {
  const thieve = async (
    { policy = {}, tier = "full" }: Pick<RigOptions, "policy" | "tier">,
    kinds: readonly ("keysend" | "rebalance")[],
    bound: bigint,
    numRuns: number,
  ) => {
    const seen = new Map<string, number>();
    let most: bigint | undefined;
    await steady(
      fc.asyncProperty(fc.integer({ min: 1, max: 3 }), numbers, async (count, tape) => {
        // Nobody looks at the signatures of a counterparty that is the host itself.
        const verify = async (jobs: readonly unknown[]) => jobs.map(() => true);
        const heist = await plan(
          await rig({ proposes: false, verify, policy, tier }),
          count,
          tier !== "full",
        );
        for (const [at] of labels.entries())
          await propose(heist, {
            hash: htlcOf("holder", 1n, labels[at] ?? "").hash,
            amount: msat(20_000_000n),
          });
        let read = 0;
        while (read < tape.length) {
          const is = await step(heist, (below) => (tape[read++] ?? 0) % below, kinds);
          seen.set(is, (seen.get(is) ?? 0) + 1);
          const got = stolen(heist);
          expect(got).toBeLessThanOrEqual(bound);
          if (most === undefined || got > most) most = got;
        }
        expect(heist.rig.faults).toEqual([]);
      }),
      { numRuns, endOnFailure: true },
    );
    return { seen, most };
  };

  test("get no more than was approved, whatever they sign, revoke, repeat and claim", async () => {
    const { seen, most } = await thieve({}, ["keysend"], 0n, 25);
    // So that neither a thief who does nothing nor a bound that nobody reaches can pass.
    expect(most).toBeGreaterThan(-1_000_000n);
    for (const is of ["commit reply", "commit refusal", "revoke reply"])
      expect(seen.get(is)).toBeGreaterThan(200);
  });

  test("get no more through payments to ourselves than may be out for others", async () => {
    const bound = 25_000_000n;
    const { most } = await thieve({ policy: { maxForwardExposure: msat(bound) } }, ["rebalance"], bound, 12);
    expect(most).toBeGreaterThan(0n);
  });

  test("get no more from a host that can't list everything than may be out and hidden", async () => {
    const [exposed, hidden] = [25_000_000n, 5_000_000n];
    const policy = {
      maxForwardExposure: msat(exposed),
      maxTrimmedPerDay: msat(hidden),
      maxTrimmed: msat(hidden),
    };
    const { most } = await thieve({ policy, tier: "commitments" }, ["keysend"], exposed + hidden, 12);
    expect(most).toBeGreaterThanOrEqual(0n);
  });
});
