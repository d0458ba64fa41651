/** A channel that is used before its funding is deep: by us for what is ours, and by others as far as the policy says. */

import { msat } from "../../../protocol/units.ts";
import { add } from "../../scripted/channel.ts";
import { step } from "../../scripted/fed.ts";
import { channelTiers, type Flow } from "../flow.ts";
import { mineIn, openShore, pass, reorganise, settle } from "../shore.ts";
import { onward, openFrom, pay, receive } from "../shore-channels.ts";

const amount = 60_000_000n;

/** Pays out of what it funded alone at once, and passes on what it got on a funding of others when that is confirmed. */
const waits: Flow = {
  name: "zero-conf-waits",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const incoming = await openFrom(shore, "counterparty");
    const own = await openFrom(shore, "holder");
    const paid = await pay(shore, own, amount);
    await settle(shore, own, paid.htlc, dice.int(2) === 0 ? paid.preimage : undefined);
    yield;
    const received = await receive(shore, incoming, amount);
    await mineIn(shore, ...Array.from({ length: dice.int(3) }, () => []), [incoming.funding, own.funding]);
    yield;
    if (dice.int(2) === 0) {
      await pass(shore, dice.int(3));
      await reorganise(shore, 1 + dice.int(Math.min(3, fed.blocks.length)));
      yield;
    }
    const offered = onward(received);
    await step(fed, own, add(own.balances, offered.htlc));
    // What is on its way comes to its end whatever becomes of the funding.
    if (dice.int(2) === 0) await reorganise(shore, 1 + dice.int(3));
    yield;
    const preimage = dice.int(3) === 0 ? undefined : received.preimage;
    await settle(shore, own, offered.htlc, preimage);
    await settle(shore, incoming, received.htlc, preimage);
  },
};

/** Trusts some peers as far as a figure goes: forwards pass at once, and the funding comes late, or twice. */
const trusts: Flow = {
  name: "zero-conf-trusted",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world, { maxZeroConfExposure: msat(20_000_000_000n) });
    const { dice, fed } = shore;
    const incoming = await openFrom(shore, "counterparty");
    const outgoing = await openFrom(shore, "holder");
    for (let left = 2 + dice.int(3); left > 0; left--) {
      const received = await receive(shore, incoming, amount);
      const offered = onward(received);
      await step(fed, outgoing, add(outgoing.balances, offered.htlc));
      if (left === 2) {
        await mineIn(shore, [incoming.funding], [outgoing.funding]);
        if (dice.int(2) === 0) await reorganise(shore, 2);
      } else await pass(shore, dice.int(2));
      yield;
      const preimage = dice.int(3) === 0 ? undefined : received.preimage;
      // The incoming side may be settled first: the preimage is known.
      const both = [
        () => settle(shore, outgoing, offered.htlc, preimage),
        () => settle(shore, incoming, received.htlc, preimage),
      ];
      if (preimage !== undefined && dice.int(2) === 0) both.reverse();
      for (const one of both) await one();
    }
  },
};

export const unconfirmedFlows: readonly Flow[] = [waits, trusts];
