/** Blocks that Bitcoin Core would take, as regtest has them. */

import { chains } from "../../protocol/bitcoin/chains.ts";
import { bitsOf, blockHash, encodeHeader, type Header } from "../../protocol/bitcoin/header.ts";
import { merkleRoot } from "../../protocol/bitcoin/merkle.ts";
import { op, pushNumber, script as scriptOf } from "../../protocol/bitcoin/script.ts";
import { decodeTx } from "../../protocol/bitcoin/tx.ts";
import { sizeLength, Writer } from "../../protocol/bitcoin/writer.ts";
import { concat, fromHex } from "../../protocol/bytes.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import { type Height, height, type Sat, type Script, sat, script, txid } from "../../protocol/units.ts";
import { genesisCoinbase } from "../genesis.ts";
import type { BlockHash } from "../source.ts";
import { type Entry, entryOf } from "./entry.ts";

export interface Block {
  readonly height: Height;
  readonly hash: BlockHash;
  readonly header: Uint8Array;
  readonly raw: Uint8Array;
  readonly time: number;
  /** The coinbase first. */
  readonly entries: readonly Entry[];
}

const chain = chains.regtest;
const bits = bitsOf(chain.powLimit);
/** BIP 9, with no bit set. */
const version = 0x2000_0000;
const halvingInterval = 150;
const coin = 100_000_000n;

const subsidy = (at: number): bigint => (50n * coin) >> BigInt(Math.floor(at / halvingInterval));

const withBody = (header: Uint8Array, entries: readonly Entry[]): Uint8Array => {
  const count = new Writer(sizeLength(entries.length)).size(entries.length).bytes;
  return concat(header, count, ...entries.map(({ raw }) => raw));
};

/** On this chain every second hash is work enough. */
const work = (header: Header): Header => {
  for (let nonce = 0; ; nonce++) {
    const tried = { ...header, nonce };
    const last = blockHash(tried)[31] as number;
    if (last < 0x7f) return tried;
  }
};

export interface Template {
  readonly height: number;
  readonly previous: BlockHash;
  readonly time: number;
  readonly to: Script;
  /** Makes a block one of its kind, whatever else is in it. */
  readonly extra: Uint8Array;
  readonly fees: bigint;
  readonly entries: readonly Entry[];
}

const commitmentHead = fromHex("aa21a9ed");
const reserved = new Uint8Array(32);

const coinbaseOf = ({ height: at, to, extra, fees, entries }: Template): Entry => {
  // BIP 141: the coinbase holds the commitment, so there it counts as zero.
  const root = merkleRoot([new Uint8Array(32), ...entries.map(({ wtxid }) => wtxid)]);
  const commitment = concat(commitmentHead, doubleSha256(concat(root, reserved)));
  return entryOf({
    tx: {
      version: 2,
      inputs: [
        {
          outpoint: { txid: txid(new Uint8Array(32)), index: 0xffff_ffff },
          sequence: 0xffff_ffff,
          // BIP 34: the height comes first.
          scriptSig: script(concat(pushNumber(at), scriptOf(extra))),
        },
      ],
      outputs: [
        { value: sat(subsidy(at) + fees), script: to },
        { value: sat(0n) as Sat, script: scriptOf(op.return, commitment) },
      ],
      locktime: 0,
    },
    witnesses: [[reserved]],
  });
};

export const buildBlock = (template: Template): Block => {
  const entries = [coinbaseOf(template), ...template.entries];
  const header = work({
    version,
    previous: template.previous,
    merkleRoot: merkleRoot(entries.map((entry) => entry.txid)),
    time: template.time,
    bits,
    nonce: 0,
  });
  const bytes = encodeHeader(header);
  return {
    height: height(template.height),
    hash: blockHash(header),
    header: bytes,
    raw: withBody(bytes, entries),
    time: template.time,
    entries,
  };
};

export const genesisBlock = (): Block => {
  const entries = [entryOf(decodeTx(genesisCoinbase))];
  return {
    height: height(0),
    hash: chain.genesisHash,
    header: chain.genesis,
    raw: withBody(chain.genesis, entries),
    time: new DataView(chain.genesis.buffer).getUint32(68, true),
    entries,
  };
};
