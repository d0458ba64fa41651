/** Red-team 9: other contents of a live number, and a signer that dies at every write. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Feerate, feerate, msat, type Preimage, sat } from "../../protocol/units.ts";
import { breakAt } from "../../signer/store/faulty.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import type { CommitPoint } from "../../signer/store/store.ts";
import { add, ask, htlcOf, preimageOf, remove, withFeerate } from "../scripted/channel.ts";
import type { Balances } from "../scripted/content.ts";
import { keysend } from "../scripted/payments.ts";
import { rig } from "../scripted/road.ts";
import { scene } from "../scripted/scene.ts";

const move = (balances: Balances, value: bigint): Balances => ({
  ...balances,
  holder: msat(balances.holder - value),
  counterparty: msat(balances.counterparty + value),
});

describe("another content of a number", () => {
  test("that the counterparty has already can't be had, whatever it says: its predecessor is revoked", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const paid = htlcOf("holder", 10_000_000n, "a");
    await on.advance(1n, add(on.start, paid));
    // Number 1 is the counterparty's present commitment. All to it, none to us, nothing to explain it by.
    const stolen = await on.at(1n, move(on.start, 590_000_000n));
    for (const name of ["signCounterpartyCommitment", "validateHolderCommitment"] as const) {
      const body = name === "signCounterpartyCommitment" ? stolen.sign : stolen.validate;
      expect(await on.signer.refusal(name, body as never)).toMatchObject({
        rule: "commitment-retry-same",
        final: true,
      });
    }
    // The honest neighbour: the same one again.
    const again = await on.at(1n, add(on.start, paid));
    await on.signer.call("signCounterpartyCommitment", again.sign);
    await on.signer.call("validateHolderCommitment", again.validate);
  });

  test("follows a live commitment as the first one did, or is refused", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const offered = htlcOf("holder", 10_000_000n, "a");
    const first = await on.at(1n, add(on.start, offered));
    await on.signer.call("signCounterpartyCommitment", first.sign);
    // Built upon the first content, which is no predecessor of itself.
    const settled = await on.at(1n, remove(add(on.start, offered), offered, "fulfil"), [preimageOf("a")]);
    expect(await on.signer.refusal("signCounterpartyCommitment", settled.sign)).toMatchObject({
      rule: "routing-deltas-only-htlc",
      final: true,
    });
    // The honest neighbours: fewer HTLCs, another fee.
    const without = await on.at(1n, on.start);
    await on.signer.call("signCounterpartyCommitment", without.sign);
    const dearer = await on.at(1n, withFeerate(add(on.start, offered), feerate(2_000)));
    await on.signer.call("signCounterpartyCommitment", dearer.sign);
  });

  test("is one of four, each answered with its own bytes as often as asked; a fifth is refused", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const of = (rate: number) => on.at(1n, withFeerate(on.start, feerate(rate) as Feerate));
    const replies = [];
    for (const rate of [1_001, 1_002, 1_003, 1_004]) {
      const { sign, validate } = await of(rate);
      replies.push(await on.signer.call("signCounterpartyCommitment", sign));
      await on.signer.call("validateHolderCommitment", validate);
    }
    const again = await on.signer.restart();
    const { sign, validate, revoke, revocation } = await of(1_005);
    expect(await again.refusal("signCounterpartyCommitment", sign)).toMatchObject({
      rule: "commitment-retry-same",
    });
    expect(await again.refusal("validateHolderCommitment", validate)).toMatchObject({
      rule: "commitment-retry-same",
    });
    for (const [i, rate] of [1_001, 1_002, 1_003, 1_004].entries())
      expect(await again.call("signCounterpartyCommitment", (await of(rate)).sign)).toEqual(replies[i]);
    // The honest neighbour: with the number before revoked, the next one has room for four again.
    await again.call("revokeHolderCommitment", revoke as never);
    await again.call("validateCounterpartyRevocation", revocation as never);
    for (const rate of [2_001, 2_002, 2_003, 2_004])
      await again.call(
        "signCounterpartyCommitment",
        (await on.on(again).at(2n, withFeerate(on.start, feerate(rate)))).sign,
      );
  });

  test("a payment can't be given up twice through two contents", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const offered = htlcOf("holder", 10_000_000n, "a");
    const held = add(on.start, offered);
    await on.advance(1n, held);
    const paid = await on.at(2n, remove(held, offered, "fulfil"), [preimageOf("a")]);
    await on.signer.call("signCounterpartyCommitment", paid.sign);
    await on.signer.call("validateCounterpartyRevocation", paid.revocation as never);
    // From the content in which it is settled there is nothing left to settle.
    const twice = await on.at(3n, move(remove(held, offered, "fulfil"), 10_000_000n), [preimageOf("a")]);
    expect(await on.signer.refusal("signCounterpartyCommitment", twice.sign)).toMatchObject({
      rule: "routing-deltas-only-htlc",
    });
    await on.signer.call(
      "signCounterpartyCommitment",
      (await on.at(3n, remove(held, offered, "fulfil"))).sign,
    );
  });

  test("what is rounded off is not lost bit by bit", async () => {
    const on = await scene();
    let now = on.start;
    await on.advance(0n, now);
    // Each payment to us is 999 msat above a satoshi; the host says that the other side keeps what rounding hides.
    let refusals = 0;
    let n = 1n;
    for (let i = 0; i < 8; i++) {
      const htlc = htlcOf("counterparty", 1_000_999n, `r${i}`);
      await on.advance(n++, add(now, htlc));
      const honest = remove(add(now, htlc), htlc, "fulfil");
      const { sign } = await on.at(n, honest, [preimageOf(`r${i}`)]);
      const less = {
        ...sign,
        toHolder: sat(sign.toHolder - 1n),
        toCounterparty: sat(sign.toCounterparty + 1n),
      };
      const outcome = await on.signer.outcome("signCounterpartyCommitment", less);
      if (outcome.is === "refusal") refusals += 1;
      await on.advance(n++, honest, [preimageOf(`r${i}`)]);
      now = honest;
    }
    expect(refusals).toBe(8);
  });
});

describe("a signer that dies", () => {
  const script = async (on: Awaited<ReturnType<typeof scene>>) => {
    const htlc = htlcOf("holder", 10_000_000n, "a");
    const held = add(on.start, htlc);
    const settled = remove(held, htlc, "fulfil");
    const steps: [bigint, Balances, readonly Preimage[]][] = [
      [0n, on.start, []],
      [1n, held, []],
      [2n, settled, [preimageOf("a")]],
    ];
    const requests = [ask("proposePayment", keysend(on.opened.node, htlc))];
    for (const [n, balances, preimages] of steps) {
      const { sign, validate, revoke, revocation } = await on.at(n, balances, preimages);
      requests.push(ask("signCounterpartyCommitment", sign), ask("validateHolderCommitment", validate));
      if (revoke !== undefined) requests.push(ask("revokeHolderCommitment", revoke));
      if (revocation !== undefined) requests.push(ask("validateCounterpartyRevocation", revocation));
    }
    return requests;
  };

  test("at any write, before it or after, goes on with the same bytes when it is asked again", async () => {
    const calm = await scene({ signer: await rig({ proposes: false }) });
    const requests = await script(calm);
    const wanted: unknown[] = [];
    for (const { name, body } of requests) wanted.push(await calm.signer.call(name, body as never));

    const points = ["before-transaction", "before-commit", "after-commit"] as const satisfies CommitPoint[];
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: requests.length + 2 }),
        fc.constantFrom(...points),
        fc.nat({ max: 3 }),
        async (commit, point, back) => {
          const disk = memoryDisk();
          const breaking = {
            ...disk,
            open: () => disk.open({ at: breakAt(point, { commit, how: "throw" }) }),
          };
          const on = await scene({ signer: await rig({ disk: breaking, proposes: false }) });
          let at = 0;
          for (; at < requests.length; at++) {
            const { name, body } = requests[at] as (typeof requests)[number];
            const outcome = await on.signer.outcome(name, body as never);
            if (outcome.is === "fault") break;
            expect(outcome).toEqual({ is: "reply", reply: wanted[at] });
          }
          expect(at).toBe(commit - 3);
          // Nothing is answered by a signer that broke.
          const { name, body } = requests[0] as (typeof requests)[number];
          expect((await on.signer.outcome(name, body as never)).is).toBe("fault");
          // The host begins some way back, as its outbox does.
          const again = await rig({ disk, proposes: false });
          for (let i = Math.max(0, at - back); i < requests.length; i++) {
            const { name, body } = requests[i] as (typeof requests)[number];
            expect(await again.call(name, body as never)).toEqual(wanted[i]);
          }
        },
      ),
      { numRuns: 25, endOnFailure: true },
    );
  });

  test("with many requests under way leaves a state that they can all be asked again on", async () => {
    const calm = await scene({ signer: await rig({ proposes: false }) });
    const requests = await script(calm);
    const disk = memoryDisk();
    const breaking = {
      ...disk,
      open: () => disk.open({ at: breakAt("before-commit", { commit: 3, how: "throw" }) }),
    };
    const on = await scene({ signer: await rig({ disk: breaking, proposes: false }) });
    const outcomes = await Promise.all(
      requests.map(({ name, body }) => on.signer.outcome(name, body as never)),
    );
    expect(outcomes.every(({ is }) => is === "fault")).toBe(true);
    const again = await rig({ disk, proposes: false });
    for (const { name, body } of requests) await again.call(name, body as never);
  });
});
