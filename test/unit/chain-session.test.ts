import { describe, expect, test } from "vitest";
import { encodeHeader } from "../../protocol/bitcoin/header.ts";
import { toHex } from "../../protocol/bytes.ts";
import { partLength } from "../../protocol/operations/chain.ts";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { commitmentNumber, msat, sat, script, type Txid } from "../../protocol/units.ts";
import type { Onchain } from "../../signer/core/chain/onchain.ts";
import { unpackOnchain } from "../../signer/core/chain/records.ts";
import { type Block, genesis, mine, mineAll, proofOf, spending } from "../scripted/chain.ts";
import { add, htlcOf, plainTerms, preimageOf, remove } from "../scripted/channel.ts";
import { contentOf } from "../scripted/content.ts";
import {
  connect,
  type Fed,
  type FedChannel,
  feed,
  mineOn,
  nextOf,
  openOn,
  pass,
  pointAt,
  step,
  tipOf,
  unmine,
} from "../scripted/fed.ts";
import { peer } from "../scripted/peer.ts";
import { curve, type RigOptions, rig } from "../scripted/road.ts";
import { type Published, publishedBy } from "./chain-channel.ts";

const bob = peer("bob", curve);
const carol = peer("carol", curve);

const ruleOf = (outcome: Outcome<Name>): string => {
  if (outcome.is === "reply") return "accepted";
  if (outcome.is !== "refusal") throw new Error(JSON.stringify(outcome));
  expect(outcome.refusal.final).toBe(false);
  return outcome.refusal.rule;
};

interface Route {
  readonly fed: Fed;
  /** Bob opened it. */
  readonly incoming: FedChannel;
  readonly outgoing: FedChannel;
}

/** Bob pays carol over us. */
const route = async (options: RigOptions = {}): Promise<Route> => {
  const fed = await feed({ proposes: false, ...options });
  await pass(fed, 1);
  const theirs = plainTerms({ opener: "counterparty", value: sat(2_000_000n) });
  const incoming = await openOn(fed, bob, theirs, "incoming");
  const outgoing = await openOn(fed, carol, plainTerms(), "outgoing");
  return { fed, incoming, outgoing };
};

const received = htlcOf("counterparty", 60_010_000n, "hash", 300);
const offered = htlcOf("holder", 60_000_000n, "hash", 200);

const signing = async (fed: Fed, channel: FedChannel, balances = channel.balances): Promise<string> => {
  const { sign } = await nextOf(fed, channel, balances);
  return ruleOf(await fed.rig.outcome("signCounterpartyCommitment", sign));
};

const propose = async ({ rig }: Fed): Promise<string> => {
  const { hash } = htlcOf("holder", 1n, `payment ${Math.random()}`);
  return ruleOf(
    await rig.outcome("proposePayment", {
      ...{ node: rig.session.node, kind: "keysend", hash, amount: msat(1_000n), feeLimit: msat(0n) },
      ...{ invoice: "", source: "", payee: "unknown" },
    }),
  );
};

const heart = ({ rig }: Fed) => rig.call("heartbeat", { node: rig.session.node });

const ours = async (fed: Fed, channel: FedChannel): Promise<Published> => {
  const number = commitmentNumber(channel.number - 1n);
  const point = await pointAt(fed, channel, number);
  return publishedBy(
    channel.shared,
    "holder",
    point,
    contentOf(channel.shared.terms, "holder", number, channel.balances),
  );
};

const theirs = (channel: FedChannel, n: bigint, balances = channel.balances): Published => {
  const number = commitmentNumber(n);
  const content = contentOf(channel.shared.terms, "counterparty", number, balances);
  return publishedBy(channel.shared, "counterparty", channel.peer.point(number), content);
};

