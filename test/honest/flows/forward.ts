/** What passes through an honest node: it is paid before it pays, and gives back only what came back. */

import { sha256 } from "../../../protocol/hash.ts";
import { type PaymentHash, type Preimage, paymentHash } from "../../../protocol/units.ts";
import { preimageOf } from "../../scripted/channel.ts";
import {
  channelTiers,
  type Flow,
  isOver,
  isThere,
  offerSomewhere,
  rest,
  type Story,
  someAmount,
  split,
  until,
} from "../flow.ts";
import type { Fate, Hop } from "../link.ts";
import type { World } from "../world.ts";

interface Secret {
  readonly hash: PaymentHash;
  readonly preimage: Preimage;
}

export const secretOf = (world: World): Secret => {
  const preimage = preimageOf(world.label("forward"));
  return { hash: paymentHash(sha256(preimage)), preimage };
};

/** The least that the default policy of a test network asks for. */
const leastDelta = 6;

const feeOf = (world: World, amount: bigint): bigint =>
  world.random.pick([0n, 1n, 1_000n, 1_000n + amount / 10_000n]);

interface Passing {
  readonly secret: Secret;
  readonly amount: bigint;
  /** What the payee says of this part. */
  readonly fate: () => Fate;
  readonly expiry: number;
}

const takeIn = async function* (
  world: World,
  { secret, amount, expiry }: Omit<Passing, "fate">,
): AsyncGenerator<undefined, Hop | undefined, undefined> {
  const incoming = offerSomewhere(world, "counterparty", { hash: secret.hash, amount, expiry });
  if (incoming === undefined) return undefined;
  yield* until(() => isThere(incoming) || isOver(incoming));
  return isThere(incoming) ? incoming : undefined;
};

/** Claimed upstream at once, or when the downstream removal got further; given back only when it is for good. */
const conclude = async function* (world: World, incoming: Hop, outgoing: Hop, { preimage }: Secret): Story {
  yield* until(() => isOver(outgoing) || outgoing.fate() === "fulfil");
  if (outgoing.fate() === "fulfil") {
    if (world.random.int(2) === 0)
      await world.must("showPreimages", { node: world.node, preimages: [preimage] });
    if (world.random.int(3) === 0) yield* until(() => isOver(outgoing));
    incoming.settle("fulfil", preimage);
  } else incoming.settle("fail");
  yield* until(() => isOver(incoming) && isOver(outgoing));
};

const pass = async function* (world: World, passing: Passing): Story {
  const { secret, amount, expiry } = passing;
  const incoming = yield* takeIn(world, passing);
  if (incoming === undefined) return;
  const fee = feeOf(world, amount);
  const delta = leastDelta + world.random.pick([0, 34, 66]);
  const sent = amount - fee;
  yield* rest(world, 3);
  const outgoing =
    sent > 0n && offerSomewhere(world, "holder", { hash: secret.hash, amount: sent, expiry: expiry - delta });
  if (outgoing === undefined || outgoing === false) {
    incoming.settle("fail");
    yield* until(() => isOver(incoming));
    return;
  }
  yield* until(() => isThere(outgoing) || isOver(outgoing));
  yield* rest(world, 12);
  if (!isOver(outgoing)) outgoing.settle(passing.fate(), secret.preimage);
  yield* conclude(world, incoming, outgoing, secret);
};

const decided =
  (world: World): (() => Fate) =>
  () =>
    world.random.int(3) === 0 ? "fail" : "fulfil";

const later = (world: World): number => 701_000 + world.random.int(300);

/** Several stories beside each other. */
export const together = async function* (world: World, stories: readonly Story[]): Story {
  const left = new Set(stories);
  while (left.size > 0) {
    for (const story of [...left]) {
      if (world.random.int(2) === 0) continue;
      if ((await story.next()).done === true) left.delete(story);
    }
    yield;
  }
};

const forward: Flow = {
  name: "forward",
  tiers: channelTiers,
  play: (world) => {
    const amount = someAmount(world);
    return pass(world, { secret: secretOf(world), amount, fate: decided(world), expiry: later(world) });
  },
};

