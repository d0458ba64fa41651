/** Blocks to test with: the public chains', and made ones that are mined as on regtest. */

import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { blockHash, encodeHeader, type Header, targetOf } from "../../protocol/bitcoin/header.ts";
import { merkleRoot } from "../../protocol/bitcoin/merkle.ts";
import { encodeTx, encodeWitnessTx, type Tx, txidOf, type Witness } from "../../protocol/bitcoin/tx.ts";
import { sizeLength, Writer } from "../../protocol/bitcoin/writer.ts";
import { concat, fromHex, reversed, toHex } from "../../protocol/bytes.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import { sat, script, type Txid, txid } from "../../protocol/units.ts";

interface PublicChains {
  readonly first: readonly string[];
  readonly retargets: readonly {
    readonly height: number;
    readonly periodStart: string;
    readonly last: string;
    readonly next: string;
    readonly bits: string;
  }[];
  readonly block100000: string;
  readonly signet: readonly string[];
}

export const publicChains = JSON.parse(
  readFileSync(new URL("../vectors/bitcoin-chain.json", import.meta.url), "utf8"),
) as PublicChains;

export const readable = (hash: Uint8Array): string => toHex(reversed(hash));
export const hashOf = (text: string): Uint8Array => reversed(fromHex(text));

export interface MadeTx {
  readonly tx: Tx;
  readonly witnesses: readonly Witness[];
}

export const rawOf = ({ tx, witnesses }: MadeTx): Uint8Array =>
  witnesses.length === 0 ? encodeTx(tx) : encodeWitnessTx(tx, witnesses);

const u32 = fc.nat({ max: 0xffff_ffff });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
/** Without bias, so that no two are alike: a block has no transaction twice. */
export const anyHash = fc.noBias(fc.uint8Array({ minLength: 32, maxLength: 32 }));

/** None of 64 bytes, which no proof is about. */
export const anyMadeTx: fc.Arbitrary<MadeTx> = fc
  .record({
    version: fc.constantFrom(1, 2, 3),
    inputs: fc.array(
      fc.record({ outpoint: fc.record({ txid: anyHash.map(txid), index: fc.nat(3) }), sequence: u32 }),
      { minLength: 1, maxLength: 3 },
    ),
    outputs: fc.array(
      fc.record({ value: fc.nat().map((n) => sat(BigInt(n))), script: bytes(40).map(script) }),
      { minLength: 1, maxLength: 3 },
    ),
    locktime: u32,
  })
  .chain((tx) =>
    fc.record({
      tx: fc.constant(tx),
      witnesses: fc.oneof(
        fc.constant([]),
        fc.array(fc.array(bytes(75), { minLength: 1, maxLength: 4 }), {
          minLength: tx.inputs.length,
          maxLength: tx.inputs.length,
        }),
      ),
    }),
  )
  .filter(({ tx }) => encodeTx(tx).length !== 64);

const nowhere = { txid: txid(new Uint8Array(32)), index: 0xffff_ffff };

/** With a commitment to the others where there are any witnesses, as BIP 141 has it. */
export const coinbaseFor = (others: readonly MadeTx[], tag = 0): MadeTx => {
  const wtxids = [new Uint8Array(32), ...others.map((one) => doubleSha256(rawOf(one)))];
  const reserved = new Uint8Array(32).fill(7);
  const digest = doubleSha256(concat(merkleRoot(wtxids), reserved));
  const commits = others.some(({ witnesses }) => witnesses.length > 0);
  const commitment = script(concat(fromHex("6a24aa21a9ed"), digest));
  return {
    tx: {
      version: 2,
      inputs: [{ outpoint: nowhere, sequence: tag, scriptSig: script(Uint8Array.of(1, 2)) }],
      outputs: [
        { value: sat(50n), script: script(Uint8Array.of(0x51)) },
        ...(commits ? [{ value: sat(0n), script: commitment }] : []),
      ],
      locktime: 0,
    },
    witnesses: commits ? [[reserved]] : [],
  };
};

export const mined = (header: Header): Header => {
  const target = targetOf(header.bits) as bigint;
  for (let nonce = 0; ; nonce++) {
    const tried = { ...header, nonce };
    if (BigInt(`0x${readable(blockHash(tried))}`) <= target) return tried;
  }
};

export interface MadeBlock {
  readonly txs: readonly MadeTx[];
  readonly txids: readonly Txid[];
  readonly header: Header;
  readonly raw: Uint8Array;
}

/** Of exactly these, the root given or computed. */
export const blockOf = (txs: readonly MadeTx[], root?: Uint8Array): MadeBlock => {
  const txids = txs.map(({ tx }) => txidOf(tx));
  const header = mined({
    version: 4,
    previous: new Uint8Array(32),
    merkleRoot: root ?? merkleRoot(txids),
    time: 1_700_000_000,
    bits: 0x207f_ffff,
    nonce: 0,
  });
  const count = new Writer(sizeLength(txs.length)).size(txs.length).bytes;
  return { txs, txids, header, raw: concat(encodeHeader(header), count, ...txs.map(rawOf)) };
};

export const anyBlock = (maxLength = 8): fc.Arbitrary<MadeBlock> =>
  fc.array(anyMadeTx, { maxLength }).map((others) => blockOf([coinbaseFor(others), ...others]));
