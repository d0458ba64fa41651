import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { commitmentNumber, msat, sat } from "../../protocol/units.ts";
import { unpackPayment } from "../../signer/core/node-records.ts";
import { spending } from "../scripted/chain.ts";
import { add, htlcOf, plainTerms, preimageOf } from "../scripted/channel.ts";
import { contentOf } from "../scripted/content.ts";
import { type Fed, type FedChannel, feed, mineOn, openOn, pass, step, tell } from "../scripted/fed.ts";
import { peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";
import { type Published, publishedBy } from "./chain-channel.ts";

const bob = peer("bob", curve);
const terms = plainTerms({ push: msat(400_000_000n) });
const offered = htlcOf("holder", 60_000_000n, "paid", 200);

const forget = ({ rig }: Fed, { node, channel }: FedChannel) => rig.outcome("forget", { node, channel });
const refusal = async (fed: Fed, channel: FedChannel): Promise<string | undefined> => {
  const outcome = await forget(fed, channel);
  return outcome.is === "refusal" ? outcome.refusal.rule : outcome.is;
};

const theirs = ({ shared, number, balances }: FedChannel): Published => {
  const n = commitmentNumber(number - 1n);
  return publishedBy(
    shared,
    "counterparty",
    bob.point(n),
    contentOf(shared.terms, "counterparty", n, balances),
  );
};

const keysOf = async ({ rig }: Fed): Promise<readonly string[]> =>
  [...(await rig.store.load(rig.session.node)).keys()].map((key) => key.split("/").slice(1).join("/"));

const paymentOf = async ({ rig }: Fed) => {
  const records = await rig.store.load(rig.session.node);
  const found = [...records].find(([key]) => key.endsWith(`/payment/${toHex(offered.hash)}`));
  return found === undefined ? undefined : unpackPayment(found[1].bytes);
};

/** Closed by the other side with our HTLC in it, which it then claims or we take back; and what is ours is swept. */
const closed = async (how: "claimed" | "timed out"): Promise<{ fed: Fed; channel: FedChannel }> => {
  const fed = await feed();
  await pass(fed, 1);
  const channel = await openOn(fed, bob, terms, "closing");
  await mineOn(fed, [channel.funding]);
  await step(fed, channel, add(channel.balances, offered));
  const commitment = theirs(channel);
  await mineOn(fed, [commitment.tx]);
  await mineOn(fed, [
    how === "claimed" ? commitment.second(offered, preimageOf("paid")) : commitment.direct(offered),
  ]);
  await pass(fed, 99);
  expect(await refusal(fed, channel)).toBe("channel-settled");
  const { toHolder } = contentOf(terms, "counterparty", commitmentNumber(1n), channel.balances);
  const remote = commitment.commitment.tx.outputs.findIndex(({ value }) => value === toHolder);
  await mineOn(fed, [spending([commitment.outpoint(remote)])]);
  await pass(fed, 98);
  expect(await refusal(fed, channel)).toBe("channel-settled");
  await pass(fed, 1);
  return { fed, channel };
};

describe("a channel that is forgotten", () => {
  test("leaves the word that its id was used, and no room to use it again", async () => {
    const { fed, channel } = await closed("timed out");
    expect(await refusal(fed, channel)).toBe("reply");
    expect(await refusal(fed, channel)).toBe("reply");
    const keys = await keysOf(fed);
    expect(keys).toContain(`channel/${channel.channel}`);
    expect(keys).not.toContain(`onchain/${channel.channel}`);
    for (const again of [false, true]) {
      if (again) fed.rig = await fed.rig.restart();
      const { node, shared } = channel;
      const asked = { node, channel: channel.channel, peer: bob.id, terms };
      const reuse = { refusal: { rule: "channel-original-channel-id-reuse" } };
      expect(await fed.rig.outcome("check", asked)).toMatchObject(reuse);
      const setup = { ...asked, counterparty: bob.basepoints, funding: shared.funding };
      expect(await fed.rig.outcome("setup", setup)).toMatchObject(reuse);
      expect(await fed.rig.outcome("new", { node, wanted: channel.channel })).toMatchObject(reuse);
      const numbers = [commitmentNumber(0n)];
      expect((await tell(fed, "points", { node, channel: channel.channel, numbers })).is).toBe("reply");
      const spent = { node, channel: channel.channel, number: commitmentNumber(1n) };
      expect(await fed.rig.outcome("revokeHolderCommitment", spent)).toMatchObject({
        refusal: { rule: "channel-known" },
      });
      expect((await fed.rig.call("chainWatches", { node, from: 0 })).total).toBe(0);
    }
  });

  test("makes room for another", async () => {
    const { fed, channel } = await closed("timed out");
    fed.rig = await fed.rig.restart({ maxChannels: 1 });
    await expect(openOn(fed, bob, terms, "second")).rejects.toThrow("channel-peer-limits");
    await forget(fed, channel);
    await openOn(fed, bob, terms, "second");
  });

  test("leaves what was paid in it with the payment", async () => {
    const { fed, channel } = await closed("claimed");
    expect((await paymentOf(fed))?.settledOut).toBe(0n);
    expect(await refusal(fed, channel)).toBe("reply");
    expect((await paymentOf(fed))?.settledOut).toBe(60_000_000n);
  });

  test("leaves nothing of what came back", async () => {
    const { fed, channel } = await closed("timed out");
    expect(await refusal(fed, channel)).toBe("reply");
    expect((await paymentOf(fed))?.settledOut).toBe(0n);
  });
});

describe("an id that was given out and not used", () => {
  test("is forgotten for good", async () => {
    const fed = await feed();
    const { node } = fed.rig.session;
    const { channel } = await fed.rig.call("new", { node, wanted: "unknown" });
    await fed.rig.call("forget", { node, channel });
    expect(await fed.rig.outcome("new", { node, wanted: channel })).toMatchObject({ is: "refusal" });
    const never = { node, channel: (channel + 1n) as typeof channel };
    expect(await fed.rig.outcome("forget", never)).toMatchObject({ refusal: { rule: "channel-known" } });
  });
});

test("a funding that was never the channel's may be forgotten when it is deep for good", async () => {
  const fed = await feed();
  const channel = await openOn(fed, bob, terms, "false");
  const [output] = channel.funding.tx.outputs;
  if (output === undefined) throw new Error("no output");
  // The host set up a channel of another value than the transaction that it named.
  const { node, shared } = channel;
  const { channel: id } = await fed.rig.call("new", { node, wanted: "unknown" });
  const other = { ...terms, value: sat(1_500_000n), contribution: sat(1_500_000n) };
  const setup = { node, channel: id, peer: bob.id, terms: other, counterparty: bob.basepoints };
  await fed.rig.call("setup", { ...setup, funding: shared.funding });
  await mineOn(fed, [channel.funding]);
  const { alarms } = await fed.rig.call("heartbeat", { node });
  expect(alarms).toMatchObject([{ kind: "fundingFalse", channel: id }]);
  expect((await fed.rig.outcome("forget", { node, channel: id })).is).toBe("refusal");
  await pass(fed, 99);
  expect((await fed.rig.outcome("forget", { node, channel: id })).is).toBe("reply");
});
