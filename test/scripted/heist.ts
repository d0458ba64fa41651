/**
 * Several channels whose host and counterparties are one party, and what it got away with. It may ask for any content
 * of any number in any order; what the signer let out of its hands is kept here, and the worst end of all is computed:
 * of each channel any live commitment may confirm, and of each payment hash the preimage is known to all, or to nobody.
 */

import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { commitmentNumber, type Preimage } from "../../protocol/units.ts";
import { defaultPolicy } from "../../signer/core/policy.ts";
import { add, type Opened, open, remove, start } from "./channel.ts";
import { type Balances, contentOf } from "./content.ts";
import { keysend } from "./payments.ts";
import type { Rig } from "./road.ts";
import { bob, evenTerms } from "./scene.ts";

const terms = evenTerms();
const peer = bob;
/** Blocks within which we can't claim what comes in. */
const delta = defaultPolicy("regtest").minForwardDelta;

/** One content that was signed, or validated. */
export interface Given {
  readonly number: bigint;
  readonly balances: Balances;
}

export interface Channel {
  readonly opened: Opened;
  readonly live: Record<Side, readonly Given[]>;
  /** All below are revoked. */
  readonly revoked: Record<Side, bigint>;
}

export interface Heist {
  rig: Rig;
  readonly channels: readonly Channel[];
  /** By hash: what may leave for it. */
  readonly approved: Map<string, bigint>;
  /** Hashes whose preimage the signer was shown. */
  readonly known: Set<string>;
  /** A host of a lesser tier: it lists no trimmed HTLCs and no preimages. */
  readonly blind: boolean;
}

/** Nobody looks at the signatures of a counterparty that is the host itself. */
export const plan = async (rig: Rig, count: number, blind = false): Promise<Heist> => {
  const channels: Channel[] = [];
  for (let i = 0; i < count; i++) {
    const opened = await open(rig.call, rig.session.node, peer, terms, `heist ${i}`);
    channels.push({
      opened,
      live: { holder: [], counterparty: [] },
      revoked: { holder: 0n, counterparty: 0n },
    });
  }
  const heist: Heist = { rig, channels, approved: new Map(), known: new Set(), blind };
  for (const [at] of channels.entries())
    for (const owner of ["counterparty", "holder"] as const)
      expectReply(await commit(heist, at, { owner, number: 0n, balances: start(terms) }));
  return heist;
};

const expectReply = (outcome: Outcome<Name>): void => {
  if (outcome.is !== "reply") throw new Error(`refused: ${JSON.stringify(outcome)}`);
};

export const channelOf = ({ channels }: Heist, at: number): Channel => {
  const channel = channels[at];
  if (channel === undefined) throw new RangeError(`no channel ${at}`);
  return channel;
};

export interface Move {
  readonly owner: Side;
  readonly number: bigint;
  readonly balances: Balances;
  readonly preimages?: readonly Preimage[];
}

const pointOf = async (rig: Rig, { node, channel }: Opened, number: bigint) => {
  const { points } = await rig.call("points", { node, channel, numbers: [commitmentNumber(number)] });
  const [point] = points;
  if (point === undefined) throw new RangeError("no point");
  return point;
};

/** signCounterpartyCommitment or validateHolderCommitment. */
export const commit = async (
  heist: Heist,
  at: number,
  { owner, number, balances, preimages = [] }: Move,
): Promise<Outcome<Name>> => {
  const { rig, known, blind } = heist;
  const channel = channelOf(heist, at);
  const { node, channel: id, shared } = channel.opened;
  const content = contentOf(terms, owner, commitmentNumber(number), balances);
  const told = blind ? ({ trimmed: unknown, preimages: unknown } as const) : { preimages };
  const place = { node, channel: id, funding: shared.funding, expected: unknown } as const;
  const common = { ...place, ...content, ...told };
  const outcome =
    owner === "counterparty"
      ? await rig.outcome("signCounterpartyCommitment", { ...common, point: peer.point(content.number) })
      : await rig.outcome("validateHolderCommitment", {
          ...common,
          ...peer.countersign(shared, await pointOf(rig, channel.opened, number), content),
        });
  if (outcome.is !== "reply") return outcome as Outcome<Name>;
  for (const preimage of blind ? [] : preimages) known.add(toHex(sha256(preimage)));
  channel.live[owner] = [...channel.live[owner], { number, balances }];
  return outcome as Outcome<Name>;
};

/** revokeHolderCommitment or validateCounterpartyRevocation of the oldest live number. */
export const revoke = async (heist: Heist, at: number, owner: Side): Promise<Outcome<Name>> => {
  const channel = channelOf(heist, at);
  const { node, channel: id } = channel.opened;
  const number = commitmentNumber(channel.revoked[owner]);
  const outcome =
    owner === "holder"
      ? await heist.rig.outcome("revokeHolderCommitment", { node, channel: id, number })
      : await heist.rig.outcome("validateCounterpartyRevocation", {
          ...{ node, channel: id, number },
          secret: peer.secret(number),
        });
  if (outcome.is !== "reply") return outcome as Outcome<Name>;
  channel.revoked[owner] += 1n;
  channel.live[owner] = channel.live[owner].filter((one) => one.number > number);
  return outcome as Outcome<Name>;
};

