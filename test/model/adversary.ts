/**
 * Steals as well as chance allows: builds any commitment out of a live one, honest or not, asks for it, leaves numbers
 * behind, proposes what the limits let through, and at the end gives up everything that covers something.
 */

import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import type { Refusal } from "../../protocol/outcome.ts";
import { msat, type Preimage } from "../../protocol/units.ts";
import { keysendOf } from "../scripted/channel.ts";
import type { Balances } from "../scripted/content.ts";
import { issueOf } from "../scripted/payments.ts";
import type { Random } from "../scripted/random.ts";
import { judgeHonestly, square } from "./reference.ts";
import {
  type ChannelOf,
  give,
  hashOf,
  htlc,
  indexOf,
  labelOf,
  leave,
  type Meant,
  moved,
  pool,
  type World,
} from "./world.ts";

export interface Tally {
  steps: number;
  taken: number;
  refused: number;
  /** What the signer took though the reference says no. */
  readonly disagreements: string[];
  /** Where the signer refused what the reference lets pass: it takes what is ambiguous to our worst case. */
  stricter: number;
  readonly rules: Map<string, number>;
  /** Also about balances and preimages: what is meant is then not what the signer has to believe. */
  readonly lies: boolean;
}

export const tally = (lies: boolean): Tally => ({
  ...{ steps: 0, taken: 0, refused: 0, stricter: 0, lies },
  disagreements: [],
  rules: new Map(),
});

const plus = (map: ReadonlyMap<number, bigint>, at: number, amount: bigint): ReadonlyMap<number, bigint> =>
  new Map(map).set(at, (map.get(at) ?? 0n) + amount);

const room = 20_000_000n;

interface Plan {
  readonly meant: Meant;
  readonly preimages: readonly Preimage[];
  /** Nothing but HTLCs and the fee explains it: the reference can tell what the signer has to say. */
  readonly honest: boolean;
}

const added = (from: Meant, dice: Random): Meant | undefined => {
  const by = dice.pick(["holder", "counterparty"] as const);
  // Far enough from each other that a satoshi of rounding does not make one look like another.
  const size = dice.pick([60_000, 300_000, 5_000_000, 40_000_000]);
  const amount = BigInt(size + dice.int(size / 2));
  if (from.balances[by] < amount + room || from.balances.htlcs.length >= 10) return undefined;
  const one = htlc(by, amount, dice.int(pool.length), 700_000 + 40 * dice.int(4));
  const { holder, counterparty } = from.balances;
  const less = { holder, counterparty, [by]: msat(from.balances[by] - amount) };
  return { ...from, balances: { ...from.balances, ...less, htlcs: [...from.balances.htlcs, one] } };
};

const without = (balances: Balances, gone: Htlc): readonly Htlc[] => {
  const at = balances.htlcs.indexOf(gone);
  return balances.htlcs.filter((_, n) => n !== at);
};

/** Only what was there before: what is added and removed at once was never there. */
const removed = (
  from: Meant,
  base: Meant,
  dice: Random,
  lies: boolean,
): { readonly meant: Meant; readonly paid?: Preimage } | undefined => {
  const left = base.balances.htlcs.filter((one) => !from.balances.htlcs.includes(one));
  // Of one hash one thing at a time: what became of several together is told to our worst case.
  const old = from.balances.htlcs.filter(
    (one) => base.balances.htlcs.includes(one) && left.every((other) => indexOf(other) !== indexOf(one)),
  );
  if (old.length === 0) return undefined;
  const gone = dice.pick(old);
  // What comes to us is given up more often than not: a thief is no benefactor.
  const paid = gone.offeredBy === "holder" ? dice.int(2) === 0 : !lies && dice.int(5) === 0;
  const to: Side = paid === (gone.offeredBy === "holder") ? "counterparty" : "holder";
  const at = indexOf(gone);
  const balances: Balances = {
    ...from.balances,
    [to]: msat(from.balances[to] + gone.amount),
    htlcs: without(from.balances, gone),
  };
  if (!paid) return { meant: { ...from, balances } };
  const settled =
    gone.offeredBy === "holder"
      ? { settledOut: plus(from.settledOut, at, gone.amount) }
      : { settledIn: plus(from.settledIn, at, gone.amount) };
  return { meant: { ...from, balances, ...settled }, paid: pool[at] as Preimage };
};

/** One commitment that might follow from a live one. */
const planned = (channel: ChannelOf, owner: Side, dice: Random, lies: boolean): Plan | undefined => {
  const last = channel.live[owner].reduce((most, { number }) => (number > most ? number : most), 0n);
  const number = dice.int(5) === 0 ? last : last + 1n;
  const bases = channel.live[owner].filter((one) => one.number === number - 1n);
  if (bases.length === 0) return undefined;
  const base = dice.pick(bases);
  let meant: Meant = { ...base, number };
  const preimages: Preimage[] = [];
  for (let changes = 1 + dice.int(2); changes > 0; changes--) {
    if (dice.int(2) === 0) meant = added(meant, dice) ?? meant;
    else {
      const next = removed(meant, base, dice, lies);
      if (next === undefined) continue;
      meant = next.meant;
      if (next.paid !== undefined) preimages.push(next.paid);
    }
  }
  if (!lies) return { meant, preimages, honest: true };
  switch (dice.int(12)) {
    case 0: {
      const amount = BigInt(dice.pick([1_000, 2_000, 500_000, 30_000_000]));
      if (meant.balances.holder < amount + room) return { meant, preimages, honest: true };
      return {
        meant: { ...meant, balances: moved(meant.balances, "holder", amount) },
        preimages,
        honest: false,
      };
    }
    case 1:
      // Preimages that nothing was paid with, or none where something was.
      return { meant, preimages: dice.int(2) === 0 ? pool : [], honest: false };
    default:
      return { meant, preimages, honest: true };
  }
};

