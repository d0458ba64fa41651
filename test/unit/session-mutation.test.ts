import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commitmentFee } from "../../protocol/bolt/weight.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { AnyRequest, Request } from "../../protocol/operations/index.ts";
import type { Duplex } from "../scripted/duplex.ts";
import { mutate } from "../scripted/mutate.ts";
import { peer } from "../scripted/peer.ts";
import { play, Tape } from "../scripted/play.ts";
import { curve, rig } from "../scripted/road.ts";
import { steady } from "../steady.ts";

const bob = peer("bob", curve);
const numbers = fc.noBias(fc.array(fc.nat({ max: 0xffff }), { minLength: 250, maxLength: 500, size: "max" }));

type Commitment = Request<"signCounterpartyCommitment">;

const hashesOf = ({ preimages }: Commitment): ReadonlySet<string> =>
  new Set(isKnown(preimages) ? preimages.map((one) => toHex(sha256(one))) : []);

const offered = (htlcs: readonly Htlc[], paid: ReadonlySet<string>): bigint =>
  htlcs
    .filter((htlc) => htlc.offeredBy === "holder" && !paid.has(toHex(htlc.hash)))
    .reduce((sum, { amount }) => sum + amount, 0n);

/**
 * In millisatoshi, the most that the holder may have by this commitment: its output, what it pays as the opener, and
 * what it offered, which comes back unless its preimage is known. A missing output hides less than the dust limit,
 * and an opener that is too poor its whole fee.
 */
const leaves = ({ terms }: Duplex, said: Commitment, paid: ReadonlySet<string>): bigint => {
  const anchors = terms.type === "anchors" ? 660n : 0n;
  const due = commitmentFee(terms.type, said.htlcs.length, said.feerate) + anchors;
  const fee = terms.opener === "holder" ? due : 0n;
  const own = said.toHolder > 0n ? said.toHolder : 1_000n;
  return (
    (own + fee) * 1000n +
    999n +
    offered([...said.htlcs, ...(isKnown(said.trimmed) ? said.trimmed : [])], paid)
  );
};

/** With other proofs the same content may mean another thing: what our balance is where it has no output. */
const means = (a: Commitment, b: Commitment): boolean =>
  isDeepStrictEqual({ ...a, expected: unknown }, { ...b, expected: unknown });

describe("a request with one thing changed", () => {
  test("is refused or malformed, and changes nothing; or it takes nothing from us", async () => {
    const seen = { reply: 0, refusal: 0, malformed: 0, fault: 0 };
    await steady(
      fc.asyncProperty(numbers, numbers, async (tape, changes) => {
        const hostile = new Tape(changes);
        const before = async (
          signer: Awaited<ReturnType<typeof rig>>,
          { name, body }: AnyRequest,
          duplex: Duplex,
        ): Promise<"go on" | "stop"> => {
          if (hostile.next(3) !== 0) return "go on";
          const changed = mutate(body, hostile);
          const outcome = await signer.outcome(name, changed as never);
          seen[outcome.is] += 1;
          expect(outcome.is).not.toBe("fault");
          if (outcome.is !== "reply") return "go on";
          if (!("htlcs" in body)) return name === "revokeHolderCommitment" ? "go on" : "stop";
          if (means(changed as Commitment, body as Commitment)) return "go on";
          // A preimage settles every HTLC of its hash, also those that were left pending.
          const paid = hashesOf(changed as Commitment);
          const owner = name === "signCounterpartyCommitment" ? "counterparty" : "holder";
          const { holder, htlcs } = duplex.balance(owner);
          // What it was offered it may lose: no rule of this stage asks whose value that was.
          const honest = holder + offered(htlcs, paid) - duplex.received(owner);
          expect(leaves(duplex, changed as Commitment, paid)).toBeGreaterThanOrEqual(honest);
          return "stop";
        };
        const { rig: signer, met } = await play(await rig(), {
          tape: new Tape(tape),
          peer: bob,
          before,
          forgets: false,
          alike: false,
        });
        expect(signer.faults).toEqual([]);
        // The channel itself goes on after whatever was refused.
        expect(met).toEqual([]);
      }),
      { numRuns: 60, endOnFailure: true },
    );
    // So that a host that changes nothing of weight can't pass.
    expect(seen.refusal).toBeGreaterThan(60);
    expect(seen.malformed).toBeGreaterThan(2);
    expect(seen.reply).toBeGreaterThan(20);
  });
});
