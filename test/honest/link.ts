/**
 * One channel of the honest node, as BOLT 2 has it: updates are announced, committed and revoked by each side in its
 * own time; a connection may drop at every message, and either side may have forgotten what the other never received.
 */

import { commitmentFee } from "../../protocol/bolt/weight.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name, Reply } from "../../protocol/operations/index.ts";
import {
  type Feerate,
  feerate,
  height,
  msat,
  type PaymentHash,
  type Preimage,
} from "../../protocol/units.ts";
import { ask } from "../scripted/channel.ts";
import { verifyOf } from "../scripted/checks.ts";
import { type Duplex, opposite, reordered, type Update } from "../scripted/duplex.ts";
import type { Peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";
import type { World } from "./world.ts";

export type Fate = "fulfil" | "fail";

/** Where an HTLC is: `settling` is announced, the last three are for good. */
export type Standing = "waiting" | "committed" | "settling" | "fulfilled" | "failed" | "dropped";

/** An HTLC of one channel, whatever becomes of the messages that speak of it. */
export interface Hop {
  readonly link: Link;
  readonly by: Side;
  readonly htlc: Htlc;
  standing(): Standing;
  /** What the other side announced, or would if its message had not been lost. */
  fate(): Fate | undefined;
  /** By the side that it was offered to. Decided once: a preimage that is out stays out. */
  settle(fate: Fate, preimage?: Preimage): void;
}

export interface Wanted {
  readonly hash: PaymentHash;
  readonly amount: bigint;
  readonly expiry: number;
}

export interface Link {
  readonly duplex: Duplex;
  readonly peer: Peer;
  /** What this side may offer now, keeping its reserve and the opener's fee. */
  room(by: Side): bigint;
  offer(by: Side, wanted: Wanted): Hop | undefined;
  changeFee(rate: Feerate): boolean;
  /** The next message of one side's commitments, if there is one. */
  advance(owner: Side): Promise<void>;
  /** The connection dropped: BOLT 2, "Message Retransmission". */
  reconnect(): Promise<void>;
  /** What a host that was restarted may ask again, in the order in which it had asked. */
  outbox(): readonly Sent[];
  isQuiet(): boolean;
  isStalled(): boolean;
  /** What waits for a temporary refusal to pass. */
  stalled(): readonly AnyRequest[];
  /** Nothing moves any more. */
  close(): void;
  readonly closed: boolean;
}

export interface Sent {
  readonly at: number;
  readonly request: AnyRequest;
}

interface Tracked {
  readonly hop: Hop;
  readonly added: Update;
  /** Undefined until it is decided. */
  removal: Update | undefined;
  /** Given up by its offerer when it had to be announced again: certain once no commitment with it is left. */
  droppedAt: number | undefined;
  /** The last number under which it was given to the other side, as far as that was forgotten since. */
  signedIn: number;
  isThere: boolean;
}

/** Contents that one number may have had before: one more is the last that may live beside them. */
const mostForgotten = 3;
const mostPending = 40;
const anchors = 660n;

export interface LinkParts {
  readonly world: World;
  readonly duplex: Duplex;
  readonly peer: Peer;
  /** The same keys, other nonces: what it signs again is other bytes. */
  readonly again: Peer;
}

let sequence = 0;

export const openLink = ({ world, duplex, peer, again }: LinkParts): Link => {
  const { random, counts } = world;
  const { terms } = duplex;
  const tracked: Tracked[] = [];
  const queued: Record<Side, Update[]> = { holder: [], counterparty: [] };
  const waiting: Record<Side, AnyRequest[]> = { holder: [], counterparty: [] };
  const sent: Record<Side, Sent[]> = { holder: [], counterparty: [] };
  const forgotten: Record<Side, number> = { holder: 0, counterparty: 0 };
  /** The last number of each side that came again with other content. */
  const lost: Record<Side, number> = { holder: -1, counterparty: -1 };
  let closed = false;

  /**
   * While a number has several contents, which of them the other side has is known to nobody who can't see it: an
   * honest node takes nothing for certain until that number is left behind.
   */
  const isFirm = (): boolean =>
    lost.holder < duplex.revoked.holder && lost.counterparty < duplex.revoked.counterparty;

  const reserve = (side: Side): bigint => {
    const given = terms[opposite(side)].reserve;
    return isKnown(given) ? given * 1000n : 0n;
  };

  /** What the opener must be able to pay with so many HTLCs more. */
  const fee = (more: number, rate: Feerate = duplex.feerate()): bigint =>
    1000n *
    (commitmentFee(terms.type, duplex.pending() + queuedAdds() + more, rate) +
      (terms.type === "anchors" ? anchors : 0n));

  const queuedAdds = (): number =>
    [...queued.holder, ...queued.counterparty].filter(({ kind }) => kind === "add").length;

  const queuedBy = (side: Side): bigint =>
    queued[side].reduce((sum, update) => (update.kind === "add" ? sum + update.htlc.amount : sum), 0n);

  const surely = (side: Side): bigint => duplex.surely(side) - queuedBy(side);

  const room = (by: Side): bigint => {
    if (closed || duplex.pending() + queuedAdds() >= mostPending) return 0n;
    const opener = terms.opener === by;
    if (!opener && surely(terms.opener) < fee(2)) return 0n;
    const left = surely(by) - reserve(by) - (opener ? fee(4) : 0n);
    return left > 0n ? left : 0n;
  };

  const announce = (by: Side, update: Update): void => {
    // Announced at once, or when the connection is back.
    duplex.propose(by, update);
  };

  const standingOf = (one: Tracked): Standing => {
    const { hop, added, removal, droppedAt } = one;
    const { by } = hop;
    const to = opposite(by);
    if (droppedAt !== undefined) {
      return droppedAt < duplex.revoked[to] ? "dropped" : "waiting";
    }
    const at = duplex.updates[by].indexOf(added);
    if (at < 0) return "waiting";
    if (removal !== undefined) {
      const gone = duplex.updates[to].indexOf(removal);
      if (gone < 0) return "settling";
      if (gone < duplex.acked[to] && gone < duplex.locked[to] && isFirm())
        return removal.kind === "fulfil" ? "fulfilled" : "failed";
      return "settling";
    }
    one.isThere ||= at < duplex.acked[by] && at < duplex.locked[by] && isFirm();
    return one.isThere ? "committed" : "waiting";
  };

  const offer = (by: Side, { hash, amount, expiry }: Wanted): Hop | undefined => {
    if (amount <= 0n || amount > room(by)) return undefined;
    const htlc: Htlc = { offeredBy: by, amount: msat(amount), hash, expiry: height(expiry) };
    const added: Update = { kind: "add", htlc };
    const hop: Hop = {
      link,
      by,
      htlc,
      standing: () => standingOf(mine),
      fate: () => {
        const { removal } = mine;
        return removal === undefined || removal.kind === "fee" ? undefined : (removal.kind as Fate);
      },
      settle: (fate, preimage) => {
        if (mine.removal !== undefined) return;
        if (!mine.isThere) throw new Error("settled before it was there");
        if (preimage !== undefined) duplex.preimages.set(toHex(hash), preimage);
        mine.removal = { kind: fate, htlc };
        counts.settled += 1;
        announce(opposite(by), mine.removal);
      },
    };
    const mine: Tracked = {
      hop,
      added,
      removal: undefined,
      droppedAt: undefined,
      signedIn: -1,
      isThere: false,
    };
    tracked.push(mine);
    counts.htlcs += 1;
    announce(by, added);
    return hop;
  };

  /** Each update that a side no longer has announced: settlements come again, additions may not. */
  const unannounced = (side: Side, lost: readonly Update[], signedIn: number): void => {
    for (const update of lost) {
      if (update.kind === "fee") continue;
      const one = tracked.find(({ added, removal }) => added === update || removal === update);
      if (one === undefined) continue;
      // While the other side may hold a commitment with it, an honest node counts on it.
      one.signedIn = Math.max(one.signedIn, signedIn);
      if (update.kind === "add" && random.int(4) === 0) one.droppedAt = one.signedIn;
      else queued[side].push(update);
    }
  };

  const reannounce = (): void => {
    for (const side of ["holder", "counterparty"] as const)
      for (const update of queued[side].splice(0)) announce(side, update);
    // A number that nothing new comes under is never left: then the same is announced again.
    for (const one of tracked) {
      if (one.droppedAt === undefined || standingOf(one) === "dropped") continue;
      const owner = opposite(one.hop.by);
      if (duplex.canSign(owner) || duplex.canRevoke(owner)) continue;
      one.droppedAt = undefined;
      announce(one.hop.by, one.added);
    }
  };

  const dropUncommitted = (): void => {
    for (const side of ["holder", "counterparty"] as const) {
      const last = duplex.signed[opposite(side)].at(-1);
      if (last === undefined) continue;
      const kept = Math.max(last.counts[side], duplex.acked[side]);
      unannounced(side, duplex.updates[side].splice(kept), -1);
    }
  };

  const forget = (owner: Side): void => {
    if (!duplex.canRevoke(owner) || waiting[owner].length > 0 || forgotten[owner] >= mostForgotten) return;
    const signer = opposite(owner);
    const before = [...duplex.updates[signer]];
    const number = duplex.signed[owner].length - 1;
    duplex.forget(owner);
    lost[owner] = number;
    forgotten[owner] += 1;
    counts.forgotten += 1;
    unannounced(signer, before.slice(duplex.updates[signer].length), number);
  };

  const remember = (owner: Side, request: AnyRequest): void => {
    sent[owner].push({ at: sequence++, request });
    // Answered before its successor could be asked: the other side had to answer in between.
    while (sent[owner].length > (owner === "holder" ? 2 : 1)) sent[owner].shift();
  };

  const heard = <N extends Name>({ name, body }: AnyRequest, reply: Reply<N>): void => {
    if (name === "revokeHolderCommitment") {
      const { points } = reply as Reply<"revokeHolderCommitment">;
      for (const [i, point] of points.entries()) duplex.points[Number(body.number) + 2 + i] = point;
    }
    if (name === "signCounterpartyCommitment" && random.int(8) === 0) {
      const bad = verifyOf(curve, duplex.opened, peer, body, reply as Reply<"signCounterpartyCommitment">);
      if (bad.length > 0) throw new Error(`signatures that do not verify: ${bad.join()}`);
    }
  };

  const flush = async (owner: Side): Promise<void> => {
    for (;;) {
      const [first, second] = waiting[owner];
      if (first === undefined) return;
      // A host does not wait for the answer to a validation before it asks for the secret.
      const both = second === undefined ? [first] : [first, second];
      const told = await Promise.all(both.map(({ name, body }) => world.put(name, body as never)));
      for (const [at, one] of told.entries()) {
        if (one.is === "later") return;
        waiting[owner].shift();
        heard(both[at] as AnyRequest, one.reply as never);
      }
    }
  };

  const make = (owner: Side): void => {
    const put = (request: AnyRequest): void => {
      waiting[owner].push(request);
      remember(owner, request);
    };
    if (duplex.canRevoke(owner)) {
      forgotten[owner] = 0;
      put(
        owner === "holder"
          ? ask("revokeHolderCommitment", duplex.revoke())
          : ask("validateCounterpartyRevocation", duplex.revocation()),
      );
    } else if (duplex.canSign(owner)) {
      if (owner === "counterparty") put(ask("signCounterpartyCommitment", duplex.sign()));
      else {
        put(ask("validateHolderCommitment", duplex.validate()));
        if (duplex.signed.holder.length > 1 && random.int(3) === 0) {
          forgotten.holder = 0;
          put(ask("revokeHolderCommitment", duplex.revoke()));
        }
      }
    }
  };

  const resent = (request: AnyRequest): AnyRequest => {
    if (request.name === "signCounterpartyCommitment" && random.int(2) === 0)
      return ask(request.name, reordered(request.body));
    if (request.name !== "validateHolderCommitment" || random.int(2) === 0) return request;
    const { body } = request;
    const point = duplex.points[Number(body.number)];
    const said = duplex.signed.holder[Number(body.number)];
    if (point === undefined || said === undefined || said.content.htlcs !== body.htlcs) return request;
    return ask(request.name, {
      ...body,
      ...again.countersign(duplex.opened.shared, point, said.content),
    });
  };

  const reconnect = async (): Promise<void> => {
    if (closed || waiting.holder.length + waiting.counterparty.length > 0) return;
    counts.reconnections += 1;
    dropUncommitted();
    const sides = random.pick([
      [],
      ["holder"],
      ["counterparty"],
      ["holder", "counterparty"],
    ] as const satisfies readonly (readonly Side[])[]);
    for (const side of sides) forget(side);
    // What is lost comes again: each side's in its own order, the two in any (BOLT 2 fixes it by what was sent first).
    const order = random.pick([
      ["holder", "counterparty"],
      ["counterparty", "holder"],
    ] as const);
    for (const side of order)
      for (const { request } of sent[side]) {
        if (random.int(3) === 0) continue;
        const { name, body } = resent(request);
        await world.put(name, body as never);
      }
    reannounce();
  };

  const isQuiet = (): boolean =>
    closed ||
    (waiting.holder.length + waiting.counterparty.length === 0 &&
      queued.holder.length + queued.counterparty.length === 0 &&
      (["holder", "counterparty"] as const).every(
        (owner) => !duplex.canSign(owner) && !duplex.canRevoke(owner),
      ));

  const changeFee = (rate: Feerate): boolean => {
    const { opener } = terms;
    if (closed || surely(opener) - reserve(opener) < fee(4, rate)) return false;
    announce(opener, { kind: "fee", feerate: rate });
    return true;
  };

  const moveOn = (): void => {
    changeFee(feerate(duplex.feerate() === 253 ? 254 : 253));
  };

  const link: Link = {
    duplex,
    peer,
    room,
    offer,
    changeFee,
    advance: async (owner) => {
      if (closed) return;
      reannounce();
      if (!isFirm() && isQuiet()) moveOn();
      if (waiting[owner].length === 0) make(owner);
      await flush(owner);
    },
    reconnect,
    outbox: () => [...sent.holder, ...sent.counterparty],
    isQuiet,
    isStalled: () => waiting.holder.length + waiting.counterparty.length > 0,
    stalled: () => [...waiting.holder, ...waiting.counterparty],
    close: () => {
      closed = true;
    },
    get closed() {
      return closed;
    },
  };
  return link;
};
