/** Channels of a node on its shore, and what is on its way in them. */

import type { Htlc, Terms } from "../../protocol/operations/fields.ts";
import { delay, msat, type Preimage, sat } from "../../protocol/units.ts";
import { add, htlcOf, plainTerms, preimageOf } from "../scripted/channel.ts";
import { type FedChannel, openOn, step } from "../scripted/fed.ts";
import { peer } from "../scripted/peer.ts";
import { curve } from "../scripted/road.ts";
import { heightOf, mineIn, nameIn, propose, type Shore } from "./shore.ts";

const peers = ["bob", "carol"].map((name) => peer(name, curve));

/** Opened by us, of our money alone, or by the other side, with nothing of ours in it. */
export const openFrom = async (
  shore: Shore,
  opener: Terms["opener"],
  changes: Partial<Terms> = {},
): Promise<FedChannel> => {
  const { dice, fed } = shore;
  const plain = plainTerms({ opener, value: sat(dice.pick([1_000_000n, 2_000_000n, 9_000_000n])) });
  const side = () => ({ ...plain.holder, toSelfDelay: delay(6 + dice.int(12)) });
  const terms: Terms = {
    ...plain,
    type: dice.pick(["anchors", "static_remotekey"] as const),
    ...{ holder: side(), counterparty: side() },
    ...changes,
  };
  return openOn(fed, dice.pick(peers), terms, nameIn(shore, "open"));
};

/** With something for both sides. */
export const openEven = (shore: Shore): Promise<FedChannel> =>
  openFrom(shore, "holder", {
    value: sat(1_000_000n),
    contribution: sat(1_000_000n),
    push: msat(400_000_000n),
  });

export interface Labelled {
  readonly htlc: Htlc;
  readonly label: string;
  readonly preimage: Preimage;
  readonly labels: ReadonlyMap<string, Htlc>;
}

export const labelled = (htlc: Htlc, label: string): Labelled => ({
  ...{ htlc, label, preimage: preimageOf(label), labels: new Map([[label, htlc]]) },
});

export const receive = async (
  shore: Shore,
  channel: FedChannel,
  amount: bigint,
  label = nameIn(shore, "in"),
  blocks = 150,
): Promise<Labelled> => {
  const htlc = htlcOf("counterparty", amount, label, heightOf(shore) + blocks);
  await step(shore.fed, channel, add(channel.balances, htlc));
  return labelled(htlc, label);
};

/** Of a payment of our own. */
export const pay = async (
  shore: Shore,
  channel: FedChannel,
  amount: bigint,
  blocks = 40,
): Promise<Labelled> => {
  const label = nameIn(shore, "out");
  const htlc = htlcOf("holder", amount, label, heightOf(shore) + blocks);
  await propose(shore, htlc);
  await step(shore.fed, channel, add(channel.balances, htlc));
  return labelled(htlc, label);
};

/** As it is offered on, by the node that got `incoming`. */
export const onward = (incoming: Labelled, less = 10_000n, delta = 40): Labelled => {
  const { htlc, label } = incoming;
  return labelled(htlcOf("holder", htlc.amount - less, label, htlc.expiry - delta), label);
};

export interface Route {
  readonly incoming: FedChannel;
  readonly outgoing: FedChannel;
  readonly received: Labelled;
  readonly offered: Labelled;
}

/** Somebody pays somebody over us, and both HTLCs are there. */
export const route = async (shore: Shore, amount: bigint): Promise<Route> => {
  const { fed, dice } = shore;
  const incoming = await openFrom(shore, "counterparty", { push: msat(100_000_000n) });
  const outgoing = await openFrom(shore, "holder");
  await mineIn(shore, [incoming.funding, outgoing.funding]);
  const received = await receive(shore, incoming, amount, nameIn(shore, "through"), 60 + dice.int(60));
  const less = amount / 1_000n;
  const offered = onward(received, less, dice.pick([6, 20, 40]));
  await step(fed, outgoing, add(outgoing.balances, offered.htlc));
  return { incoming, outgoing, received, offered };
};
