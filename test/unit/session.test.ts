import { describe, expect, test } from "vitest";
import {
  add,
  fundingOf,
  htlcOf,
  open,
  plainTerms,
  preimageOf,
  remove,
  start,
  update,
} from "../scripted/channel.ts";
import { verifyOf } from "../scripted/checks.ts";
import { peer } from "../scripted/peer.ts";
import { curve, rig } from "../scripted/road.ts";

const bob = peer("bob", curve);

const opened = async (terms = plainTerms()) => {
  const signer = await rig();
  const channel = await open(signer.call, signer.session.node, bob, terms, "first");
  return { signer, channel, terms };
};

const pointOf = async ({ signer, channel }: Awaited<ReturnType<typeof opened>>, n: bigint) => {
  const { points } = await signer.call("points", {
    node: channel.node,
    channel: channel.channel,
    numbers: [n as never],
  });
  return points[0] as never;
};

describe("a channel opens and advances", () => {
  test.each(["anchors", "static_remotekey"] as const)(
    "%s: three updates, every signature verifies",
    async (type) => {
      const world = await opened(plainTerms({ type }));
      const { signer, channel, terms } = world;
      let balances = start(terms);
      const sent = htlcOf("holder", 50_000_000n, "a");
      const steps = [
        (b: typeof balances) => b,
        (b: typeof balances) => add(b, sent),
        (b: typeof balances) => remove(b, sent, "fulfil"),
        (b: typeof balances) => add(b, htlcOf("counterparty", 20_000_000n, "b")),
      ];
      for (const [n, step] of steps.entries()) {
        balances = step(balances);
        const point = await pointOf(world, BigInt(n));
        const requests = update(channel, bob, point, BigInt(n), balances, n === 2 ? [preimageOf("a")] : []);
        const reply = await signer.call("signCounterpartyCommitment", requests.sign);
        expect(verifyOf(curve, channel, bob, requests.sign, reply)).toEqual([]);
        await signer.call("validateHolderCommitment", requests.validate);
        if (requests.revoke !== undefined && requests.revocation !== undefined) {
          const { secret } = await signer.call("revokeHolderCommitment", requests.revoke);
          expect(secret).toHaveLength(32);
          await signer.call("validateCounterpartyRevocation", requests.revocation);
        }
      }
      expect(signer.faults).toEqual([]);
    },
  );

  test("the same content is answered with the same bytes, also after a restart", async () => {
    const world = await opened();
    const { signer, channel, terms } = world;
    const requests = update(channel, bob, await pointOf(world, 0n), 0n, start(terms));
    const first = await signer.call("signCounterpartyCommitment", requests.sign);
    expect(await signer.call("signCounterpartyCommitment", requests.sign)).toEqual(first);
    const again = await signer.restart();
    expect(await again.call("signCounterpartyCommitment", requests.sign)).toEqual(first);
    expect(
      await again.call("setup", {
        node: channel.node,
        channel: channel.channel,
        peer: bob.id,
        terms,
        counterparty: bob.basepoints,
        funding: fundingOf("first"),
      }),
    ).toHaveProperty("fundingScript");
  });
});
