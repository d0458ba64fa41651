/** Plays an honest channel from a tape of numbers, which fast-check makes and shrinks. */

import { commitmentFee } from "../../protocol/bolt/weight.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { Secret } from "../../protocol/secret.ts";
import { delay, type Feerate, feerate, msat, sat, script } from "../../protocol/units.ts";
import { ask, open, plainTerms } from "./channel.ts";
import { verifyOf } from "./checks.ts";
import { Duplex, reordered } from "./duplex.ts";
import type { Peer } from "./peer.ts";
import { curve, type Rig } from "./road.ts";

export class Tape {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  get ended(): boolean {
    return this.#at >= this.#numbers.length;
  }

  /** Below `below`; 0 when the tape has ended. */
  next(below: number): number {
    return (this.#numbers[this.#at++] ?? 0) % below;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.next(from.length)] as T;
  }
}

/** A channel that two honest nodes may open: none so poor that its opener can't pay for it. */
export const termsOf = (tape: Tape): Terms => {
  const value = BigInt(tape.pick([200_000, 1_000_000, 16_777_215]));
  const opener = tape.pick(["holder", "counterparty"] as const);
  const type = tape.pick(["anchors", "static_remotekey"] as const);
  const dual = tape.next(4) === 0;
  const share = dual ? (value * BigInt(tape.next(101))) / 100n : opener === "holder" ? value : 0n;
  const funder = opener === "holder" ? share : value - share;
  // Some pushes leave a side just around its dust limit, with fractions of a satoshi.
  const push = tape.pick([0n, 353_999n, 354_000n, 354_001n, 546_500n, (funder * 1000n) / 3n + 7n]);
  const room = funder * 1000n - 20_000_000n;
  const side = (dust: bigint) => ({
    toSelfDelay: delay(tape.pick([144, 720, 2016])),
    dustLimit: sat(dust),
    reserve: sat(1_000n),
    maxAcceptedHtlcs: 483,
    maxInFlight: msat(value * 1000n),
    upfrontScript: script(new Uint8Array(0)),
  });
  return {
    ...plainTerms(),
    type,
    opener,
    value: sat(value),
    push: msat(push < room ? push : 0n),
    contribution: sat(room < 0n ? (opener === "holder" ? value : 0n) : share),
    holder: side(tape.pick([354n, 546n])),
    counterparty: side(tape.pick([354n, 546n, 1_000n])),
  };
};

export interface Play {
  readonly rig: Rig;
  readonly duplex: Duplex;
  /** The refusals and faults that an honest host met, with what it had asked. */
  readonly met: readonly { readonly name: Name; readonly outcome: Outcome<Name> }[];
  put<N extends Name>(name: N, body: Request<N>): Promise<Outcome<N> | undefined>;
  /** Settles every HTLC, and lets both sides revoke until nothing is in flight. */
  settle(): Promise<void>;
}

export interface Director {
  readonly tape: Tape;
  readonly peer: Peer;
  /** Sees each honest request before it is asked; may ask others of the signer first. */
  readonly before?: (rig: Rig, request: AnyRequest, duplex: Duplex) => Promise<"go on" | "stop">;
  readonly restarts?: boolean;
  /** Whether a commitment may come again with other content, as after a crash of both. */
  readonly forgets?: boolean;
  /** Whether HTLCs may be alike in everything. */
  readonly alike?: boolean;
  /** A host of the tier `commitments`: it tells no dust limits, trimmed HTLCs and preimages. */
  readonly blind?: boolean;
}

const shares = (tape: Tape, all: bigint): bigint =>
  tape.pick([1n, 353_999n, 354_000n, 546_000n, 999_999n, 1_000_001n, all / 7n, all / 2n, all - 1n, all]);

const mayAfford = (duplex: Duplex, side: Side): boolean =>
  duplex.surely(side) >= (duplex.terms.type === "anchors" && duplex.terms.opener === side ? 660_000n : 0n);

/** A node that has decided once keeps to it after a crash: the preimage of what it fulfilled may be out already. */
const fateOf = ({ fates }: Duplex, tape: Tape, htlc: Htlc): "fulfil" | "fail" => {
  const fate = fates.get(htlc) ?? tape.pick(["fulfil", "fail"] as const);
  fates.set(htlc, fate);
  return fate;
};

/** One update that BOLT 2 allows, or none. */
const propose = (duplex: Duplex, tape: Tape, by: Side, alike: boolean): void => {
  const settleable = duplex.settleable(by);
  const opener = duplex.terms.opener === by;
  switch (tape.next(4)) {
    case 0:
    case 1: {
      const pending = settleable as readonly Htlc[];
      const mine = duplex.updates[by].flatMap((u) => (u.kind === "add" ? [u.htlc] : []));
      const like =
        alike && tape.next(4) === 0
          ? tape.pick([...mine, ...pending.filter((h) => h.offeredBy === by)])
          : undefined;
      const amount = like?.amount ?? shares(tape, duplex.surely(by));
      if (amount <= 0n || duplex.pending() >= 12) return;
      duplex.propose(by, { kind: "add", htlc: duplex.newHtlc(by, amount, 700_000 + tape.next(3), like) });
      if (!mayAfford(duplex, by)) duplex.updates[by].pop();
      return;
    }
    case 2: {
      if (settleable.length === 0) return;
      const htlc = tape.pick(settleable);
      duplex.propose(by, { kind: fateOf(duplex, tape, htlc), htlc });
      return;
    }
    case 3: {
      const rate = feerate(tape.pick([253, 1_000, 2_500, 10_000, 25_000])) as Feerate;
      const fee = commitmentFee(duplex.terms.type, duplex.pending() + 2, rate) + 660n;
      if (opener && duplex.surely(by) >= fee * 1000n) duplex.propose(by, { kind: "fee", feerate: rate });
    }
  }
};

const blindTerms = (terms: Terms): Terms => ({
  ...terms,
  holder: { ...terms.holder, dustLimit: unknown, reserve: unknown },
  counterparty: { ...terms.counterparty, dustLimit: unknown, reserve: unknown },
});

/** Plays until the tape ends; what is met besides replies is told, and ends the play. */
export const play = async (
  rig: Rig,
  { tape, peer, before, restarts = true, forgets = true, alike = true, blind = false }: Director,
): Promise<Play> => {
  let signer = rig;
  const terms = termsOf(tape);
  const opened = await open(
    signer.call,
    signer.session.node,
    peer,
    blind ? blindTerms(terms) : terms,
    `play ${signer.session.channels()}`,
  );
  const duplex = new Duplex(
    { ...opened, shared: { ...opened.shared, terms } },
    peer,
    feerate(tape.pick([253, 1_000, 5_000])),
  );
  const met: { name: Name; outcome: Outcome<Name> }[] = [];
  let stopped = false;
  let last: AnyRequest | undefined;
  const forgotten: Record<Side, number> = { holder: 0, counterparty: 0 };

  const put = async <N extends Name>(name: N, body: Request<N>): Promise<Outcome<N> | undefined> => {
    const said = blind && "htlcs" in body ? { ...body, trimmed: unknown, preimages: unknown } : body;
    const request = ask(name, said);
    if (before !== undefined && (await before(signer, request, duplex)) === "stop") {
      stopped = true;
      return undefined;
    }
    last = request;
    const outcome = await signer.outcome(name, said);
    if (outcome.is !== "reply") {
      met.push({ name, outcome: outcome as Outcome<Name> });
      stopped = true;
    }
    return outcome;
  };

  const sign = async (): Promise<void> => {
    const request = duplex.sign();
    const outcome = await put("signCounterpartyCommitment", request);
    if (outcome?.is !== "reply") return;
    const bad = verifyOf(curve, opened, peer, request, outcome.reply);
    if (bad.length > 0) throw new Error(`signatures that do not verify: ${bad.join()}`);
    if (tape.next(8) === 0) await put("signCounterpartyCommitment", reordered(request));
  };

  const revoke = async (): Promise<void> => {
    const request = duplex.revoke();
    const outcome = await put("revokeHolderCommitment", request);
    if (outcome?.is !== "reply") return;
    const at = Number(request.number);
    for (const [i, point] of outcome.reply.points.entries()) duplex.points[at + 2 + i] = point;
    const revealed = curve.publicKey(new Secret(outcome.reply.secret));
    if (!Buffer.from(revealed).equals(Buffer.from(duplex.points[at] as Uint8Array)))
      throw new Error("the secret is not that of the point");
  };

  const advance = async (owner: Side): Promise<void> => {
    if (duplex.canRevoke(owner)) {
      forgotten[owner] = 0;
      if (owner === "holder") await revoke();
      else await put("validateCounterpartyRevocation", duplex.revocation());
    } else if (duplex.canSign(owner)) {
      if (owner === "holder") await put("validateHolderCommitment", duplex.validate());
      else await sign();
    }
  };

  const settle = async (): Promise<void> => {
    while (!duplex.isQuiet() && !stopped) {
      for (const side of ["holder", "counterparty"] as const) {
        for (const htlc of duplex.settleable(side))
          duplex.propose(side, { kind: fateOf(duplex, tape, htlc), htlc });
        await advance(side);
      }
    }
  };

  await sign();
  if (!stopped) await put("validateHolderCommitment", duplex.validate());
  while (!tape.ended && !stopped) {
    const owner = tape.pick(["holder", "counterparty"] as const);
    switch (tape.next(8)) {
      case 0:
      case 1:
      case 2:
        propose(duplex, tape, owner, alike);
        break;
      case 3:
      case 4:
      case 5:
        await advance(owner);
        break;
      case 6:
        // Neither side remembers the last commitment: it comes again, with other updates or none.
        if (!forgets || !duplex.canRevoke(owner) || forgotten[owner] >= 3) break;
        duplex.forget(owner);
        forgotten[owner] += 1;
        break;
      case 7: {
        if (restarts && tape.next(3) === 0) signer = await signer.restart();
        if (last !== undefined) await put(last.name, last.body as never);
      }
    }
  }
  return { rig: signer, duplex, met, put, settle };
};
