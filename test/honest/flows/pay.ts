/** Own payments: proposed first, in one part or many, with failed parts tried again, and given up when all fail. */

import { paymentHash } from "../../../protocol/units.ts";
import {
  channelTiers,
  expiryOf,
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
import { type Bill, type Billing, bolt12Bill, invoiceBill, keysendBill } from "../invoices.ts";
import type { Hop } from "../link.ts";
import type { World } from "../world.ts";

const billing = (world: World, amount = someAmount(world)): Billing => ({
  node: world.node,
  label: world.label("bill"),
  amount,
  feeLimit: 100_000n,
  now: world.now(),
});

/**
 * Asks until it is approved; where a person is asked, one says yes after a while. False where it was too late: then
 * nothing was committed to, and nothing is lost.
 */
export async function* approved(
  world: World,
  { proposal }: Bill,
): AsyncGenerator<undefined, boolean, undefined> {
  for (let asked = 0; ; asked++) {
    const told = await world.put("proposePayment", proposal);
    if (told.is === "later" && told.refusal.rule === "invoice-not-expired") return false;
    if (told.is === "reply") {
      const { standing, approval } = told.reply;
      if (standing === "approved") return true;
      if (standing === "settled") return false;
      if (standing === "denied") throw new Error("an honest payment was denied");
      const decision = { node: world.node, id: approval, verdict: "approve", by: "a person" } as const;
      if (asked === 2) await world.must("decideApproval", decision);
    }
    yield;
  }
}

/** Gives back what was reserved. What can't be told from a payment stays so until its day is over. */
export async function* withdrawn(world: World, { hash }: Pick<Bill, "hash">): Story {
  for (let left = world.tier === "full" ? 200 : 3; left > 0; left--) {
    const told = await world.put("withdrawPayment", { node: world.node, hash });
    if (told.is === "reply") return;
    yield;
  }
  if (world.tier === "full") throw new Error("what failed can't be withdrawn");
}

interface Way {
  /** Of the payee's: whether it takes a part before all are there. */
  readonly hasty?: boolean;
  readonly parts: number;
  readonly tries: number;
  readonly fails: boolean;
}

const routeFee = (world: World, limit: bigint): bigint => BigInt(world.random.int(Number(limit) + 1));

/** One part, tried again where it fails; ends with the one that arrived, or with none. */
const part = async function* (
  world: World,
  bill: Bill,
  amount: bigint,
  share: bigint,
  { tries, fails }: Way,
  hops: Hop[],
): AsyncGenerator<undefined, Hop | undefined, undefined> {
  const { hash } = bill;
  for (let left = tries; left > 0; left--) {
    // What was approved a while ago is asked again before anything is added for it.
    if (!(yield* approved(world, bill))) return undefined;
    const wanted = { hash, amount: amount + routeFee(world, share), expiry: expiryOf(world) };
    const hop = offerSomewhere(world, "holder", wanted);
    if (hop === undefined) {
      yield* rest(world, 6);
      continue;
    }
    hops.push(hop);
    yield* until(() => isThere(hop) || isOver(hop));
    if (isOver(hop)) continue;
    yield* rest(world, 10);
    if (left > 1 && !fails && world.random.int(3) > 0) return hop;
    if (left === 1 && !fails) return hop;
    hop.settle("fail");
    yield* until(() => isOver(hop));
  }
  return undefined;
};

const send = async function* (world: World, bill: Bill, way: Way): Story {
  const hops: Hop[] = [];
  const amounts = split(world, bill.amount, way.parts);
  const share = bill.feeLimit / BigInt(amounts.length);
  const stories = amounts.map((amount) => part(world, bill, amount, share, way, hops));
  const arrived: (Hop | undefined)[] = amounts.map(() => undefined);
  const done = amounts.map(() => false);
  let taken = false;
  while (done.includes(false)) {
    for (const [at, story] of stories.entries()) {
      if (done[at] === true || world.random.int(2) === 0) continue;
      const { done: over, value } = await story.next();
      if (over !== true) continue;
      done[at] = true;
      arrived[at] = value as Hop | undefined;
      const hop = arrived[at];
      // A payee that takes what it has loses the rest; parts that were announced before go on.
      if (hop !== undefined && way.hasty === true && hops.length === amounts.length && !taken) {
        taken = true;
        hop.settle("fulfil", bill.preimage);
      }
    }
    yield;
  }
  const complete = arrived.every((hop) => hop !== undefined);
  for (const hop of arrived) {
    hop?.settle(complete || taken ? "fulfil" : "fail", bill.preimage);
    if (world.random.int(3) === 0) yield;
  }
  yield* until(() => hops.every(isOver));
  if (complete || taken) {
    // A host of a lesser tier has not shown every HTLC: then the invoice may have expired unpaid for all we know.
    const told = await world.put("checkPayment", bill.proposal);
    const { standing } = told.is === "reply" ? told.reply : { standing: undefined };
    if (standing === "denied" || standing === "pending") throw new Error(`paid, and ${standing}`);
  } else yield* withdrawn(world, bill);
};

const paying = (name: string, billOf: (world: World) => Bill, wayOf: (world: World) => Way): Flow => ({
  name,
  tiers: channelTiers,
  play: async function* (world) {
    const bill = billOf(world);
    if (yield* approved(world, bill)) yield* send(world, bill, wayOf(world));
  },
});

const single = (world: World): Way => ({ parts: 1, tries: 1, fails: world.random.int(4) === 0 });
const retried = (world: World): Way => ({ parts: 1, tries: 4, fails: world.random.int(5) === 0 });
const many = (world: World): Way => ({
  parts: 2 + world.random.int(5),
  tries: 3,
  fails: world.random.int(5) === 0,
});

const large = (world: World): bigint => world.random.pick([400_000n, 3_000_000n, 40_000_000n, 600_000_001n]);

/** A probe has a hash that nobody knows a preimage for: it always fails, and tells where it got to. */
const probe: Flow = {
  name: "probe",
  tiers: channelTiers,
  play: async function* (world) {
    for (let left = 1 + world.random.int(3); left > 0; left--) {
      const bill = keysendBill(billing(world));
      const unknownHash = paymentHash(world.random.bytes(32));
      const probing: Bill = { ...bill, hash: unknownHash, proposal: { ...bill.proposal, hash: unknownHash } };
      if (yield* approved(world, probing)) yield* send(world, probing, { parts: 1, tries: 1, fails: true });
    }
  },
};

/** Proposed in the last second of its invoice: the parts leave when it is over. */
const late: Flow = {
  name: "late",
  tiers: channelTiers,
  play: async function* (world) {
    const bill = invoiceBill({ ...billing(world), expiry: 60 });
    world.wait(60 - world.random.int(2));
    if (yield* approved(world, bill))
      yield* send(world, bill, { parts: 1 + world.random.int(3), tries: 1, fails: false });
  },
};

/** The same invoice proposed again, also after a day: judged anew. */
const again: Flow = {
  name: "proposed-again",
  tiers: channelTiers,
  play: async function* (world) {
    const bill = invoiceBill({ ...billing(world), expiry: 1_000_000 });
    yield* approved(world, bill);
    if (world.random.int(2) === 0) await world.must("withdrawPayment", { node: world.node, hash: bill.hash });
    else
      for (let left = world.random.pick([0, 1, 50]); left > 0; left--) {
        world.wait(1_800);
        yield;
        yield;
        yield;
      }
    if (yield* approved(world, bill)) yield* send(world, bill, { parts: 2, tries: 2, fails: false });
  },
};

export const payFlows: readonly Flow[] = [
  paying("pay-invoice", (world) => invoiceBill(billing(world)), single),
  paying("pay-open-amount", (world) => invoiceBill(billing(world), false), single),
  paying("pay-retried", (world) => invoiceBill(billing(world)), retried),
  paying("pay-mpp", (world) => invoiceBill(billing(world, large(world))), many),
  paying(
    "pay-mpp-hasty",
    (world) => invoiceBill(billing(world, large(world))),
    (world) => ({
      ...{ parts: 2 + world.random.int(3), tries: 1 },
      ...{ hasty: true, fails: false },
    }),
  ),
  paying("keysend", (world) => keysendBill(billing(world)), single),
  paying("pay-offer", (world) => bolt12Bill(billing(world), "offer"), many),
  paying("pay-refund", (world) => bolt12Bill(billing(world), "request"), single),
  probe,
  late,
  again,
];