describe("a forward", () => {
  test("is covered by what is received on a funding that is on the chain", async () => {
    const { fed, incoming, outgoing } = await route();
    await step(fed, incoming, add(incoming.balances, received));
    const forward = add(outgoing.balances, offered);
    expect(await signing(fed, outgoing, forward)).toBe("commitment-htlc-received-spends-active-utxo");
    await mineOn(fed, [incoming.funding]);
    expect(await signing(fed, outgoing, forward)).toBe("accepted");
  });

  test("is not, once a reorganisation took the funding back", async () => {
    const { fed, incoming, outgoing } = await route();
    await mineOn(fed, [incoming.funding]);
    await step(fed, incoming, add(incoming.balances, received));
    await unmine(fed, 1);
    const forward = add(outgoing.balances, offered);
    expect(await signing(fed, outgoing, forward)).toBe("commitment-htlc-received-spends-active-utxo");
    await pass(fed, 1);
    expect(await signing(fed, outgoing, forward)).toBe("commitment-htlc-received-spends-active-utxo");
    await mineOn(fed, [incoming.funding]);
    expect(await signing(fed, outgoing, forward)).toBe("accepted");
  });

  test("is covered without a confirmation as far as the policy lets it", async () => {
    const policy = { maxZeroConfExposure: msat(2_000_000_000n) };
    const { fed, incoming, outgoing } = await route({ policy });
    await step(fed, incoming, add(incoming.balances, received));
    expect(await signing(fed, outgoing, add(outgoing.balances, offered))).toBe("accepted");
  });

  test("is not sent into a channel that is closed on the chain", async () => {
    const { fed, incoming, outgoing } = await route();
    await mineOn(fed, [incoming.funding, outgoing.funding]);
    await step(fed, incoming, add(incoming.balances, received));
    await mineOn(fed, [theirs(outgoing, outgoing.number - 1n).tx]);
    const forward = add(outgoing.balances, offered);
    expect(await signing(fed, outgoing, forward)).toBe("commitment-spends-active-utxo");
    await unmine(fed, 1);
    await pass(fed, 2);
    expect(await signing(fed, outgoing, forward)).toBe("accepted");
  });
});

