/** A channel that takes any state which BOLT 2 allows, with variants, and ends in one of its ways. */

import { unknown } from "../../../protocol/codec.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import { commitmentNumber, feerate, msat, type Script, sat } from "../../../protocol/units.ts";
import { add, htlcOf, remove, withFeerate } from "../../scripted/channel.ts";
import { peerScript } from "../../scripted/close.ts";
import { contentOf } from "../../scripted/content.ts";
import { commitmentOf } from "../../scripted/peer.ts";
import { type Random, random } from "../../scripted/random.ts";
import { curve } from "../../scripted/road.ts";
import { published, spending, toWallet } from "../../scripted/spends.ts";
import {
  fateOf,
  type Held,
  heldAfter,
  heldOf,
  openedOf,
  outgoingExpiry,
  pointOf,
  preimageFor,
  proposed,
  requestsOf,
  same,
  termsOf,
  want,
} from "../held.ts";
import { type Life, type Move, move, reborn, theft, type World } from "../life.ts";

type Ending = "closing" | "simple" | "broadcast" | "stolen" | "forgotten";

export interface Wander {
  readonly held: Held;
  readonly htlcCount: number;
  /** Contents asked for at this number so far. */
  readonly tries: number;
  /** The host crashed, and its peer with it: another content must come. */
  readonly another: boolean;
  /** The counterparty signs a first content of ours, and another one after it came back. */
  readonly rehearsed: boolean;
  readonly ending?: Ending;
  readonly rounds: number;
}

const reserve = 50_000_000n;

/** What was fulfilled or failed before a connection was lost is said again first when it is back (BOLT 2). */
const removedAgain = ({ held }: Wander): readonly Htlc[] =>
  held.stage === "busy"
    ? held.balances.htlcs.filter((htlc) => !held.wanted.htlcs.some((one) => same(one, htlc)))
    : [];

/** Another state that BOLT 2 allows to follow. */
const propose = (state: Wander, dice: Random, signFirst: boolean): Wander => {
  const { held } = state;
  let wanted = held.balances;
  let { htlcCount } = state;
  const preimages: Held["preimages"][number][] = [];
  for (const htlc of removedAgain(state)) {
    const how = fateOf(htlc);
    wanted = remove(wanted, htlc, how);
    if (how === "fulfil") preimages.push(preimageFor(held, htlcCount, htlc));
  }
  for (let change = dice.int(3); change >= 0; change--) {
    const [oldest] = wanted.htlcs;
    const settled = oldest !== undefined && held.balances.htlcs.some((one) => same(one, oldest));
    switch (dice.int(4)) {
      case 0:
      case 1: {
        const by = dice.pick(["holder", "counterparty"] as const);
        const amount = BigInt(dice.pick([5_000, 300_000, 2_000_000, 10_000_000])) + BigInt(dice.int(999));
        if (wanted[by] > reserve + amount && wanted.htlcs.length < 8)
          wanted = add(wanted, htlcOf(by, amount, `${held.label}/${htlcCount++}`, outgoingExpiry));
        break;
      }
      case 2:
        if (settled) {
          const how = fateOf(oldest);
          wanted = remove(wanted, oldest, how);
          if (how === "fulfil") preimages.push(preimageFor(held, htlcCount, oldest));
        }
        break;
      default:
        wanted = withFeerate(wanted, feerate(dice.pick([253, 1_000, 2_500, 5_000])));
    }
  }
  return { ...state, htlcCount, another: false, held: want(held, wanted, { preimages, signFirst }) };
};

const closeOf = (world: World, { held, rounds }: Wander): Request<"signClosing"> => {
  const { terms, balances } = held;
  const { node, channel, shared, closingScript } = openedOf(world, held);
  const fee = BigInt(500 + 100 * rounds);
  const pays = (side: "holder" | "counterparty") => (terms.opener === side ? fee : 0n);
  return {
    ...{ node, channel, funding: shared.funding, expected: unknown },
    toHolder: sat(balances.holder / 1000n - pays("holder")),
    holderScript: closingScript,
    toCounterparty: sat(balances.counterparty / 1000n - pays("counterparty")),
    counterpartyScript: peerScript,
  };
};

const simpleOf = (world: World, { held, rounds }: Wander): Request<"signSimpleClosing"> => {
  const { node, channel, shared, closingScript } = openedOf(world, held);
  const { holder, counterparty } = held.balances;
  return {
    ...{ node, channel, funding: shared.funding, holder, counterparty, locktime: 0 },
    ...{ holderScript: closingScript, counterpartyScript: peerScript as Script },
    closer: held.terms.opener,
    fee: sat(BigInt(500 + 100 * rounds)),
  };
};

/** Our own commitment for broadcast, and what of it is ours at once. */
const broadcastOf = async (world: World, { held }: Wander): Promise<readonly Move[]> => {
  const opened = openedOf(world, held);
  const number = commitmentNumber(held.number - 1n);
  const point = pointOf(held, held.number - 1n);
  const { balances, terms } = held;
  const content = contentOf(terms, "holder", number, balances);
  const { commitment } = commitmentOf(curve, opened.shared, "holder", point, content);
  const { node, channel, shared } = opened;
  const said = { node, channel, funding: shared.funding, number, txid: commitment.txid };
  const labels = new Map();
  const preimage = () => {
    throw new Error("no HTLC is claimed here");
  };
  const { coins } = published({
    ...{ opened, peer: world.peer, owner: "holder", number, balances, point, labels, preimage },
  });
  const { delayed } = coins;
  const claims =
    delayed === undefined
      ? []
      : [move("spend", spending(node, [delayed], [await toWallet(world, delayed.value - 2_000n)]).body)];
  return [move("signHolderCommitment", said), ...claims];
};

