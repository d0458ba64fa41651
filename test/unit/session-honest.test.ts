import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { msat } from "../../protocol/units.ts";
import { peer } from "../scripted/peer.ts";
import { play, Tape } from "../scripted/play.ts";
import { curve, rig } from "../scripted/road.ts";

const bob = peer("bob", curve);
const numbers = fc.noBias(fc.array(fc.nat({ max: 0xffff }), { minLength: 200, maxLength: 500, size: "max" }));

describe("an honest channel", () => {
  test("meets no refusal, whatever it does and however often it repeats itself", async () => {
    const seen = { updates: 0, htlcs: 0, settled: 0, lagging: 0 };
    await fc.assert(
      fc.asyncProperty(numbers, async (tape) => {
        const { rig: signer, duplex, met } = await play(await rig(), { tape: new Tape(tape), peer: bob });
        expect(met).toEqual([]);
        expect(signer.faults).toEqual([]);
        seen.updates += duplex.signed.holder.length + duplex.signed.counterparty.length;
        seen.htlcs += duplex.balance("counterparty").htlcs.length;
        seen.settled += duplex.updates.holder.filter(({ kind }) => kind === "fulfil").length;
        if (duplex.signed.holder.length !== duplex.signed.counterparty.length) seen.lagging += 1;
      }),
      { numRuns: 80, endOnFailure: true },
    );
    // So that a play in which nothing happens can't pass.
    expect(seen.updates).toBeGreaterThan(800);
    expect(seen.htlcs).toBeGreaterThan(40);
    expect(seen.settled).toBeGreaterThan(20);
    expect(seen.lagging).toBeGreaterThan(10);
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
      { numRuns: 40, endOnFailure: true },
    );
  });
});