const propose = async (world: World, dice: Random): Promise<void> => {
  const at = dice.int(pool.length);
  const amount = BigInt(dice.pick([200_000, 4_000_000, 9_000_000]));
  const request = keysendOf(world.rig.session.node, { hash: hashOf(at), amount: msat(amount) });
  const outcome = await world.rig.outcome("proposePayment", request);
  if (outcome.is !== "reply" || outcome.reply.standing !== "approved") return;
  if (outcome.reply.standing === "approved" && world.approved.get(at) !== BigInt(amount)) {
    world.approved.set(at, amount);
    world.granted += amount;
  }
};

/** Of a hash that may be on its way for others: what comes in for it covers nothing from then on, and still must not go. */
const issue = async (world: World, dice: Random): Promise<void> => {
  const at = dice.int(pool.length);
  await world.rig.outcome("signInvoice", issueOf(world.rig.session.node, labelOf(at), 1_000_000n));
};

const count = (told: Tally, refusal: Refusal | undefined): void => {
  told.steps += 1;
  if (refusal === undefined) told.taken += 1;
  else {
    told.refused += 1;
    told.rules.set(refusal.rule, (told.rules.get(refusal.rule) ?? 0) + 1);
  }
};

const put = async (world: World, channel: ChannelOf, owner: Side, plan: Plan, told: Tally): Promise<void> => {
  const expected = plan.honest && !told.lies ? judgeHonestly(world, channel, owner, plan.meant) : undefined;
  const outcome = await give(world.rig, channel, owner, plan.meant, plan.preimages);
  if (outcome.is !== "reply" && outcome.is !== "refusal") throw new Error(JSON.stringify(outcome));
  const refusal = outcome.is === "refusal" ? outcome.refusal : undefined;
  count(told, refusal);
  if (expected === undefined) return;
  const said = refusal === undefined ? "taken" : structural.has(refusal.rule) ? undefined : "refused";
  if (said !== undefined && said !== expected.verdict)
    if (refusal !== undefined) told.stricter += 1;
    else
      told.disagreements.push(
        `${owner} ${plan.meant.number}: reference ${expected.verdict} (${expected.why}), signer took it`,
      );
};

/** Refused for another reason than payments: the reference has no opinion. */
const structural: ReadonlySet<string> = new Set([
  "commitment-retry-same",
  "commitment-previous-revoked",
  "revoke-in-order",
  "commitment-outputs-trimmed",
  "commitment-value-conserved",
  "commitment-payment-settled-preimage",
  "routing-deltas-only-htlc",
  "commitment-htlc-count-limit",
  "commitment-htlc-inflight-limit",
]);

export const step = async (world: World, dice: Random, told: Tally): Promise<void> => {
  const channel = dice.pick(world.channels);
  const owner = dice.pick(["holder", "counterparty"] as const);
  const kind = dice.int(10);
  if (kind === 0) {
    await propose(world, dice);
    told.steps += 1;
    return;
  }
  if (kind < 5) {
    const oldest = channel.revoked[owner];
    // Only where there is a next one: that the signer keeps to the order is others' test.
    if (channel.live[owner].some(({ number }) => number === oldest + 1n)) {
      count(told, await leave(world, channel, owner));
      square(world);
    }
    return;
  }
  if (told.lies && dice.int(400) === 0) {
    await issue(world, dice);
    told.steps += 1;
    return;
  }
  const plan = planned(channel, owner, dice, told.lies);
  if (plan !== undefined) await put(world, channel, owner, plan, told);
};

/** Everything that covers something is given up, and everything that can be claimed is claimed. */
export const drain = async (world: World, told: Tally): Promise<void> => {
  for (let round = 0; round < 4; round++)
    for (const channel of world.channels)
      for (const owner of ["counterparty", "holder"] as const) {
        while (channel.live[owner].some(({ number }) => number === channel.revoked[owner] + 1n)) {
          const refusal = await leave(world, channel, owner);
          square(world);
          count(told, refusal);
          if (refusal !== undefined) break;
        }
        const [base] = channel.live[owner];
        if (base === undefined) continue;
        for (const one of base.balances.htlcs) {
          const paid = one.offeredBy === "holder";
          const meant: Meant = {
            ...base,
            number: base.number + 1n,
            balances: {
              ...base.balances,
              counterparty: msat(base.balances.counterparty + one.amount),
              htlcs: without(base.balances, one),
            },
            ...(paid ? { settledOut: plus(base.settledOut, indexOf(one), one.amount) } : {}),
          };
          const preimages = paid ? [pool[indexOf(one)] as Preimage] : [];
          const outcome = await give(world.rig, channel, owner, meant, preimages);
          count(told, outcome.is === "refusal" ? outcome.refusal : undefined);
          if (outcome.is === "reply") break;
        }
      }
};
