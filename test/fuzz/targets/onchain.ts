/** The signer's view of the chain, and what it says of a channel, as the store has them. */

import { packCoin, unpackCoin } from "../../../signer/core/chain/coins.ts";
import { connectBlocks } from "../../../signer/core/chain/connect.ts";
import { follow, watchesOf } from "../../../signer/core/chain/follow.ts";
import { type Onchain, unseen } from "../../../signer/core/chain/onchain.ts";
import { packOnchain, packView, unpackOnchain, unpackView } from "../../../signer/core/chain/records.ts";
import { startAt } from "../../../signer/core/chain/start.ts";
import { type ChainView, heightOf } from "../../../signer/core/chain/view.ts";
import { coinStates } from "../../frozen/chain.ts";
import { genesis, headerOf, last, type MadeTx, mineAll, mineEmpty, whole } from "../../scripted/chain.ts";
import { add, htlcOf, preimageOf, start } from "../../scripted/channel.ts";
import { curve, mutualOf, testChannel } from "../../unit/chain-channel.ts";
import type { Target } from "../check.ts";
import { isMalformed } from "./seeds.ts";

const records = "signer/core/chain/records.ts";
const terms = { curve, challenge: undefined, inPart: true, latest: 0xffff_ffff };

const views = (): readonly ChainView[] => {
  const begin = startAt("regtest");
  const blocks = mineEmpty(genesis, 30);
  const seen: ChainView[] = [begin, startAt("bitcoin"), startAt("testnet"), startAt("signet")];
  for (const show of [whole, headerOf]) {
    const movement = connectBlocks(begin, blocks.map(show), {
      ...terms,
      watches: { outpoints: [], scripts: [] },
    });
    if (movement.is === "moved")
      seen.push(movement.view, { ...movement.view, blocks: movement.view.blocks.slice(9) });
  }
  return seen;
};

/** After each block of a few short stories. */
const told = (): readonly Onchain[] => {
  const channel = testChannel();
  const offered = htlcOf("holder", 50_000_000n, "offered", 300);
  const received = htlcOf("counterparty", 60_000_000n, "received", 310);
  const now = add(add(start(channel.terms), offered), received);
  const live = channel.live({ revoked: 1n, holder: [[1n, now]], counterparty: [[1n, now]] });
  const [ours, theirs, old] = [
    channel.publish("holder", 1n, now),
    channel.publish("counterparty", 1n, now),
    channel.publish("counterparty", 0n, now),
  ];
  const unknown = channel.publish("counterparty", 7n, now);
  const stories: readonly (readonly MadeTx[])[] = [
    [mutualOf(channel)],
    [ours.tx, ours.second(offered), ours.second(received, preimageOf("received"))],
    [theirs.tx, theirs.direct(offered, preimageOf("offered")), theirs.direct(received)],
    [old.tx, old.second(offered, preimageOf("offered")), old.punish(old.outpoint(old.at(received).index))],
    [unknown.tx],
  ];
  return stories.flatMap((story) => {
    let [view, onchain] = [startAt("regtest"), unseen];
    let tip = last([]);
    return [
      unseen,
      ...[channel.funding, ...story].map((tx) => {
        const [block] = mineAll(tip, [[tx]]);
        if (block === undefined) throw new Error("no block");
        tip = block;
        const watches = watchesOf(onchain, live, heightOf(view));
        const movement = connectBlocks(view, [whole(block)], { ...terms, watches });
        if (movement.is === "refused") throw new Error(JSON.stringify(movement.refusal));
        view = movement.view;
        onchain = follow(onchain, movement, channel.following(live));
        return onchain;
      }),
    ];
  });
};

const once = <T>(make: () => T): (() => T) => {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
};
const viewSeeds = once(() => views().map(packView));
const coinSeeds = once(() => Object.values(coinStates).map(packCoin));
const onchainSeeds = once(() => told().map(packOnchain));

export const onchainTargets: readonly Target[] = [
  {
    name: "chain-view",
    covers: [`${records} unpackView`],
    seeds: viewSeeds,
    decode: (bytes) => {
      const value = unpackView(bytes);
      return { value, encode: () => packView(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
  {
    name: "onchain-record",
    covers: [`${records} unpackOnchain`],
    seeds: onchainSeeds,
    decode: (bytes) => {
      const value = unpackOnchain(bytes);
      return { value, encode: () => packOnchain(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => (value as Onchain).close?.closer.is ?? (value as Onchain).funding.is,
  },
  {
    name: "coin-record",
    covers: ["signer/core/chain/coins.ts unpackCoin"],
    seeds: coinSeeds,
    decode: (bytes) => {
      const value = unpackCoin(bytes);
      return { value, encode: () => packCoin(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
];
