/**
 * The host is gone for ever, and a channel with anchors has HTLCs. A real signer, killed in between, ends the channel with a
 * child that pays for the commitment, claims the HTLCs with coins of its own, and the chain runs every script.
 */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openChain } from "../../chain/embedded/chain.ts";
import { connectTo, readBundle, signerClient } from "../../host/index.ts";
import { decodeTx, weightOf } from "../../protocol/bitcoin/tx.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { feerate, type Outpoint } from "../../protocol/units.ts";
import { add, htlcOf, preimageOf } from "../scripted/channel.ts";
import { openReal, payTo, type RealChannel } from "../scripted/real-channel.ts";
import { bob, evenTerms } from "../scripted/scene.ts";
import { type OwnSigner, ownSigner } from "./own-chain.kit.ts";

const chain = openChain();
chain.mine(110);
let signer: OwnSigner;

beforeAll(async () => {
  signer = await ownSigner(chain);
}, 60_000);
afterAll(() => signer?.close());

const offered = htlcOf("holder", 50_000_000n, "out", 300);
const received = htlcOf("counterparty", 60_000_999n, "in", 600);

/** With what is unpaid of a host's doing: nothing but the channel, and coins of its wallet. */
const opened = async (): Promise<RealChannel> => {
  const bundle = readBundle(join(signer.dir, "host"));
  const client = signerClient({ connect: connectTo(bundle), backoff: { first: 20, most: 200 } });
  const { node } = bundle;
  const terms = evenTerms({ type: "anchors" });
  const channel = await openReal({ call: client.call, node, chain, peer: bob, terms });
  await signer.until(signer.isAtTip);
  await channel.step({ ...[offered, received].reduce(add, channel.balances), feerate: feerate(253) });
  for (const index of [0, 1]) {
    const { script } = await client.call("walletAddress", { node, place: { account: 0, branch: 0, index } });
    payTo(chain, script, 25_000n);
  }
  await client.close();
  return channel;
};

const rawOf = (outpoint: Outpoint): Uint8Array | undefined => {
  const txid = chain.spender(outpoint)?.txid;
  return txid === undefined ? undefined : chain.transaction(txid)?.raw;
};
const takerOf = (outpoint: Outpoint) => {
  const txid = chain.spender(outpoint)?.txid;
  const found = txid === undefined ? undefined : chain.transaction(txid);
  if (txid === undefined || found === undefined) throw new Error("not taken");
  return { ...decodeTx(found.raw), txid, height: found.height };
};
const isTaken = (outpoint: Outpoint): boolean => {
  const txid = chain.spender(outpoint)?.txid;
  return txid !== undefined && chain.transaction(txid)?.height !== undefined;
};

/** In satoshi, of one that waits or is in a block. */
const feeOf = ({ tx }: Pick<ReturnType<typeof takerOf>, "tx">): bigint => {
  const spent = tx.inputs.map(({ outpoint: { txid, index } }) => {
    const raw = chain.transaction(txid)?.raw;
    return raw === undefined ? 0n : (decodeTx(raw).tx.outputs[index]?.value ?? 0n);
  });
  const sum = (values: readonly bigint[]) => values.reduce((all, one) => all + one, 0n);
  return sum(spent) - sum(tx.outputs.map(({ value }) => value));
};

test("the signer alone ends a channel with anchors: the commitment raised, both HTLCs claimed, all of it home", async () => {
  const channel = await opened();
  chain.mine(1);
  await signer.until(signer.isAtTip);
  const known = join(signer.dir, "..", "preimages");
  writeFileSync(known, `${toHex(preimageOf("in"))}\n`, { mode: 0o600 });
  const args = ["exit", String(channel.channel), "--dir", signer.dir, "--feerate", "2000", "--yes"];
  const told = await signer.countersign(...args, "--preimages", known, "--broadcast");
  expect([told.status, told.stderr]).toEqual([0, ""]);
  expect(told.stdout).toContain("pays for our commitment through its anchor");
  expect(told.stdout).not.toContain("REFUSED");

  // Commitment and child together pay what was asked, where the commitment alone pays an eighth of it.
  const commitment = takerOf(channel.shared.funding);
  const anchors = commitment.tx.outputs.flatMap(({ value }, index) =>
    value === 330n && chain.spender({ txid: commitment.txid, index }) !== undefined ? [index] : [],
  );
  expect(anchors.length).toBe(1);
  const child = takerOf({ txid: commitment.txid, index: anchors[0] ?? 0 });
  const weight = weightOf(commitment.tx, commitment.witnesses) + weightOf(child.tx, child.witnesses);
  const rate = Number(feeOf(commitment) + feeOf(child)) / weight;
  expect(rate).toBeGreaterThanOrEqual(2);
  expect(rate).toBeLessThan(2.05);

  await signer.kill();
  chain.mine(1);
  const outputOf = (value: bigint): Outpoint => ({
    txid: commitment.txid,
    index: commitment.tx.outputs.findIndex((one) => one.value === value),
  });
  await signer.start();
  await signer.until(() => rawOf(outputOf(60_000n)) !== undefined);
  // Killed with the claim in the pool; a reorganisation takes the commitment and its child back, and the pool forgets.
  await signer.kill();
  chain.reorganise(1, 2, { empty: true });
  chain.mine(1);
  await signer.start();
  await signer.until(() => {
    chain.mine(1);
    return isTaken(outputOf(60_000n));
  });
  chain.mine(300 - chain.tip().height);
  await signer.until(() => {
    chain.mine(1);
    return isTaken(outputOf(50_000n));
  });
  for (const value of [50_000n, 60_000n]) {
    const { tx } = takerOf(outputOf(value));
    expect(tx.inputs.length).toBe(2);
    expect(equal(tx.outputs[1]?.script ?? new Uint8Array(0), channel.closingScript)).toBe(true);
  }
  await signer.until(signer.isAtTip);
  chain.mine(145);
  await signer.until(() => {
    chain.mine(1);
    return [50_000n, 60_000n].every((value) => isTaken({ txid: takerOf(outputOf(value)).txid, index: 0 }));
  });

  await signer.kill("SIGTERM");
  const log = signer.log();
  expect(log).toContain('"event":"published"');
  expect(log).not.toContain('"event":"claims-refused"');
  expect(log).not.toContain('"event":"fault"');
}, 120_000);
