/** What a node takes on the chain when a channel ended badly: late, in any mixture, for more and more, and twice. */

import { txidOf } from "../../../protocol/bitcoin/tx.ts";
import { claimPlanner } from "../../../protocol/bolt/spend.ts";
import { unknown } from "../../../protocol/codec.ts";
import { commitmentNumber } from "../../../protocol/units.ts";
import type { MadeTx } from "../../scripted/chain.ts";
import { add, htlcOf, keysendOf, remove } from "../../scripted/channel.ts";
import { type FedChannel, nextOf, step, unmine } from "../../scripted/fed.ts";
import { curve } from "../../scripted/road.ts";
import { type Coin, withPrevTx } from "../../scripted/spends.ts";
import { channelTiers, type Flow } from "../flow.ts";
import {
  bumped,
  type Closing,
  closing,
  eventually,
  feeCoin,
  heightOf,
  lastBlocks,
  mineIn,
  nameIn,
  openShore,
  pass,
  passTo,
  propose,
  reorganise,
  type Shore,
} from "../shore.ts";
import { type Labelled, openEven, pay, receive } from "../shore-channels.ts";
import { secondStage, sweep } from "../sweeping.ts";

const sides = ["holder", "counterparty"] as const;

const labelsOf = (...all: readonly Labelled[]) => new Map(all.map(({ label, htlc }) => [label, htlc]));

/** Those that are there; a trimmed one is not. */
const coinsOf = ({ coins }: Closing, ...names: readonly string[]): readonly Coin[] =>
  names.flatMap((name) => coins[name] ?? []);

/** HTLCs of both directions, our balance, an anchor and fee inputs, as a sweeper puts them together. */
const mixed: Flow = {
  name: "claims-mixed",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice } = shore;
    const channel = await openEven(shore);
    await mineIn(shore, [channel.funding]);
    const out = await pay(shore, channel, 50_000_000n, 30);
    const incoming = await receive(shore, channel, 60_000_999n, nameIn(shore, "in"), 60);
    // The preimage came by another channel, or is our own invoice's.
    const owner = dice.pick(sides);
    const close = await closing(shore, channel, owner, { labels: labelsOf(out, incoming) });
    const anchors = channel.shared.terms.type === "anchors";
    if (anchors && dice.int(2) === 0) {
      // Before the commitment is mined, to bring it into a block.
      const coins = [...coinsOf(close, "anchor"), await feeCoin(shore)];
      const child = yield* bumped(shore, () => coins);
      await mineIn(shore, [close.tx, child]);
    } else {
      const coins = coinsOf(close, owner === "holder" ? "delayed" : "toRemote");
      // A host that is ahead of the blocks that it showed.
      if (dice.int(3) === 0) yield* bumped(shore, () => coins, channel);
      await mineIn(shore, [close.tx]);
    }
    yield;
    const fees = [await feeCoin(shore, 900_000n), await feeCoin(shore, 150_000n)];
    const ours = owner === "holder";
    const alone = ours && !anchors;
    const names = ours ? ["delayed"] : ["toRemote", out.label, incoming.label];
    const taken = (): readonly Coin[] => {
      const some = coinsOf(close, ...names, ...(anchors ? ["anchor"] : [])).filter(() => dice.int(3) > 0);
      // Locktimes of two of ours are fixed by what the other side signed: they go alone, or each with what suits it.
      const staged = ours && anchors ? coinsOf(close, dice.pick([out.label, incoming.label])) : [];
      return [...staged, ...some, ...fees.slice(dice.int(2))];
    };
    for (let left = 1 + dice.int(3); left > 0; left--) {
      yield* bumped(shore, taken, channel);
      // Late: after an expiry, or days later.
      await pass(shore, dice.pick([0, 1, 10, 40, 150]));
      if (dice.int(2) === 0) await reorganise(shore, 1 + dice.int(3));
    }
    const rest = alone ? [] : fees.slice(0, 1);
    const first = yield* bumped(shore, () => [...coinsOf(close, incoming.label), ...rest], channel);
    await mineIn(shore, [first]);
    if (ours) yield* secondStage(shore, close, first);
    await passTo(shore, out.htlc.expiry);
    const second = yield* bumped(shore, () => [...coinsOf(close, out.label), ...rest], channel);
    await mineIn(shore, [second]);
    if (dice.int(2) === 0) await reorganise(shore, 1);
    if (ours) yield* secondStage(shore, close, second);
    yield* sweep(shore, close);
    // Deep enough to be forgotten.
    if (dice.int(3) > 0) return;
    await pass(shore, 100);
    yield* eventually(shore, "forget", { node: channel.node, channel: channel.channel });
  },
};

