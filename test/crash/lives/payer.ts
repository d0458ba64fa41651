/** A channel that pays what a person approves: asked, waited for, approved or denied, withdrawn, paid, or paid twice. */

import { equal } from "../../../protocol/bytes.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { Reply } from "../../../protocol/operations/index.ts";
import { add, htlcOf, keysendOf, preimageOf, remove } from "../../scripted/channel.ts";
import { random } from "../../scripted/random.ts";
import {
  type Held,
  heldAfter,
  heldMoves,
  heldOf,
  outgoingExpiry,
  requestsOf,
  same,
  termsOf,
  want,
} from "../held.ts";
import { type Life, type Move, move, reborn, theft, type World } from "../life.ts";
import { unattended, unwelcome } from "../policy.ts";

type Act =
  | { readonly do: "propose"; readonly becomes: Reply<"proposePayment">["standing"] }
  | { readonly do: "decide"; readonly verdict: "approve" | "deny" }
  | { readonly do: "withdraw" | "steal" | "stealMore" | "look" | "pay" }
  | { readonly do: "settle"; readonly how: "fulfil" | "fail" };

const asks = (becomes: Reply<"proposePayment">["standing"]): Act => ({ do: "propose", becomes });
const only = (what: "withdraw" | "steal" | "stealMore" | "look" | "pay"): Act => ({ do: what });

/** Large enough to need a person. */
const large = unattended * 2n;
const small = unattended / 4n;

/** Whoever is asked at the device says no to it. */
const declined = large + unwelcome;

interface Plot {
  readonly amount: bigint;
  readonly acts: readonly Act[];
}

const approve: Act = { do: "decide", verdict: "approve" };
const deny: Act = { do: "decide", verdict: "deny" };
const fulfil: Act = { do: "settle", how: "fulfil" };
const fail: Act = { do: "settle", how: "fail" };

const withoutPerson: readonly Plot[] = [
  {
    amount: small,
    acts: [asks("approved"), only("withdraw"), only("steal"), asks("approved"), only("pay"), fulfil],
  },
  {
    amount: small,
    acts: [asks("approved"), only("stealMore"), only("pay"), fail, only("withdraw"), only("steal")],
  },
];

const plots: Readonly<Record<World["person"], readonly Plot[]>> = {
  admin: [
    {
      amount: large,
      acts: [
        ...[asks("pending"), only("steal"), only("look"), approve, only("look"), asks("approved")],
        ...[only("stealMore"), only("pay"), only("stealMore"), fulfil, asks("settled"), only("steal")],
      ],
    },
    {
      amount: large,
      acts: [asks("pending"), approve, only("pay"), fail, only("stealMore"), only("pay"), fulfil],
    },
    { amount: large, acts: [asks("pending"), deny, asks("denied"), only("look"), only("steal")] },
    { amount: large, acts: [asks("pending"), approve, deny, only("steal")] },
    ...withoutPerson,
  ],
  // The answer waits for the person, so what a host hears is what they said.
  device: [
    {
      amount: large,
      acts: [
        ...[asks("approved"), only("look"), only("stealMore"), only("pay"), only("stealMore"), fulfil],
        ...[asks("settled"), only("steal")],
      ],
    },
    { amount: large, acts: [asks("approved"), only("pay"), fail, only("stealMore"), only("pay"), fulfil] },
    { amount: declined, acts: [asks("denied"), only("look"), only("steal"), asks("denied")] },
    { amount: large, acts: [asks("approved"), deny, only("steal")] },
    ...withoutPerson,
  ],
};

export interface Payer {
  readonly held: Held;
  readonly round: number;
  readonly at: number;
  readonly approval?: Uint8Array;
  readonly person: World["person"];
}

const rounds = 12;

const plotOf = ({ held, round, person }: Payer): Plot =>
  random(`${held.label}/${round} plot`).pick(plots[person]);
const actOf = (state: Payer): Act => plotOf(state).acts[state.at] as Act;
const labelOf = ({ held, round }: Payer): string => `${held.label}/${round}`;
const htlcIn = (state: Payer, extra = 0n): Htlc =>
  htlcOf("holder", plotOf(state).amount + extra, labelOf(state), outgoingExpiry);