describe("an incoming HTLC", () => {
  const sent = async (): Promise<Route> => {
    const { fed, incoming, outgoing } = await route();
    await mineOn(fed, [incoming.funding, outgoing.funding]);
    await step(fed, incoming, add(incoming.balances, received));
    await step(fed, outgoing, add(outgoing.balances, offered));
    return { fed, incoming, outgoing };
  };
  const failing = ({ fed, incoming }: Route): Promise<string> =>
    signing(fed, incoming, remove(incoming.balances, received, "fail"));

  test.each(["ours", "theirs"] as const)(
    "is failed when %s has timed out the outgoing one, deep",
    async (who) => {
      const all = await sent();
      const { fed, outgoing } = all;
      expect(await failing(all)).toBe("routing-balanced");
      const commitment = who === "ours" ? await ours(fed, outgoing) : theirs(outgoing, outgoing.number - 1n);
      await mineOn(fed, [commitment.tx]);
      await pass(fed, 200 - tipOf(fed).height);
      expect(await failing(all)).toBe("routing-balanced");
      const timeout = who === "ours" ? commitment.second(offered) : commitment.direct(offered);
      await mineOn(fed, [timeout]);
      await pass(fed, 4);
      expect(await failing(all)).toBe("routing-balanced");
      await pass(fed, 1);
      // The other branch has the same transactions, and the timeout one block later.
      await unmine(fed, 6);
      expect(await failing(all)).toBe("routing-balanced");
      await mineOn(fed, [], [timeout], [], [], [], []);
      expect(await failing(all)).toBe("routing-balanced");
      await pass(fed, 1);
      expect(await failing(all)).toBe("accepted");
    },
  );

  test("is not failed when the outgoing one was claimed", async () => {
    const all = await sent();
    const { fed, outgoing } = all;
    const commitment = await ours(fed, outgoing);
    await mineOn(fed, [commitment.tx], [commitment.direct(offered, preimageOf("hash"))]);
    await pass(fed, 12);
    expect(await failing(all)).toBe("routing-balanced");
  });

  test("is failed when the outgoing one was too small for an output, and the commitment is deep", async () => {
    const { fed, incoming, outgoing } = await route();
    await mineOn(fed, [incoming.funding, outgoing.funding]);
    const small = htlcOf("holder", 100_000n, "small", 200);
    const big = htlcOf("counterparty", 100_000n, "small", 300);
    await step(fed, incoming, add(incoming.balances, big));
    await step(fed, outgoing, add(outgoing.balances, small));
    const fail = () => signing(fed, incoming, remove(incoming.balances, big, "fail"));
    await mineOn(fed, [(await ours(fed, outgoing)).tx]);
    await pass(fed, 4);
    expect(await fail()).toBe("routing-balanced");
    await pass(fed, 1);
    expect(await fail()).toBe("accepted");
  });

  test("is failed when the other side closed with the commitment before the outgoing one, and that is deep", async () => {
    const { fed, incoming, outgoing } = await route();
    await mineOn(fed, [incoming.funding, outgoing.funding]);
    await step(fed, incoming, add(incoming.balances, received));
    const before = theirs(outgoing, outgoing.number - 1n);
    expect(await signing(fed, outgoing, add(outgoing.balances, offered))).toBe("accepted");
    await mineOn(fed, [before.tx], [], [], [], []);
    expect(await failing({ fed, incoming, outgoing })).toBe("routing-balanced");
    await pass(fed, 1);
    expect(await failing({ fed, incoming, outgoing })).toBe("accepted");
  });

  test("near whose deadline nobody claims is an alarm, once its preimage is known", async () => {
    const all = await sent();
    const { fed, incoming, outgoing } = all;
    await pass(fed, 180 - tipOf(fed).height);
    // Carol claims; the host keeps the preimage to itself.
    await step(fed, outgoing, remove(outgoing.balances, offered, "fulfil"), [preimageOf("hash")]);
    await pass(fed, 290 - tipOf(fed).height);
    expect(await propose(fed)).toBe("accepted");
    await pass(fed, 1);
    expect(await propose(fed)).toBe("chain-deadline-alarm");
    const { well, alarms } = await heart(fed);
    expect(well).toBe(false);
    expect(alarms).toMatchObject([{ kind: "htlcDeadline", channel: incoming.channel }]);
    const commitment = await ours(fed, incoming);
    await mineOn(fed, [commitment.tx], [commitment.second(received, preimageOf("hash"))]);
    expect(await propose(fed)).toBe("accepted");
    expect((await heart(fed)).well).toBe(true);
  });
});

const recordOf = async ({ rig }: Fed, { channel }: FedChannel): Promise<Onchain> => {
  for (const [key, { bytes }] of await rig.store.load(rig.session.node))
    if (key.endsWith(`/onchain/${channel}`)) return unpackOnchain(bytes);
  throw new Error("no record");
};

const pushed = plainTerms({ push: msat(400_000_000n) });

