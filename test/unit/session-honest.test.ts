import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { msat, type Sat, type Signature } from "../../protocol/units.ts";
import { closeOf, closingOf } from "../scripted/close.ts";
import { peer } from "../scripted/peer.ts";
import { play, Tape } from "../scripted/play.ts";
import { curve, rig } from "../scripted/road.ts";
import { steady } from "../steady.ts";

const bob = peer("bob", curve);
const numbers = fc.noBias(fc.array(fc.nat({ max: 0xffff }), { minLength: 200, maxLength: 500, size: "max" }));

describe("an honest channel", () => {
  test("meets no refusal, whatever it does and however often it repeats itself", async () => {
    const seen = { updates: 0, htlcs: 0, settled: 0, lagging: 0 };
    await steady(
      fc.asyncProperty(numbers, async (tape) => {
        const { rig: signer, duplex, met } = await play(await rig(), { tape: new Tape(tape), peer: bob });
        expect(met).toEqual([]);
        expect(signer.faults).toEqual([]);
        seen.updates += duplex.signed.holder.length + duplex.signed.counterparty.length;
        seen.htlcs += duplex.balance("counterparty").htlcs.length;
        seen.settled += duplex.updates.holder.filter(({ kind }) => kind === "fulfil").length;
        if (duplex.signed.holder.length !== duplex.signed.counterparty.length) seen.lagging += 1;
      }),
      { numRuns: 50, endOnFailure: true },
    );
    // So that a play in which nothing happens can't pass.
    expect(seen.updates).toBeGreaterThan(300);
    expect(seen.htlcs).toBeGreaterThan(15);
    expect(seen.settled).toBeGreaterThan(8);
    expect(seen.lagging).toBeGreaterThan(5);
  });

  test("of a host that can't list its smallest HTLCs meets none either", async () => {
    await fc.assert(
      fc.asyncProperty(numbers, async (tape) => {
        const { rig: signer, met } = await play(
          await rig({ tier: "commitments", policy: { maxTrimmed: msat(1_000_000_000n) } }),
          { tape: new Tape(tape), peer: bob, blind: true },
        );
        expect(met).toEqual([]);
        expect(signer.faults).toEqual([]);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });

  test("closes in as many rounds as it takes, once nothing is in flight", async () => {
    let rounds = 0;
    await steady(
      fc.asyncProperty(numbers, fc.array(fc.nat({ max: 2_000 }), { maxLength: 6 }), async (tape, fees) => {
        const {
          rig: signer,
          duplex,
          met,
          put,
          settle,
        } = await play(await rig(), { tape: new Tape(tape), peer: bob });
        await settle();
        const { terms } = duplex;
        for (const fee of fees) {
          const dust = fee % 2 === 0 ? terms.holder.dustLimit : terms.counterparty.dustLimit;
          const request = closeOf(duplex.opened, duplex.balance("holder"), BigInt(fee), dust as Sat);
          if (request === undefined || request.toHolder + request.toCounterparty === 0n) continue;
          const outcome = await put("signClosing", request);
          if (outcome?.is !== "reply") break;
          rounds += 1;
          const { digest } = closingOf(duplex.opened, request);
          const key = duplex.opened.shared.holder.funding;
          expect(curve.verify({ digest, signature: outcome.reply.signature, key })).toBe(true);
        }
        expect(met).toEqual([]);
        expect(signer.faults).toEqual([]);
      }),
      { numRuns: 20, endOnFailure: true },
    );
    expect(rounds).toBeGreaterThan(12);
  });

  test("is closed by force with every commitment that is live", async () => {
    let both = 0;
    await steady(
      fc.asyncProperty(numbers, async (tape) => {
        const {
          rig: signer,
          duplex,
          met,
          put,
        } = await play(await rig(), { tape: new Tape(tape), peer: bob });
        if (!duplex.canRevoke("holder") && duplex.canSign("holder"))
          await put("validateHolderCommitment", duplex.validate());
        const live = duplex.signed.holder.map((_, at) => at).slice(duplex.revoked.holder);
        if (live.length === 2) both += 1;
        for (const at of live) {
          const { request, digest } = duplex.broadcast(at);
          const outcome = await put("signHolderCommitment", request);
          const key = duplex.opened.shared.holder.funding;
          const signature = outcome?.is === "reply" ? outcome.reply.signature : new Uint8Array(64);
          expect(curve.verify({ digest, signature: signature as Signature, key })).toBe(true);
        }
        expect(met).toEqual([]);
        expect(signer.faults).toEqual([]);
      }),
      { numRuns: 20, endOnFailure: true },
    );
    expect(both).toBeGreaterThan(3);
  });
});
