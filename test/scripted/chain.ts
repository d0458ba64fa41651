/** A regtest chain to test with: real headers that carry their work, whole blocks, proofs, and branches of any shape. */

import { chains } from "../../protocol/bitcoin/chains.ts";
import { blockHash, decodeHeader, encodeHeader, type Header } from "../../protocol/bitcoin/header.ts";
import { branchOf, merkleRoot } from "../../protocol/bitcoin/merkle.ts";
import { type Tx, type TxOutput, txidOf, type Witness } from "../../protocol/bitcoin/tx.ts";
import { sizeLength, Writer } from "../../protocol/bitcoin/writer.ts";
import { concat, equal } from "../../protocol/bytes.ts";
import { type Height, height, type Outpoint, sat, script, type Txid } from "../../protocol/units.ts";
import type { Evidence } from "../../signer/core/chain/evidence.ts";
import { coinbaseFor, type MadeTx, mined, rawOf } from "../unit/bitcoin-blocks.ts";

export type { MadeTx } from "../unit/bitcoin-blocks.ts";

export interface Block {
  readonly height: Height;
  readonly hash: Uint8Array;
  readonly header: Header;
  /** The coinbase first. */
  readonly txs: readonly MadeTx[];
  readonly txids: readonly Txid[];
  readonly raw: Uint8Array;
}

const genesisHeader = decodeHeader(chains.regtest.genesis);

/** Nobody has its transaction here, so it can't be shown in whole. */
export const genesis: Block = {
  height: height(0),
  hash: chains.regtest.genesisHash,
  header: genesisHeader,
  ...{ txs: [], txids: [], raw: chains.regtest.genesis },
};

export interface MineOptions {
  /** Tells blocks on the same parent apart. */
  readonly tag?: number;
  /** Written over what an honest miner puts there, before the work is done. */
  readonly header?: Partial<Header>;
  /** Left as given: no coinbase is put before them. */
  readonly exactly?: boolean;
}

export const spacing = 600;

export const mine = (parent: Block, txs: readonly MadeTx[] = [], options: MineOptions = {}): Block => {
  const at = height(parent.height + 1);
  const all = options.exactly === true ? txs : [coinbaseFor(txs, 1_000 * at + (options.tag ?? 0)), ...txs];
  const txids = all.map(({ tx }) => txidOf(tx));
  const header = mined({
    version: 0x2000_0000,
    previous: parent.hash,
    // A hostile list has no root of its own; then one is given.
    merkleRoot: options.header?.merkleRoot ?? merkleRoot(txids),
    time: parent.header.time + spacing,
    bits: genesisHeader.bits,
    nonce: 0,
    ...options.header,
  });
  const count = new Writer(sizeLength(all.length)).size(all.length).bytes;
  const raw = concat(encodeHeader(header), count, ...all.map(rawOf));
  return { height: at, hash: blockHash(header), header, txs: all, txids, raw };
};

/** The blocks of a branch, each with what its place has; the first follows `parent`. */
export const mineAll = (
  parent: Block,
  contents: readonly (readonly MadeTx[])[],
  options: MineOptions = {},
): readonly Block[] => {
  const branch: Block[] = [];
  for (const txs of contents) branch.push(mine(branch.at(-1) ?? parent, txs, options));
  return branch;
};

export const mineEmpty = (parent: Block, count: number, options: MineOptions = {}): readonly Block[] =>
  mineAll(
    parent,
    Array.from({ length: count }, () => []),
    options,
  );

export const last = (blocks: readonly Block[], otherwise: Block = genesis): Block =>
  blocks.at(-1) ?? otherwise;

export const whole = ({ raw }: Block): Evidence => ({ is: "block", block: raw });

export const headerOf = ({ header }: Block): Evidence => ({ is: "header", header: encodeHeader(header) });

/** Of those transactions of the block that the ids name. */
export const proofOf = (
  { header, txs, txids }: Block,
  wanted: readonly Txid[],
): Evidence & { is: "proof" } => {
  const [coinbase] = txs;
  if (coinbase === undefined) throw new RangeError("no block without a coinbase is proven");
  return {
    is: "proof",
    header: encodeHeader(header),
    coinbase: rawOf(coinbase),
    coinbaseSiblings: branchOf(txids, 0),
    txs: txs.flatMap((made, position) =>
      wanted.some((id) => equal(id, txids[position] as Txid))
        ? [{ tx: rawOf(made), branch: { position, siblings: branchOf(txids, position) } }]
        : [],
    ),
  };
};

export interface Spending {
  readonly witnesses?: readonly Witness[];
  readonly outputs?: readonly TxOutput[];
  readonly sequence?: number;
  readonly locktime?: number;
}

const anywhere: TxOutput = { value: sat(1_000n), script: script(Uint8Array.of(0x51)) };

/** Valid or not: a chain's miners judge that, and no header tells. */
export const spending = (
  outpoints: readonly Outpoint[],
  { witnesses = [], outputs = [anywhere], sequence = 0xffff_fffd, locktime = 0 }: Spending = {},
): MadeTx => {
  const inputs = outpoints.map((outpoint) => ({ outpoint, sequence }));
  return { tx: { version: 2, inputs, outputs, locktime }, witnesses };
};

/** With a witness for its funding input, so that the block commits to witnesses as real ones do. */
export const published = (tx: Tx): MadeTx => ({
  tx,
  witnesses: tx.inputs.map(() => [new Uint8Array(0), new Uint8Array(71), Uint8Array.of(0x51)]),
});