describe("a breach", () => {
  test("stops what is new until it is answered, and nothing else", async () => {
    const fed = await feed({ proposes: false });
    const channel = await openOn(fed, bob, pushed, "breached");
    const other = await openOn(fed, carol, pushed, "other");
    const old = theirs(channel, channel.number - 1n);
    await step(fed, channel, channel.balances);
    await mineOn(fed, [channel.funding, other.funding]);
    expect(await propose(fed)).toBe("accepted");
    await mineOn(fed, [old.tx]);
    expect(await propose(fed)).toBe("chain-deadline-alarm");
    const check = { node: other.node, channel: other.channel, peer: carol.id, terms: pushed };
    expect(ruleOf(await fed.rig.outcome("check", check))).toBe("chain-deadline-alarm");
    await step(fed, other, other.balances);
    await step(fed, channel, channel.balances);
    expect((await heart(fed)).alarms).toMatchObject([{ kind: "breachUnanswered", channel: channel.channel }]);
    const { close } = await recordOf(fed, channel);
    const delayed = close?.outputs.find(({ role }) => role.is === "delayed");
    if (delayed === undefined) throw new Error("nothing to punish");
    await mineOn(fed, [old.punish(delayed.outpoint)]);
    expect(await propose(fed)).toBe("accepted");
    expect(await heart(fed)).toMatchObject({ well: true, alarms: [] });
    await unmine(fed, 1);
    expect(await propose(fed)).toBe("chain-not-stale");
    await pass(fed, 2);
    expect(await propose(fed)).toBe("chain-deadline-alarm");
  });

  test("that the revocation makes of a published commitment is one too", async () => {
    const fed = await feed({ proposes: false });
    const channel = await openOn(fed, bob, pushed, "late");
    await mineOn(fed, [channel.funding], [theirs(channel, 0n).tx]);
    expect(await propose(fed)).toBe("accepted");
    await step(fed, channel, channel.balances);
    expect(await propose(fed)).toBe("chain-deadline-alarm");
  });
});

describe("the tip", () => {
  test("stops what is new when it is too old, until a block comes", async () => {
    const fed = await feed({ proposes: false });
    fed.pause = 7 * 3600;
    expect(await openOn(fed, bob, pushed, "stale").catch(ruleInError)).toBe("chain-not-stale");
    fed.pause = 60;
    await pass(fed, 1);
    expect(await propose(fed)).toBe("accepted");
    fed.pause = 6 * 3600;
    expect(await propose(fed)).toBe("accepted");
    fed.pause += 1;
    expect(await propose(fed)).toBe("chain-not-stale");
    expect(await heart(fed)).toMatchObject({ well: false, alarms: [{ kind: "stale", channel: "unknown" }] });
    fed.rig = await fed.rig.restart({ maxChainAge: 7 * 3600 });
    expect(await propose(fed)).toBe("accepted");
  });

  test("carries the time, so that a clock set back gains nothing", async () => {
    let clock = 0;
    const fed = await feed({ time: () => clock });
    await pass(fed, 12);
    // The median of the last eleven (BIP 113).
    const mined = fed.blocks[6]?.header.time ?? 0;
    expect((await heart(fed)).time).toBe(BigInt(mined));
    clock = mined + 5;
    expect((await heart(fed)).time).toBe(BigInt(clock));
    clock = 0;
    fed.rig = await fed.rig.restart();
    expect((await heart(fed)).time).toBe(BigInt(mined));
  });
});

