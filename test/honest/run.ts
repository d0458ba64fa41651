/** One run: a node with some channels, some flows beside each other, and a seed that decides everything. */

import type { Tier } from "../../protocol/operations/fields.ts";
import type { AnyRequest } from "../../protocol/operations/index.ts";
import { feerate, msat } from "../../protocol/units.ts";
import type { Policy } from "../../signer/core/policy.ts";
import { random } from "../scripted/random.ts";
import { openChannel } from "./channels.ts";
import type { Flow, Story } from "./flow.ts";
import { chainFlows, endings, flows } from "./flows/index.ts";
import { type Counts, openWorld, Refused, shown, type World } from "./world.ts";

export interface Run {
  readonly seed: string;
  readonly tier: Tier;
  /** How often each was played to its end. */
  readonly played: ReadonlyMap<string, number>;
  readonly counts: Counts;
  readonly failure: Failure | undefined;
  /** Temporary refusals by rule. */
  readonly later: ReadonlyMap<string, number>;
  /** What the signer's word kept from ever being finished. */
  readonly stuck: number;
}

export interface Failure {
  readonly flows: readonly string[];
  readonly step: number;
  readonly what: string;
  readonly request: AnyRequest | undefined;
}

export interface RunOptions {
  readonly seed: string;
  /** Played in every run that its tier allows. */
  readonly flow?: string;
  readonly tier?: Tier;
  readonly policy?: Partial<Policy>;
  /** Other than those of the suite, so that a test can bring a dishonest one. */
  readonly among?: readonly Flow[];
  readonly rounds?: number;
  /** Nothing beside the flow: no other, and no channel that is not its own. */
  readonly alone?: boolean;
}

const tiers: readonly Tier[] = ["full", "full", "full", "commitments", "commitments", "stateless"];
const stormy = 60;
/** Rounds after which what has not moved never will. */
const longest = 1_000;

/** Where a person is asked, and where forwards wait for each other. */
const policies: readonly Partial<Policy>[] = [
  {},
  {},
  { unattendedPayment: msat(1_000_000n) },
  { maxForwardExposure: msat(700_000_000n) },
];

interface Playing {
  readonly flow: Flow;
  readonly story: Story;
}

const disturb = async (world: World): Promise<void> => {
  const { random: dice, links } = world;
  switch (dice.int(6)) {
    case 0:
    case 1:
      if (links.length > 0) await dice.pick(links).reconnect();
      return;
    case 2:
      await world.restart();
      return;
    case 3: {
      // The host comes back: what its outbox still holds is asked again, all at once, in order.
      const all = links
        .filter((link) => !link.isStalled())
        .flatMap((link) => link.outbox())
        .toSorted((a, b) => a.at - b.at);
      const from = dice.int(all.length + 1);
      const asked = all.slice(from).map(({ request: { name, body } }) => world.put(name, body as never));
      for (const result of await Promise.allSettled(asked))
        if (result.status === "rejected") throw result.reason;
      return;
    }
    case 4:
      world.wait(dice.pick([1, 60, 300]));
      return;
    case 5:
      if (links.length > 0) dice.pick(links).changeFee(feerate(dice.pick([253, 1_000, 5_000, 20_000])));
  }
};

const chosen = (
  seed: string,
  tier: Tier,
  flow: string | undefined,
  among: readonly Flow[],
): readonly Flow[] => {
  const dice = random(`${seed} flows`);
  const able = among.filter((one) => one.tiers.includes(tier));
  const ashore = among === flows ? chainFlows.filter((one) => one.tiers.includes(tier)) : [];
  const named = [...able, ...ashore].filter(({ name }) => name === flow);
  const count = tier === "stateless" ? 6 : 3 + dice.int(6);
  const others = Array.from({ length: count }, () => dice.pick(able));
  // Blocks take their time.
  const one = ashore.length > 0 && dice.int(2) === 0 ? [dice.pick(ashore)] : [];
  return [...named, ...others, ...one];
};

/** Each link advances by itself, and so beside the others. */
const advance = async (world: World): Promise<void> => {
  const moves: Promise<void>[] = [];
  for (const link of world.links)
    for (const owner of ["holder", "counterparty"] as const)
      if (world.random.int(2) === 0) moves.push(link.advance(owner));
  for (const result of await Promise.allSettled(moves)) if (result.status === "rejected") throw result.reason;
};

export const run = async ({
  seed,
  flow,
  tier: wanted,
  policy,
  among = flows,
  rounds = longest,
  alone = false,
}: RunOptions): Promise<Run> => {
  const dice = random(`${seed} world`);
  const tier = wanted ?? dice.pick(tiers);
  const world = await openWorld({ seed, tier, policy: policy ?? dice.pick(policies) });
  const played = new Map<string, number>();
  const live = new Set<Playing>();
  let step = 0;
  const count = ({ name }: Flow) => played.set(name, (played.get(name) ?? 0) + 1);
  const result = (failure: Failure | undefined, stuck = 0): Run => ({
    ...{ seed, tier, played, counts: world.counts, failure, later: world.later, stuck },
  });
  const failed = (what: string, request?: AnyRequest): Failure => ({
    flows: [...live].map(({ flow: { name } }) => name),
    ...{ step, what, request },
  });

  try {
    if (tier !== "stateless" && !alone) {
      const channels = 2 + dice.int(3);
      for (let at = 0; at < channels; at++) await openChannel(world, at);
    }
    const all = chosen(seed, tier, flow, among);
    for (const one of alone ? all.slice(0, 1) : all) live.add({ flow: one, story: one.play(world) });
    for (; step < rounds; step++) {
      for (const playing of [...live]) {
        if (dice.int(2) === 0) continue;
        if ((await playing.story.next()).done === true) {
          live.delete(playing);
          count(playing.flow);
        }
      }
      await advance(world);
      if (step < stormy && dice.int(4) === 0) await disturb(world);
      if (live.size === 0 && world.links.every((link) => link.isQuiet())) break;
    }
    const stalled = world.links.flatMap((link) => link.stalled());
    if (step === rounds) {
      const what =
        stalled.length > 0 ? "a temporary refusal never passed" : "nothing moves, and nobody said no";
      return result(failed(`${what}: ${shown(world.heard)}`, stalled[0]), Math.max(stalled.length, 1));
    }
    if (tier !== "stateless")
      for (const ending of world.links.map(() => dice.pick(endings))) {
        for await (const _ of ending.play(world));
        count(ending);
      }
    return result(undefined);
  } catch (error) {
    if (error instanceof Refused) return result(failed(error.message, error.request));
    throw new Error(`seed ${seed}, step ${step}, ${[...live].map(({ flow: { name } }) => name).join()}`, {
      cause: error,
    });
  }
};
