/** A channel that an embedded chain takes for real: its funding is mined, and what the peer publishes is signed by both. */

import { anyones, anyonesWitness, type EmbeddedChain } from "../../chain/embedded/chain.ts";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { inputDigest, sighash } from "../../protocol/bitcoin/sighash.ts";
import { encodeWitnessTx, type Tx, txidOf } from "../../protocol/bitcoin/tx.ts";
import type { Basepoints } from "../../protocol/bolt/channel.ts";
import type { Commitment } from "../../protocol/bolt/commitment.ts";
import { commitmentKeys } from "../../protocol/bolt/derive.ts";
import { htlcTransaction } from "../../protocol/bolt/htlc.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { fundingWitness, htlcWitness } from "../../protocol/bolt/witness.ts";
import { equal } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc, Terms } from "../../protocol/operations/fields.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import {
  commitmentNumber,
  type NodeId,
  type Outpoint,
  type Point,
  type Preimage,
  type Script,
  sat,
  toSat,
} from "../../protocol/units.ts";
import { type Call, keysendOf, type Opened, start, update } from "./channel.ts";
import { type Balances, contentOf } from "./content.ts";
import { commitmentOf, type Peer } from "./peer.ts";
import { curve } from "./road.ts";

/** What the peer can publish of one of its commitments. */
export interface Theirs {
  readonly commitment: Commitment;
  readonly raw: Uint8Array;
  outpoint(htlc: Htlc): Outpoint;
  /** Its HTLC transaction; with anchors a coin of anybody's pays the fee. */
  second(htlc: Htlc, preimage: Preimage | undefined, chain: EmbeddedChain): Uint8Array;
}

export interface RealChannel extends Opened {
  readonly peer: Peer;
  readonly terms: Terms;
  number: bigint;
  balances: Balances;
  /** Both sides take the next number, and the last is revoked. */
  step(balances: Balances, preimages?: readonly Preimage[]): Promise<void>;
  /** Of any number so far, revoked or not. */
  theirs(number: bigint): Theirs;
}

const waits = new WeakMap<EmbeddedChain, number>();

/** A coin that anybody may spend: of the oldest block that has not given one. */
const coinOf = (chain: EmbeddedChain): { readonly outpoint: Outpoint; readonly value: bigint } => {
  const at = (waits.get(chain) ?? 0) + 1;
  waits.set(chain, at);
  while (chain.tip().height < at + 100) chain.mine(1);
  const coinbase = chain.blockAt(at)?.entries[0];
  const value = coinbase?.tx.outputs[0]?.value;
  if (coinbase === undefined || value === undefined) throw new Error(`no coin at ${at}`);
  return { outpoint: { txid: coinbase.txid, index: 0 }, value };
};

const sequence = 0xffff_fffd;

/** Somebody pays these amounts to a script, each in an output of its own; it waits in the pool. */
export const payTo = (
  chain: EmbeddedChain,
  script: Script,
  ...values: readonly bigint[]
): readonly Outpoint[] => {
  const { outpoint, value } = coinOf(chain);
  const sum = values.reduce((all, one) => all + one, 0n);
  const tx: Tx = {
    version: 2,
    inputs: [{ outpoint, sequence }],
    outputs: [
      ...values.map((one) => ({ value: sat(one), script })),
      { value: sat(value - sum - 10_000n), script: anyones },
    ],
    locktime: 0,
  };
  must(chain, encodeWitnessTx(tx, [anyonesWitness]));
  const txid = txidOf(tx);
  return values.map((_, index) => ({ txid, index }));
};

const must = (chain: EmbeddedChain, raw: Uint8Array): void => {
  const result = chain.publish([raw]);
  if (result.is === "refused") throw new Error(result.reason);
};

export interface RealOptions {
  readonly call: Call;
  readonly node: NodeId;
  readonly chain: EmbeddedChain;
  readonly peer: Peer;
  readonly terms: Terms;
}

