/** A keyless LDK node takes a channel from a peer that it trusts, and uses it before a block has it. */

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
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
  usable,
} from "./ldk-remote.kit.ts";

const chain = newChain();
let signer: SignerProcess;
let keyless: TestNode;
let trusted: TestNode;

beforeAll(async () => {
  signer = await signerProcess();
  await signer.start();
  chain.mine(101);
  trusted = await openNode({ directory: join(signer.home, "trusted"), chain });
  keyless = await openNode({
    ...{ directory: join(signer.home, "keyless"), chain, bundle: signer.bundle },
    config: { zeroConfPeers: [trusted.id] },
  });
  await fund(chain, trusted, 4);
  await keyless.engine.sync();
  await link(trusted, keyless);
}, 60_000);

afterAll(async () => {
  await keyless?.stop();
  await trusted?.stop();
  await signer?.remove();
});

test("is paid and pays over it, in a channel that no block has", async () => {
  const { height } = chain.tip();
  const channel = await begin(chain, trusted, keyless, { push: 200_000_000n });
  await usable(channel, trusted, keyless);
  const pay = async (from: TestNode, to: TestNode) => {
    const { invoice } = await to.engine.payments.invoice({ msat: 3_000_000n, description: "at once" });
    await from.engine.payments.pay({ invoice });
  };
  await pay(trusted, keyless);
  await pay(keyless, trusted);
  expect(chain.tip().height).toBe(height);
  expect(complaints(keyless)).toEqual([]);
}, 60_000);