const grab = (world: World, { held }: Payer, htlc: Htlc): Move =>
  theft("signCounterpartyCommitment", requestsOf(world, held, add(held.balances, htlc), []).sign);

const standsAs =
  (becomes: string) =>
  ({ standing }: { readonly standing: string }): string | undefined =>
    standing === becomes ? undefined : `a payment that was ${becomes} is ${standing}`;

const standingAfter = (act: Extract<Act, { do: "propose" | "decide" }>) =>
  act.do === "propose" ? act.becomes : act.verdict === "approve" ? "approved" : "denied";

const acts = (world: World, state: Payer): readonly Move[] => {
  const { node } = world;
  const act = actOf(state);
  const htlc = htlcIn(state);
  const proposed = keysendOf(node, htlc);
  switch (act.do) {
    case "propose":
      return [
        move("proposePayment", proposed, standsAs(act.becomes)),
        // The person's answer is not there before the first one.
        { ...move("checkPayment", proposed, standsAs(act.becomes)), waits: state.person === "device" },
      ];
    case "decide": {
      const id = state.approval as Uint8Array;
      return [
        move("decideApproval", { node, id, verdict: act.verdict, by: "ann" }, standsAs(standingAfter(act))),
      ];
    }
    case "withdraw":
      return [move("withdrawPayment", { node, hash: htlc.hash })];
    case "look": {
      const said = plotOf(state)
        .acts.slice(0, state.at)
        .findLast((one) => one.do === "decide" || one.do === "propose");
      const becomes = said === undefined ? "pending" : standingAfter(said);
      return [
        move("listApprovals", { node, state: "all" }, ({ approvals, more }) => {
          const mine = approvals.find(({ id }) => equal(id, state.approval as Uint8Array));
          if (mine === undefined) return more > 0 ? undefined : "an approval is not listed any more";
          return standsAs(becomes)(mine);
        }),
      ];
    }
    case "steal":
      return [grab(world, state, htlc)];
    case "stealMore":
      return state.held.balances.htlcs.length === 0
        ? [grab(world, state, htlcIn(state, 1n))]
        : [grab(world, state, htlcOf("holder", 1_000_000n, labelOf(state), outgoingExpiry))];
    case "pay":
    case "settle":
      return [];
  }
};

const begun = (state: Payer): Payer => {
  const act = actOf(state);
  const { held } = state;
  const { balances } = held;
  if (act.do === "pay") return { ...state, held: want(held, add(balances, htlcIn(state))) };
  if (act.do !== "settle") return state;
  const htlc = balances.htlcs.find((one) => same(one, htlcIn(state)));
  if (htlc === undefined) throw new Error("nothing is on its way");
  const preimages = act.how === "fulfil" ? [preimageOf(labelOf(state))] : [];
  return { ...state, held: want(held, remove(balances, htlc, act.how), { preimages, signFirst: false }) };
};

const begin = (label: string, person: World["person"]): Payer => ({
  person,
  held: heldOf(label, termsOf({ opener: "holder" })),
  round: 0,
  at: -1,
});

const next = (state: Payer): Payer => {
  if (state.at + 1 < (state.at < 0 ? 1 : plotOf(state).acts.length))
    return begun({ ...state, at: state.at + 1 });
  if (state.round + 1 === rounds) return begin(reborn(state.held.label), state.person);
  const { approval: _, ...rest } = state;
  return begun({ ...rest, round: state.round + 1, at: 0 });
};

export const payer: Life<Payer> = {
  begin,
  moves: (world, state) => (state.held.stage === "idle" ? acts(world, state) : heldMoves(world, state.held)),
  after: (state, moves, answers) => {
    if (state.held.stage !== "idle") {
      const held = heldAfter(state.held, moves, answers);
      return held.stage === "idle" ? next({ ...state, held }) : { ...state, held };
    }
    if (actOf(state).do !== "propose") return next(state);
    const { approval } = answers[0] as Reply<"proposePayment">;
    return next({ ...state, approval });
  },
};