/** An update stops half way, and the channel with it: either side's older or newer commitment is published. */
const bothLive: Flow = {
  name: "claims-both-live",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const channel = await openEven(shore);
    await mineIn(shore, [channel.funding]);
    const older = await receive(shore, channel, 30_000_000n);
    const before = channel.balances;
    const label = nameIn(shore, "half");
    const htlc = htlcOf("counterparty", 20_000_000n, label, heightOf(shore) + 150);
    const after = add(before, htlc);
    const { sign, validate, revoke } = await nextOf(fed, channel, after);
    await fed.rig.call("signCounterpartyCommitment", sign);
    const reached = dice.int(3);
    if (reached > 0) await fed.rig.call("validateHolderCommitment", validate);
    if (reached > 1 && revoke !== undefined) await fed.rig.call("revokeHolderCommitment", revoke);
    yield;
    const at = (newer: boolean) => ({
      number: channel.number - (newer ? 0n : 1n),
      balances: newer ? after : before,
      labels: new Map([[older.label, older.htlc], ...(newer ? ([[label, htlc]] as const) : [])]),
    });
    const ours = (reached === 0 ? [false] : reached === 1 ? [false, true] : [true]).map(at);
    const theirs = [false, true].map(at);
    const published: Closing[] = [];
    // Whoever has several may sign and publish each; one is mined.
    for (const one of ours) published.push(await closing(shore, channel, "holder", one));
    for (const one of theirs) published.push(await closing(shore, channel, "counterparty", one));
    const close = dice.pick(published);
    await mineIn(shore, [close.tx]);
    yield;
    if (dice.int(2) === 0) {
      yield* claimed(shore, close, older, channel);
      // Another of them is mined instead.
      const depth = 1 + dice.int(2);
      const lost = lastBlocks(shore, depth);
      await unmine(fed, depth);
      const others = lost.map((txs) => txs.filter(({ tx }) => tx !== close.tx.tx));
      const isLost = lost.flat().length > others.flat().length;
      const last = isLost ? dice.pick(published) : close;
      await mineIn(shore, ...others, ...(isLost ? [[last.tx]] : []));
      await pass(shore, 2);
      yield* claimed(shore, last, older, channel);
      yield* sweep(shore, last);
      return;
    }
    yield* claimed(shore, close, older, channel);
    yield* sweep(shore, close);
  },
};

const claimed = async function* (
  shore: Shore,
  close: Closing,
  { label }: Labelled,
  channel: FedChannel,
): AsyncGenerator<undefined, MadeTx, undefined> {
  const coins = coinsOf(close, label);
  return yield* bumped(shore, () => coins, channel);
};

/** Their commitment is mined while an update is on its way: what is left of it crosses the block. */
const crossing: Flow = {
  name: "claims-crossing",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const channel = await openEven(shore);
    await mineIn(shore, [channel.funding]);
    const older = await receive(shore, channel, 30_000_000n);
    const label = nameIn(shore, "crossing");
    const htlc = htlcOf("counterparty", 20_000_000n, label, heightOf(shore) + 150);
    const before = channel.balances;
    const after = dice.int(2) === 0 ? add(before, htlc) : remove(before, older.htlc, "fulfil");
    const { sign, validate, revoke, revocation } = await nextOf(fed, channel, after, [older.preimage]);
    await fed.rig.call("signCounterpartyCommitment", sign);
    const newer = dice.int(2) === 0;
    const number = channel.number - (newer ? 0n : 1n);
    const balances = newer ? after : before;
    const labels = new Map(balances.htlcs.map((one) => [one === htlc ? label : older.label, one]));
    const close = await closing(shore, channel, "counterparty", { number, balances, labels });
    const isEarly = dice.int(2) === 0;
    if (isEarly) await fed.rig.call("validateHolderCommitment", validate);
    await mineIn(shore, [close.tx]);
    yield;
    if (!isEarly) await fed.rig.call("validateHolderCommitment", validate);
    if (revoke !== undefined) await fed.rig.call("revokeHolderCommitment", revoke);
    // Revoked and mined would be a breach.
    if (newer && revocation !== undefined) await fed.rig.call("validateCounterpartyRevocation", revocation);
    const coins = coinsOf(close, ...labels.keys());
    if (coins.length > 0) await mineIn(shore, [yield* bumped(shore, () => coins, channel)]);
    yield* sweep(shore, close);
  },
};

