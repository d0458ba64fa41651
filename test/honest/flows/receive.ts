/** What an honest node is paid: at once or held for long, in parts, and by keysend. */

import { isKnown } from "../../../protocol/codec.ts";
import { sha256 } from "../../../protocol/hash.ts";
import { paymentHash } from "../../../protocol/units.ts";
import { preimageOf } from "../../scripted/channel.ts";
import { askInvoice, invoiceOf } from "../../scripted/node.ts";
import {
  channelTiers,
  expiryOf,
  type Flow,
  isOver,
  isThere,
  offerSomewhere,
  rest,
  someAmount,
  split,
  until,
} from "../flow.ts";
import type { Hop } from "../link.ts";
import type { World } from "../world.ts";

interface How {
  readonly invoice: boolean;
  readonly parts: number;
  readonly held: number;
}

export const issue = async (world: World, amount: bigint | undefined) => {
  const label = world.label("receipt");
  const preimage = preimageOf(label);
  const hash = paymentHash(sha256(preimage));
  const unsigned = invoiceOf({ label, timestamp: world.now(), ...(amount === undefined ? {} : { amount }) });
  const fields = unsigned.fields.map((field) => (field.is === "paymentHash" ? { ...field, hash } : field));
  await world.must("signInvoice", askInvoice(world.node, { ...unsigned, fields }));
  return { hash, preimage };
};

const receiving = (name: string, howOf: (world: World) => How): Flow => ({
  name,
  tiers: channelTiers,
  play: async function* (world) {
    const { invoice, parts, held } = howOf(world);
    const amount = someAmount(world);
    const label = world.label("keysend");
    const secret = preimageOf(label);
    const { hash, preimage } = invoice
      ? await issue(world, world.random.int(2) === 0 ? undefined : amount)
      : { hash: paymentHash(sha256(secret)), preimage: secret };
    const hops: Hop[] = [];
    for (const part of split(world, amount, parts)) {
      const hop = offerSomewhere(world, "counterparty", { hash, amount: part, expiry: expiryOf(world) });
      if (hop !== undefined) hops.push(hop);
      yield* rest(world, 3);
    }
    yield* until(() => hops.every((hop) => isThere(hop) || isOver(hop)));
    yield* rest(world, held);
    const all = hops.every(isThere);
    const fate = all && world.random.int(4) > 0 ? "fulfil" : "fail";
    for (const hop of hops) {
      if (isThere(hop)) hop.settle(fate, preimage);
      if (world.random.int(3) === 0) yield;
    }
    yield* until(() => hops.every(isOver));
  },
});

const node: Flow = {
  name: "points",
  tiers: channelTiers,
  play: async function* (world) {
    const absurd = [0n, 1n, 1n << 20n, (1n << 47n) + 3n, (1n << 48n) - 1n];
    for (const { duplex } of world.links) {
      const { node: id, channel } = duplex.opened;
      const number = world.random.pick(absurd) as never;
      const { points } = await world.must("points", { node: id, channel, numbers: [number] });
      if (points.length !== 1 || !isKnown(points[0])) throw new Error("no point for a peer that asks");
      // What a peer proves our state to be behind by (BOLT 2, option_data_loss_protect).
      const secret = duplex.peer.secret(0n as never);
      const { matches } = await world.must("checkFutureSecret", { node: id, channel, number, secret });
      if (matches) throw new Error("a peer's own secret is not ours");
      yield;
    }
  },
};

export const receiveFlows: readonly Flow[] = [
  receiving("receive", (world) => ({ invoice: true, parts: 1, held: world.random.int(3) })),
  receiving("receive-mpp", (world) => ({ invoice: true, parts: 2 + world.random.int(4), held: 6 })),
  receiving("receive-keysend", () => ({ invoice: false, parts: 1, held: 2 })),
  receiving("hold-invoice", (world) => ({ invoice: true, parts: 1 + world.random.int(3), held: 60 })),
  node,
];