const dust: Flow = {
  name: "forward-dust",
  tiers: channelTiers,
  play: (world) =>
    together(
      world,
      Array.from({ length: 1 + world.random.int(4) }, () =>
        pass(world, {
          secret: secretOf(world),
          amount: world.random.pick([1n, 999n, 1_000n, 300_000n, 353_999n, 545_000n]),
          fate: decided(world),
          expiry: later(world),
        }),
      ),
    ),
};

/** Parts of one payment of others, each with an expiry of its own route. */
const parts: Flow = {
  name: "forward-mpp",
  tiers: channelTiers,
  play: (world) => {
    const secret = secretOf(world);
    const fate = decided(world)();
    const whole = world.random.pick([2_000_000n, 30_000_000n, 300_000_000n]);
    return together(
      world,
      split(world, whole, 2 + world.random.int(4)).map((amount) =>
        pass(world, { secret, amount, fate: () => fate, expiry: later(world) }),
      ),
    );
  },
};

/** A sender tries a stuck part again; the payee takes all that it needs and fails what is left over. */
const leftOver: Flow = {
  name: "forward-mpp-left-over",
  tiers: channelTiers,
  play: (world) => {
    const secret = secretOf(world);
    const amounts = split(world, world.random.pick([2_000_000n, 30_000_000n]), 3);
    return together(
      world,
      [...amounts, amounts[0] as bigint].map((amount, at) =>
        pass(world, {
          ...{ secret, amount, expiry: later(world) },
          fate: () => (at === amounts.length ? "fail" : "fulfil"),
        }),
      ),
    );
  },
};

/** A hash that was seen before, while it is on its way or after it was settled. */
const reused: Flow = {
  name: "forward-reused-hash",
  tiers: channelTiers,
  play: async function* (world) {
    const secret = secretOf(world);
    const amount = someAmount(world);
    const one = () => pass(world, { secret, amount, fate: decided(world), expiry: later(world) });
    if (world.random.int(2) === 0) yield* together(world, [one(), one()]);
    else
      for (let left = 2 + world.random.int(2); left > 0; left--) {
        yield* one();
        yield* rest(world, 10);
      }
  },
};

/** One or two in, several out: each out is found when all are in (BOLT 4, trampoline as deployed). */
const trampoline: Flow = {
  name: "trampoline",
  tiers: channelTiers,
  play: async function* (world) {
    const secret = secretOf(world);
    const { hash, preimage } = secret;
    const whole = world.random.pick([2_000_000n, 30_000_000n, 300_000_000n]);
    const expiry = 701_500;
    const incoming: Hop[] = [];
    for (const amount of split(world, whole, 1 + world.random.int(2))) {
      const hop = offerSomewhere(world, "counterparty", { hash, amount, expiry });
      if (hop !== undefined) incoming.push(hop);
    }
    yield* until(() => incoming.every((hop) => isThere(hop) || isOver(hop)));
    const there = incoming.filter(isThere);
    const come = there.reduce((sum, { htlc }) => sum + htlc.amount, 0n);
    const outgoing: Hop[] = [];
    if (come === whole) {
      for (const amount of split(world, whole - whole / 200n, 3)) {
        const hop = offerSomewhere(world, "holder", {
          hash,
          amount,
          expiry: expiry - 144 + world.random.int(100),
        });
        if (hop !== undefined) outgoing.push(hop);
        yield* rest(world, 2);
      }
    }
    yield* until(() => outgoing.every((hop) => isThere(hop) || isOver(hop)));
    yield* rest(world, 10);
    const sent = outgoing.reduce((sum, { htlc }) => sum + htlc.amount, 0n);
    const paid = sent === whole - whole / 200n && outgoing.every(isThere) && world.random.int(4) > 0;
    for (const hop of outgoing) if (!isOver(hop)) hop.settle(paid ? "fulfil" : "fail", preimage);
    if (!paid) yield* until(() => outgoing.every(isOver));
    for (const hop of there) {
      hop.settle(paid ? "fulfil" : "fail", preimage);
      if (world.random.int(3) === 0) yield;
    }
    yield* until(() => [...outgoing, ...there].every(isOver));
  },
};

export const forwardFlows: readonly Flow[] = [forward, dust, parts, leftOver, reused, trampoline];
