/**
 * A forward was paid downstream, and then the host is gone for ever: nobody is left who has the preimage but the signer.
 * It claims what was received upstream, whoever closed that channel, and the chain runs every script.
 */

import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { connectTo, readBundle, signerClient } from "../../host/index.ts";
import { decodeTx } from "../../protocol/bitcoin/tx.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Outpoint } from "../../protocol/units.ts";
import { add, htlcOf, preimageOf, remove } from "../scripted/channel.ts";
import { peer } from "../scripted/peer.ts";
import { openReal, type RealChannel } from "../scripted/real-channel.ts";
import { curve } from "../scripted/road.ts";
import { bob, carol, evenTerms } from "../scripted/scene.ts";
import { type OwnSigner, ownSigner } from "./own-chain.kit.ts";

const dave = peer("dave", curve);
const chain = openChain();
chain.mine(110);
let signer: OwnSigner;

beforeAll(async () => {
  signer = await ownSigner(chain);
}, 60_000);
afterAll(() => signer?.close());

/** Of which the first is closed by its peer, and the second by a person who has no preimage. */
const labels = ["by the peer", "by a person"] as const;
const incoming = (label: string): Htlc => htlcOf("counterparty", 50_010_000n, label, 600);
const outgoing = (label: string): Htlc => htlcOf("holder", 50_000_000n, label, 500);

const takenBy = (outpoint: Outpoint) => {
  const by = chain.spender(outpoint);
  const taken = by === undefined ? undefined : chain.transaction(by.txid);
  return taken?.height === undefined ? undefined : { raw: toHex(taken.raw), tx: decodeTx(taken.raw).tx };
};

const forwarded = async (): Promise<readonly [RealChannel, RealChannel]> => {
  const bundle = readBundle(join(signer.dir, "host"));
  const client = signerClient({ connect: connectTo(bundle), backoff: { first: 20, most: 200 } });
  // What goes out is covered by what came in: nothing of it is a payment of ours.
  const call: typeof client.call = (name, body) =>
    name === "proposePayment" ? Promise.resolve({} as never) : client.call(name, body);
  const opened = (with_: typeof bob, type: "anchors" | "static_remotekey") =>
    openReal({ call, node: bundle.node, chain, peer: with_, terms: evenTerms({ type }) });
  const first = await opened(bob, "anchors");
  const second = await opened(carol, "static_remotekey");
  const down = await opened(dave, "anchors");
  await signer.until(signer.isAtTip);
  await first.step(add(first.balances, incoming(labels[0])));
  await second.step(add(second.balances, incoming(labels[1])));
  const sent = labels.map(outgoing);
  await down.step(sent.reduce(add, down.balances));
  const paid = sent.reduce((now, htlc) => remove(now, htlc, "fulfil"), down.balances);
  await down.step(paid, labels.map(preimageOf));
  await client.close();
  return [first, second];
};

test("the signer alone claims upstream what was paid downstream: killed, started, with a block", async () => {
  const [first, second] = await forwarded();
  await signer.kill();
  const theirs = first.theirs(1n);
  expect(chain.publish([theirs.raw])).toEqual({ is: "accepted" });
  chain.mine(1);
  await signer.start();
  const upstream = theirs.outpoint(incoming(labels[0]));
  await signer.until(() => chain.spender(upstream) !== undefined);
  await signer.kill();
  chain.mine(1);
  const claim = takenBy(upstream);
  expect(claim?.raw).toContain(toHex(preimageOf(labels[0])));
  expect(claim?.tx.outputs.map(({ script }) => toHex(script))).toEqual([toHex(first.closingScript)]);

  // A person closes the other one, and knows of no preimage.
  await signer.start();
  await signer.until(signer.isAtTip);
  const args = ["exit", String(second.channel), "--dir", signer.dir, "--feerate", "1000", "--yes"];
  const told = await signer.countersign(...args, "--broadcast");
  expect([told.status, told.stderr]).toEqual([0, ""]);
  expect(told.stdout).not.toContain("no preimage");
  await signer.kill();
  chain.mine(1);
  await signer.start();
  const close = chain.spender(second.shared.funding)?.txid;
  if (close === undefined) throw new Error("no close");
  const outputs = takenBy(second.shared.funding)?.tx.outputs ?? [];
  const received = { txid: close, index: outputs.findIndex(({ value }) => value === 50_010n) };
  await signer.until(() => chain.spender(received) !== undefined);
  chain.mine(1);
  const stage = takenBy(received);
  expect(stage?.raw).toContain(toHex(preimageOf(labels[1])));
  await signer.until(signer.isAtTip);
  chain.mine(144);
  const by = chain.spender(received)?.txid;
  if (by === undefined) throw new Error("no claim");
  await signer.until(() => {
    chain.mine(1);
    return takenBy({ txid: by, index: 0 }) !== undefined;
  });
  const home = takenBy({ txid: by, index: 0 });
  expect(home?.tx.outputs.every(({ script }) => equal(script, second.closingScript))).toBe(true);

  // They are secrets until they are used: neither the log nor the audit log has one.
  await signer.kill("SIGTERM");
  const tail = ["audit", "tail", "--dir", signer.dir, "--count", "400", "--json"];
  const audit = (await signer.countersign(...tail)).stdout;
  expect(audit).toContain('"host":"chain"');
  for (const label of labels)
    for (const text of [audit, signer.log(), told.stderr])
      expect(text.toLowerCase()).not.toContain(toHex(preimageOf(label)));
}, 120_000);
