/** Opens the channels of an honest node: of both types, opened by either side, some of them all on one side. */

import { unknown } from "../../protocol/codec.ts";
import type { Terms } from "../../protocol/operations/fields.ts";
import { delay, feerate, msat, sat, script } from "../../protocol/units.ts";
import { type Call, open, plainTerms } from "../scripted/channel.ts";
import { Duplex } from "../scripted/duplex.ts";
import { type Peer, peer } from "../scripted/peer.ts";
import type { Random } from "../scripted/random.ts";
import { curve } from "../scripted/road.ts";
import { type Link, openLink } from "./link.ts";
import type { World } from "./world.ts";

const names = ["bob", "carol", "dave", "erin"] as const;
const peers: readonly { readonly peer: Peer; readonly again: Peer }[] = names.map((name) => ({
  peer: peer(name, curve),
  again: peer(name, curve, true),
}));

/** What is the holder's at the start, in hundredths, or a balance about the dust limit. */
const starts = [0, 5, 30, 50, 50, 70, 95, 100] as const;

const termsOf = (random: Random): Terms => {
  const value = BigInt(random.pick([400_000, 1_000_000, 5_000_000, 16_777_215]));
  const opener = random.pick(["holder", "counterparty"] as const);
  const share = (value * BigInt(random.pick(starts))) / 100n;
  // The opener must be able to pay for what it opens.
  const least = 60_000n;
  const own = opener === "holder" ? share : value - share;
  const contribution = own >= least ? share : opener === "holder" ? value : 0n;
  const push = random.pick([0n, 0n, 353_999n, 354_001n, 546_500n]);
  const side = (dust: bigint) => ({
    toSelfDelay: delay(random.pick([144, 720, 2016])),
    dustLimit: sat(dust),
    reserve: sat(random.pick([1_000n, value / 100n])),
    maxAcceptedHtlcs: 483,
    maxInFlight: msat(value * 1000n),
    upfrontScript: script(new Uint8Array(0)),
  });
  return {
    ...plainTerms(),
    type: random.pick(["anchors", "static_remotekey"] as const),
    opener,
    value: sat(value),
    push: msat(push),
    contribution: sat(contribution),
    holder: side(random.pick([354n, 546n])),
    counterparty: side(random.pick([354n, 546n, 1_000n])),
  };
};

const blind = (terms: Terms): Terms => ({
  ...terms,
  holder: { ...terms.holder, dustLimit: unknown, reserve: unknown },
  counterparty: { ...terms.counterparty, dustLimit: unknown, reserve: unknown },
});

export const openChannel = async (world: World, at: number): Promise<Link> => {
  const { random, node, tier } = world;
  const terms = termsOf(random);
  const { peer: other, again } = peers[at % peers.length] as (typeof peers)[number];
  const told = tier === "full" ? terms : blind(terms);
  const call: Call = (name, body) => world.must(name, body);
  const opened = await open(call, node, other, told, world.label("funding"));
  await world.must("check", { node, channel: opened.channel, peer: other.id, terms: told });
  const duplex = new Duplex(
    { ...opened, shared: { ...opened.shared, terms } },
    other,
    feerate(random.pick([253, 1_000, 5_000])),
  );
  const link = openLink({ world, duplex, peer: other, again });
  await link.advance("counterparty");
  await link.advance("holder");
  world.links.push(link);
  return link;
};
