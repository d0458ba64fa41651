/** On public ground: announced, forwarding, with offers. */

import {
  Option_u64Z,
  Result_CVec_C2Tuple_ThirtyTwoBytesThirtyTwoBytesZZProbeSendFailureZ_OK,
} from "lightningdevkit";
import { sha256 } from "../../../../protocol/hash.ts";
import {
  closeByForce,
  closeTogether,
  hold,
  link,
  pay,
  peerOf,
  rest,
  type Scenes,
  type TestNode,
  type Town,
  until,
} from "../town.ts";

interface Row {
  readonly bob: TestNode;
  readonly keyless: TestNode;
  readonly carol: TestNode;
  /** Between bob and the keyless node, and between that and carol. */
  readonly channels: readonly [string, string];
}

/** Bob, the keyless node, carol. */
export const rowOf = async (town: Town, { announced = false, anchors = true } = {}): Promise<Row> => {
  const config = { announced, anchors, forwardsPrivately: true };
  const keyless = await town.keyless({ ...config, alias: "keyless" });
  const bob = await town.peer("bob", { ...config, alias: "bob" });
  const carol = await town.peer("carol", { ...config, alias: "carol" });
  await town.fund(bob, keyless, carol);
  if (announced)
    for (const { engine } of [bob, keyless, carol])
      engine.announcer.begin(await engine.peers.listen({ host: "127.0.0.1", port: 0 }));
  await link(bob, keyless);
  await link(keyless, carol);
  const one = await town.open(bob, keyless, { push: 200_000_000n });
  const two = await town.open(keyless, carol, { push: 300_000_000n });
  return { bob, keyless, carol, channels: [one, two] };
};

const forwardsOf = (node: TestNode): number =>
  node.events.filter(({ is }) => is === "paymentForwarded").length;

const throughout = async (town: Town): Promise<void> => {
  const { bob, keyless, carol } = await rowOf(town);
  const sums = [1_000n, 300_000n, 353_999n, 9_000_000n];
  for (const msat of sums) await pay(bob, carol, msat);
  for (const msat of sums) await pay(carol, bob, msat);
  await Promise.all([50_000n, 5_000_000n].flatMap((msat) => [pay(bob, carol, msat), pay(carol, bob, msat)]));
  const held = hold(carol);
  const given = pay(bob, carol, 4_000_000n).then(
    () => false,
    () => true,
  );
  await until("the HTLC", () => held.held.length === 1);
  await held.over((preimage) => carol.engine.manager.fail_htlc_backwards(sha256(preimage)));
  if (!(await given)) throw new Error("what was given back is paid");
  await until("all of it", () => forwardsOf(keyless) === 12);
  await closeTogether(bob, keyless);
  await town.pass(4, 2);
};

const announce = async (town: Town): Promise<Row> => {
  const row = await rowOf(town, { announced: true });
  const all = [row.bob, row.keyless, row.carol];
  for (let i = 0; i < 20; i++) {
    if (all.every((node) => node.channels().every((one) => one.get_is_announced()))) break;
    await town.mine(1);
    await rest(300);
  }
  // Gossip goes out with a tick, and then needs its way.
  await rest(1_500);
  return row;
};

const announced = async (town: Town): Promise<void> => {
  const { bob, keyless, carol } = await announce(town);
  await pay(bob, carol, 3_000_000n);
  await pay(carol, bob, 2_000_000n);
  await bob.engine.turns.take(() => {
    const none = Option_u64Z.constructor_none();
    const sent = bob.engine.manager.send_spontaneous_preflight_probes(peerOf(carol), 4_000_000n, 40, none);
    const isSent =
      sent instanceof Result_CVec_C2Tuple_ThirtyTwoBytesThirtyTwoBytesZZProbeSendFailureZ_OK &&
      sent.res.length > 0;
    if (!isSent) throw new Error("the probe is not sent");
  });
  // It comes back from its end, and nobody is told.
  await rest(1_500);
  if (forwardsOf(keyless) !== 2) throw new Error("a probe was paid");
  await keyless.engine.turns.take(() => keyless.engine.manager.timer_tick_occurred());
  await pay(keyless, bob, 1_000_000n);
};

const offers = async (town: Town): Promise<void> => {
  const { bob, keyless, carol } = await announce(town);
  const ours = await keyless.engine.offers.make({ description: "anything" });
  const paid = await bob.engine.offers.pay({ offer: ours, msat: 3_000_000n });
  await until("the payment", () =>
    keyless.events.some((event) => event.is === "paymentReceived" && event.hash === paid.hash),
  );
  const theirs = await carol.engine.offers.make({ description: "anything" });
  await keyless.engine.offers.pay({ offer: theirs, msat: 2_000_000n });
};

/** Carol goes to the chain with what she knows the preimage of. */
const claimedOnChain = async (town: Town): Promise<void> => {
  const { bob, keyless, carol, channels } = await rowOf(town);
  const held = hold(carol);
  const paid = pay(bob, carol, 50_000_000n);
  await until("the HTLC", () => held.held.length === 1);
  await closeByForce(town, carol, keyless, channels[1]);
  await town.mine(1);
  await held.claim();
  await rest(300);
  await town.pass(8, 1);
  await paid;
  await town.pass(150, 50);
};

/** Carol is gone. */
const timedOutOnChain = async (town: Town): Promise<void> => {
  const { bob, carol, keyless, channels } = await rowOf(town);
  const held = hold(carol);
  const failed = pay(bob, carol, 50_000_000n).then(
    () => false,
    () => true,
  );
  await until("the HTLC", () => held.held.length === 1);
  await town.stop(carol);
  const isClosed = () =>
    keyless.events.some((one) => one.is === "channelClosed" && one.channel === channels[1]);
  for (let i = 0; i < 60 && !isClosed(); i++) await town.pass(3, 3);
  if (!isClosed()) throw new Error("the channel is not closed");
  await town.pass(16, 1);
  if (!(await failed)) throw new Error("the payment was made");
  await town.pass(150, 50);
};

export const routeScenes = {
  forward: { play: throughout },
  announced: { play: announced },
  offers: { play: offers },
  "forward-claimed-on-chain": { play: claimedOnChain },
  "forward-timed-out-on-chain": { play: timedOutOnChain },
} satisfies Partial<Scenes>;
