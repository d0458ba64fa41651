/** One channel as its host remembers it, and the requests that bring it to its next state. */

import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { txidOf } from "../../protocol/bitcoin/tx.ts";
import type { Basepoints } from "../../protocol/bolt/channel.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { equal } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc, Terms } from "../../protocol/operations/fields.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import {
  type ChannelId,
  commitmentNumber,
  type Point,
  type Preimage,
  type Script,
} from "../../protocol/units.ts";
import { type MadeTx, spending } from "../scripted/chain.ts";
import {
  fundingOf,
  htlcOf,
  keysendOf,
  type Opened,
  plainTerms,
  preimageOf,
  type Requests,
  start,
  update,
} from "../scripted/channel.ts";
import type { Balances } from "../scripted/content.ts";
import { type Answer, type Move, move, type World } from "./life.ts";

/** With no more HTLCs than a device has room for. */
export const termsOf = (changes: Partial<Terms>): Terms =>
  plainTerms({ ...changes, holder: { ...plainTerms().holder, maxAcceptedHtlcs: 50 } });

export interface Held {
  readonly label: string;
  /** Its funding is a transaction that a block can have. */
  readonly isFunded: boolean;
  readonly stage: "new" | "setup" | "busy" | "idle";
  readonly terms: Terms;
  readonly channel?: ChannelId;
  readonly basepoints?: Basepoints;
  readonly closingScript?: Script;
  /** The holder's points, by number. */
  readonly points: Readonly<Record<string, Point>>;
  /** The number that the present update, or the next one, leads to. */
  readonly number: bigint;
  readonly balances: Balances;
  /** What the present update wants, and the preimages that it brings. */
  readonly wanted: Balances;
  readonly preimages: readonly Preimage[];
  /** Which of the update's batches comes next. */
  readonly step: number;
  readonly signFirst: boolean;
}

export const heldOf = (label: string, terms: Terms, isFunded = false): Held => {
  const balances = start(terms);
  return {
    ...{ label, isFunded, terms, balances, stage: "new", points: {}, number: 0n },
    ...{ wanted: balances, preimages: [], step: 0, signFirst: true },
  };
};

export const fundingTxOf = ({ peer }: World, { basepoints, terms, label }: Held): MadeTx => {
  if (basepoints === undefined) throw new Error("not open");
  const pays = p2wsh(fundingScript(basepoints.funding, peer.basepoints.funding));
  return spending([fundingOf(label)], { outputs: [{ value: terms.value, script: pays }] });
};

export const openedOf = (world: World, held: Held): Opened => {
  const { node, peer } = world;
  const { channel, basepoints, closingScript, terms, label, isFunded } = held;
  if (channel === undefined || basepoints === undefined || closingScript === undefined)
    throw new Error("not open");
  const funding = isFunded ? { txid: txidOf(fundingTxOf(world, held).tx), index: 0 } : fundingOf(label);
  const shared = { terms, holder: basepoints, counterparty: peer.basepoints, funding };
  return { node, channel, shared, closingScript, points: [] };
};

export const pointOf = ({ points }: Held, number: bigint): Point => {
  const point = points[String(number)];
  if (point === undefined) throw new Error(`no point for ${number}`);
  return point;
};

/** The requests of the next number, with these balances. */
export const requestsOf = (
  world: World,
  held: Held,
  balances: Balances = held.wanted,
  preimages: readonly Preimage[] = held.preimages,
): Requests =>
  update(openedOf(world, held), world.peer, pointOf(held, held.number), held.number, balances, preimages);

export const want = (
  held: Held,
  wanted: Balances,
  { preimages = [], signFirst = true }: Partial<Pick<Held, "preimages" | "signFirst">> = {},
): Held => ({ ...held, stage: "busy", wanted, preimages, signFirst, step: 0 });

