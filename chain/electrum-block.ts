/**
 * A whole block from a server that gives single transactions: the ids by their positions, until there is none, then
 * each transaction by its id. What comes out hashes to the header, or it is no block.
 */

import { z } from "zod";
import { scanBlock } from "../protocol/bitcoin/block.ts";
import { depthOf, maxTransactions } from "../protocol/bitcoin/merkle.ts";
import { rangeOfTx, txidIn } from "../protocol/bitcoin/tx-range.ts";
import { Writer } from "../protocol/bitcoin/writer.ts";
import { concat, equal } from "../protocol/bytes.ts";
import { Malformed } from "../protocol/malformed.ts";
import type { Height } from "../protocol/units.ts";
import { bytesOf, hashOf, mostBlock, mostSmall, readable } from "./answers.ts";
import { badRequest } from "./electrum-line.ts";
import { ElectrumError, type ElectrumWire } from "./electrum-wire.ts";
import { genesisCoinbase } from "./genesis.ts";
import { SourceError } from "./source.ts";

/** Of a transaction in hexadecimal, with the line around it. */
export const mostTransaction = 2 * mostBlock + mostSmall;

/** Requests at a time. */
const abreast = 32;

/** Bytes that are no transaction have no id. */
const idOf = (bytes: Uint8Array): Uint8Array | undefined => {
  try {
    return txidIn(bytes, rangeOfTx(bytes));
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  }
};

export interface Place {
  readonly height: Height;
  readonly header: Uint8Array;
}

const positionMethod = "blockchain.transaction.id_from_pos";
const atFirst = z.object({ tx_hash: z.string(), merkle: z.array(z.string()).max(depthOf(maxTransactions)) });

/** No server has a code for a position behind the end. Where another reason stands behind it, the root is another. */
const idAt = async (wire: ElectrumWire, at: Height, position: number): Promise<string | undefined> => {
  try {
    return await wire.ask({ method: positionMethod, params: [at, position, false], result: z.string() });
  } catch (error) {
    if (error instanceof ElectrumError && error.code === badRequest) return undefined;
    throw error;
  }
};

const fetchById = async (wire: ElectrumWire, text: string): Promise<Uint8Array> => {
  const id = hashOf(text);
  const method = "blockchain.transaction.get";
  const call = { method, params: [readable(id), false], result: z.string(), most: mostTransaction };
  const bytes = bytesOf(await wire.ask(call));
  const own = idOf(bytes);
  if (own === undefined || !equal(own, id)) throw new SourceError("it answers with another transaction");
  return bytes;
};

const fetchAll = async (wire: ElectrumWire, at: Height): Promise<readonly Uint8Array[]> => {
  const first = await wire.ask({ method: positionMethod, params: [at, 0, true], result: atFirst });
  const transactions: Uint8Array[] = [];
  // The levels of the tree say how many there are at most.
  let end = Math.min(2 ** first.merkle.length, maxTransactions);
  let next = 0;
  let total = 0;

  const fetchNext = async (): Promise<void> => {
    while (next < end) {
      const position = next++;
      const text = position === 0 ? first.tx_hash : await idAt(wire, at, position);
      if (text === undefined) {
        end = Math.min(end, position);
        return;
      }
      const bytes = await fetchById(wire, text);
      total += bytes.length;
      if (total > mostBlock) throw new SourceError(`its block has more than ${mostBlock} bytes`);
      transactions[position] = bytes;
    }
  };

  try {
    await Promise.all(Array.from({ length: Math.min(abreast, end) }, fetchNext));
    return transactions.slice(0, end);
  } finally {
    // One that failed ends the others.
    end = 0;
  }
};

export const blockFrom = async (wire: ElectrumWire, { height, header }: Place): Promise<Uint8Array> => {
  const list = height === 0 ? [genesisCoinbase] : await fetchAll(wire, height);
  const block = concat(header, new Writer(9).size(list.length).take(), ...list);
  try {
    scanBlock(block, { outpoints: [], scripts: [] });
  } catch (error) {
    if (error instanceof Malformed) throw new SourceError("its transactions are not those of the block");
    throw error;
  }
  return block;
};
