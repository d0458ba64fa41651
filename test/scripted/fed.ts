/** A signer whose host shows it a regtest chain: blocks with what the channels publish, and the hours that they take. */

import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { txidOf } from "../../protocol/bitcoin/tx.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { equal } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { partLength } from "../../protocol/operations/chain.ts";
import type { Basepoints, Terms } from "../../protocol/operations/fields.ts";
import type { Name, Request } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { commitmentNumber, type Point, type Txid } from "../../protocol/units.ts";
import { type Block, genesis, last, type MadeTx, mineAll, mineEmpty, spacing, spending } from "./chain.ts";
import { type Opened, start, update } from "./channel.ts";
import type { Balances } from "./content.ts";
import type { Peer } from "./peer.ts";
import { type Rig, type RigOptions, rig } from "./road.ts";

export interface Fed {
  rig: Rig;
  /** As the host knows the chain. */
  blocks: readonly Block[];
  /** Seconds since the last block. */
  pause: number;
  /** A new session over what was on disk, after each request. */
  restarts: boolean;
}

export interface FedChannel extends Opened {
  readonly peer: Peer;
  readonly funding: MadeTx;
  number: bigint;
  balances: Balances;
}

export const tipOf = ({ blocks }: Fed): Block => last(blocks);

export const feed = async (options: RigOptions = {}): Promise<Fed> => {
  const fed: { -readonly [K in keyof Fed]?: Fed[K] } = { blocks: [], pause: 60, restarts: false };
  const time = (): number => last(fed.blocks ?? [], genesis).header.time + (fed.pause ?? 0);
  fed.rig = await rig({ chain: {}, time, ...options });
  return fed as Fed;
};

/** Like a host: one request after the other, each of which may be the last before a crash. */
export const tell = async <N extends Name>(fed: Fed, name: N, body: Request<N>): Promise<Outcome<N>> => {
  const outcome = await fed.rig.outcome(name, body);
  if (fed.rig.faults.length > 0) throw new Error(fed.rig.faults.map(String).join());
  if (fed.restarts) fed.rig = await fed.rig.restart();
  return outcome;
};

const partsOf = (raw: Uint8Array): readonly Uint8Array[] =>
  Array.from({ length: Math.max(1, Math.ceil(raw.length / partLength)) }, (_, i) =>
    raw.subarray(i * partLength, (i + 1) * partLength),
  );

/** As a host shows a block, in parts where it is large. */
export const connect = async (fed: Fed, { raw, hash }: Block): Promise<Outcome<"chainConnect">> => {
  const { node } = fed.rig.session;
  const parts = partsOf(raw);
  for (const [index, bytes] of parts.slice(0, -1).entries())
    await fed.rig.call("chainPart", { node, hash, index, bytes });
  const bytes = parts.at(-1) as Uint8Array;
  return tell(fed, "chainConnect", { node, hash, parts: parts.length - 1, bytes });
};

const must = (outcome: Outcome<Name>): void => {
  if (outcome.is !== "reply") throw new Error(JSON.stringify(outcome));
};

/** Each list is a block on the tip. */
export const mineOn = async (fed: Fed, ...contents: (readonly MadeTx[])[]): Promise<void> => {
  for (const block of mineAll(tipOf(fed), contents)) {
    fed.blocks = [...fed.blocks, block];
    must(await connect(fed, block));
  }
};

export const pass = async (fed: Fed, count: number): Promise<void> => {
  for (const block of mineEmpty(tipOf(fed), count)) {
    fed.blocks = [...fed.blocks, block];
    must(await connect(fed, block));
  }
};

/** The last block is taken back, by the host too. */
export const unmine = async (fed: Fed, count: number): Promise<void> => {
  for (let i = 0; i < count; i++) {
    const { hash } = tipOf(fed);
    must(await tell(fed, "chainDisconnect", { node: fed.rig.session.node, hash }));
    fed.blocks = fed.blocks.slice(0, -1);
  }
};

/** `new` and `setup`, on a funding transaction that can be mined. */
export const openOn = async (fed: Fed, peer: Peer, terms: Terms, label: string): Promise<FedChannel> => {
  const { node } = fed.rig.session;
  const reply = await fed.rig.call("new", { node, wanted: unknown });
  const { channel, points, closingScript } = reply;
  const holder = reply.basepoints as Basepoints;
  const before = { txid: new TextEncoder().encode(label.padEnd(32)).slice(0, 32) as Txid, index: 0 };
  const pays = p2wsh(fundingScript(holder.funding, peer.basepoints.funding));
  const made = spending([before], { outputs: [{ value: terms.value, script: pays }] });
  const funding = { txid: txidOf(made.tx), index: 0 };
  await fed.rig.call("setup", {
    node,
    channel,
    peer: peer.id,
    terms,
    counterparty: peer.basepoints,
    funding,
  });
  const shared = { terms, holder, counterparty: peer.basepoints, funding };
  const opened: FedChannel = {
    ...{ node, channel, shared, closingScript, points, peer },
    ...{ funding: made, number: 0n, balances: start(terms) },
  };
  await step(fed, opened, opened.balances);
  return opened;
};

const pointAt = async (fed: Fed, { node, channel }: Opened, n: bigint): Promise<Point> => {
  const { points } = await fed.rig.call("points", { node, channel, numbers: [commitmentNumber(n)] });
  return points[0] as Point;
};

/** The requests of the channel's next number, with these balances. */
export const nextOf = async (
  fed: Fed,
  channel: FedChannel,
  balances: Balances,
  preimages: Parameters<typeof update>[5] = [],
) => {
  const { number } = channel;
  return update(channel, channel.peer, await pointAt(fed, channel, number), number, balances, preimages);
};

/** Both sides take the next number, and the last is revoked. */
export const step = async (
  fed: Fed,
  channel: FedChannel,
  balances: Balances,
  preimages: Parameters<typeof update>[5] = [],
): Promise<void> => {
  const { sign, validate, revoke, revocation } = await nextOf(fed, channel, balances, preimages);
  await fed.rig.call("signCounterpartyCommitment", sign);
  await fed.rig.call("validateHolderCommitment", validate);
  if (revoke !== undefined) await fed.rig.call("revokeHolderCommitment", revoke);
  if (revocation !== undefined) await fed.rig.call("validateCounterpartyRevocation", revocation);
  channel.number += 1n;
  channel.balances = balances;
};

/** Which block of the host has this hash. */
export const blockOf = ({ blocks }: Fed, hash: Uint8Array): Block | undefined =>
  blocks.find((block) => equal(block.hash, hash));

export { pointAt, spacing };