export const propose = async (
  heist: Heist,
  htlc: Pick<Htlc, "hash" | "amount">,
  changes: Partial<Request<"proposePayment">> = {},
): Promise<Outcome<"proposePayment">> => {
  const body = keysend(heist.rig.session.node, htlc, changes);
  const outcome = await heist.rig.outcome("proposePayment", body);
  if (outcome.is === "reply" && outcome.reply.standing === "approved")
    heist.approved.set(toHex(htlc.hash), body.amount + body.feeLimit);
  return outcome;
};

export const withdraw = async (heist: Heist, hash: Htlc["hash"]): Promise<Outcome<"withdrawPayment">> => {
  const outcome = await heist.rig.outcome("withdrawPayment", { node: heist.rig.session.node, hash });
  if (outcome.is === "reply") heist.approved.delete(toHex(hash));
  return outcome;
};

/**
 * Of one hash: from which expiry on what we offered is claimed, at the last moment; what expires so soon after it that
 * we come too late is lost. Nobody claims anything where it is undefined; with `known` everybody does at once.
 */
type End = number | undefined | "known";

const isPaid = ({ offeredBy, expiry }: Htlc, end: End): boolean => {
  if (end === undefined || end === "known") return end === "known";
  return offeredBy === "holder" ? expiry >= end : expiry >= end + delta;
};

const worth = ({ balances: { holder, htlcs } }: Given, ends: ReadonlyMap<string, End>): bigint =>
  htlcs.reduce(
    (sum, htlc) =>
      (htlc.offeredBy === "holder") === isPaid(htlc, ends.get(toHex(htlc.hash))) ? sum : sum + htlc.amount,
    holder as bigint,
  );

const endingsOf = (
  htlcs: readonly Htlc[],
  known: ReadonlySet<string>,
): readonly ReadonlyMap<string, End>[] => {
  const choices = new Map<string, Set<End>>();
  for (const { hash, expiry } of htlcs) {
    const key = toHex(hash);
    const some = choices.get(key) ?? new Set<End>(known.has(key) ? ["known"] : [undefined]);
    if (!known.has(key)) some.add(expiry);
    choices.set(key, some);
  }
  return [...choices].reduce<readonly ReadonlyMap<string, End>[]>(
    (all, [hash, some]) => all.flatMap((one) => [...some].map((end) => new Map([...one, [hash, end]]))),
    [new Map()],
  );
};

/** What the holder lacks at the worst end, beyond what was approved; in millisatoshi. */
export const stolen = ({ channels, approved, known }: Heist): bigint => {
  const sides = channels.map(({ live }) => [...live.holder, ...live.counterparty]);
  const htlcs = sides.flat().flatMap(({ balances }) => balances.htlcs);
  let least: bigint | undefined;
  for (const ends of endingsOf(htlcs, known)) {
    let sum = 0n;
    for (const live of sides)
      sum += live.map((one) => worth(one, ends)).reduce((low, one) => (one < low ? one : low));
    if (least === undefined || sum < least) least = sum;
  }
  const had = BigInt(channels.length) * start(terms).holder;
  const allowed = [...approved.values()].reduce((sum, one) => sum + one, 0n);
  return had - allowed - (least ?? had);
};

/** The last content of a side: what an honest update follows. */
export const last = (heist: Heist, at: number, owner: Side): Given => {
  const given = channelOf(heist, at).live[owner].at(-1);
  if (given === undefined) throw new RangeError("nothing was signed");
  return given;
};

export type Change = (balances: Balances) => Balances;
export const adds =
  (htlc: Htlc): Change =>
  (now) =>
    add(now, htlc);
export const settles =
  (htlc: Htlc, how: "fulfil" | "fail"): Change =>
  (now) =>
    remove(now, now.htlcs.find((one) => alike(one, htlc)) ?? htlc, how);

const alike = (a: Htlc, b: Htlc): boolean =>
  a.offeredBy === b.offeredBy && a.amount === b.amount && toHex(a.hash) === toHex(b.hash);

/** The next commitment of one side with this change, and the revocation of the one before. */
export const half = async (
  heist: Heist,
  at: number,
  owner: Side,
  change: Change,
  preimages: readonly Preimage[] = [],
): Promise<Outcome<Name>> => {
  const { number, balances } = last(heist, at, owner);
  const move = { owner, number: number + 1n, balances: change(balances), preimages };
  const outcome = await commit(heist, at, move);
  return outcome.is === "reply" ? revoke(heist, at, owner) : outcome;
};

/** Both sides, revocations included; stops at the first refusal. */
export const update = async (
  heist: Heist,
  at: number,
  change: Change,
  preimages: readonly Preimage[] = [],
): Promise<Outcome<Name>> => {
  const theirs = await half(heist, at, "counterparty", change, preimages);
  return theirs.is === "reply" ? half(heist, at, "holder", change, preimages) : theirs;
};
