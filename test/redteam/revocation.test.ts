/** Red-team 3 and 7: a secret and a broadcast of the same commitment, and secrets that are not the right ones. */

import { describe, expect, test } from "vitest";
import type { RevocationSecret } from "../../protocol/units.ts";
import { commitmentNumber } from "../../protocol/units.ts";
import { add, htlcOf, start } from "../scripted/channel.ts";
import { closeOf } from "../scripted/close.ts";
import { commitmentOf } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";
import { carol, evenTerms, type Scene, scene } from "../scripted/scene.ts";

/** Both have commitment 1; what comes next is 2. */
const second = async (): Promise<Scene> => {
  const on = await scene();
  await on.advance(0n, on.start);
  await on.advance(1n, add(on.start, htlcOf("holder", 50_000_000n, "a")));
  return on;
};

const broadcastOf = async ({ signer, opened, at, start: plain }: Scene, n: bigint, balances = plain) => {
  const { node, channel, shared } = opened;
  const { points } = await signer.call("points", { node, channel, numbers: [commitmentNumber(n)] });
  const { validate } = await at(n, balances);
  const content = { ...validate, trimmed: [] };
  const { commitment } = commitmentOf(curve, shared, "holder", points[0] as never, content);
  return { node, channel, funding: shared.funding, number: commitmentNumber(n), txid: commitment.txid };
};

describe("a commitment is revoked or broadcast, never both", () => {
  const held = add(start(evenTerms()), htlcOf("holder", 50_000_000n, "a"));
  const next = add(held, htlcOf("counterparty", 1_000_000n, "b"));

  test("signed for broadcast, then its secret is asked for", async () => {
    const on = await second();
    const { signer } = on;
    const { validate, revoke } = await on.at(2n, next);
    await signer.call("validateHolderCommitment", validate);
    await signer.call("signHolderCommitment", await broadcastOf(on, 1n, held));
    const before = await on.record();
    expect(await signer.refusal("revokeHolderCommitment", revoke as never)).toMatchObject({
      rule: "revoke-not-closed",
      final: true,
    });
    expect(await on.record()).toEqual(before);
    // Nor after a restart, nor once the next one was signed for broadcast too.
    const again = await signer.restart();
    await again.call("signHolderCommitment", await broadcastOf(on.on(again), 2n, next));
    expect(await again.refusal("revokeHolderCommitment", revoke as never)).toMatchObject({
      rule: "revoke-not-closed",
    });
    // The honest neighbour: the other one that is live may be broadcast as well, and again.
    await again.call("signHolderCommitment", await broadcastOf(on.on(again), 1n, held));
  });

  test("its secret is released, then it is to be signed for broadcast", async () => {
    const on = await second();
    const { signer } = on;
    const present = await broadcastOf(on, 1n, held);
    const { validate, revoke } = await on.at(2n, next);
    await signer.call("validateHolderCommitment", validate);
    const { secret } = await signer.call("revokeHolderCommitment", revoke as never);
    for (const restarted of [false, true]) {
      const rig = restarted ? await signer.restart() : signer;
      expect(await rig.refusal("signHolderCommitment", present)).toMatchObject({
        rule: "commitment-holder-not-revoked",
        final: true,
      });
      // The honest neighbours: the secret again, and the new commitment.
      expect(await rig.call("revokeHolderCommitment", revoke as never)).toMatchObject({ secret });
      await rig.call("signHolderCommitment", await broadcastOf(on.on(rig), 2n, next));
    }
  });

  test("both asked at once: whichever is decided first shuts the other out", async () => {
    for (const order of ["broadcast first", "secret first"] as const) {
      const on = await second();
      const { signer } = on;
      const { validate, revoke } = await on.at(2n, next);
      await signer.call("validateHolderCommitment", validate);
      const present = await broadcastOf(on, 1n, held);
      const asks = {
        broadcast: () => signer.outcome("signHolderCommitment", present),
        secret: () => signer.outcome("revokeHolderCommitment", revoke as never),
      };
      const [first, then] =
        order === "broadcast first" ? [asks.broadcast, asks.secret] : [asks.secret, asks.broadcast];
      const outcomes = await Promise.all([first(), then()]);
      expect(outcomes.map(({ is }) => is)).toEqual(["reply", "refusal"]);
    }
  });

  test("a mutual close keeps the present secret here, whatever is validated", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const { validate, revoke, sign } = await on.at(1n, on.start);
    await on.signer.call("validateHolderCommitment", validate);
    await on.signer.call("signClosing", closeOf(on.opened, on.start, 400n) as never);
    expect(await on.signer.refusal("revokeHolderCommitment", revoke as never)).toMatchObject({
      rule: "revoke-not-closed",
    });
    expect(await on.signer.refusal("signCounterpartyCommitment", sign)).toMatchObject({
      rule: "commitment-not-closed",
    });
    // The honest neighbours: another round, and the way out alone.
    await on.signer.call("signClosing", closeOf(on.opened, on.start, 300n) as never);
    await on.signer.call("signHolderCommitment", await broadcastOf(on, 1n));
  });
});

