/** Hosts ask for claims of what somebody else has taken already: such a claim never confirms, so it is no cost of the day. */

import { expect, test } from "vitest";
import { decodeTx, encodeTx } from "../../protocol/bitcoin/tx.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, height, type Point, sat } from "../../protocol/units.ts";
import { add, htlcOf, plainTerms, preimageOf } from "../scripted/channel.ts";
import { contentOf } from "../scripted/content.ts";
import { type Fed, type FedChannel, feed, mineOn, openOn, pass, step, unmine } from "../scripted/fed.ts";
import { carol } from "../scripted/scene.ts";
import { publishedBy } from "./chain-channel.ts";

const offered = htlcOf("holder", 60_000_000n, "late", 200);

const feesOf = async ({ rig }: Fed): Promise<bigint> => {
  const { windows } = await rig.call("status", { node: rig.session.node });
  return windows.find(({ name }) => name === "fees")?.spent ?? 0n;
};

/** Carol's commitment with the HTLC that we offered is in a block. */
const closed = async () => {
  const fed = await feed();
  await pass(fed, 1);
  const channel = await openOn(fed, carol, plainTerms(), "late");
  await mineOn(fed, [channel.funding]);
  await step(fed, channel, add(channel.balances, offered));
  const number = commitmentNumber(channel.number - 1n);
  const { shared, peer, balances } = channel;
  const content = contentOf(shared.terms, "counterparty", number, balances);
  const close = publishedBy(shared, "counterparty", peer.point(number) as Point, content);
  await mineOn(fed, [close.tx]);
  return { fed, channel, close };
};

const takingBack = (
  { node, channel, closingScript }: FedChannel,
  { close }: Pick<Awaited<ReturnType<typeof closed>>, "close">,
  fee: bigint,
): Request<"spend"> => {
  const outpoint = close.outpoint(close.at(offered).index);
  const silent = { number: unknown, point: unknown, htlc: unknown, value: unknown } as const;
  const input = { ...silent, script: unknown, prevTx: unknown, place: unknown, preimage: unknown } as const;
  return {
    node,
    tx: encodeTx({
      ...{ version: 2, locktime: height(200), inputs: [{ outpoint, sequence: 1 }] },
      outputs: [{ value: sat(60_000n - fee), script: closingScript }],
    }),
    inputs: [{ ...input, kind: "counterpartyHtlc", outpoint, channel }],
    outputs: [{ kind: "closing", place: unknown, channel }],
  };
};
test("a claim is charged while it may confirm, and not once a block that is deep has another", async () => {
  const { fed, channel, close } = await closed();
  await pass(fed, 200 - fed.blocks.length);
  const before = await feesOf(fed);
  await fed.rig.call("spend", takingBack(channel, { close }, 1_000n));
  expect((await feesOf(fed)) - before).toBe(1_000_000n);
  await mineOn(fed, [close.second(offered, preimageOf("late"))]);
  await fed.rig.call("spend", takingBack(channel, { close }, 1_500n));
  expect((await feesOf(fed)) - before).toBe(1_500_000n);
  await pass(fed, 5);
  await fed.rig.call("spend", takingBack(channel, { close }, 9_000n));
  expect((await feesOf(fed)) - before).toBe(1_500_000n);
  // A reorganisation that brings it back to life brings its cost back too.
  await unmine(fed, 6);
  await pass(fed, 7);
  await fed.rig.call("spend", takingBack(channel, { close }, 9_000n));
  expect((await feesOf(fed)) - before).toBe(9_000_000n);
});

test("our own claim is charged once, also when it is asked for again long after it was mined", async () => {
  const { fed, channel, close } = await closed();
  await pass(fed, 200 - fed.blocks.length);
  const before = await feesOf(fed);
  const body = takingBack(channel, { close }, 1_000n);
  const answer = await fed.rig.call("spend", body);
  const { tx } = decodeTx(body.tx);
  const witness = [new Uint8Array(71), new Uint8Array(), close.at(offered).script];
  await mineOn(fed, [{ tx, witnesses: [witness] }]);
  await pass(fed, 10);
  expect(await fed.rig.call("spend", body)).toEqual(answer);
  expect((await feesOf(fed)) - before).toBe(1_000_000n);
});
