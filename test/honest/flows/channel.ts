/** What happens to a channel itself: fees, lost connections, restarts, and its end by agreement or by force. */

import type { Signature } from "../../../protocol/units.ts";
import { feerate, type Sat } from "../../../protocol/units.ts";
import { closeOf, closingOf } from "../../scripted/close.ts";
import { curve } from "../../scripted/road.ts";
import {
  channelTiers,
  expiryOf,
  type Flow,
  isOver,
  isThere,
  open,
  rest,
  someAmount,
  until,
} from "../flow.ts";
import type { Link } from "../link.ts";
import type { World } from "../world.ts";
import { secretOf } from "./forward.ts";

const fees: Flow = {
  name: "fee-spikes",
  tiers: channelTiers,
  play: async function* (world) {
    for (let left = 3 + world.random.int(6); left > 0; left--) {
      const [link] = open(world).toSorted(() => world.random.int(3) - 1);
      link?.changeFee(feerate(world.random.pick([253, 300, 1_000, 2_500, 10_000, 25_000, 60_000])));
      yield* rest(world, 8);
    }
  },
};

/** HTLCs go to and fro while the connection drops after every message. */
const drops: Flow = {
  name: "reestablish",
  tiers: channelTiers,
  play: async function* (world) {
    const links = open(world);
    if (links.length === 0) return;
    const link = world.random.pick(links);
    const { hash, preimage } = secretOf(world);
    const hop = link.offer("counterparty", { hash, amount: someAmount(world), expiry: expiryOf(world) });
    for (let left = 12; left > 0 && !link.closed; left--) {
      await link.advance(world.random.pick(["holder", "counterparty"]));
      await link.reconnect();
      if (world.random.int(4) === 0) await world.restart();
      if (hop?.standing() === "committed") hop.settle(world.random.pick(["fulfil", "fail"]), preimage);
      if (left % 4 === 0) yield;
    }
    if (hop === undefined) return;
    yield* until(() => isThere(hop) || hop.fate() !== undefined || isOver(hop));
    if (isThere(hop)) hop.settle("fulfil", preimage);
    yield* until(() => isOver(hop));
  },
};

const isEmpty = (link: Link): boolean =>
  link.isQuiet() &&
  (["holder", "counterparty"] as const).every((owner) => link.duplex.balance(owner).htlcs.length === 0);

const rounds = async (world: World, link: Link): Promise<void> => {
  const { duplex } = link;
  const { terms, opened } = duplex;
  for (let left = 1 + world.random.int(4); left > 0; left--) {
    const fee = BigInt(world.random.int(2_000));
    const dust = world.random.pick([terms.holder.dustLimit, terms.counterparty.dustLimit]) as Sat;
    const request = closeOf(opened, duplex.balance("holder"), fee, dust);
    if (request === undefined || request.toHolder + request.toCounterparty === 0n) continue;
    const { signature } = await world.must("signClosing", request);
    const { digest } = closingOf(opened, request);
    if (!curve.verify({ digest, signature: signature as Signature, key: opened.shared.holder.funding }))
      throw new Error("the signature of a close does not verify");
  }
};

/** Asked after all else, for it ends the channel. */
export const closeMutually: Flow = {
  name: "mutual-close",
  tiers: channelTiers,
  play: async function* (world) {
    const [link] = open(world).filter(isEmpty);
    if (link === undefined) return;
    await rounds(world, link);
    // Closing failed, or the other side is gone: by force after all.
    if (world.random.int(3) === 0) await force(world, link);
    link.close();
    yield;
  },
};

const force = async (world: World, link: Link): Promise<void> => {
  const { duplex } = link;
  const live = duplex.signed.holder.map((_, at) => at).slice(duplex.revoked.holder);
  for (const at of [...live, ...live]) {
    const { request, digest } = duplex.broadcast(at);
    const { signature } = await world.must("signHolderCommitment", request);
    const key = duplex.opened.shared.holder.funding;
    if (!curve.verify({ digest, signature, key }))
      throw new Error("the signature of a force close does not verify");
  }
};

/** With n countersigned and n+1 too, of which one may be in the other side's hands. */
export const closeByForce: Flow = {
  name: "force-close",
  tiers: channelTiers,
  play: async function* (world) {
    const [link] = open(world).toSorted(() => world.random.int(3) - 1);
    if (link === undefined) return;
    const { duplex } = link;
    const { hash } = secretOf(world);
    link.offer("counterparty", { hash, amount: someAmount(world), expiry: expiryOf(world) });
    if (!duplex.canRevoke("holder") && duplex.canSign("holder") && !link.isStalled()) {
      await world.must("validateHolderCommitment", duplex.validate());
    }
    await force(world, link);
    link.close();
    yield;
  },
};

export const channelFlows: readonly Flow[] = [fees, drops];
