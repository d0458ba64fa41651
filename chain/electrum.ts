/**
 * An Electrum server as a source: electrs, Fulcrum or ElectrumX, of one's own. The protocol (1.4) has no whole blocks
 * and asks by height alone: blocks are put together, and heights of hashes remembered.
 */

import { z } from "zod";
import { headerLength } from "../protocol/bitcoin/header.ts";
import { equal, toHex } from "../protocol/bytes.ts";
import { doubleSha256 } from "../protocol/hash.ts";
import { type Height, height } from "../protocol/units.ts";
import { bytesOf, feerateOf } from "./answers.ts";
import { blockFrom, type Place } from "./electrum-block.ts";
import { publishing } from "./electrum-publish.ts";
import {
  ElectrumError,
  type ElectrumWire,
  type ElectrumWireOptions,
  openElectrumWire,
} from "./electrum-wire.ts";
import { recent } from "./recent.ts";
import { type BlockHash, type ChainSource, SourceError, type Tip } from "./source.ts";

export type ElectrumOptions = ElectrumWireOptions;

/** One more than an observer remembers hashes would do; headers with their hashes take 4 MB. */
const mostPlaces = 20_000;
/** A block that is put together anew costs thousands of questions. */
const mostKept = 8_000_000;
/** What servers give at a time. */
const headersAtOnce = 2016;
const mostHeaders = 2 * headerLength * headersAtOnce + 1_000;

const tipShape = z.object({ hex: z.string(), height: z.number().int().min(0).max(499_999_999) });
/** Since 1.6 a list. */
const headersShape = z.union([
  z.object({ hex: z.string() }).transform(({ hex }) => hex),
  z.object({ headers: z.array(z.string()).max(headersAtOnce) }).transform(({ headers }) => headers.join("")),
]);

/** BTC per 1000 virtual bytes; below zero where nothing is known. */
const rate = z.number();

const headerOf = (text: string): Uint8Array => {
  const header = bytesOf(text);
  if (header.length !== headerLength) throw new SourceError("it answers with what is no header");
  return header;
};

/** A server's no where there should have been an answer. */
export const asSourceError = (error: unknown): unknown =>
  error instanceof ElectrumError ? new SourceError(error.told) : error;

/** By hash, the longest unused forgotten first. */
const openPlaces = () => {
  const known = new Map<string, Place>();
  return {
    learn: (at: Height, header: Uint8Array): BlockHash => {
      const hash = doubleSha256(header);
      const name = toHex(hash);
      known.delete(name);
      known.set(name, { height: at, header });
      const [oldest] = known.keys();
      if (known.size > mostPlaces && oldest !== undefined) known.delete(oldest);
      return hash;
    },
    of: (hash: BlockHash): Place | undefined => known.get(toHex(hash)),
  };
};

const chainOver = (wire: ElectrumWire) => {
  const places = openPlaces();

  const tip = async (): Promise<Tip> => {
    const method = "blockchain.headers.subscribe";
    const said = await wire.ask({ method, params: [], result: tipShape });
    const at = height(said.height);
    return { height: at, hash: places.learn(at, headerOf(said.hex)) };
  };

  const hashAt = async (at: Height): Promise<BlockHash | undefined> => {
    try {
      const text = await wire.ask({ method: "blockchain.block.header", params: [at], result: z.string() });
      return places.learn(at, headerOf(text));
    } catch (error) {
      // No server has a code for it alone.
      if (error instanceof ElectrumError && at > (await tip()).height) return undefined;
      throw error;
    }
  };

  /** After a start: somebody remembers a hash that was never asked for here. */
  const lookBack = async (): Promise<void> => {
    const { height: top } = await tip();
    const first = Math.max(0, top + 1 - headersAtOnce);
    const text = await wire.ask({
      ...{ method: "blockchain.block.headers", params: [first, headersAtOnce] },
      ...{ result: headersShape, most: mostHeaders + 4 * headersAtOnce },
    });
    const headers = bytesOf(text);
    if (headers.length % headerLength !== 0 || headers.length > headersAtOnce * headerLength)
      throw new SourceError("it answers with what are no headers");
    for (let i = 0; i < headers.length / headerLength; i++)
      places.learn(height(first + i), headers.slice(i * headerLength, (i + 1) * headerLength));
  };

  const placeOf = async (hash: BlockHash): Promise<Place> => {
    if (places.of(hash) === undefined) await lookBack();
    const place = places.of(hash);
    if (place === undefined) throw new SourceError("no such block");
    return place;
  };

  const fetchBlock = async (hash: BlockHash): Promise<Uint8Array> => {
    const place = await placeOf(hash);
    const there = await hashAt(place.height);
    if (there === undefined || !equal(there, hash))
      throw new SourceError("it does not have that block any more");
    return blockFrom(wire, place);
  };

  /** One at a time: each has its many questions under way. */
  let last: Promise<unknown> = Promise.resolve();
  const blocks = recent<BlockHash, Uint8Array>({
    fetch: (hash) => {
      const fetched = last.then(() => fetchBlock(hash));
      last = fetched.catch(() => {});
      return fetched;
    },
    nameOf: toHex,
    sizeOf: ({ length }) => length,
    most: mostKept,
  });

  return {
    tip,
    hashAt,
    header: async (hash: BlockHash) => (await placeOf(hash)).header.slice(),
    block: async (hash: BlockHash) => (await blocks.get(hash)).slice(),
  };
};

export const electrum = (options: ElectrumOptions): ChainSource => {
  const wire = openElectrumWire(options);
  const { tip, hashAt, header, block } = chainOver(wire);
  const publish = publishing(wire);

  const telling =
    <A extends readonly unknown[], T>(action: (...given: A) => Promise<T>): ((...given: A) => Promise<T>) =>
    async (...given) => {
      try {
        return await action(...given);
      } catch (error) {
        throw asSourceError(error);
      }
    };

  return {
    name: `electrum at ${wire.at}`,
    tip: telling(tip),
    hashAt: telling(hashAt),
    header: telling(header),
    block: telling(block),
    feerate: telling(async (blocks) => {
      const within = Math.min(Math.max(Math.trunc(blocks), 1), 1008);
      const said = await wire.ask({ method: "blockchain.estimatefee", params: [within], result: rate });
      return said > 0 ? feerateOf(Math.round(said * 1e8)) : undefined;
    }),
    publish: telling(publish),
    close: async () => wire.close(),
  };
};