/** The next commitment is validated, and then the secret of one that was signed for broadcast asked for. */
const stolen = (world: World, { held }: Wander): readonly Move[] => {
  const { validate, revoke } = requestsOf(world, held, held.balances, []);
  if (revoke === undefined) throw new Error("nothing to steal");
  return [move("validateHolderCommitment", validate), theft("revokeHolderCommitment", revoke)];
};

const forgets = (world: World, held: Held): readonly Move[] => {
  const { node, channel, shared } = openedOf(world, held);
  const { terms, funding, counterparty } = shared;
  return [
    move("forget", { node, channel }),
    theft("setup", { node, channel, peer: world.peer.id, terms, counterparty, funding }),
    theft("new", { node, wanted: channel }),
  ];
};

const ended = (world: World, state: Wander): Promise<readonly Move[]> | readonly Move[] => {
  switch (state.ending as Ending) {
    case "closing":
      return [move("signClosing", closeOf(world, state))];
    case "simple":
      return [move("signSimpleClosing", simpleOf(world, state))];
    case "broadcast":
      return broadcastOf(world, state);
    case "stolen":
      return stolen(world, state);
    case "forgotten":
      return forgets(world, state.held);
  }
};

const begin = (label: string): Wander => {
  const dice = random(label);
  const opener = dice.pick(["holder", "counterparty"] as const);
  const type = dice.pick(["anchors", "static_remotekey"] as const);
  const held = heldOf(label, termsOf({ type, opener, push: msat(300_000_000n) }));
  return { held, htlcCount: 0, tries: 1, another: false, rehearsed: false, rounds: 0 };
};

const upToDate = (state: Wander, dice: Random): Wander => {
  const { held } = state;
  const { number, balances } = held;
  const settled: Wander = { ...state, tries: 1, rehearsed: false };
  if (number > 8n && dice.int(8) === 0) return { ...settled, ending: "broadcast" };
  if (number > 8n && balances.htlcs.length === 0 && dice.int(2) === 0)
    return { ...settled, ending: dice.pick(["closing", "simple"] as const) };
  const signFirst = dice.int(2) === 0;
  // Towards a close: nothing new, and one HTLC less each time.
  const [oldest] = balances.htlcs;
  if (number > 12n && oldest !== undefined) {
    const how = fateOf(oldest);
    const preimages = how === "fulfil" ? [preimageFor(held, state.htlcCount, oldest)] : [];
    return { ...settled, held: want(held, remove(balances, oldest, how), { preimages, signFirst }) };
  }
  return propose(settled, dice, signFirst);
};

/** Only one half of the first batch was exchanged before both sides lost their connection. */
const isRehearsal = ({ held, tries, rehearsed }: Wander): boolean =>
  held.stage === "busy" &&
  held.number > 0n &&
  held.step === 0 &&
  !held.signFirst &&
  !rehearsed &&
  tries < 3 &&
  random(`${held.label} ${held.number} rehearsal`).int(3) === 0;

const mayVary = ({ held, tries }: Wander): boolean =>
  held.stage === "busy" && held.step === 0 && held.signFirst && held.number > 0n && tries < 4;

export const wander: Life<Wander> = {
  begin,
  moves: (world, state) => {
    const { held } = state;
    if (state.ending !== undefined) return ended(world, state);
    const moves = proposed(world, held);
    if (isRehearsal(state)) {
      const first = moves.findIndex(({ request }) => request.name !== "proposePayment");
      return moves.slice(0, first + 1);
    }
    // Where another content of the same number is good, the secret would leave for that one.
    const waits = ({ request }: Move) => state.rehearsed && request.name === "revokeHolderCommitment";
    return moves.map((one) => (waits(one) ? { ...one, waits: true } : one));
  },
  after: (state, moves, answers) => {
    const { held, tries, rounds, ending } = state;
    const dice = random(`${held.label} ${held.stage} ${held.number} ${held.step} ${tries}`);
    if (ending !== undefined) {
      if (ending === "broadcast" && rounds > 0) return { ...state, ending: "stolen" };
      const more = ending === "stolen" || ending === "forgotten" ? 0 : 2;
      return rounds < more ? { ...state, rounds: rounds + 1 } : begin(reborn(held.label));
    }
    if (isRehearsal(state)) return { ...propose(state, dice, false), tries: tries + 1, rehearsed: true };
    // The counterparty was away when its signature came, and comes back with another idea: a variant.
    if (mayVary(state) && (state.another || dice.int(4) === 0))
      return { ...propose(state, dice, true), tries: tries + 1 };
    const next: Wander = { ...state, held: heldAfter(held, moves, answers) };
    if (held.stage === "setup" && held.terms.opener === "holder" && dice.int(3) === 0)
      return { ...next, ending: "forgotten" };
    return next.held.stage === "idle" ? upToDate(next, dice) : next;
  },
  comeBack: (state) => ({ ...state, another: mayVary(state) }),
};
