/**
 * A channel whose end is on the chain, with no host to help: its counterparty publishes what it revoked and `justice` is
 * asked, or a person leaves by `exit`. What was answered once is answered after every kill, and every transaction in it
 * is run as Bitcoin Core would run it.
 */

import { decodeTx, type Tx, txidOf } from "../../../protocol/bitcoin/tx.ts";
import { toHex } from "../../../protocol/bytes.ts";
import { isKnown, unknown } from "../../../protocol/codec.ts";
import type { Reply, Request } from "../../../protocol/operations/index.ts";
import { feerate, msat } from "../../../protocol/units.ts";
import { add, htlcOf, remove } from "../../scripted/channel.ts";
import type { Balances } from "../../scripted/content.ts";
import { random } from "../../scripted/random.ts";
import { rawOf } from "../../unit/bitcoin-blocks.ts";
import {
  fateOf,
  fundingTxOf,
  type Held,
  heldAfter,
  heldOf,
  incomingExpiry,
  openedOf,
  outgoingExpiry,
  preimageFor,
  proposed,
  requestsOf,
  termsOf,
  want,
} from "../held.ts";
import { flawIn, type Mined, minedOf, oursIn, takenOf } from "../homeward.ts";
import { either, type Life, type Move, move, reborn, theft, type World } from "../life.ts";

const stories = {
  breach: ["look", "fund", "grow", "grow", "grow", "cheat", "again", "punish", "done"],
  exit: ["look", "fund", "grow", "grow", "leave", "again", "steal", "ended", "swept"],
  /** Who comes first, the host with the next number or the person who leaves with this one? */
  race: ["look", "grow", "race"],
  /** Of a chain that nobody shows blocks of this channel. */
  blind: ["look", "grow", "grow", "leave", "again", "steal"],
} as const;
type Story = keyof typeof stories;
type Act = (typeof stories)[Story][number];

export interface Shore {
  readonly held: Held;
  readonly story: Story;
  /** -1 while the channel is opened. */
  readonly at: number;
  readonly htlcCount: number;
  /** What the counterparty keeps, revokes and publishes. */
  readonly old?: { readonly number: bigint; readonly balances: Balances };
  /** Transactions of the first answer; the commitment apart from them. */
  readonly told: readonly Uint8Array[];
  readonly commitment?: Uint8Array;
}

/** HTLCs of these tests expire above it, and what was begun below it ends. */
const highest = 1_000;
const sweepFeerate = feerate(1_000);

const actOf = ({ story, at }: Shore): Act | undefined => stories[story][at];

const grown = (state: Shore): Shore => {
  const { held } = state;
  const { balances, label, number } = held;
  const dice = random(`${label} grows to ${number}`);
  const [oldest] = balances.htlcs;
  const isOver = oldest !== undefined && dice.int(3) === 0 && fateOf(oldest) === "fail";
  let wanted = isOver ? remove(balances, oldest, "fail") : balances;
  let { htlcCount } = state;
  for (const by of ["counterparty", "holder"] as const) {
    if (dice.int(4) === 0) continue;
    const amount = 3_000_000n + BigInt(dice.int(9_999));
    const expiry = by === "holder" ? outgoingExpiry : incomingExpiry;
    wanted = add(wanted, htlcOf(by, amount, `${label}/${htlcCount++}`, expiry));
  }
  return { ...state, htlcCount, held: want(held, wanted, { signFirst: dice.int(2) === 0 }) };
};

const begin = (label: string): Shore => {
  const dice = random(label);
  const opener = dice.pick(["holder", "counterparty"] as const);
  const type = dice.pick(["anchors", "static_remotekey"] as const);
  const story = random(`${label} how`).pick(["breach", "breach", "exit", "exit", "race"] as const);
  const held = heldOf(label, termsOf({ type, opener, push: msat(400_000_000n) }), true);
  return { held, story, at: -1, htlcCount: 0, told: [] };
};

const next = (state: Shore): Shore => {
  const { held, at, story } = state;
  const past = actOf(state) === "grow" && state.old === undefined;
  const old = past ? { old: { number: held.number - 1n, balances: held.balances } } : {};
  const after: Shore = { ...state, ...old, at: at + 1 };
  if (after.at === stories[story].length) return begin(reborn(held.label));
  return actOf(after) === "grow" ? grown(after) : after;
};

/** The counterparty's, as it was when the counterparty signed nothing newer. */
const breachOf = (world: World, { held, old }: Shore): Mined => {
  if (old === undefined) throw new Error("nothing was revoked");
  return minedOf(world, held, { owner: "counterparty", ...old });
};

const justiceOf = (world: World, { held }: Shore): Request<"justice"> => {
  const { node, channel } = openedOf(world, held);
  return { node, channel, feerate: sweepFeerate };
};

const exitOf = (world: World, { held, htlcCount }: Shore): Request<"exit"> => {
  const { node, channel } = openedOf(world, held);
  const preimages = held.balances.htlcs
    .filter((htlc) => htlc.offeredBy === "counterparty" && fateOf(htlc) === "fulfil")
    .map((htlc) => preimageFor(held, htlcCount, htlc));
  return { node, channel, feerate: sweepFeerate, confirmed: unknown, preimages };
};

