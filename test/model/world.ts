/**
 * Some channels between one signer and peers that all work with a thief, who is the host as well. What each commitment
 * says is remembered as it was meant, without any of the signer's own bookkeeping.
 */

import { isKnown, unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import type { Outcome, Refusal } from "../../protocol/outcome.ts";
import {
  commitmentNumber,
  height,
  type Msat,
  msat,
  type PaymentHash,
  type Point,
  type Preimage,
  paymentHash,
  sat,
} from "../../protocol/units.ts";
import { type Opened, open, plainTerms, preimageOf, start } from "../scripted/channel.ts";
import { type Balances, contentOf } from "../scripted/content.ts";
import { type Peer, peer } from "../scripted/peer.ts";
import { curve, type Rig } from "../scripted/road.ts";

/** What a commitment means to the thief: balances, pending HTLCs, and what had settled up to it, by hash. */
export interface Meant {
  readonly number: bigint;
  readonly balances: Balances;
  readonly settledOut: ReadonlyMap<number, bigint>;
  readonly settledIn: ReadonlyMap<number, bigint>;
}

export interface ChannelOf {
  readonly opened: Opened;
  readonly terms: Terms;
  readonly peer: Peer;
  readonly points: Map<bigint, Point>;
  /** By owner: the unrevoked commitments that the signer took. */
  readonly live: Record<Side, Meant[]>;
  /** By owner: the lowest number that is not revoked. */
  readonly revoked: Record<Side, bigint>;
  /** By hash: what had settled when nothing of it was on its way in any channel. */
  readonly base: Map<number, Base>;
}

export interface Base {
  readonly out: bigint;
  readonly in: bigint;
}

export interface World {
  readonly rig: Rig;
  readonly channels: readonly ChannelOf[];
  /** The approval in force for each hash of the pool, fee limit included. */
  readonly approved: Map<number, bigint>;
  /** What such an approval has paid so far. */
  readonly paid: Map<number, bigint>;
  /** All that was ever approved. */
  granted: bigint;
  readonly initial: bigint;
}

/** Few, so that they meet again. */
export const labelOf = (at: number): string => `pool ${at}`;
export const pool: readonly Preimage[] = Array.from({ length: 6 }, (_, at) => preimageOf(labelOf(at)));
export const hashOf = (at: number): PaymentHash => paymentHash(sha256(pool[at] as Preimage));
export const indexOf = ({ hash }: Pick<Htlc, "hash">): number =>
  pool.findIndex((_, at) => Buffer.from(hashOf(at)).equals(Buffer.from(hash)));

const none: ReadonlyMap<number, bigint> = new Map();

export const openWorld = async (rig: Rig, count: number): Promise<World> => {
  const channels: ChannelOf[] = [];
  for (let at = 0; at < count; at++) {
    const thief = peer(`thief ${at}`, curve);
    // Ours is what the holder pays in: what can be lost is half of each channel.
    const terms = plainTerms({
      push: msat(500_000_000n),
      type: at % 2 === 0 ? "anchors" : "static_remotekey",
    });
    const opened = await open(rig.call, rig.session.node, thief, terms, `world ${at}`);
    const points = new Map(opened.points.map((point, n) => [BigInt(n), point]));
    const live = { holder: [], counterparty: [] };
    const revoked = { holder: 0n, counterparty: 0n };
    const channel: ChannelOf = { opened, terms, peer: thief, points, live, revoked, base: new Map() };
    const first: Meant = { number: 0n, balances: start(terms), settledOut: none, settledIn: none };
    for (const owner of ["counterparty", "holder"] as const) {
      const outcome = await give(rig, channel, owner, first, []);
      if (outcome.is !== "reply") throw new Error(`the first commitment: ${JSON.stringify(outcome)}`);
    }
    channels.push(channel);
  }
  const initial = channels.reduce((sum, { terms }) => sum + start(terms).holder, 0n);
  return { rig, channels, approved: new Map(), paid: new Map(), granted: 0n, initial };
};

const pointAt = async (rig: Rig, { opened, points }: ChannelOf, number: bigint): Promise<Point> => {
  const known = points.get(number);
  if (known !== undefined) return known;
  const numbers = [commitmentNumber(number)];
  const reply = await rig.call("points", { node: opened.node, channel: opened.channel, numbers });
  const point = reply.points[0] as Point;
  points.set(number, point);
  return point;
};

/** Asks the signer for one commitment of `owner`; what it takes is live from then on. */
export const give = async (
  rig: Rig,
  channel: ChannelOf,
  owner: Side,
  meant: Meant,
  preimages: readonly Preimage[],
): Promise<Outcome<"signCounterpartyCommitment" | "validateHolderCommitment">> => {
  const { opened, terms, peer: thief } = channel;
  const number = commitmentNumber(meant.number);
  const content = contentOf(terms, owner, number, meant.balances);
  const { node, channel: id, shared } = opened;
  const said = {
    node,
    channel: id,
    funding: shared.funding,
    preimages,
    expected: unknown,
    ...content,
  } as const;
  const outcome =
    owner === "counterparty"
      ? await rig.outcome("signCounterpartyCommitment", { ...said, point: thief.point(number) })
      : await rig.outcome("validateHolderCommitment", {
          ...said,
          ...thief.countersign(shared, await pointAt(rig, channel, meant.number), content),
        });
  if (outcome.is === "reply") {
    const same = (one: Meant): boolean =>
      one.number === meant.number && sameContent(contentOf(terms, owner, number, one.balances), content);
    // The same bytes again are no second commitment.
    if (!channel.live[owner].some(same)) channel.live[owner].push(meant);
  }
  return outcome as never;
};

const told = (value: unknown): string =>
  JSON.stringify(value, (_, v) =>
    typeof v === "bigint" ? `${v}` : v instanceof Uint8Array ? Buffer.from(v).toString("hex") : v,
  );
const sameContent = (a: object, b: object): boolean => {
  const sorted = ({ htlcs, trimmed, ...rest }: Record<string, unknown>): string =>
    told({
      ...rest,
      htlcs: (htlcs as unknown[]).map(told).sort(),
      trimmed: isKnown(trimmed as never) ? (trimmed as unknown[]).map(told).sort() : trimmed,
    });
  return sorted(a as never) === sorted(b as never);
};

/** The thief gives up the oldest number of one side, if the signer lets it. */
export const leave = async (
  { rig }: World,
  channel: ChannelOf,
  owner: Side,
): Promise<Refusal | undefined> => {
  const number = commitmentNumber(channel.revoked[owner]);
  const { node, channel: id } = channel.opened;
  const outcome =
    owner === "holder"
      ? await rig.outcome("revokeHolderCommitment", { node, channel: id, number })
      : await rig.outcome("validateCounterpartyRevocation", {
          node,
          channel: id,
          number,
          secret: channel.peer.secret(number),
        });
  if (outcome.is === "refusal") return outcome.refusal;
  if (outcome.is !== "reply") throw new Error(JSON.stringify(outcome));
  channel.revoked[owner] += 1n;
  channel.live[owner] = channel.live[owner].filter((one) => one.number > number);
  return undefined;
};

export const htlc = (offeredBy: Side, amount: bigint, at: number, expiry: number): Htlc => ({
  offeredBy,
  amount: msat(amount),
  hash: hashOf(at),
  expiry: height(expiry),
});

/** The least that we have in any live commitment, if nothing that is pending ever comes to us. */
export const worstOf = ({ live }: ChannelOf): bigint =>
  [...live.holder, ...live.counterparty].reduce<bigint | undefined>(
    (least, { balances }) => (least === undefined || balances.holder < least ? balances.holder : least),
    undefined,
  ) ?? 0n;

export const lossOf = ({ channels, initial }: World): bigint =>
  initial - channels.reduce((sum, channel) => sum + worstOf(channel), 0n);

export const moved = (balances: Balances, from: Side, amount: bigint): Balances => {
  const to: Side = from === "holder" ? "counterparty" : "holder";
  return {
    ...balances,
    [from]: msat(balances[from] - amount),
    [to]: msat(balances[to] + amount),
  };
};
export const atLeast = (value: Msat, least: bigint): boolean => value >= least;
export const dust = sat(354n);