describe("what a host shows", () => {
  const tip = ({ rig }: Fed) => rig.call("chainTip", { node: rig.session.node });

  test("is a large block in parts", async () => {
    const fed = await feed();
    const { node } = fed.rig.session;
    const filler = spending([{ txid: new Uint8Array(32).fill(1) as Txid, index: 0 }], {
      outputs: [{ value: sat(0n), script: script(new Uint8Array(600_000)) }],
    });
    const block = mine(genesis, [filler]);
    const part = (index: number) => block.raw.subarray(index * partLength, (index + 1) * partLength);
    const { hash } = block;
    const ending = { node, hash, parts: 2, bytes: part(2) };
    expect(ruleOf(await fed.rig.outcome("chainConnect", ending))).toBe("chain-validated");
    expect(ruleOf(await fed.rig.outcome("chainPart", { node, hash, index: 1, bytes: part(1) }))).toBe(
      "chain-validated",
    );
    // Again is the same, and another block drops the first.
    for (const index of [0, 0, 1, 1])
      await fed.rig.call("chainPart", { node, hash, index, bytes: part(index) });
    await fed.rig.call("chainPart", { node, hash: new Uint8Array(32), index: 0, bytes: part(0) });
    expect(ruleOf(await fed.rig.outcome("chainConnect", ending))).toBe("chain-validated");
    for (const index of [0, 1]) await fed.rig.call("chainPart", { node, hash, index, bytes: part(index) });
    expect(await fed.rig.call("chainConnect", ending)).toEqual({ height: 1, hash });
    expect(await tip(fed)).toMatchObject({ followed: true, height: 1, hash, wholeSince: 1, behind: false });
  });

  test("is held against its own words", async () => {
    const fed = await feed();
    const { node } = fed.rig.session;
    const { raw, hash } = mine(genesis);
    const asked = { node, hash, parts: 0, bytes: raw };
    const other = { ...asked, hash: new Uint8Array(32) };
    expect(await fed.rig.outcome("chainConnect", other)).toMatchObject({ malformed: { path: "hash" } });
    const cut = { ...asked, bytes: raw.subarray(0, 100) };
    expect(await fed.rig.outcome("chainConnect", cut)).toMatchObject({ is: "malformed" });
    const short = { ...asked, bytes: raw.subarray(0, 10) };
    expect(await fed.rig.outcome("chainConnect", short)).toMatchObject({ malformed: { path: "bytes" } });
    const parts = { ...asked, parts: 16 };
    expect(await fed.rig.outcome("chainConnect", parts)).toMatchObject({ malformed: { path: "parts" } });
    const index = { node, hash, index: 15, bytes: new Uint8Array(partLength) };
    expect(await fed.rig.outcome("chainPart", index)).toMatchObject({ malformed: { path: "index" } });
    const little = { node, hash, index: 0, bytes: raw };
    expect(await fed.rig.outcome("chainPart", little)).toMatchObject({ malformed: { path: "bytes" } });
    expect((await tip(fed)).height).toBe(0);
  });

  test("is headers or proofs, and what was not shown is not known", async () => {
    const fed = await feed({ chain: { inPart: true } });
    const { node } = fed.rig.session;
    const channel = await openOn(fed, bob, plainTerms(), "proven");
    const blocks = mineAll(genesis, [[], [channel.funding], []]);
    const [first, second, third] = blocks as [Block, Block, Block];
    const headers = [encodeHeader(first.header)];
    expect(await fed.rig.call("chainHeaders", { node, headers })).toMatchObject({ height: 1 });
    const { header, coinbase, coinbaseSiblings, txs } = proofOf(second, [channel.shared.funding.txid]);
    const shown = txs.map(({ tx, branch }) => ({ tx, ...branch }));
    const proof = { node, header, coinbase, coinbaseSiblings, txs: shown };
    expect(await fed.rig.call("chainProof", proof)).toMatchObject({ height: 2 });
    expect((await recordOf(fed, channel)).funding).toEqual({ is: "confirmed", height: 2 });
    expect(await tip(fed)).toMatchObject({ height: 2, wholeSince: 3, oldest: 0 });
    const bad = { ...proof, txs: shown.map((one) => ({ ...one, position: 0 })) };
    expect(await fed.rig.outcome("chainProof", bad)).toMatchObject({ is: "malformed" });
    await connect(fed, third);
    expect(await tip(fed)).toMatchObject({ height: 3, wholeSince: 3 });
    for (const block of blocks) await connect(fed, block);
    expect(await tip(fed)).toMatchObject({ height: 3, wholeSince: 1 });
  });

  test("is looked for among the outputs that the signer waits for", async () => {
    const fed = await feed();
    const { node } = fed.rig.session;
    const watches = (from = 0) => fed.rig.call("chainWatches", { node, from });
    expect(await watches()).toEqual({ outpoints: [], total: 0 });
    const channel = await openOn(fed, bob, pushed, "watched");
    const { funding } = channel.shared;
    expect(await watches()).toEqual({ outpoints: [funding], total: 1 });
    expect(await watches(1)).toEqual({ outpoints: [], total: 1 });
    await mineOn(fed, [channel.funding], [theirs(channel, 0n).tx]);
    const { outpoints, total } = await watches();
    expect(total).toBe(3);
    expect(outpoints).toContainEqual(funding);
  });

  test("is nothing to a signer that follows no chain", async () => {
    const signer = await rig();
    const { node } = signer.session;
    const { raw, hash } = mine(genesis);
    const asked = { node, hash, parts: 0, bytes: raw };
    expect(ruleOf(await signer.outcome("chainConnect", asked))).toBe("chain-validated");
    expect(ruleOf(await signer.outcome("chainDisconnect", { node, hash }))).toBe("chain-validated");
    const part = { node, hash, index: 0, bytes: new Uint8Array(partLength) };
    expect(ruleOf(await signer.outcome("chainPart", part))).toBe("chain-validated");
    expect(await signer.call("chainTip", { node })).toMatchObject({ followed: false, height: 0 });
    expect(await signer.call("heartbeat", { node })).toMatchObject({ followed: false, well: true });
    expect(await signer.call("chainWatches", { node, from: 0 })).toEqual({ outpoints: [], total: 0 });
  });
});