type Home = Reply<"justice"> | Reply<"exit">;
const commitmentIn = (home: Home): Uint8Array | undefined =>
  "commitment" in home && isKnown(home.commitment) ? home.commitment.tx : undefined;
const rawsIn = ({ transactions }: Home): readonly Uint8Array[] => transactions.map(({ tx }) => tx);
const wordsOf = (raws: readonly Uint8Array[]): string => raws.map(toHex).toSorted().join();

const as =
  (raws: readonly Uint8Array[], commitment?: Uint8Array) =>
  (home: Home): string | undefined => {
    const own = commitmentIn(home);
    if (commitment !== undefined && (own === undefined || toHex(own) !== toHex(commitment)))
      return "the commitment is not the one of the first answer";
    return wordsOf(rawsIn(home)) === wordsOf(raws) ? undefined : "the transactions are not those of before";
  };

/** Meanwhile a coin may have been found that pays for what had none, so that other transactions take the same. */
const takes =
  (raws: readonly Uint8Array[], commitment: Uint8Array) =>
  (home: Home): string | undefined => {
    const own = commitmentIn(home);
    if (own !== undefined && toHex(own) !== toHex(commitment))
      return "the commitment is not the one of the first answer";
    const id = txidOf(decodeTx(commitment).tx);
    return takenOf(id, rawsIn(home)) === takenOf(id, raws)
      ? undefined
      : "they do not take what those before took";
  };

const punishes = (world: World, state: Shore) => (home: Home) => {
  const breach = breachOf(world, state);
  return flawIn([breach.tx], rawsIn(home), oursIn(breach, { pending: state.held.balances }));
};

const leaves = (world: World, state: Shore) => (home: Home) => {
  const { held } = state;
  const raw = commitmentIn(home);
  if (raw === undefined || !("commitment" in home) || !isKnown(home.commitment)) return "no commitment";
  const before: readonly Tx[] = [fundingTxOf(world, held).tx];
  const { number } = home.commitment;
  // Of two live numbers it may be the next one, of the same content.
  const mine = minedOf(world, held, { owner: "holder", number, balances: held.balances });
  const { preimages } = exitOf(world, state);
  return flawIn(before, [raw, ...rawsIn(home)], oursIn(mine, { pending: held.balances, preimages }));
};

const steals = (world: World, { held }: Shore, first: "reply" | "race"): readonly Move[] => {
  const { validate, revoke } = requestsOf(world, held, held.balances, []);
  if (revoke === undefined) throw new Error("nothing to steal");
  const secret = first === "race" ? either : theft;
  return [move("validateHolderCommitment", validate), secret("revokeHolderCommitment", revoke)];
};

const acts = (world: World, state: Shore): readonly Move[] => {
  const { told, commitment } = state;
  const justice = (lacks: (home: Home) => string | undefined): readonly Move[] => [
    move("justice", justiceOf(world, state), lacks),
  ];
  const exit = (lacks: (home: Home) => string | undefined): readonly Move[] => [
    move("exit", exitOf(world, state), lacks),
  ];
  switch (actOf(state)) {
    case "look":
      return [move("chainTip", { node: world.node })];
    case "cheat":
      return justice(punishes(world, state));
    case "leave":
      return exit(leaves(world, state));
    case "again":
      return commitment === undefined ? justice(as(told)) : exit(takes(told, commitment));
    case "punish":
      return justice(as(told.slice(1)));
    case "done":
      return justice(as([]));
    case "steal":
      return steals(world, state, "reply");
    case "race":
      return [...steals(world, state, "race"), ...exit(leaves(world, state))];
    case "ended":
      return exit(takes(told, commitment ?? new Uint8Array(0)));
    case "swept":
      return exit(as([]));
    case "fund":
    case "grow":
    case undefined:
      return [];
  }
};

const published = (world: World, state: Shore): readonly Uint8Array[] => {
  const { held, told, commitment = new Uint8Array(0) } = state;
  switch (actOf(state)) {
    case "fund":
      return [rawOf(fundingTxOf(world, held))];
    case "cheat":
    case "again":
      return state.story === "breach" ? [breachOf(world, state).raw] : [];
    case "punish":
      return [breachOf(world, state).raw, ...told.slice(0, 1)];
    case "done":
      return [breachOf(world, state).raw, ...told];
    case "ended":
      return [commitment];
    case "swept":
      return [commitment, ...told];
    case "look":
    case "grow":
    case "leave":
    case "steal":
    case "race":
    case undefined:
      return [];
  }
};

export const shore: Life<Shore> = {
  begin,
  moves: (world, state) => (state.held.stage === "idle" ? acts(world, state) : proposed(world, state.held)),
  after: (state, moves, answers) => {
    if (state.held.stage !== "idle") {
      const held = heldAfter(state.held, moves, answers);
      return held.stage === "idle" ? next({ ...state, held }) : { ...state, held };
    }
    const act = actOf(state);
    if (act === "look") {
      const { height } = answers[0] as Reply<"chainTip">;
      const isLate = height > highest && state.story !== "race";
      return next(isLate ? { ...state, story: "blind" } : state);
    }
    if (act !== "cheat" && act !== "leave") return next(state);
    const home = answers[0] as Home;
    const commitment = commitmentIn(home);
    return next({ ...state, told: rawsIn(home), ...(commitment === undefined ? {} : { commitment }) });
  },
  publishes: published,
};
