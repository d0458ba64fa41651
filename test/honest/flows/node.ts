/** What a node asks that has no channel here: its own key, gossip, invoices, and what it means to pay. */

import { msat } from "../../../protocol/units.ts";
import {
  announcementOf,
  askAnnouncement,
  askSelf,
  askUpdate,
  selfOf,
  updateOf,
} from "../../scripted/node.ts";
import { keyOf } from "../../unit/bolt12-messages.ts";
import { everyTier, type Flow, open, someAmount } from "../flow.ts";
import { invoiceBill } from "../invoices.ts";
import { approved } from "./pay.ts";
import { issue } from "./receive.ts";

const gossip: Flow = {
  name: "gossip",
  tiers: everyTier,
  play: async function* (world) {
    await world.must("signGossip", askSelf(world.node, selfOf(world.node)));
    for (const { duplex, peer } of open(world)) {
      await world.must("signGossip", askAnnouncement(duplex.opened, announcementOf(duplex.opened, peer)));
      await world.must("signGossip", askUpdate(duplex.opened, updateOf(world.node, peer)));
      yield;
    }
  },
};

const keys: Flow = {
  name: "node-key",
  tiers: everyTier,
  play: async function* (world) {
    const { node, random } = world;
    await world.must("hello", { node, version: 1, network: "regtest", software: "an honest node" });
    await world.must("identity", { node });
    yield;
    await world.must("ecdh", { node, point: keyOf(1 + random.int(200)) });
    await world.must("signMessage", { node, message: random.bytes(random.int(200)) });
    yield;
    await world.must("deriveSecret", { node, label: random.bytes(8) });
    await world.must("inboundPaymentKey", { node });
    await world.must("randomBytes", { node, count: 1 + random.int(64) });
  },
};

const invoices: Flow = {
  name: "invoices",
  tiers: everyTier,
  play: async function* (world) {
    for (let left = 1 + world.random.int(4); left > 0; left--) {
      await issue(world, world.random.int(2) === 0 ? undefined : someAmount(world));
      yield;
    }
  },
};

/** Its HTLCs are not shown to this signer, so nothing of it is ever seen to leave. */
const intents: Flow = {
  name: "intents",
  tiers: ["stateless"],
  play: async function* (world) {
    const { node } = world;
    const amount = msat(someAmount(world));
    const bill = invoiceBill({
      node,
      label: world.label("bill"),
      amount,
      feeLimit: 1_000n,
      now: world.now(),
    });
    yield* approved(world, bill);
    await world.must("proposePayment", bill.proposal);
    await world.must("withdrawPayment", { node, hash: bill.hash });
  },
};

export const nodeFlows: readonly Flow[] = [gossip, keys, invoices, intents];