describe("after a crash", () => {
  const story = async (restarts: boolean) => {
    const fed = await feed();
    const channel = await openOn(fed, bob, pushed, "crashing");
    await step(fed, channel, add(channel.balances, offered));
    fed.restarts = restarts;
    const commitment = await ours(fed, channel);
    await mineOn(fed, [channel.funding], [], [commitment.tx], []);
    await unmine(fed, 2);
    await mineOn(fed, [], [commitment.tx, commitment.second(offered)], []);
    const records = await fed.rig.store.load(fed.rig.session.node);
    return { fed, channel, records: new Map([...records].map(([key, { bytes }]) => [key, toHex(bytes)])) };
  };

  test("the signer goes on where it was, after any block", async () => {
    const [plain, crashed] = [await story(false), await story(true)];
    expect(crashed.records).toEqual(plain.records);
    expect((await recordOf(crashed.fed, crashed.channel)).close).toMatchObject({
      closer: { is: "holder", number: 1n },
      height: 4,
    });
  });

  test("a host shows what it showed before, from an older block", async () => {
    const { fed, records } = await story(false);
    for (const block of fed.blocks) expect((await connect(fed, block)).is).toBe("reply");
    const after = await fed.rig.store.load(fed.rig.session.node);
    for (const [key, { bytes }] of after) expect([key, toHex(bytes)]).toEqual([key, records.get(key)]);
  });

  test("a block that was taken back may be taken back again", async () => {
    const { fed } = await story(false);
    const { hash } = tipOf(fed);
    await unmine(fed, 1);
    expect(await fed.rig.call("chainDisconnect", { node: fed.rig.session.node, hash })).toMatchObject({
      height: tipOf(fed).height,
    });
  });
});

describe("a revocation", () => {
  test("is not given for a commitment that is on the chain, whoever let it out", async () => {
    const fed = await feed({ proposes: false });
    const channel = await openOn(fed, bob, pushed, "let out");
    const published = await ours(fed, channel);
    const { sign, validate, revoke } = await nextOf(fed, channel, channel.balances);
    await fed.rig.call("signCounterpartyCommitment", sign);
    await fed.rig.call("validateHolderCommitment", validate);
    await mineOn(fed, [channel.funding], [published.tx]);
    if (revoke === undefined) throw new Error("nothing to revoke");
    expect(await fed.rig.outcome("revokeHolderCommitment", revoke)).toMatchObject({
      refusal: { rule: "revoke-not-closed" },
    });
    await unmine(fed, 1);
    await pass(fed, 2);
    expect((await fed.rig.outcome("revokeHolderCommitment", revoke)).is).toBe("reply");
  });
});

const ruleInError = (error: unknown): string =>
  /"rule":"([^"]+)"/.exec((error as Error).message)?.[1] ?? String(error);
