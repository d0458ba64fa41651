/** Red-team 10: a host that swaps channels, peers or networks, and asks twice with other terms. */

import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import { type ChannelId, channelId, type NodeId } from "../../protocol/units.ts";
import { add, fundingOf, htlcOf } from "../scripted/channel.ts";
import { closeOf } from "../scripted/close.ts";
import { rig } from "../scripted/road.ts";
import { bob, carol, evenTerms, scene } from "../scripted/scene.ts";

describe("two channels of one host", () => {
  const two = async () => {
    const first = await scene({ label: "first" });
    const second = await scene({ signer: first.signer, peer: carol, label: "second" });
    await first.advance(0n, first.start);
    await second.advance(0n, second.start);
    return { first, second, signer: first.signer };
  };

  test("their requests under each other's id are refused, and both go on", async () => {
    const { first, second, signer } = await two();
    const [one, other] = [await first.at(1n, first.start), await second.at(1n, second.start)];
    const swapped = { channel: second.opened.channel };
    for (const name of ["signCounterpartyCommitment", "validateHolderCommitment"] as const) {
      const body = name === "signCounterpartyCommitment" ? one.sign : one.validate;
      expect((await signer.refusal(name, { ...body, ...swapped } as never)).rule).toBe(
        "commitment-input-match-funding",
      );
    }
    const close = closeOf(first.opened, first.start, 400n) as NonNullable<ReturnType<typeof closeOf>>;
    expect((await signer.refusal("signClosing", { ...close, ...swapped })).rule).toBe("mutual-other");
    // The secret of one channel's counterparty is no secret of the other's.
    await signer.call("signCounterpartyCommitment", one.sign);
    await signer.call("signCounterpartyCommitment", other.sign);
    const wrong = { ...(one.revocation as NonNullable<typeof one.revocation>), ...swapped };
    expect((await signer.refusal("validateCounterpartyRevocation", wrong)).rule).toBe(
      "commitment-previous-revoked",
    );
    await signer.call("validateCounterpartyRevocation", one.revocation as never);
    await signer.call("validateCounterpartyRevocation", other.revocation as never);
  });

  test("the funding outpoint of the other does not make its commitment valid", async () => {
    const { first, second, signer } = await two();
    const { sign, validate } = await first.at(1n, first.start);
    const { funding } = second.opened.shared;
    for (const [name, body] of [
      ["signCounterpartyCommitment", sign],
      ["validateHolderCommitment", validate],
    ] as const)
      expect((await signer.refusal(name, { ...body, funding } as never)).rule).toBe(
        "commitment-input-match-funding",
      );
    await first.advance(1n, first.start);
  });

  test("the counterparty's signatures for one are worth nothing in the other", async () => {
    const { first, second, signer } = await two();
    const one = await first.at(1n, first.start);
    const other = await second.at(1n, second.start);
    const { signature } = one.validate;
    expect((await signer.refusal("validateHolderCommitment", { ...other.validate, signature })).rule).toBe(
      "revoke-new-commitment-signed",
    );
    await signer.call("validateHolderCommitment", other.validate);
  });
});

describe("an id", () => {
  test("that was set up is set up again on the same terms alone, also after a restart", async () => {
    const on = await scene();
    await on.advance(0n, on.start);
    const { node, channel, shared } = on.opened;
    const same = {
      node,
      channel,
      peer: bob.id,
      terms: on.terms,
      counterparty: bob.basepoints,
      funding: shared.funding,
    };
    const others = [
      { ...same, terms: evenTerms({ value: 2_000_000n as never, contribution: 2_000_000n as never }) },
      { ...same, terms: evenTerms({ type: "static_remotekey" }) },
      { ...same, terms: evenTerms({ opener: "counterparty", contribution: 0n as never }) },
      { ...same, peer: carol.id },
      { ...same, counterparty: carol.basepoints },
      { ...same, funding: fundingOf("another") },
    ];
    for (const restarted of [false, true]) {
      const signer = restarted ? await on.signer.restart() : on.signer;
      for (const other of others)
        expect(await signer.refusal("setup", other)).toMatchObject({
          rule: "channel-setup-immutable",
          final: true,
        });
      await signer.call("setup", same);
    }
  });

  test("is never given out twice, whether the signer or the host counts", async () => {
    const signer = await rig();
    const { node } = signer.session;
    const wanted = (n: ChannelId | "unknown") => signer.call("new", { node, wanted: n });
    const ids = [];
    for (const n of [unknown, channelId(7n), unknown, channelId(40n), unknown] as const)
      ids.push((await wanted(n)).channel);
    expect(ids).toEqual([0n, 7n, 8n, 40n, 41n]);
    const again = await signer.restart();
    expect((await again.call("new", { node, wanted: unknown })).channel).toBe(42n);
    // The honest neighbour: asked for again before anything was agreed, with the same keys.
    const first = await again.call("new", { node, wanted: channelId(40n) });
    expect(await again.call("new", { node, wanted: channelId(40n) })).toEqual(first);
    const taken = await scene({ signer: again });
    expect((await again.refusal("new", { node, wanted: taken.opened.channel })).rule).toBe(
      "channel-original-channel-id-reuse",
    );
  });

  test("asked for many times at once is many ids", async () => {
    const signer = await rig();
    const { node } = signer.session;
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => signer.call("new", { node, wanted: unknown })),
    );
    expect(replies.map(({ channel }) => channel)).toEqual([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
    expect(new Set(replies.map(({ basepoints }) => basepoints.funding.join())).size).toBe(8);
  });
});

describe("a node and its network", () => {
  test("a request for another node is not answered with this one's keys", async () => {
    const on = await scene();
    const node = carol.id as NodeId;
    const { sign } = await on.at(0n, on.start);
    expect((await on.signer.refusal("signCounterpartyCommitment", { ...sign, node })).rule).toBe(
      "node-known",
    );
    expect((await on.signer.refusal("new", { node, wanted: unknown })).rule).toBe("node-known");
    await on.signer.call("signCounterpartyCommitment", sign);
  });

  test("a host of another network is told so, and nothing else", async () => {
    const signer = await rig();
    const { node } = signer.session;
    const hello = { node, version: 1, software: "a host" } as const;
    for (const network of ["bitcoin", "testnet", "signet"] as const)
      expect((await signer.refusal("hello", { ...hello, network })).rule).toBe("node-network");
    expect(await signer.call("hello", { ...hello, network: "regtest" })).toMatchObject({
      network: "regtest",
    });
  });
});

test("both channels of the honest host carry payments", async () => {
  const first = await scene({ label: "first" });
  const second = await scene({ signer: first.signer, peer: carol, label: "second" });
  for (const on of [first, second]) {
    await on.advance(0n, on.start);
    await on.advance(1n, add(on.start, htlcOf("holder", 1_000_000n, "x")));
  }
  expect(first.signer.faults).toEqual([]);
});
