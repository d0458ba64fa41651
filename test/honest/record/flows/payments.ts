/** Payments in all the ways that LDK pays. */

import {
  Option_u64Z,
  PaymentParameters,
  RecipientOnionFields,
  Retry,
  RouteParameters,
} from "lightningdevkit";
import { toHex } from "../../../../protocol/bytes.ts";
import { sha256 } from "../../../../protocol/hash.ts";
import { feerate } from "../../../../protocol/units.ts";
import {
  closeTogether,
  hold,
  link,
  pairOf,
  pay,
  peerOf,
  rest,
  type Scenes,
  type TestNode,
  type Town,
  until,
  wellBetween,
} from "../town.ts";

const bothWays = (anchors: boolean, opener: "bob" | "keyless") => async (town: Town) => {
  const { keyless, bob } = await pairOf(town, { anchors, opener });
  await pay(bob, keyless, 20_000_000n);
  await pay(keyless, bob, 10_000_000n);
  const sums = [5_000_000n, 700_000n];
  await Promise.all(sums.flatMap((msat) => [pay(bob, keyless, msat), pay(keyless, bob, msat)]));
  await closeTogether(opener === "bob" ? keyless : bob, opener === "bob" ? bob : keyless);
  await town.pass(6, 2);
};

const inParts = async (town: Town): Promise<void> => {
  const { keyless, bob } = await pairOf(town, { opener: "bob" });
  await town.open(bob, keyless, { value: 900_000n, push: 400_000_000n });
  await town.open(keyless, bob, { value: 800_000n, push: 300_000_000n });
  // More than any one channel has.
  await payWhole(bob, keyless, 900_000_000n);
  await payWhole(keyless, bob, 1_100_000_000n);
  await Promise.all([payWhole(bob, keyless, 700_000_000n), payWhole(bob, keyless, 100_000_000n)]);
};

const payWhole = async (from: TestNode, to: TestNode, msat: bigint): Promise<void> => {
  const { invoice } = await to.engine.payments.invoice({ msat, description: "a house" });
  await until("a route", () => {
    const able = from.channels().reduce((sum, one) => sum + one.get_next_outbound_htlc_limit_msat(), 0n);
    return able > msat;
  });
  await from.engine.payments.pay({ invoice });
};

/** Held on both sides at once; some claimed, some given back. */
const holding = async (town: Town): Promise<void> => {
  const { keyless, bob } = await pairOf(town);
  for (const ends of ["claim", "fail", "claim"] as const) {
    const [ofKeyless, ofBob] = [hold(keyless), hold(bob)];
    const all = Promise.allSettled([
      pay(bob, keyless, 30_000_000n),
      pay(keyless, bob, 25_000_000n),
      pay(bob, keyless, 2_000_000n),
      pay(keyless, bob, 3_000_000n),
    ]);
    await until("the HTLCs", () => ofKeyless.held.length === 2 && ofBob.held.length === 2);
    await town.mine(2);
    for (const [one, { engine }] of [
      [ofKeyless, keyless],
      [ofBob, bob],
    ] as const) {
      if (ends === "claim") await one.claim();
      else await one.over((preimage) => engine.manager.fail_htlc_backwards(sha256(preimage)));
    }
    const ended = (await all).map(({ status }) => status);
    const expected = ends === "claim" ? "fulfilled" : "rejected";
    if (ended.some((one) => one !== expected)) throw new Error(`held payments were ${ended.join()}`);
  }
};

const unasked = async (town: Town): Promise<void> => {
  const { keyless, bob } = await pairOf(town);
  for (const msat of [1_500_000n, 40_000_000n]) {
    await bob.engine.payments.keysend({ node: keyless.id, msat });
    await until("enough", () =>
      keyless.channels().some((one) => one.get_next_outbound_htlc_limit_msat() > msat),
    );
    await keyless.engine.payments.keysend({ node: bob.id, msat });
  }
};

/** Under a hash that nobody knows: the payee gives it back. */
const probe = async (from: TestNode, to: TestNode, msat: bigint): Promise<void> => {
  const hash = sha256(new TextEncoder().encode(`${from.id} ${to.id} ${msat}`));
  const { manager, ledger, turns } = from.engine;
  const id = toHex(hash);
  const parameters = PaymentParameters.constructor_for_keysend(peerOf(to), 27, false);
  const route = RouteParameters.constructor_new(parameters, msat, Option_u64Z.constructor_none());
  const isPaid = await ledger
    .settled(id, () =>
      turns.take(() => {
        const fields = RecipientOnionFields.constructor_secret_only(sha256(hash));
        const sent = manager.send_payment(hash, fields, hash, route, Retry.constructor_attempts(0));
        if (!sent.is_ok()) throw new Error("the probe is not sent");
        ledger.begin({ id, hash: id, msat });
      }),
    )
    .then(
      () => true,
      () => false,
    );
  if (isPaid) throw new Error("a probe was paid");
};