describe("the counterparty's secret is checked before anything of it is stored", () => {
  const wrong = (name: string, on: Scene, right: RevocationSecret): RevocationSecret => {
    switch (name) {
      case "of another number":
        return on.peer.secret(commitmentNumber(0n));
      case "zero":
        return new Uint8Array(32) as RevocationSecret;
      case "above the order of the curve":
        return new Uint8Array(32).fill(0xff) as RevocationSecret;
      default:
        return right.map((byte, at) => (at === 31 ? byte ^ 1 : byte)) as RevocationSecret;
    }
  };

  test.each(["of another number", "zero", "above the order of the curve", "with one bit changed"])(
    "%s: nothing changes, and the right one is taken afterwards",
    async (name) => {
      const on = await second();
      const { sign, revocation } = await on.at(2n, on.start, []);
      await on.signer.call("signCounterpartyCommitment", sign);
      if (revocation === undefined) throw new Error("there is one");
      const before = await on.record();
      const secret = wrong(name, on, revocation.secret);
      for (const restarted of [false, true]) {
        const rig = restarted ? await on.signer.restart() : on.signer;
        expect(await rig.refusal("validateCounterpartyRevocation", { ...revocation, secret })).toMatchObject({
          rule: "commitment-previous-revoked",
        });
        expect(await on.on(rig).record()).toEqual(before);
      }
      const rig = await on.signer.restart();
      await rig.call("validateCounterpartyRevocation", revocation);
      expect(await on.on(rig).record()).not.toEqual(before);
      // Once taken, only the same is taken again.
      await rig.call("validateCounterpartyRevocation", revocation);
      expect(await rig.refusal("validateCounterpartyRevocation", { ...revocation, secret })).toMatchObject({
        rule: "commitment-previous-revoked",
      });
    },
  );

  test("a secret that fits the point and not the chain of the earlier ones", async () => {
    // Commitment 1's point is of another chain: the counterparty gave it, and can't revoke it within its own.
    const fresh = await scene();
    await fresh.advance(0n, fresh.start);
    const one = await fresh.at(1n, fresh.start);
    const foreign = { ...one.sign, point: carol.point(commitmentNumber(1n)) };
    await fresh.signer.call("signCounterpartyCommitment", foreign);
    await fresh.signer.call("validateCounterpartyRevocation", one.revocation as never);
    const two = await fresh.at(2n, fresh.start);
    await fresh.signer.call("signCounterpartyCommitment", two.sign);
    const before = await fresh.record();
    const refusal = await fresh.signer.refusal("validateCounterpartyRevocation", {
      ...(two.revocation as NonNullable<typeof two.revocation>),
      secret: carol.secret(commitmentNumber(1n)),
    });
    expect(refusal.rule).toBe("commitment-previous-revoked");
    expect(await fresh.record()).toEqual(before);
  });
});
