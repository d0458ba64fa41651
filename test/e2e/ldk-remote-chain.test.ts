/** A signer that is shown the chain by its LDK node: whole blocks, over restarts of both and reorganisations. */

import { join } from "node:path";
import { OutPoint } from "lightningdevkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fromHex } from "../../protocol/bytes.ts";
import {
  begin,
  channelOf,
  complaints,
  fund,
  link,
  newChain,
  openNode,
  type SignerProcess,
  type SignerStatus,
  signerProcess,
  type TestNode,
  until,
  usable,
} from "./ldk-remote.kit.ts";

const chain = newChain();
const config = { minimumDepth: 1 };
let signer: SignerProcess;
let a: TestNode;
let b: TestNode;
let channel: string;
let funding: OutPoint;

const openA = () => openNode({ directory: join(signer.home, "a"), chain, config, bundle: signer.bundle });

const mine = async (count: number): Promise<void> => {
  chain.mine(count);
  await a.engine.sync();
  await b.engine.sync();
};

/** Until the signer has the chain's tip; then what it says of itself. */
const seen = async (): Promise<SignerStatus> => {
  for (let i = 0; i < 60; i++) {
    const status = await signer.status();
    if (status.chain.height === chain.tip().height) return status;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the signer never saw block ${chain.tip().height}: ${complaints(a).join("\n")}`);
};

const pay = async (from: TestNode, to: TestNode, msat: bigint): Promise<void> => {
  await until(
    "enough to pay with",
    () => (channelOf(from, channel)?.get_outbound_capacity_msat() ?? 0n) >= msat,
  );
  const { invoice } = await to.engine.payments.invoice({ msat, description: "coffee" });
  await from.engine.payments.pay({ invoice });
};

beforeAll(async () => {
  signer = await signerProcess({ follows: true });
  await signer.start();
  chain.mine(101);
  a = await openA();
  b = await openNode({ directory: join(signer.home, "b"), chain, config });
  await fund(chain, a, 4);
  await fund(chain, b, 4);
  await a.engine.sync();
  await link(a, b);
}, 60_000);

afterAll(async () => {
  await a?.stop();
  await b?.stop();
  await signer?.remove();
});

test("sees what its node sees, and refuses nothing", async () => {
  await seen();
  channel = await begin(chain, a, b, { push: 300_000_000n });
  await mine(6);
  await usable(channel, a, b);
  const found = channelOf(a, channel)?.get_funding_txo();
  funding = OutPoint.constructor_new(found?.get_txid() ?? new Uint8Array(), found?.get_index() ?? 0);
  await pay(a, b, 20_000_000n);
  await pay(b, a, 10_000_000n);
  expect((await seen()).alarms).toEqual([]);
  expect(complaints(a)).toEqual([]);
});

test("goes on after a restart of the signer, while blocks come", async () => {
  await signer.kill();
  await mine(3);
  await signer.start();
  await mine(1);
  await seen();
  await pay(a, b, 5_000_000n);
  expect(complaints(a)).toEqual([]);
});

test("goes on after a restart of the node, that missed a reorganisation", async () => {
  await a.stop();
  chain.reorganise(2, 5);
  a = await openA();
  await b.engine.sync();
  await link(a, b);
  await usable(channel, a, b);
  await seen();
  await pay(b, a, 6_000_000n);
  chain.reorganise(3, 4);
  await mine(1);
  await seen();
  await pay(a, b, 7_000_000n);
  expect(complaints(a)).toEqual([]);
});

test("lets its node leave, and knows of the close", async () => {
  const before = a.engine.coins.balance().confirmed;
  await a.engine.turns.take(() => {
    const id = channelOf(a, channel)?.get_channel_id();
    if (id === undefined) throw new Error("no channel");
    a.engine.manager.force_close_broadcasting_latest_txn(id, fromHex(b.id), "bye");
  });
  await until("the commitment", () => chain.pool().length > 0);
  for (let i = 0; i < 8; i++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await mine(30);
  }
  await until("the sweep", () => a.engine.coins.balance().confirmed > before + 600_000n, 2_000);
  expect((await seen()).alarms).toEqual([]);
  expect(complaints(a)).toEqual([]);
});

test("forgets the channel when its node has no more use for it, and what was kept for it goes", async () => {
  await mine(110);
  await seen();
  const { database } = a;
  const rows = () => Number(database.prepare("SELECT count(*) AS n FROM remote_theirs").get()?.["n"]);
  expect(rows()).toBeGreaterThan(0);
  // LDK waits for 4,032 blocks before it says so.
  await a.engine.turns.take(() => a.keys.observe.archived(funding));
  // Kept until the signer has seen the close, and all that was ours of it, a hundred blocks deep.
  await until("nothing left", () => rows() === 0);
  expect(complaints(a)).toEqual([]);
});
