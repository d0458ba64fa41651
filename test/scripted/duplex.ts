/**
 * BOLT 2 as two honest nodes play it, each in its own time: what one side sends is in the other's next commitment,
 * and in its own only when the other has revoked after it. So the two commitments of a channel seldom hold the same
 * HTLCs at the same number. Requests are data; what the signer answers is the caller's to judge.
 */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import {
  commitmentNumber,
  type Feerate,
  height,
  msat,
  type Point,
  type Preimage,
  paymentHash,
} from "../../protocol/units.ts";
import { type Opened, preimageOf } from "./channel.ts";
import { type Balances, type Content, contentOf, opening } from "./content.ts";
import { commitmentOf, type Peer } from "./peer.ts";
import { curve } from "./road.ts";

export type Update =
  | { readonly kind: "add" | "fulfil" | "fail"; readonly htlc: Htlc }
  | { readonly kind: "fee"; readonly feerate: Feerate };

type Counts = Readonly<Record<Side, number>>;

/** One commitment that was signed, and the updates of each side that are in it. */
interface Signed {
  readonly counts: Counts;
  readonly balances: Balances;
  readonly content: Content;
}

export const opposite = (side: Side): Side => (side === "holder" ? "counterparty" : "holder");

export class Duplex {
  readonly terms: Terms;
  readonly opened: Opened;
  readonly peer: Peer;
  readonly preimages = new Map<string, Preimage>();
  readonly fates = new Map<Htlc, "fulfil" | "fail">();
  readonly updates: Record<Side, Update[]> = { holder: [], counterparty: [] };
  /** Of a side's updates, how many the other revoked after. */
  readonly acked: Record<Side, number> = { holder: 0, counterparty: 0 };
  /** Of a side's updates, how many are in its own commitment, the one before being revoked. */
  readonly locked: Record<Side, number> = { holder: 0, counterparty: 0 };
  /** By owner: every number so far; the last one is unrevoked, and so may the one before be. */
  readonly signed: Record<Side, Signed[]> = { holder: [], counterparty: [] };
  readonly revoked: Record<Side, number> = { holder: 0, counterparty: 0 };
  readonly points: Point[];
  readonly #start: Feerate;
  #made = 0;

  constructor(opened: Opened, peer: Peer, start: Feerate) {
    this.terms = opened.shared.terms;
    this.opened = opened;
    this.peer = peer;
    this.points = [...opened.points];
    this.#start = start;
  }

  #raw(counts: Counts): { have: Record<Side, bigint>; htlcs: readonly Htlc[]; feerate: Feerate } {
    const { holder, counterparty, feerate } = opening(this.terms, this.#start);
    const have: Record<Side, bigint> = { holder, counterparty };
    let rate = feerate;
    let htlcs: readonly Htlc[] = [];
    const taken = (side: Side) => this.updates[side].slice(0, counts[side]);
    for (const side of ["holder", "counterparty"] as const) {
      for (const update of taken(side)) {
        if (update.kind === "fee") rate = update.feerate;
        else if (update.kind === "add") {
          have[side] -= update.htlc.amount;
          htlcs = [...htlcs, update.htlc];
        }
      }
    }
    for (const side of ["holder", "counterparty"] as const) {
      for (const update of taken(side)) {
        if (update.kind !== "fulfil" && update.kind !== "fail") continue;
        have[update.kind === "fulfil" ? side : opposite(side)] += update.htlc.amount;
        htlcs = htlcs.filter((one) => one !== update.htlc);
      }
    }
    return { have, htlcs, feerate: rate };
  }

