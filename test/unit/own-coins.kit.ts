/** A signer alone on an embedded chain, with coins of its own: what its tests do again and again. */

import { expect } from "vitest";
import { anyones } from "../../chain/embedded/chain.ts";
import { decodeTx, encodeWitnessTx, type Tx, weightOf } from "../../protocol/bitcoin/tx.ts";
import { claimPlanner } from "../../protocol/bolt/spend.ts";
import { claimDigest, claimWitness } from "../../protocol/bolt/spend-sign.ts";
import { equal } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import type { Htlc, Terms } from "../../protocol/operations/fields.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import { feerate, type Outpoint, type Point, type Script, sat, toSat } from "../../protocol/units.ts";
import { type Alone, type AloneOptions, alone } from "../scripted/alone.ts";
import { add, htlcOf, preimageOf } from "../scripted/channel.ts";
import { openReal, type RealChannel } from "../scripted/real-channel.ts";
import { curve } from "../scripted/road.ts";
import { bob, evenTerms } from "../scripted/scene.ts";

export const offered = htlcOf("holder", 50_000_000n, "out", 300);
export const received = htlcOf("counterparty", 60_000_999n, "in", 600);

const open: Alone[] = [];
/** After each test. */
export const stopAll = async (): Promise<void> => {
  for (const one of open.splice(0)) await one.stop();
};

export const started = async (options: AloneOptions = {}): Promise<Alone> => {
  const one = await alone(options);
  open.push(one);
  await one.settled();
  return one;
};

export const mined = async (on: Alone, count = 1): Promise<void> => {
  on.chain.mine(count);
  await on.settled();
};

export const channelOn = async (on: Alone, peer = bob, ...htlcs: readonly Htlc[]): Promise<RealChannel> =>
  channelWith(on, evenTerms({ type: "anchors" }), peer, ...htlcs);

export const channelWith = async (
  on: Alone,
  terms: Terms,
  peer = bob,
  ...htlcs: readonly Htlc[]
): Promise<RealChannel> => {
  const { call, chain } = on;
  const real = await openReal({ call, node: on.rig.session.node, chain, peer, terms });
  await on.settled();
  if (htlcs.length > 0) await real.step(htlcs.reduce(add, real.balances));
  return real;
};

export const addressOf = async (on: Alone, index = 0): Promise<Script> =>
  (await on.reply("walletAddress", { place: { account: 0, branch: 0, index } })).script;

export const exitOf = (
  on: Alone,
  { channel }: RealChannel,
  rate = 1_000,
  preimages = [preimageOf("in")],
): Promise<Reply<"exit">> =>
  on.reply("exit", { channel, feerate: feerate(rate), confirmed: unknown, preimages });

export const commitmentIn = ({ commitment }: Reply<"exit">) => {
  if (!isKnown(commitment)) throw new Error("no commitment");
  return { ...commitment, tx: decodeTx(commitment.tx).tx, raw: commitment.tx };
};

export const isTaken = ({ chain }: Alone, outpoint: Outpoint): boolean => {
  const by = chain.spender(outpoint);
  return by !== undefined && chain.transaction(by.txid)?.height !== undefined;
};

export const outputOf = (home: Reply<"exit">, value: bigint): Outpoint => {
  const { txid, tx } = commitmentIn(home);
  const index = tx.outputs.findIndex((one) => one.value === value);
  if (index < 0) throw new Error(`no output of ${value}`);
  return { txid, index };
};

/** A person ends it, and a block has the commitment. */
export const closed = async (on: Alone, channel: RealChannel): Promise<Reply<"exit">> => {
  const home = await exitOf(on, channel);
  await on.reply("broadcast", { transactions: [commitmentIn(home).raw] });
  await mined(on);
  return home;
};

export const sum = (all: readonly bigint[]): bigint => all.reduce((total, one) => total + one, 0n);

/** What took an output, in the pool or in a block, and what it paid for that. */
export const takerOf = ({ chain }: Alone, outpoint: Outpoint) => {
  const txid = chain.spender(outpoint)?.txid;
  const raw = txid === undefined ? undefined : chain.transaction(txid)?.raw;
  if (txid === undefined || raw === undefined) throw new Error("not taken");
  const { tx, witnesses } = decodeTx(raw);
  const values = tx.inputs.map(({ outpoint: { txid: of, index } }) => {
    const spent = chain.transaction(of)?.raw;
    return spent === undefined ? 0n : (decodeTx(spent).tx.outputs[index]?.value ?? 0n);
  });
  const fee = sum(values) - sum(tx.outputs.map(({ value }) => value));
  return { txid, tx, fee, weight: weightOf(tx, witnesses) };
};

export const refusals = ({ lines }: Alone) =>
  lines.filter(({ event }) => event === "publish-refused" || event === "claims-refused");

/** The counterparty takes what we offered (BOLT 3, "Offered HTLC Outputs"). */
export const preimageClaim = async (
  on: Alone,
  { channel, node, shared, peer }: RealChannel,
  home: Reply<"exit">,
  htlc: Htlc,
): Promise<Uint8Array> => {
  const { number } = commitmentIn(home);
  const { points } = await on.reply("points", { channel, numbers: [number] });
  const point = points[0] as Point;
  const planOf = claimPlanner(curve, {
    ...{ type: "anchors", holder: shared.counterparty, counterparty: shared.holder },
    delays: { holder: shared.terms.holder.toSelfDelay, counterparty: shared.terms.counterparty.toSelfDelay },
  });
  const plan = planOf({ kind: "counterpartyHtlc", point, htlc: { ...htlc, offeredBy: "broadcaster" } });
  const outpoint = outputOf(home, toSat(htlc.amount));
  const tx: Tx = {
    version: 2,
    inputs: [{ outpoint, sequence: 1 }],
    outputs: [{ value: sat(toSat(htlc.amount) - 10_000n), script: anyones }],
    locktime: 0,
  };
  const digest = claimDigest({ tx, index: 0, plan }, [{ value: toSat(htlc.amount), script: plan.output }]);
  const [label] = ["a", "b", "c"].filter((one) => equal(htlcOf("holder", 1_000n, one, 1).hash, htlc.hash));
  const signed = { signature: peer.signHtlc(digest, point), preimage: preimageOf(label ?? "") };
  expect(node).toEqual(on.rig.session.node);
  return encodeWitnessTx(tx, [claimWitness(plan, signed)]);
};
