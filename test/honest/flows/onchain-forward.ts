/** A forward of which one side ends on the chain (BOLT 5, "HTLC Output Handling"). */

import { add, htlcOf } from "../../scripted/channel.ts";
import { step } from "../../scripted/fed.ts";
import { channelTiers, type Flow } from "../flow.ts";
import {
  bumped,
  type Closing,
  closing,
  feeCoin,
  heightOf,
  mineIn,
  nameIn,
  openShore,
  pass,
  passTo,
  propose,
  reorganise,
  type Shore,
  settle,
} from "../shore.ts";
import { type Labelled, openEven, pay, type Route, route } from "../shore-channels.ts";
import { secondStage, sweep } from "../sweeping.ts";

const sides = ["holder", "counterparty"] as const;

const closed = async (shore: Shore, channel: Route["incoming"], of?: Labelled): Promise<Closing> => {
  const close = await closing(shore, channel, shore.dice.pick(sides), of && { labels: of.labels });
  await mineIn(shore, [close.tx]);
  return close;
};

/** The payee, or whoever is next, shows the preimage on the chain: the incoming side is claimed with it. */
const claimed: Flow = {
  name: "onchain-forward-claimed",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice } = shore;
    const { incoming, outgoing, received, offered } = await route(shore, 60_010_000n);
    const close = await closed(shore, outgoing, offered);
    await pass(shore, dice.int(4));
    yield;
    const { peers, owner } = close;
    const claim =
      owner === "holder"
        ? peers.direct(offered.htlc, offered.preimage)
        : peers.second(offered.htlc, offered.preimage);
    const early = dice.int(3) === 0;
    // It was seen in a mempool.
    if (early) await settle(shore, incoming, received.htlc, received.preimage);
    await mineIn(shore, [claim]);
    if (dice.int(2) === 0) await reorganise(shore, 1 + dice.int(3));
    yield;
    if (!early) await settle(shore, incoming, received.htlc, received.preimage);
    yield* sweep(shore, close);
  },
};

/** Ours is taken back after its expiry, and once that is deep the incoming side is failed. */
const timedOut: Flow = {
  name: "onchain-forward-timed-out",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice } = shore;
    const { incoming, outgoing, received, offered } = await route(shore, 60_010_000n);
    if (dice.int(2) === 0) {
      // Hosts wait a little before they close, and nothing else waits for them.
      await passTo(shore, offered.htlc.expiry + dice.int(4));
      await propose(shore, htlcOf("holder", 1_000n, nameIn(shore, "small")));
    }
    const close = await closed(shore, outgoing, offered);
    yield;
    const coin = close.coins[offered.label];
    if (coin === undefined) throw new Error("no output for an HTLC");
    const anchors = outgoing.shared.terms.type === "anchors";
    const coins = anchors || close.owner === "counterparty" ? [coin, await feeCoin(shore)] : [coin];
    // Some hosts ask for it long before it is valid.
    if (dice.int(2) === 0) await passTo(shore, offered.htlc.expiry);
    const timeout = yield* bumped(shore, () => coins);
    await passTo(shore, offered.htlc.expiry);
    await mineIn(shore, [timeout]);
    if (dice.int(2) === 0) await reorganise(shore, 1 + dice.int(5));
    yield;
    await pass(shore, 5);
    await settle(shore, incoming, received.htlc, undefined);
    if (close.owner === "holder") yield* secondStage(shore, close, timeout);
    yield* sweep(shore, close);
  },
};

/** Too small for an output: nothing is ever seen of it, and the commitment is deep. */
const dust: Flow = {
  name: "onchain-forward-dust",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { incoming, outgoing, received } = await route(shore, 101_000n);
    const close = await closed(shore, outgoing);
    yield;
    if (shore.dice.int(2) === 0) await reorganise(shore, 1 + shore.dice.int(4));
    await pass(shore, 5);
    await settle(shore, incoming, received.htlc, undefined);
    yield* sweep(shore, close);
  },
};

/** The outgoing side is paid, and the incoming peer is gone: its HTLC is claimed on the chain, late or not. */
const claimedIn: Flow = {
  name: "onchain-forward-claims",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice } = shore;
    const { incoming, outgoing, received, offered } = await route(shore, 60_010_000n);
    const early = dice.int(2) === 0 ? undefined : await closed(shore, incoming, received);
    yield;
    await settle(shore, outgoing, offered.htlc, offered.preimage);
    if (dice.int(3) === 0) {
      await passTo(shore, received.htlc.expiry - 10 - dice.int(9));
      await propose(shore, htlcOf("holder", 1_000n, nameIn(shore, "small")));
    }
    const close = early ?? (await closed(shore, incoming, received));
    if (dice.int(3) === 0) await passTo(shore, received.htlc.expiry + dice.int(3) - 5);
    const coin = close.coins[received.label];
    if (coin === undefined) throw new Error("no output for an HTLC");
    const anchors = incoming.shared.terms.type === "anchors";
    const fee = anchors || close.owner === "counterparty" ? [await feeCoin(shore)] : [];
    const success = yield* bumped(shore, () => [coin, ...fee], incoming);
    await mineIn(shore, [success]);
    if (dice.int(2) === 0) {
      await reorganise(shore, 1 + dice.int(2));
      // Mined already, and asked again by a host that was restarted from an older block.
      yield* bumped(shore, () => [coin, ...fee], incoming);
    }
    yield;
    if (close.owner === "holder") yield* secondStage(shore, close, success);
    yield* sweep(shore, close);
  },
};

/** A payment of our own timed out on the chain: nothing was paid, and it is tried again by another channel. */
const retried: Flow = {
  name: "onchain-payment-retried",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const [first, second] = [await openEven(shore), await openEven(shore)];
    await mineIn(shore, [first.funding, second.funding]);
    const paid = await pay(shore, first, 30_000_000n);
    const close = await closed(shore, first, paid);
    await passTo(shore, paid.htlc.expiry);
    const coin = close.coins[paid.label];
    if (coin === undefined) throw new Error("no output for an HTLC");
    const fixed = close.owner === "holder" && first.shared.terms.type === "static_remotekey";
    const coins = fixed ? [coin] : [coin, await feeCoin(shore)];
    await mineIn(shore, [yield* bumped(shore, () => coins)]);
    await pass(shore, 5);
    yield;
    const again = htlcOf("holder", paid.htlc.amount, paid.label, heightOf(shore) + 40);
    if (dice.int(2) === 0) await propose(shore, again);
    await step(fed, second, add(second.balances, again));
    await settle(shore, second, again, dice.int(2) === 0 ? paid.preimage : undefined);
    yield* sweep(shore, close);
  },
};

export const onchainForwardFlows: readonly Flow[] = [claimed, timedOut, dust, claimedIn, retried];
