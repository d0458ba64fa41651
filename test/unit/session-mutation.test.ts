import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commitmentFee } from "../../protocol/bolt/weight.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { AnyRequest, Request } from "../../protocol/operations/index.ts";
import type { Duplex } from "../scripted/duplex.ts";
import { mutate } from "../scripted/mutate.ts";
import { peer } from "../scripted/peer.ts";
import { play, Tape } from "../scripted/play.ts";
import { curve, rig } from "../scripted/road.ts";

const bob = peer("bob", curve);
const numbers = fc.noBias(fc.array(fc.nat({ max: 0xffff }), { minLength: 250, maxLength: 500, size: "max" }));

type Commitment = Request<"signCounterpartyCommitment">;

const hashesOf = ({ preimages }: Commitment): ReadonlySet<string> =>
  new Set(isKnown(preimages) ? preimages.map((one) => toHex(sha256(one))) : []);

/**
 * In millisatoshi, what a commitment leaves the holder at least: its output, what it pays as the opener, and what it
 * offered, which comes back unless its preimage is known. Rounding hides less than a satoshi, a missing output less
 * than the dust limit.
 */
const leaves = ({ terms }: Duplex, said: Commitment, paid: ReadonlySet<string>): bigint => {
  const anchors = terms.type === "anchors" ? 660n : 0n;
  const fee =
    terms.opener === "holder" ? commitmentFee(terms.type, said.htlcs.length, said.feerate) + anchors : 0n;
  const listed = [...said.htlcs, ...(isKnown(said.trimmed) ? said.trimmed : [])];
  const offered = listed.filter((htlc) => htlc.offeredBy === "holder" && !paid.has(toHex(htlc.hash)));
  return (said.toHolder + fee) * 1000n + offered.reduce((sum, { amount }) => sum + amount, 0n);
};

const sameContent = (a: Commitment, b: Commitment): boolean => {
  const { preimages: _p, expected: _e, ...one } = a;
  const { preimages: _q, expected: _f, ...other } = b;
  return isDeepStrictEqual(one, other);
};

describe("a request with one thing changed", () => {
  test("is refused or malformed, and changes nothing; or it takes nothing from us", async () => {
    const seen = { reply: 0, refusal: 0, malformed: 0, fault: 0 };
    await fc.assert(
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
          if (sameContent(changed as Commitment, body as Commitment)) return "go on";
          // A preimage settles every HTLC of its hash, also those that were left pending.
          const paid = hashesOf(changed as Commitment);
          const honest = leaves(duplex, body as Commitment, paid);
          const dust = (changed as Commitment).toHolder === 0n ? 1_000n : 1n;
          expect(leaves(duplex, changed as Commitment, paid)).toBeGreaterThan(honest - dust * 1000n);
          return "stop";
        };
        const { rig: signer, met } = await play(await rig(), { tape: new Tape(tape), peer: bob, before });
        expect(signer.faults).toEqual([]);
        expect(met.filter(({ outcome }) => outcome.is === "fault")).toEqual([]);
      }),
      { numRuns: 80, endOnFailure: true },
    );
    console.log(seen);
    expect(seen.refusal).toBeGreaterThan(100);
  });
});