const probing = async (town: Town): Promise<void> => {
  const { keyless, bob } = await pairOf(town);
  for (const msat of [3_000_000n, 200_000n]) await probe(bob, keyless, msat);
  await pay(bob, keyless, 1_000_000n);
};

/** As a minute does, and as a block does: whoever opened a channel looks at its fee again. */
const tick = async (town: Town, rate: number, ...nodes: readonly TestNode[]): Promise<void> => {
  town.chain.suggest(feerate(rate));
  await town.mine(1);
  await rest(100);
  for (const { engine } of nodes) await engine.turns.take(() => engine.manager.timer_tick_occurred());
  await rest(200);
};

/** Opened by either side, so that the fee is changed from both. */
const feesOf = (anchors: boolean) => async (town: Town) => {
  const { keyless, bob } = await pairOf(town, { anchors });
  await town.open(keyless, bob, { value: 800_000n, push: 300_000_000n });
  const rates = () => keyless.channels().map((one) => feerateOf(one.get_feerate_sat_per_1000_weight()));
  const seen = new Set(rates());
  for (const rate of [4_000, 9_000, 1_200, 300, 2_500]) {
    const [ofKeyless, ofBob] = [hold(keyless), hold(bob)];
    const all = [pay(bob, keyless, 15_000_000n), pay(keyless, bob, 9_000_000n)];
    await until("the HTLCs", () => ofKeyless.held.length === 1 && ofBob.held.length === 1);
    await tick(town, rate, keyless, bob);
    await ofKeyless.claim();
    await ofBob.claim();
    await Promise.all(all);
    for (const one of rates()) seen.add(one);
  }
  if (seen.size < 4) throw new Error(`fees were ${[...seen].join()} alone`);
};

const feerateOf = (option: unknown): number => (option as { readonly some?: number }).some ?? 0;

/** Too small for outputs, and about as small; many at a time, held so that they lie beside each other. */
const dustOf = (anchors: boolean) => async (town: Town) => {
  const { keyless, bob } = await pairOf(town, { anchors });
  const sums = [1_000n, 2_001n, 353_999n, 354_000n, 354_001n, 545_999n, 1_100_000n];
  const [ofKeyless, ofBob] = [hold(keyless), hold(bob)];
  const all = sums.flatMap((msat) => [pay(bob, keyless, msat), pay(keyless, bob, msat)]);
  await until("the HTLCs", () => ofKeyless.held.length === sums.length && ofBob.held.length === sums.length);
  await ofKeyless.claim();
  await ofBob.claim();
  await Promise.all(all);
};

/** A channel that is used before a block has it, and after. */
const zeroConf = (by: "keyless" | "bob") => async (town: Town) => {
  const bob = await town.peer("bob", { zeroConfPeers: [toHex(town.signer.node)] });
  const keyless = await town.keyless({ zeroConfPeers: [bob.id] });
  await town.fund(keyless, bob);
  await link(keyless, bob);
  const ends = by === "keyless" ? ([keyless, bob] as const) : ([bob, keyless] as const);
  const channel = await town.begin(...ends, { push: 400_000_000n });
  await wellBetween(channel, bob, keyless);
  await pay(bob, keyless, 5_000_000n);
  await pay(keyless, bob, 2_000_000n);
  await town.mine(6);
  await pay(bob, keyless, 6_000_000n);
};

export const paymentScenes = {
  "pay-anchors-accepted": { play: bothWays(true, "bob") },
  "pay-anchors-opened": { play: bothWays(true, "keyless") },
  "pay-static-accepted": { play: bothWays(false, "bob") },
  "pay-static-opened": { play: bothWays(false, "keyless") },
  "pay-in-parts": { play: inParts },
  hold: { play: holding },
  keysend: { play: unasked },
  probe: { play: probing },
  "fees-anchors": { play: feesOf(true) },
  "fees-static": { play: feesOf(false) },
  "dust-anchors": { play: dustOf(true) },
  "dust-static": { play: dustOf(false) },
  "zero-conf-opened": { play: zeroConf("keyless") },
  "zero-conf-accepted": { play: zeroConf("bob") },
} satisfies Partial<Scenes>;