export const heldMoves = (world: World, held: Held): readonly Move[] => {
  const { node, peer } = world;
  const { stage, terms } = held;
  if (stage === "new") return [move("new", { node, wanted: unknown })];
  if (stage === "idle") return [];
  const { channel, shared } = openedOf(world, held);
  if (stage === "setup") {
    const { counterparty, funding } = shared;
    return [
      move("check", { node, channel, peer: peer.id, terms }),
      move("setup", { node, channel, peer: peer.id, terms, counterparty, funding }),
      move("points", { node, channel, numbers: [commitmentNumber(0n), commitmentNumber(1n)] }),
    ];
  }
  const { sign, validate, revoke, revocation } = requestsOf(world, held);
  const signs = [move("signCounterpartyCommitment", sign)];
  const mine = [move("validateHolderCommitment", validate)];
  if (revoke !== undefined) mine.push(move("revokeHolderCommitment", revoke));
  const theirs = revocation === undefined ? [] : [move("validateCounterpartyRevocation", revocation)];
  return (held.signFirst ? [signs, mine, theirs] : [mine, signs, theirs])[held.step] ?? [];
};

const opens = (held: Held, { channel, basepoints, closingScript, points }: Reply<"new">): Held => ({
  ...held,
  ...{ channel, basepoints: basepoints as Basepoints, closingScript, stage: "setup" },
  points: { "0": points[0] as Point, "1": points[1] as Point },
});

const revoked = (held: Held, [a, b]: Reply<"revokeHolderCommitment">["points"]): Held => ({
  ...held,
  points: {
    [String(held.number - 1n)]: pointOf(held, held.number - 1n),
    [String(held.number)]: pointOf(held, held.number),
    [String(held.number + 1n)]: a as Point,
    [String(held.number + 2n)]: b as Point,
  },
});

export const heldAfter = (before: Held, moves: readonly Move[], answers: readonly Answer[]): Held => {
  let held = before;
  for (const [i, { request, expects }] of moves.entries()) {
    if (expects === "refusal") continue;
    if (request.name === "new") return opens(held, answers[i] as Reply<"new">);
    if (request.name === "revokeHolderCommitment")
      held = revoked(held, (answers[i] as Reply<"revokeHolderCommitment">).points);
  }
  if (held.stage === "setup") return { ...held, stage: "busy" };
  const last = held.number === 0n ? 1 : 2;
  if (held.step < last) return { ...held, step: held.step + 1 };
  return {
    ...held,
    ...{ stage: "idle", number: held.number + 1n, balances: held.wanted, step: 0, preimages: [] },
  };
};

/** What comes back from a database is no longer the same object. */
export const same = (a: Htlc, b: Htlc): boolean => equal(a.hash, b.hash) && a.offeredBy === b.offeredBy;

export const added = ({ wanted, balances }: Held): readonly Htlc[] =>
  wanted.htlcs.filter((htlc) => !balances.htlcs.some((one) => same(one, htlc)));

/** What a host asks for before its first commitment with new payments, and then all that brings the channel on. */
export const proposed = (world: World, held: Held): readonly Move[] => {
  const moves = heldMoves(world, held);
  if (held.stage !== "busy" || held.step !== 0) return moves;
  const asks = added(held)
    .filter(({ offeredBy }) => offeredBy === "holder")
    .map((htlc) =>
      move("proposePayment", keysendOf(world.node, htlc), ({ standing }) =>
        standing === "approved" ? undefined : `a payment within the limits is ${standing}`,
      ),
    );
  // At a device a person is asked for each of them, and a payment leaves when they said yes.
  const waits = world.person === "device" && asks.length > 0;
  return [...asks, ...(waits ? moves.map((one) => ({ ...one, waits })) : moves)];
};

/** Above what the chain of these tests reaches, and within what any HTLC may last. */
export const incomingExpiry = 1_500;
export const outgoingExpiry = 1_300;

/** Its own: what was claimed with a preimage in one content does not fail in another. */
export const fateOf = ({ hash }: Htlc): "fulfil" | "fail" =>
  ((hash[0] as number) & 1) === 0 ? "fulfil" : "fail";

export const preimageFor = ({ label }: Held, count: number, htlc: Htlc): Preimage => {
  for (let n = 0; n < count; n++)
    if (equal(htlcOf("holder", 1n, `${label}/${n}`).hash, htlc.hash)) return preimageOf(`${label}/${n}`);
  throw new Error("an HTLC of no known preimage");
};