/** The output of the cheat's HTLC transaction. */
const secondLevel = ({ channel }: Closing, number: bigint, { tx }: MadeTx): Coin => {
  const { terms, holder, counterparty } = channel.shared;
  const n = commitmentNumber(number);
  const plan = claimPlanner(curve, {
    type: terms.type,
    ...{ holder, counterparty },
    delays: { holder: terms.counterparty.toSelfDelay, counterparty: terms.holder.toSelfDelay },
  })({ kind: "justiceSecondLevel", revealed: channel.peer.secret(n) });
  const [output] = tx.outputs;
  if (output === undefined) throw new Error("no output");
  const said: Coin["said"] = {
    ...{ point: unknown, htlc: unknown, preimage: unknown, value: unknown, script: unknown },
    ...{ prevTx: unknown, place: unknown, channel: channel.channel, number: n },
    ...{ outpoint: { txid: txidOf(tx), index: 0 }, kind: "justiceSecondLevel" },
  };
  return withPrevTx({ said, value: output.value, plan }, tx);
};

/** A breach is punished, all at once or output by output, for whatever the blocks ask; all else goes on beside it. */
const justice: Flow = {
  name: "justice",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const channel = await openEven(shore);
    const other = await openEven(shore);
    await mineIn(shore, [channel.funding, other.funding]);
    const out = await pay(shore, channel, 50_000_000n);
    const incoming = await receive(shore, channel, 60_000_999n);
    const { number, balances } = channel;
    for (const { htlc } of [out, incoming]) await step(fed, channel, remove(channel.balances, htlc, "fail"));
    yield;
    const labels = labelsOf(out, incoming);
    const breach = await closing(shore, channel, "counterparty", {
      ...{ number: number - 1n, balances, labels, revoked: true },
    });
    const all = [...labels.keys(), "justice", "toRemote"];
    const taken = new Map(
      all.flatMap((name) => coinsOf(breach, name).map((coin) => [name, withPrevTx(coin, breach.tx.tx)])),
    );
    // The host may see it before it has shown the block.
    const isAhead = dice.int(3) === 0;
    const everything = [...taken.values()];
    if (isAhead) yield* bumped(shore, () => everything, channel);
    await mineIn(shore, [breach.tx]);
    // The rest of the node's life goes on.
    const elsewhere = await receive(shore, other, 5_000_000n);
    yield;
    if (dice.int(2) === 0) {
      const { label, htlc, preimage } = dice.pick([out, incoming]);
      // The cheat is faster with one of them: that of ours needs its preimage, the other its expiry.
      const isOurs = htlc.offeredBy === "holder";
      if (!isOurs) await passTo(shore, htlc.expiry);
      const stage = breach.peers.second(htlc, isOurs ? preimage : undefined);
      await mineIn(shore, [stage]);
      taken.set(label, secondLevel(breach, number - 1n, stage));
    }
    const groups = dice.int(2) === 0 ? [[...taken.values()]] : [...taken.values()].map((coin) => [coin]);
    const fee = await feeCoin(shore);
    const punished: MadeTx[] = [];
    for (const group of groups) {
      const coins = dice.int(3) === 0 ? [...group, fee] : group;
      punished.push(yield* bumped(shore, () => coins, channel));
    }
    await step(fed, other, remove(other.balances, elsewhere.htlc, "fulfil"), [elsewhere.preimage]);
    await mineIn(shore, ...punished.map((one) => [one]));
    if (dice.int(2) === 0) await reorganise(shore, 1 + dice.int(2));
    // Answered: what is new may begin again.
    await propose(shore, htlcOf("holder", 1_000_000n, nameIn(shore, "new")));
    yield;
    // Taken back, and not for long.
    const lost = lastBlocks(shore, 2);
    await unmine(fed, 2);
    const later = keysendOf(channel.node, htlcOf("holder", 1_000_000n, nameIn(shore, "later")));
    await fed.rig.outcome("proposePayment", later);
    await mineIn(shore, ...lost, []);
    await fed.rig.call("proposePayment", later);
  },
};

export const claimFlows: readonly Flow[] = [mixed, bothLive, crossing, justice];