  #balances(counts: Counts): Balances {
    const { have, htlcs, feerate } = this.#raw(counts);
    return { holder: msat(have.holder), counterparty: msat(have.counterparty), htlcs, feerate };
  }

  /** What is surely a side's: all that it spent, and of what comes back only what it acknowledged. */
  surely(side: Side): bigint {
    const counts = { [side]: this.updates[side].length, [opposite(side)]: this.acked[opposite(side)] };
    return this.#raw(counts as Counts).have[side];
  }

  /** Of everything that was sent. */
  feerate(): Feerate {
    const counts = { holder: this.updates.holder.length, counterparty: this.updates.counterparty.length };
    return this.#raw(counts).feerate;
  }

  newHtlc(by: Side, amount: bigint, expiry: number, like?: Htlc): Htlc {
    const label = `${toHex(this.opened.shared.funding.txid)} ${this.#made++}`;
    const hash = paymentHash(sha256(preimageOf(label)));
    const htlc =
      like === undefined
        ? { offeredBy: by, amount: msat(amount), hash, expiry: height(expiry) }
        : { ...like };
    if (like === undefined) this.preimages.set(toHex(hash), preimageOf(label));
    return htlc;
  }

  /** HTLCs that a side may settle: irrevocably committed by both, and not settled yet. */
  settleable(by: Side): readonly Htlc[] {
    const from = opposite(by);
    const gone = new Set(
      this.updates[by].flatMap((u) => (u.kind === "fulfil" || u.kind === "fail" ? [u.htlc] : [])),
    );
    return this.updates[from].flatMap((update, at) =>
      update.kind === "add" && at < this.acked[from] && at < this.locked[from] && !gone.has(update.htlc)
        ? [update.htlc]
        : [],
    );
  }

  pending(): number {
    const { holder, counterparty } = this.updates;
    return this.#raw({ holder: holder.length, counterparty: counterparty.length }).htlcs.length;
  }

  propose(by: Side, update: Update): void {
    this.updates[by].push(update);
  }

  #next(owner: Side): Signed {
    const signer = opposite(owner);
    const counts = { [signer]: this.updates[signer].length, [owner]: this.acked[owner] } as unknown as Counts;
    const balances = this.#balances(counts);
    const number = commitmentNumber(BigInt(this.signed[owner].length));
    return { counts, balances, content: contentOf(this.terms, owner, number, balances) };
  }

  /** Whether the owner may be given another commitment: at most one is unrevoked beside it, and something changed. */
  canSign(owner: Side): boolean {
    const last = this.signed[owner].at(-1);
    if (last === undefined) return true;
    if (this.signed[owner].length - 1 > this.revoked[owner]) return false;
    const { counts } = this.#next(owner);
    return counts.holder !== last.counts.holder || counts.counterparty !== last.counts.counterparty;
  }

  canRevoke(owner: Side): boolean {
    return this.signed[owner].length - 1 > this.revoked[owner];
  }

  #proofs(owner: Side, { balances }: Signed): readonly Preimage[] {
    const before = this.signed[owner].at(-1)?.balances.htlcs ?? [];
    const gone = before.filter((htlc) => !balances.htlcs.includes(htlc));
    const fulfilled = new Set(
      (["holder", "counterparty"] as const).flatMap((side) =>
        this.updates[side].flatMap((u) => (u.kind === "fulfil" ? [u.htlc] : [])),
      ),
    );
    return gone
      .filter((htlc) => fulfilled.has(htlc))
      .map(({ hash }) => this.preimages.get(toHex(hash)) as Preimage);
  }

  #common(owner: Side, next: Signed) {
    const { node, channel, shared } = this.opened;
    const preimages = this.#proofs(owner, next);
    return { node, channel, funding: shared.funding, preimages, expected: unknown, ...next.content } as const;
  }

  /** What the signer is asked for the counterparty's next commitment; it counts from now on. */
  sign(): Request<"signCounterpartyCommitment"> {
    const next = this.#next("counterparty");
    const request = { ...this.#common("counterparty", next), point: this.peer.point(next.content.number) };
    this.signed.counterparty.push(next);
    return request;
  }

  validate(): Request<"validateHolderCommitment"> {
    const next = this.#next("holder");
    const point = this.points[Number(next.content.number)];
    if (point === undefined) throw new RangeError("the point of this number is not known yet");
    const request = {
      ...this.#common("holder", next),
      ...this.peer.countersign(this.opened.shared, point, next.content),
    };
    this.signed.holder.push(next);
    return request;
  }

  #revoke(owner: Side) {
    const { counts } = this.signed[owner].at(-1) as Signed;
    this.acked[opposite(owner)] = counts[opposite(owner)];
    this.locked[owner] = counts[owner];
    this.revoked[owner] += 1;
    const { node, channel } = this.opened;
    return { node, channel, number: commitmentNumber(BigInt(this.revoked[owner] - 1)) };
  }

  revoke(): Request<"revokeHolderCommitment"> {
    return this.#revoke("holder");
  }

  revocation(): Request<"validateCounterpartyRevocation"> {
    const step = this.#revoke("counterparty");
    return { ...step, secret: this.peer.secret(step.number) };
  }

  /**
   * The last commitment of `owner` never arrived, and its signer forgot what was new in it: BOLT 2 lets it come back
   * with other updates under the same number ("Message Retransmission").
   */
  forget(owner: Side): void {
    this.signed[owner].pop();
    const signer = opposite(owner);
    const { counts } = this.signed[owner].at(-1) as Signed;
    this.updates[signer].length = Math.max(counts[signer], this.acked[signer]);
  }

  /** Of the last commitment of each side, in satoshi and before any fee. */
  balance(owner: Side): Balances {
    return (this.signed[owner].at(-1) as Signed).balances;
  }

  /** What we were offered and is gone with the last commitment: settled, or failed back. */
  received(owner: Side): bigint {
    const now = this.balance(owner).htlcs;
    const before = this.signed[owner].at(-2)?.balances.htlcs ?? [];
    return before
      .filter((htlc) => htlc.offeredBy === "counterparty" && !now.includes(htlc))
      .reduce((sum, { amount }) => sum + amount, 0n);
  }

  isQuiet(): boolean {
    return (["holder", "counterparty"] as const).every(
      (owner) => !this.canSign(owner) && !this.canRevoke(owner) && this.balance(owner).htlcs.length === 0,
    );
  }

  /** What the signer is asked for a holder commitment that is to be broadcast, and what its signature is over. */
  broadcast(at: number): { readonly request: Request<"signHolderCommitment">; readonly digest: Uint8Array } {
    const { node, channel, shared } = this.opened;
    const { content } = this.signed.holder[at] as Signed;
    const { commitment } = commitmentOf(curve, shared, "holder", this.points[at] as Point, content);
    const { txid, digest } = commitment;
    return { request: { node, channel, funding: shared.funding, number: content.number, txid }, digest };
  }
}

/** The same request as a host brings it after a crash: its tables have another order, and proofs may be gone. */
export const reordered = <R extends { htlcs: readonly Htlc[]; trimmed: readonly Htlc[] | "unknown" }>(
  said: R,
): R => ({
  ...said,
  htlcs: said.htlcs.toReversed(),
  trimmed: isKnown(said.trimmed) ? said.trimmed.toReversed() : said.trimmed,
});
