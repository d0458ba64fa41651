/** An LDK node whose signer asks a person: it waits, says what to type, and goes on by itself; or it ends cleanly. */

import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { approvalCommand, NotApproved } from "../../host/ldk/keys/remote-answers.ts";
import { fromHex } from "../../protocol/bytes.ts";
import {
  begin,
  channelOf,
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
const config = { minimumDepth: 1 };
let signer: SignerProcess;
let a: TestNode;
let b: TestNode;
let channel: string;

const openA = () => openNode({ directory: join(signer.home, "a"), chain, config, bundle: signer.bundle });

const mine = async (count: number): Promise<void> => {
  chain.mine(count);
  await a.engine.sync();
  await b.engine.sync();
};

/** As the node's owner reads it, in front of the id. */
const asked = (): Promise<string> =>
  until("the question", () => {
    const found = a.said.find(
      (one) => one.is === "refused" && one.waits && approvalCommand(one.refusal) !== undefined,
    );
    return found?.is === "refused" ? approvalCommand(found.refusal) : undefined;
  });
const answer = (command: string, verb: "approve" | "deny"): void => {
  const id = command.replace("countersign approvals approve ", "");
  expect(id).toMatch(/^[0-9a-f]{64}$/);
  const done = signer.countersign("approvals", verb, id);
  expect(done.stderr).toBe("");
};

beforeAll(async () => {
  signer = await signerProcess({ policy: "unattendedFunding = 200_000\nunattendedPayment = 1_000_000" });
  await signer.start();
  chain.mine(101);
  a = await openA();
  b = await openNode({ directory: join(signer.home, "b"), chain, config });
  await fund(chain, a, 4);
  await b.engine.sync();
  await link(a, b);
}, 60_000);

afterAll(async () => {
  await a?.stop();
  await b?.stop();
  await signer?.remove();
});

test("an opening waits for its approval, and goes on", async () => {
  const opening = begin(chain, a, b, { push: 100_000_000n });
  answer(await asked(), "approve");
  channel = await opening;
  await mine(6);
  await usable(channel, a, b);
  expect(a.said.filter(({ is }) => is === "refused").map((one) => "waits" in one && one.waits)).not.toContain(
    false,
  );
}, 60_000);

test("a payment says what to type, and passes after that", async () => {
  const { invoice } = await b.engine.payments.invoice({ msat: 30_000_000n, description: "rent" });
  const waits = (await a.engine.payments.pay({ invoice }).catch((error: unknown) => error)) as NotApproved;
  expect(waits).toBeInstanceOf(NotApproved);
  const [command] = /countersign approvals approve [0-9a-f]{64}/.exec(waits.message) ?? [""];
  answer(command, "approve");
  await a.engine.payments.pay({ invoice });
}, 60_000);

describe("an offer above the limit", () => {
  const waits = async (offer: string, msat: bigint): Promise<NotApproved> => {
    const why = await a.engine.offers.pay({ offer, msat }).catch((error: unknown) => error);
    expect(why).toBeInstanceOf(NotApproved);
    return why as NotApproved;
  };
  const commandIn = ({ message }: NotApproved): string =>
    /countersign approvals approve [0-9a-f]{64}/.exec(message)?.[0] ?? "";
  const rows = (msat: bigint) => a.engine.ledger.all().filter((row) => row.msat === msat);

  test("is paid by the invoice that was approved, also after a restart", async () => {
    const offer = await b.engine.offers.make({ description: "a boat" });
    const command = commandIn(await waits(offer, 31_000_000n));
    expect(commandIn(await waits(offer, 31_000_000n))).toBe(command);
    expect(commandIn(await waits(offer, 32_000_000n))).not.toBe(command);
    await a.stop();
    a = await openA();
    await link(a, b);
    await usable(channel, a, b);
    expect(commandIn(await waits(offer, 31_000_000n))).toBe(command);
    answer(command, "approve");
    const { hash } = await a.engine.offers.pay({ offer, msat: 31_000_000n });
    expect(rows(31_000_000n).map(({ state, hash: of }) => [state, of])).toEqual([["done", hash]]);
    expect(rows(32_000_000n).map(({ state }) => state)).toEqual(["waiting"]);
  }, 60_000);

  test("that was denied, or whose invoice has expired, is over, and can be asked for anew", async () => {
    const offer = await b.engine.offers.make({ description: "a yacht" });
    const first = commandIn(await waits(offer, 33_000_000n));
    answer(first, "deny");
    expect((await waits(offer, 33_000_000n)).standing).toBe("denied");
    await until("its end", () => rows(33_000_000n)[0]?.state === "failed");
    const second = commandIn(await waits(offer, 33_000_000n));
    expect(second).not.toBe(first);
    await a.engine.turns.take(() => a.database.exec("UPDATE bill SET until = 1 WHERE msat = 33000000"));
    await a.stop();
    a = await openA();
    await link(a, b);
    await usable(channel, a, b);
    await until("its end", () => rows(33_000_000n)[1]?.state === "failed");
    const third = commandIn(await waits(offer, 33_000_000n));
    expect(third).not.toBe(second);
    answer(third, "approve");
    await a.engine.offers.pay({ offer, msat: 33_000_000n });
    expect(rows(33_000_000n).map(({ state }) => state)).toEqual(["failed", "failed", "done"]);
  }, 60_000);
});

test("an opening that is denied ends, for the command and for the coins", async () => {
  a.said.length = 0;
  const before = a.engine.coins.balance();
  const opening = begin(chain, a, b).catch((error: unknown) => error);
  answer(await asked(), "deny");
  expect(await opening).toBeInstanceOf(Error);
  // The peer, which knows it by its first id alone, drops it when it goes away, or after an hour.
  await until("the end of it", () => a.channels().length === 1);
  expect(a.engine.coins.balance()).toEqual(before);
}, 90_000);

test("one that the peer gave up meanwhile is forgotten, also by a node that was restarted", async () => {
  a.said.length = 0;
  const before = a.engine.coins.balance();
  const waiting = () =>
    a.engine.turns.take(() => {
      const made = a.engine.manager.create_channel(fromHex(b.id), 900_000n, 0n, 0n, null, null);
      expect(made.is_ok()).toBeTruthy();
    });
  await waiting();
  await asked();
  await b.engine.peers.disconnect(a.id);
  await until("the end of it", () => a.channels().length === 1);
  expect(a.engine.coins.balance()).toEqual(before);

  await link(a, b);
  a.said.length = 0;
  await waiting();
  await asked();
  await a.stop();
  a = await openA();
  expect(a.engine.coins.balance()).toEqual(before);
  await link(a, b);
  await usable(channel, a, b);
  expect(channelOf(a, channel)).toBeDefined();
  const { invoice } = await a.engine.payments.invoice({ msat: 3_000_000n, description: "back" });
  await b.engine.payments.pay({ invoice });
}, 90_000);
