/** Two channels: what comes in on one goes out on the other with a fee and time to spare, and is settled or failed back. */

import type { Htlc } from "../../../protocol/operations/fields.ts";
import { msat } from "../../../protocol/units.ts";
import { add, htlcOf, preimageOf, remove } from "../../scripted/channel.ts";
import type { Balances } from "../../scripted/content.ts";
import { issueOf } from "../../scripted/payments.ts";
import { random } from "../../scripted/random.ts";
import {
  type Held,
  heldAfter,
  heldMoves,
  heldOf,
  incomingExpiry,
  outgoingExpiry,
  requestsOf,
  same,
  termsOf,
  want,
} from "../held.ts";
import { type Life, type Move, move, reborn, theft, type World } from "../life.ts";

/** What is attempted next, or brings one of the channels to its next number. */
const phases = ["bare", "in", "over", "out", "drop", "settleOut", "unpaid", "settleIn"] as const;
type Phase = (typeof phases)[number];

export interface Forward {
  readonly label: string;
  readonly incoming: Held;
  readonly outgoing: Held;
  readonly phase: number;
  readonly round: number;
}

const rounds = 6;
const fee = 1_000n;
/** Seconds: an invoice that is still good when these tests run. */
const years = 400_000_000n;

interface Round {
  readonly labels: readonly string[];
  readonly amount: bigint;
  readonly fulfils: boolean;
  /** The hash is of an invoice of ours: nothing may go out for it. */
  readonly issued: boolean;
}

const roundOf = ({ label, round }: Forward): Round => {
  const dice = random(`${label}/${round}`);
  const issued = dice.int(4) === 0;
  return {
    labels: Array.from({ length: issued ? 1 : 1 + dice.int(2) }, (_, i) => `${label}/${round}/${i}`),
    amount: BigInt(dice.pick([5_000_000, 20_000_000])) + BigInt(dice.int(999)),
    fulfils: issued || dice.int(3) > 0,
    issued,
  };
};

const comesIn = (round: Round): readonly Htlc[] =>
  round.labels.map((label) => htlcOf("counterparty", round.amount + fee, label, incomingExpiry));
const goesOut = ({ labels, amount }: Round, extra = 0n, expiry = outgoingExpiry): readonly Htlc[] =>
  labels.map((label) => htlcOf("holder", amount + extra, label, expiry));

const adding = (balances: Balances, htlcs: readonly Htlc[]): Balances => htlcs.reduce(add, balances);
const removing = (balances: Balances, htlcs: readonly Htlc[], how: "fulfil" | "fail"): Balances =>
  htlcs.reduce((now, htlc) => {
    const held = now.htlcs.find((one) => same(one, htlc));
    if (held === undefined) throw new Error("it is not there");
    return remove(now, held, how);
  }, balances);

const grab = (world: World, held: Held, balances: Balances): Move =>
  theft("signCounterpartyCommitment", requestsOf(world, held, balances, []).sign);

/** Undefined where the phase brings a channel on. */
const attempts = (world: World, state: Forward, round: Round): readonly Move[] | undefined => {
  const { incoming, outgoing } = state;
  const out = outgoing.balances;
  switch (phases[state.phase] as Phase) {
    case "bare":
      return [
        grab(world, outgoing, adding(out, goesOut(round))),
        ...(round.issued
          ? round.labels.map((label) =>
              move("signInvoice", issueOf(world.node, label, round.amount + fee, years)),
            )
          : []),
      ];
    case "over":
      return round.issued
        ? []
        : [
            grab(world, outgoing, adding(out, goesOut(round, fee + 1n))),
            grab(world, outgoing, adding(out, goesOut(round, 0n, incomingExpiry - 3))),
          ];
    case "drop":
      return round.issued
        ? []
        : [
            grab(world, incoming, removing(incoming.balances, comesIn(round), "fail")),
            grab(world, outgoing, adding(out, goesOut(round, fee))),
          ];
    case "unpaid":
      return [
        ...(round.fulfils
          ? [move("showPreimages", { node: world.node, preimages: round.labels.map(preimageOf) })]
          : []),
        round.fulfils && !round.issued
          ? grab(world, incoming, removing(incoming.balances, comesIn(round), "fail"))
          : grab(world, outgoing, adding(out, goesOut(round, fee + 1n))),
      ];
    case "in":
    case "out":
    case "settleOut":
    case "settleIn":
      return undefined;
  }
};

/** The channel of this phase, and what becomes of it. */
const changes = (state: Forward, round: Round): Forward => {
  const { incoming, outgoing } = state;
  const how = round.fulfils ? "fulfil" : "fail";
  const preimages = round.fulfils ? round.labels.map(preimageOf) : [];
  const signFirst = random(`${state.label}/${state.round}/${state.phase}`).int(2) === 0;
  switch (phases[state.phase] as Phase) {
    case "in":
      return { ...state, incoming: want(incoming, adding(incoming.balances, comesIn(round)), { signFirst }) };
    case "out":
      return round.issued
        ? state
        : { ...state, outgoing: want(outgoing, adding(outgoing.balances, goesOut(round)), { signFirst }) };
    case "settleOut": {
      if (round.issued) return state;
      const wanted = removing(outgoing.balances, goesOut(round), how);
      return { ...state, outgoing: want(outgoing, wanted, { preimages, signFirst }) };
    }
    case "settleIn": {
      const wanted = removing(incoming.balances, comesIn(round), how);
      return { ...state, incoming: want(incoming, wanted, { preimages, signFirst }) };
    }
    case "bare":
    case "over":
    case "drop":
    case "unpaid":
      return state;
  }
};

const next = (state: Forward): Forward => {
  const phase = (state.phase + 1) % phases.length;
  const round = phase === 0 ? state.round + 1 : state.round;
  if (round === rounds) return begin(reborn(state.label));
  const after = { ...state, phase, round };
  return changes(after, roundOf(after));
};

const begin = (label: string): Forward => {
  const dice = random(label);
  const type = dice.pick(["anchors", "static_remotekey"] as const);
  const terms = termsOf({ type, opener: "holder", push: msat(400_000_000n) });
  const [incoming, outgoing] = [heldOf(`${label} in`, terms), heldOf(`${label} out`, terms)];
  return { label, incoming, outgoing, phase: 0, round: 0 };
};

const movingOne = ({ incoming, outgoing }: Forward): "incoming" | "outgoing" | undefined =>
  incoming.stage !== "idle" ? "incoming" : outgoing.stage !== "idle" ? "outgoing" : undefined;

export const forward: Life<Forward> = {
  begin,
  moves: (world, state) => {
    const one = movingOne(state);
    return one !== undefined ? heldMoves(world, state[one]) : (attempts(world, state, roundOf(state)) ?? []);
  },
  after: (state, moves, answers) => {
    const one = movingOne(state);
    if (one === undefined) return next(state);
    const held = heldAfter(state[one], moves, answers);
    const after = { ...state, [one]: held };
    if (held.stage !== "idle" || (held.number === 1n && state.phase === 0)) return after;
    return next(after);
  },
};
