import { describe, expect, test } from "vitest";
import type { Tier } from "../../protocol/operations/fields.ts";
import { msat, paymentHash } from "../../protocol/units.ts";
import { add, remove } from "../scripted/channel.ts";
import { step } from "../scripted/fed.ts";
import { channelTiers, everyTier, type Flow, isOver, isThere, offerSomewhere, open, until } from "./flow.ts";
import { chainFlows, endings, flows } from "./flows/index.ts";
import { run } from "./run.ts";
import { mineIn, openShore } from "./shore.ts";
import { onward, openFrom, receive, route } from "./shore-channels.ts";
import { total, trial } from "./trial.ts";

/** Each pays without asking, or lets go of what came in: what no honest node does. */
const unproposed: Flow = {
  name: "unproposed",
  tiers: channelTiers,
  play: async function* (world) {
    const hash = paymentHash(world.random.bytes(32));
    const hop = offerSomewhere(world, "holder", { hash, amount: 60_000_000n, expiry: 700_100 });
    if (hop !== undefined) yield* until(() => isThere(hop) || isOver(hop));
  },
};

const stolen: Flow = {
  name: "stolen",
  tiers: channelTiers,
  play: async function* (world) {
    const [link] = open(world);
    if (link === undefined) return;
    const { duplex } = link;
    await world.put("signHolderCommitment", duplex.broadcast(duplex.revoked.holder).request);
    link.changeFee(duplex.feerate());
    yield* until(() => link.isQuiet() && duplex.revoked.holder > 1);
  },
};

/** Each does on the chain what no honest node does: it does not wait. */
const impatient: Flow = {
  name: "impatient",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const [incoming, outgoing] = [await openFrom(shore, "counterparty"), await openFrom(shore, "holder")];
    const received = await receive(shore, incoming, 60_000_000n);
    await step(shore.fed, outgoing, add(outgoing.balances, onward(received).htlc));
    yield;
  },
};

const generous: Flow = {
  name: "generous",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { incoming, received } = await route(shore, 60_000_000n);
    await mineIn(shore, [], []);
    await step(shore.fed, incoming, remove(incoming.balances, received.htlc, "fail"));
    yield;
  },
};

describe("an honest node", () => {
  test("meets no refusal for good, and none that never passes, in any flow of any tier", async () => {
    const result = await trial({ seed: "honest", runs: 45 });
    expect(total(result)).toMatchObject({ final_refusals: 0, stuck: 0 });
    // So that runs in which nothing happens can't pass.
    for (const { name } of [...flows, ...endings])
      expect(result.played.get(name) ?? 0, name).toBeGreaterThan(0);
    const { htlcs, settled, reconnections, restarts, forgotten, requests } = result.counts;
    expect(htlcs).toBeGreaterThan(450);
    expect(settled).toBeGreaterThan(400);
    expect(reconnections).toBeGreaterThan(250);
    expect(restarts).toBeGreaterThan(100);
    expect(forgotten).toBeGreaterThan(40);
    expect(requests).toBeGreaterThan(5_000);
  });

  test("meets none on the chain either", async () => {
    for (const { name } of chainFlows) {
      for (const [seed, tier] of [
        ["ashore", "full"],
        ["adrift", "commitments"],
      ] as const) {
        const { failure, counts, played } = await run({ seed, tier, flow: name, alone: true });
        expect(failure, `${name} ${seed}`).toBeUndefined();
        expect(played.get(name)).toBe(1);
        expect(counts.requests).toBeGreaterThan(15);
      }
    }
  });

  test("plays the same run from the same seed", async () => {
    const [one, two] = [
      await run({ seed: "twice", tier: "full" }),
      await run({ seed: "twice", tier: "full" }),
    ];
    expect(one.counts).toEqual(two.counts);
    expect([...one.played]).toEqual([...two.played]);
    expect(one.counts.requests).toBeGreaterThan(20);
  });

  test("is played in each tier with what the tier has", async () => {
    for (const tier of everyTier) {
      const { played, failure } = await run({ seed: `tier ${tier}`, tier });
      expect(failure).toBeUndefined();
      expect(played.size, tier).toBeGreaterThan(0);
    }
  });
});

describe("the suite itself fails", () => {
  const stuckIn = async (tier: Tier, flow: Flow): Promise<readonly (string | undefined)[]> => {
    const met: (string | undefined)[] = [];
    for (const seed of ["a", "b", "c", "d"]) {
      const { failure } = await run({ seed, tier, among: [flow], policy: {}, rounds: 150 });
      met.push(failure?.what.match(/"rule":"([a-z-]+)"/)?.[1]);
    }
    return met;
  };

  test("for a payment that nobody was asked about", async () => {
    expect(await stuckIn("full", unproposed)).toContain("commitment-htlc-offered-hash-matches");
    expect(await stuckIn("commitments", unproposed)).toContain("commitment-htlc-offered-hash-matches");
  });

  test("for a number that is left after it was signed for broadcast", async () => {
    expect(await stuckIn("full", stolen)).toContain("revoke-not-closed");
  });

  test("for a forward on a funding that nobody has seen", async () => {
    const { failure } = await run({ seed: "a", tier: "full", among: [impatient], alone: true });
    expect(failure?.what).toContain('"rule":"commitment-htlc-received-spends-active-utxo"');
  });

  test("for an incoming HTLC that is given back while the outgoing one can be claimed", async () => {
    const { failure } = await run({ seed: "a", tier: "full", among: [generous], alone: true });
    expect(failure?.what).toContain('"rule":"routing-balanced"');
  });

  test("where limits leave an honest node no room", async () => {
    const met: (string | undefined)[] = [];
    for (const seed of ["a", "b", "c", "d", "e", "f"]) {
      const { failure, stuck } = await run({
        seed,
        tier: "full",
        flow: "forward",
        policy: { maxForwardExposure: msat(0n) },
        rounds: 150,
      });
      if (failure !== undefined) expect(stuck).toBeGreaterThan(0);
      met.push(failure?.what.match(/"rule":"([a-z-]+)"/)?.[1]);
    }
    expect(met).toContain("forward-exposure");
  });
});
