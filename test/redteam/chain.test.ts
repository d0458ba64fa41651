/** Red-team 11, of the chain: a host that lies on height, shows a lighter chain, or hides a breach. */

import { describe, expect, test } from "vitest";
import { encodeHeader } from "../../protocol/bitcoin/header.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { commitmentNumber, msat } from "../../protocol/units.ts";
import { type Block, genesis, mine, mineAll, mineEmpty, proofOf } from "../scripted/chain.ts";
import { add, htlcOf, plainTerms, remove } from "../scripted/channel.ts";
import { contentOf } from "../scripted/content.ts";
import {
  connect,
  type Fed,
  feed,
  mineOn,
  nextOf,
  openOn,
  pass,
  step,
  tipOf,
  unmine,
} from "../scripted/fed.ts";
import { peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";
import { publishedBy } from "../unit/chain-channel.ts";

const bob = peer("bob", curve);
const carol = peer("carol", curve);
const pushed = plainTerms({ push: msat(400_000_000n) });

const rule = (outcome: Outcome<Name>): string =>
  outcome.is === "refusal" ? outcome.refusal.rule : outcome.is;
const broken = (outcome: Outcome<Name>): string | undefined =>
  outcome.is === "refusal" ? outcome.refusal.facts.find(({ name }) => name === "broken")?.value : outcome.is;

const tip = ({ rig }: Fed) => rig.call("chainTip", { node: rig.session.node });
const begin = async ({ rig }: Fed): Promise<string> => {
  const { node } = rig.session;
  const { channel } = await rig.call("new", { node, wanted: unknown });
  return rule(await rig.outcome("check", { node, channel, peer: bob.id, terms: pushed }));
};

describe("a height", () => {
  test("is worked for, not told", async () => {
    const fed = await feed();
    await pass(fed, 2);
    const [honest] = mineEmpty(tipOf(fed), 1) as [Block];
    const lazy = { ...honest.header, nonce: honest.header.nonce + 1 };
    const cheap = { ...honest.header, bits: 0x207fff7f };
    const late = { ...honest.header, time: tipOf(fed).header.time + 60 + 2 * 3600 + 1 };
    for (const [header, what] of [
      [lazy, "work"],
      [cheap, "bits"],
      [mine(tipOf(fed), [], { header: late }).header, "time"],
      [mine(genesis, [], { header: { previous: new Uint8Array(32).fill(9) } }).header, "previous"],
    ] as const) {
      const { node } = fed.rig.session;
      const outcome = await fed.rig.outcome("chainHeaders", { node, headers: [encodeHeader(header)] });
      expect(broken(outcome)).toBe(what);
    }
    expect((await tip(fed)).height).toBe(2);
  });

  test("that is high brings no incoming HTLC to its expiry: the blocks must be there", async () => {
    const fed = await feed({ proposes: false });
    await pass(fed, 1);
    const incoming = await openOn(fed, bob, plainTerms({ opener: "counterparty" }), "incoming");
    const outgoing = await openOn(fed, carol, plainTerms(), "outgoing");
    await mineOn(fed, [incoming.funding, outgoing.funding]);
    const received = htlcOf("counterparty", 60_000_000n, "h", 40);
    await step(fed, incoming, add(incoming.balances, received));
    await step(fed, outgoing, add(outgoing.balances, htlcOf("holder", 60_000_000n, "h", 20)));
    const dropped = remove(incoming.balances, received, "fail");
    const { sign } = await nextOf(fed, incoming, dropped);
    await pass(fed, 36 - tipOf(fed).height);
    expect(rule(await fed.rig.outcome("signCounterpartyCommitment", sign))).toBe("routing-balanced");
    await pass(fed, 1);
    expect(rule(await fed.rig.outcome("signCounterpartyCommitment", sign))).toBe("reply");
  });
});

describe("a lighter chain", () => {
  test("replaces none", async () => {
    const fed = await feed();
    await pass(fed, 6);
    const { node } = fed.rig.session;
    const fork = fed.blocks[2] as Block;
    const branch = mineEmpty(fork, 3, { tag: 1 });
    expect(broken(await connect(fed, branch[0] as Block))).toBe("branch");
    const inPart = await feed({ chain: { inPart: true } });
    for (const block of fed.blocks) await connect(inPart, block);
    const headers = branch.map(({ header }) => encodeHeader(header));
    expect(broken(await inPart.rig.outcome("chainHeaders", { node, headers }))).toBe("branch");
    expect(await tip(fed)).toMatchObject({ height: 6, behind: false });
    expect(await tip(inPart)).toMatchObject({ height: 6, behind: false });
  });

  test("in its place stops what is new, also after a restart", async () => {
    const fed = await feed();
    await pass(fed, 6);
    expect(await begin(fed)).toBe("reply");
    await unmine(fed, 3);
    for (const restarted of [false, true]) {
      if (restarted) fed.rig = await fed.rig.restart();
      expect(await begin(fed)).toBe("chain-not-stale");
      expect(await tip(fed)).toMatchObject({ behind: true });
    }
    for (const block of mineEmpty(tipOf(fed), 2, { tag: 1 })) {
      fed.blocks = [...fed.blocks, block];
      await connect(fed, block);
    }
    expect(await begin(fed)).toBe("chain-not-stale");
    // As heavy as what was there before.
    await pass(fed, 1);
    expect(await begin(fed)).toBe("reply");
  });
});

describe("a breach that is hidden", () => {
  const breached = async () => {
    const fed = await feed();
    await pass(fed, 1);
    const channel = await openOn(fed, bob, pushed, "breached");
    await step(fed, channel, channel.balances);
    await mineOn(fed, [channel.funding]);
    const number = commitmentNumber(0n);
    const content = contentOf(pushed, "counterparty", number, channel.balances);
    const old = publishedBy(channel.shared, "counterparty", bob.point(number), content);
    return { fed, channel, blocks: mineAll(tipOf(fed), [[old.tx], [], []]) };
  };

  test("by silence: the tip grows old", async () => {
    const { fed } = await breached();
    expect(await begin(fed)).toBe("reply");
    fed.pause = 6 * 3600 + 1;
    expect(await begin(fed)).toBe("chain-not-stale");
    expect((await fed.rig.call("heartbeat", { node: fed.rig.session.node })).well).toBe(false);
  });

  test("by showing its block in part: that is not believed once whole blocks came", async () => {
    const { fed, blocks } = await breached();
    const { node } = fed.rig.session;
    const headers = blocks.map(({ header }) => encodeHeader(header));
    expect(broken(await fed.rig.outcome("chainHeaders", { node, headers }))).toBe("coverage");
    const { header, coinbase, coinbaseSiblings } = proofOf(blocks[0] as Block, []);
    const proof = { node, header, coinbase, coinbaseSiblings, txs: [] };
    expect(broken(await fed.rig.outcome("chainProof", proof))).toBe("coverage");
    // Nor by going back first to before the first whole block, and over it again.
    await unmine(fed, 2);
    expect(broken(await fed.rig.outcome("chainHeaders", { node, headers: headers.slice(0, 1) }))).toBe(
      "previous",
    );
    const first = mineEmpty(genesis, 1).map((block) => encodeHeader(block.header));
    expect(broken(await fed.rig.outcome("chainHeaders", { node, headers: first }))).toBe("coverage");
  });

  test("by leaving it out of its block: the block's root tells", async () => {
    const { fed, channel, blocks } = await breached();
    const [block] = blocks as [Block];
    const without = mine(tipOf(fed), [], {});
    const { node } = fed.rig.session;
    const bytes = new Uint8Array([...block.raw.subarray(0, 80), ...without.raw.subarray(80)]);
    const outcome = await fed.rig.outcome("chainConnect", { node, hash: block.hash, parts: 0, bytes });
    expect(outcome).toMatchObject({ is: "malformed", malformed: { path: "bytes.transactions" } });
    for (const one of blocks) await connect(fed, one);
    expect(await begin(fed)).toBe("chain-deadline-alarm");
    const { alarms } = await fed.rig.call("heartbeat", { node });
    expect(alarms).toMatchObject([{ kind: "breachUnanswered", channel: channel.channel }]);
  });

  test("by headers alone from the beginning: nothing is begun on what nobody saw", async () => {
    const fed = await feed();
    const { node } = fed.rig.session;
    const blocks = mineEmpty(genesis, 3);
    fed.blocks = blocks;
    const headers = blocks.map(({ header }) => encodeHeader(header));
    await fed.rig.call("chainHeaders", { node, headers });
    expect(await begin(fed)).toBe("chain-not-stale");
    await pass(fed, 1);
    expect(await begin(fed)).toBe("reply");
  });
});
