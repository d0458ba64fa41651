/** What `exit` and `justice` say where there is nothing to sign, or more than one commitment to choose from. */

import { describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { type ChannelId, commitmentNumber, feerate, height } from "../../protocol/units.ts";
import { latestOf } from "../../signer/core/chain/outlook.ts";
import { startAt } from "../../signer/core/chain/start.ts";
import { unpackNode } from "../../signer/core/node-records.ts";
import { freshNode } from "../../signer/core/state.ts";
import { liveOf } from "../../signer/core/step.ts";
import { exit } from "../../signer/core/steps/exit.ts";
import { start, withFeerate } from "../scripted/channel.ts";
import { contentOf } from "../scripted/content.ts";
import { feed, mineOn, openOn, step } from "../scripted/fed.ts";
import { bob, evenTerms, scene } from "../scripted/scene.ts";
import { strangersScript } from "../scripted/spends.ts";
import { alice, curve, publishedBy, testChannel } from "./chain-channel.ts";
import { settingsOf, turnOf, viewOf } from "./payments.kit.ts";

test("justice without a chain sees no breach, and says so", async () => {
  const on = await scene({ label: "blind" });
  await on.advance(0n, on.start);
  const { node, channel } = on.opened;
  const home = await on.signer.call("justice", { node, channel, feerate: feerate(1_000) });
  expect(home).toEqual({
    ...{ transactions: [], height: unknown },
    left: ["nothing to punish: no chain is followed, so no breach would be seen"],
  });
});

describe("a breach", () => {
  const cheated = async () => {
    const fed = await feed();
    const channel = await openOn(fed, bob, evenTerms(), "cheap");
    await mineOn(fed, [channel.funding]);
    const number = commitmentNumber(channel.number - 1n);
    const content = contentOf(channel.shared.terms, "counterparty", number, channel.balances);
    const cheat = publishedBy(channel.shared, "counterparty", bob.point(number), content);
    await step(fed, channel, channel.balances);
    await mineOn(fed, [cheat.tx]);
    const { node } = fed.rig.session;
    const justice = (rate: number) =>
      fed.rig.call("justice", { node, channel: channel.channel, feerate: feerate(rate) });
    const window = async () => {
      const records = [...(await fed.rig.store.load(node))];
      const bytes = records.find(([key]) => key.endsWith("/node"))?.[1].bytes;
      return bytes === undefined ? undefined : unpackNode(bytes).windows;
    };
    return { justice, window };
  };

  test("is left where punishing costs more than it brings, and every output is named", async () => {
    const { justice } = await cheated();
    const { transactions, left, height: at } = await justice(4_000_000);
    expect(transactions).toEqual([]);
    expect(left.length).toBe(1);
    const [why = ""] = left;
    expect(why.split("; ").map((one) => one.replace(/^\d+/, "n"))).toEqual(
      [
        "n sat, the cheat's balance: worth no more than its fee at this feerate",
        "n sat, our balance in the revoked commitment: worth no more than its fee at this feerate",
      ].toSorted((a, b) => (why.indexOf(a.slice(2)) < why.indexOf(b.slice(2)) ? -1 : 1)),
    );
    expect(at).toBe(2);
  });

  test("is charged to the day as fees alone, once", async () => {
    const { justice, window } = await cheated();
    const before = await window();
    expect((await justice(1_000)).transactions.length).toBe(2);
    const after = await window();
    const sum = (windows: typeof after) =>
      (windows?.fees ?? []).reduce((total, { amount }) => total + amount, 0n);
    expect(sum(after)).toBeGreaterThan(sum(before));
    expect(after?.sent).toEqual([]);
    await justice(1_000);
    expect((await window())?.fees).toEqual(after?.fees);
  });
});

test("justice finds nothing in a channel that the chain has said nothing of", async () => {
  const fed = await feed();
  const { node, channel } = await openOn(fed, bob, evenTerms(), "unseen");
  await mineOn(fed, []);
  expect(await fed.rig.call("justice", { node, channel, feerate: feerate(1_000) })).toEqual({
    ...{ transactions: [], height: 1 },
    left: ["nothing to punish: the chain has no revoked commitment of this channel"],
  });
});

test("an exit from their commitment pays no more than the policy's fee", async () => {
  const fed = await feed();
  const channel = await openOn(fed, bob, evenTerms(), "theirs");
  await mineOn(fed, [channel.funding]);
  const number = commitmentNumber(channel.number - 1n);
  const content = contentOf(channel.shared.terms, "counterparty", number, channel.balances);
  await mineOn(fed, [publishedBy(channel.shared, "counterparty", bob.point(number), content).tx]);
  const asking = (rate: number): Request<"exit"> => ({
    ...{ node: channel.node, channel: channel.channel, feerate: feerate(rate) },
    ...{ confirmed: unknown, preimages: [] },
  });
  expect((await fed.rig.refusal("exit", asking(900_000))).rule).toBe("sweep-fee-range");
  expect((await fed.rig.call("exit", asking(1_000))).transactions.length).toBe(1);
});

test("an exit takes the highest number, in whatever order they are held", () => {
  const held = testChannel();
  const now = start(held.terms);
  for (const numbers of [
    [3n, 4n],
    [4n, 3n],
  ] as const) {
    const plain = held.live({ holder: numbers.map((number) => [number, now] as const) });
    const live = { ...plain, setup: { ...plain.setup, closingScript: strangersScript(0x61) } };
    const channel = 0n as ChannelId;
    const body = { channel, feerate: feerate(1_000), confirmed: unknown, preimages: [] };
    const decision = exit.decide({
      ...turnOf<"exit", undefined>(body as unknown as Request<"exit">, viewOf([{ phase: "open", ...live }]), {
        settings: settingsOf({}, { curve }),
      }),
      known: { points: [], pointsOf: numbers.map((number) => alice.point(commitmentNumber(number))) },
    });
    const { channel: kept } = decision.is === "signed" ? decision.change : {};
    expect(liveOf(kept)?.holder.broadcast).toEqual([4n]);
  }
});

test("an exit takes the content of a number that was validated last", async () => {
  const on = await scene({ label: "twice" });
  await on.advance(0n, on.start);
  const { node, channel } = on.opened;
  const ids: Uint8Array[] = [];
  for (const rate of [1_000, 1_100]) {
    const { sign, validate } = await on.at(1n, withFeerate(on.start, feerate(rate)));
    await on.signer.call("signCounterpartyCommitment", sign);
    await on.signer.call("validateHolderCommitment", validate);
    const home = await on.signer.call("exit", {
      ...{ node, channel, feerate: feerate(1_000), confirmed: unknown, preimages: [] },
    });
    if (home.commitment === unknown) throw new Error("no commitment");
    expect(home.commitment.number).toBe(1n);
    ids.push(home.commitment.txid);
  }
  expect(ids[1]).not.toEqual(ids[0]);
});

describe("the time", () => {
  const view = startAt("regtest");
  const [genesis] = view.blocks;
  if (genesis === undefined) throw new Error("no block");
  const at = { ...genesis.at, height: height(11), times: Array.from({ length: 11 }, (_, i) => 1_000 + i) };
  const mined = { ...view, blocks: [{ ...genesis, at }] };
  const latest = (clock: number, time: number, chain: typeof view | undefined) =>
    latestOf({
      clock,
      node: { ...freshNode, time },
      chain: { view: chain, onchain: new Map(), upload: undefined },
    });

  test("is the latest that clock, state and blocks have seen", () => {
    // BIP 113: the median of eleven.
    expect(latest(5, 7, mined)).toBe(1_005);
    expect(latest(2_000, 7, mined)).toBe(2_000);
    expect(latest(5, 3_000, mined)).toBe(3_000);
    expect(latest(5, 7, undefined)).toBe(7);
    expect(latest(-3, -2, undefined)).toBe(0);
  });
});
