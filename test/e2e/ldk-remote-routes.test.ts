/** A keyless LDK node on public ground: announced, forwarding, with offers and payments that nobody asked for. */

import { join } from "node:path";
import {
  Option_u64Z,
  PaymentParameters,
  RecipientOnionFields,
  Retry,
  RouteParameters,
} from "lightningdevkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import {
  begin,
  complaints,
  fund,
  link,
  newChain,
  openNode,
  type SignerProcess,
  signerProcess,
  type TestNode,
  until,
  usable,
} from "./ldk-remote.kit.ts";

const chain = newChain();
const config = { minimumDepth: 1, announced: true };
let signer: SignerProcess;
/** a – keyless – c, and d who knows a alone. */
let a: TestNode;
let keyless: TestNode;
let c: TestNode;
let d: TestNode;
const all = () => [a, keyless, c, d];

const mine = async (count: number): Promise<void> => {
  chain.mine(count);
  for (const node of all()) await node.engine.sync();
};

const opened = async (by: TestNode, to: TestNode, value: bigint, push = 0n): Promise<string> => {
  const channel = await begin(chain, by, to, { value, push });
  await mine(6);
  await usable(channel, by, to);
  return channel;
};

const invoice = async (by: TestNode, msat: bigint): Promise<string> =>
  (await by.engine.payments.invoice({ msat, description: "tea" })).invoice;

const forwarded = () => keyless.events.filter(({ is }) => is === "paymentForwarded").length;

beforeAll(async () => {
  signer = await signerProcess({ follows: true });
  await signer.start();
  chain.mine(101);
  const named = (name: string, seed: number) =>
    openNode({ directory: join(signer.home, name), chain, config: { ...config, alias: name }, seed });
  [a, c, d] = [await named("a", 21), await named("c", 22), await named("d", 23)];
  keyless = await openNode({
    ...{ directory: join(signer.home, "keyless"), chain, bundle: signer.bundle },
    config: { ...config, alias: "keyless" },
  });
  for (const node of all()) await fund(chain, node, 3);
  for (const node of all()) {
    const address = await node.engine.peers.listen({ host: "127.0.0.1", port: 0 });
    node.engine.announcer.begin(address);
  }
  await mine(1);
  await link(a, keyless);
  await link(keyless, c);
  await link(d, a);
  await opened(d, a, 1_000_000n);
  await opened(a, keyless, 400_000n, 50_000_000n);
  await opened(a, keyless, 400_000n, 50_000_000n);
  await opened(keyless, c, 1_000_000n, 200_000_000n);
}, 90_000);

afterAll(async () => {
  for (const node of all()) await node?.stop();
  await signer?.remove();
});

test("is announced: who has no channel with it pays through it", async () => {
  await until("the announcements", () =>
    [keyless, a, c].every((node) => node.channels().every((one) => one.get_is_announced())),
  );
  // Found by gossip alone: the invoice of an announced node has no hints.
  let paid = false;
  const request = await invoice(c, 3_000_000n);
  for (let i = 0; i < 40 && !paid; i++) {
    paid = await d.engine.payments.pay({ invoice: request }).then(
      () => true,
      () => false,
    );
    // LDK announces with a block, where its peer was not ready with the sixth.
    if (!paid) await mine(1);
    if (!paid) await new Promise((resolve) => setTimeout(resolve, 250));
  }
  expect([paid, complaints(keyless)]).toEqual([true, []]);
  expect(forwarded()).toBe(1);
  expect(complaints(keyless)).toEqual([]);
}, 30_000);

test("forwards in both directions, also what is too small for an output, and several at once", async () => {
  const before = forwarded();
  const sums = [1_000n, 40_000n, 300_000n, 353_999n, 2_000_000n, 9_000_000n];
  for (const msat of sums) await a.engine.payments.pay({ invoice: await invoice(c, msat) });
  for (const msat of sums) await c.engine.payments.pay({ invoice: await invoice(a, msat) });
  await Promise.all(
    [1_000n, 50_000n, 5_000_000n].flatMap((msat) => [
      invoice(c, msat).then((request) => a.engine.payments.pay({ invoice: request })),
      invoice(a, msat).then((request) => c.engine.payments.pay({ invoice: request })),
    ]),
  );
  await until("all of it", () => forwarded() === before + 18);
  expect(complaints(keyless)).toEqual([]);
}, 60_000);

test("forwards, sends and receives in parts", async () => {
  const before = forwarded();
  // More than either channel from a has.
  await a.engine.payments.pay({ invoice: await invoice(c, 450_000_000n) });
  await until("the parts", () => forwarded() > before + 1);
  await a.engine.payments.pay({ invoice: await invoice(keyless, 140_000_000n) });
  await keyless.engine.payments.pay({ invoice: await invoice(a, 500_000_000n) });
  expect(complaints(keyless)).toEqual([]);
}, 60_000);

test("makes an offer that is paid, and pays one", async () => {
  const offer = await keyless.engine.offers.make({ description: "anything" });
  const paid = await a.engine.offers.pay({ offer, msat: 3_000_000n });
  await until("the payment", () =>
    keyless.events.some((event) => event.is === "paymentReceived" && event.hash === paid.hash),
  );
  const other = await c.engine.offers.make({ description: "anything" });
  await keyless.engine.offers.pay({ offer: other, msat: 2_000_000n });
  expect(complaints(keyless)).toEqual([]);
}, 40_000);

test("sends what nobody asked for, and takes it", async () => {
  await a.engine.payments.keysend({ node: keyless.id, msat: 1_500_000n });
  await keyless.engine.payments.keysend({ node: c.id, msat: 2_500_000n });
  await c.engine.payments.keysend({ node: keyless.id, msat: 100_000n });
  await d.engine.payments.keysend({ node: keyless.id, msat: 700_000n });
  expect(complaints(keyless)).toEqual([]);
}, 30_000);

test("gives back what it should pass on under the hash of its own invoice, which can still be paid", async () => {
  const { invoice: mine, hash } = await keyless.engine.payments.invoice({
    msat: 4_000_000n,
    description: "x",
  });
  const { manager, ledger, turns } = a.engine;
  const to = PaymentParameters.constructor_for_keysend(fromHex(c.id), 27, false);
  const abused = ledger.settled(hash, () =>
    turns.take(() => {
      const sent = manager.send_payment(
        fromHex(hash),
        RecipientOnionFields.constructor_secret_only(new Uint8Array(32).fill(7)),
        fromHex(hash),
        RouteParameters.constructor_new(to, 4_000_000n, Option_u64Z.constructor_none()),
        Retry.constructor_attempts(0),
      );
      expect(sent.is_ok()).toBeTruthy();
      ledger.begin({ id: hash, hash, msat: 4_000_000n });
    }),
  );
  await expect(abused).rejects.toThrow(/the payment failed/);
  expect(complaints(keyless)).toEqual([]);
  await a.engine.payments.pay({ invoice: mine });
  await a.engine.payments.pay({ invoice: await invoice(c, 1_000_000n) });
  expect(keyless.channels().filter((one) => one.get_is_usable())).toHaveLength(3);
  expect(complaints(keyless)).toEqual([]);
}, 40_000);