export const openReal = async ({ call, node, chain, peer, terms }: RealOptions): Promise<RealChannel> => {
  const reply = await call("new", { node, wanted: unknown });
  const { channel, points, closingScript } = reply;
  const holder = reply.basepoints as Basepoints;
  const script = p2wsh(fundingScript(holder.funding, peer.basepoints.funding));
  const { outpoint, value } = coinOf(chain);
  const tx: Tx = {
    version: 2,
    inputs: [{ outpoint, sequence }],
    outputs: [
      { value: terms.value, script },
      { value: sat(value - terms.value - 1_000n), script: anyones },
    ],
    locktime: 0,
  };
  const funding = { txid: txidOf(tx), index: 0 };
  const counterparty = peer.basepoints;
  await call("setup", { node, channel, peer: peer.id, terms, counterparty, funding });
  const opened: Opened = {
    ...{ node, channel, closingScript, points },
    shared: { terms, holder, counterparty, funding },
  };
  const said = new Map<bigint, { balances: Balances; reply: Reply<"signCounterpartyCommitment"> }>();

  const theirs = (n: bigint): Theirs => {
    const at = said.get(n);
    if (at === undefined) throw new Error(`no commitment ${n}`);
    const { shared } = opened;
    const content = contentOf(terms, "counterparty", commitmentNumber(n), at.balances);
    const point = peer.point(commitmentNumber(n));
    const { commitment } = commitmentOf(curve, shared, "counterparty", point, content);
    const keys = commitmentKeys(curve, { broadcaster: counterparty, countersignatory: holder, point });
    const form = { type: terms.type, feerate: content.feerate, delay: terms.holder.toSelfDelay, keys };
    const find = (htlc: Htlc) => {
      const order = commitment.htlcs.findIndex((one) => equal(one.htlc.hash, htlc.hash));
      const committed = commitment.htlcs[order];
      const signature = at.reply.htlcSignatures[order];
      if (committed === undefined || signature === undefined) throw new Error("no such HTLC");
      return { committed, signature };
    };
    const witness = fundingWitness(
      { key: holder.funding, signature: at.reply.signature },
      { key: counterparty.funding, signature: peer.signDigest(commitment.digest) },
    );
    return {
      commitment,
      raw: encodeWitnessTx(commitment.tx, [witness]),
      outpoint: (htlc) => ({ txid: commitment.txid, index: find(htlc).committed.index }),
      second: (htlc, preimage, on) => {
        const { committed, signature } = find(htlc);
        const bare = htlcTransaction(commitment.txid, committed, form);
        const fee = terms.type === "anchors" ? [coinOf(on)] : [];
        const tx: Tx = {
          ...bare,
          inputs: [...bare.inputs, ...fee.map(({ outpoint }) => ({ outpoint, sequence }))],
          outputs: [
            ...bare.outputs,
            ...fee.map(({ value }) => ({ value: sat(value - 100_000n), script: anyones })),
          ],
        };
        const digest = inputDigest({
          ...{ tx, index: 0, scriptCode: committed.script },
          ...{ value: toSat(committed.htlc.amount), type: sighash.all },
        });
        const proof = htlcWitness({
          ...{ type: terms.type, countersignatory: signature, script: committed.script },
          broadcaster: peer.signHtlc(digest, point),
          ...(preimage === undefined ? {} : { preimage }),
        });
        return encodeWitnessTx(tx, [proof, ...fee.map(() => anyonesWitness)]);
      },
    };
  };

  const real: RealChannel = {
    ...opened,
    ...{ peer, terms, number: 0n, balances: start(terms) },
    theirs,
    step: async (balances, preimages = []) => {
      const n = real.number;
      const { points: next } = await call("points", { node, channel, numbers: [commitmentNumber(n)] });
      const all = update(opened, peer, next[0] as Point, n, balances, preimages);
      for (const htlc of balances.htlcs)
        if (htlc.offeredBy === "holder" && !real.balances.htlcs.includes(htlc))
          await call("proposePayment", keysendOf(node, htlc));
      said.set(n, { balances, reply: await call("signCounterpartyCommitment", all.sign) });
      await call("validateHolderCommitment", all.validate);
      if (all.revoke !== undefined) await call("revokeHolderCommitment", all.revoke);
      if (all.revocation !== undefined) await call("validateCounterpartyRevocation", all.revocation);
      real.number = n + 1n;
      real.balances = balances;
    },
  };
  await real.step(real.balances);
  must(chain, encodeWitnessTx(tx, [anyonesWitness]));
  chain.mine(1);
  return real;
};
