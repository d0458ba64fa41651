/** A payment to an LDK node that claims it while its peer is away, and is then gone for good: the signer alone claims it. */

import { join } from "node:path";
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
let signer: SignerProcess;
let keyless: TestNode;
let payer: TestNode;

beforeAll(async () => {
  signer = await signerProcess();
  await signer.start();
  chain.mine(101);
  const config = { minimumDepth: 1, holdsPayments: true };
  keyless = await openNode({
    ...{ directory: join(signer.home, "keyless"), chain, config },
    bundle: signer.bundle,
  });
  payer = await openNode({ directory: join(signer.home, "payer"), chain, config: { minimumDepth: 1 } });
  await fund(chain, payer, 4);
  await keyless.engine.sync();
  await link(payer, keyless);
}, 60_000);

afterAll(async () => {
  await signer?.remove();
});

test("what only the node had a preimage of is claimed without it", async () => {
  const channel = await begin(chain, payer, keyless);
  chain.mine(6);
  await Promise.all([keyless.engine.sync(), payer.engine.sync()]);
  await usable(channel, keyless, payer);
  const { invoice, hash } = await keyless.engine.payments.invoice({ msat: 50_000_000n, description: "late" });
  payer.engine.payments.pay({ invoice }).catch(() => undefined);
  const preimage = await until("the payment", () => keyless.engine.ledger.held(hash));
  const [row] = keyless.database.prepare("SELECT id FROM remote_channel WHERE setup IS NOT NULL").all();
  const leave = () => {
    const done = signer.countersign("exit", String(row?.["id"]), "--feerate", "1000", "--yes", "--json");
    expect(done.status).toBe(0);
    return done.stdout;
  };

  await payer.stop();
  await until("the peer is gone", () => !keyless.channels().some((one) => one.get_is_usable()));
  await keyless.engine.turns.take(() => keyless.engine.manager.claim_funds(fromHex(preimage)));
  // Stored with the claim, and settled once the signer has it: with the turn that its answer causes, or the next one.
  await until("the signer's answer", () => {
    keyless.engine.turns.nudge(() => undefined);
    return keyless.database.prepare("SELECT 1 FROM outbox").get() === undefined;
  });
  expect(complaints(keyless)).toEqual([]);
  await keyless.stop();
  expect(leave()).toContain(preimage);
}, 60_000);
