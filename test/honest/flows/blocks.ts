/** How blocks come to a signer from an honest host: again, in parts, late, or instead of others. */

import { partLength } from "../../../protocol/operations/chain.ts";
import { sat, script, type Txid } from "../../../protocol/units.ts";
import { spending } from "../../scripted/chain.ts";
import { add, htlcOf, keysendOf, remove } from "../../scripted/channel.ts";
import { connect, step, unmine } from "../../scripted/fed.ts";
import { channelTiers, type Flow } from "../flow.ts";
import {
  eventually,
  mineIn,
  nameIn,
  nextBlock,
  openShore,
  pass,
  propose,
  restart,
  type Shore,
  settle,
  show,
} from "../shore.ts";
import { onward, openEven, pay, receive, route } from "../shore-channels.ts";

/** The host comes back from an older block, and shows what is known. */
const again: Flow = {
  name: "blocks-again",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const { incoming, outgoing, received, offered } = await route(shore, 60_010_000n);
    await pass(shore, dice.int(12));
    for (let left = 1 + dice.int(3); left > 0; left--) {
      const known = fed.blocks.slice(-1 - dice.int(fed.blocks.length));
      for (const block of known) {
        await connect(fed, block);
        if (dice.int(6) === 0) await restart(shore);
        if (dice.int(6) === 0) await propose(shore, htlcOf("holder", 1_000n, nameIn(shore, "small")));
      }
      yield;
      await pass(shore, dice.int(3));
    }
    await settle(shore, outgoing, offered.htlc, offered.preimage);
    await settle(shore, incoming, received.htlc, received.preimage);
  },
};

const largeBlock = (shore: Shore) =>
  nextBlock(shore, [
    spending([{ txid: new Uint8Array(32).fill(1) as Txid, index: shore.count }], {
      outputs: [{ value: sat(0n), script: script(new Uint8Array(600_000)) }],
    }),
  ]);

/** A large block, with the host or the signer restarted between its parts: it begins again. */
const parts: Flow = {
  name: "blocks-in-parts",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const channel = await openEven(shore);
    await mineIn(shore, [channel.funding]);
    const paid = await pay(shore, channel, 10_000_000n);
    const block = largeBlock(shore);
    const { node } = fed.rig.session;
    const part = (index: number) => block.raw.subarray(index * partLength, (index + 1) * partLength);
    const count = Math.ceil(block.raw.length / partLength);
    for (let left = 1 + dice.int(2); left > 0; left--) {
      const reached = 1 + dice.int(count - 1);
      for (let index = 0; index < reached; index++)
        await fed.rig.call("chainPart", { node, hash: block.hash, index, bytes: part(index) });
      if (dice.int(2) === 0) await restart(shore);
      // Between its parts all else is answered.
      else await propose(shore, htlcOf("holder", 1_000n, nameIn(shore, "small")));
      yield;
    }
    await show(shore, block);
    await settle(shore, channel, paid.htlc, paid.preimage);
    await pass(shore, 1);
  },
};

/** An hour without a block, and more: below the limit nothing waits. */
const gaps: Flow = {
  name: "blocks-late",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice } = shore;
    const channel = await openEven(shore);
    await mineIn(shore, [channel.funding]);
    for (let left = 2 + dice.int(4); left > 0; left--) {
      shore.clock += dice.pick([3_600, 3_600, 2 * 3_600, 5 * 3_600]);
      const paid = await pay(shore, channel, 3_000_000n);
      const received = await receive(shore, channel, 2_000_000n);
      if (dice.int(3) === 0) await restart(shore);
      yield;
      await settle(shore, channel, paid.htlc, dice.int(2) === 0 ? paid.preimage : undefined);
      await settle(shore, channel, received.htlc, received.preimage);
      await pass(shore, 1 + dice.int(2));
    }
    // Longer than the limit: what is new waits for a block, and what is on its way does not.
    const paid = await pay(shore, channel, 3_000_000n);
    shore.clock += 7 * 3_600;
    await settle(shore, channel, paid.htlc, paid.preimage);
    const late = keysendOf(channel.node, htlcOf("holder", 1_000_000n, nameIn(shore, "late")));
    yield* eventually(shore, "proposePayment", late);
  },
};

/** Three blocks for four, while forwards pass; what begins meanwhile waits for the better branch. */
const branches: Flow = {
  name: "blocks-instead",
  tiers: channelTiers,
  play: async function* (world) {
    const shore = await openShore(world);
    const { dice, fed } = shore;
    const { incoming, outgoing, received, offered } = await route(shore, 60_010_000n);
    await pass(shore, dice.int(5));
    const depth = Math.min(3, fed.blocks.length - 1);
    const lost = fed.blocks.slice(-depth).flatMap(({ txs }) => txs.slice(1));
    const gone = fed.blocks.slice(-depth);
    await unmine(fed, depth);
    if (dice.int(3) === 0) await restart(shore);
    // A host that crashed meanwhile does not know how far it came.
    const { node } = fed.rig.session;
    for (const { hash } of gone.toReversed())
      if (dice.int(2) === 0) await fed.rig.call("chainDisconnect", { node, hash });
    const bill = keysendOf(incoming.node, htlcOf("holder", 1_000_000n, nameIn(shore, "meanwhile")));
    const told = await fed.rig.outcome("proposePayment", bill);
    // Nothing of the branch is needed to settle what is on its way.
    await settle(shore, outgoing, offered.htlc, offered.preimage);
    const refund = await receive(shore, incoming, 7_000_000n);
    yield;
    await mineIn(shore, lost, [], [], []);
    await settle(shore, incoming, received.htlc, received.preimage);
    if (told.is !== "reply") await propose(shore, bill);
    const again = onward(refund);
    await step(fed, outgoing, add(outgoing.balances, again.htlc));
    yield;
    await step(fed, outgoing, remove(outgoing.balances, again.htlc, "fail"));
    await settle(shore, incoming, refund.htlc, undefined);
  },
};

export const blockFlows: readonly Flow[] = [again, parts, gaps, branches];
