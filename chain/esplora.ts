/** Esplora's HTTP interface as a source: an index of one's own, or somebody's on the internet. */

import { z } from "zod";
import { toHex } from "../protocol/bytes.ts";
import type { Height } from "../protocol/units.ts";
import {
  bytesOf,
  checkedBlock,
  checkedHeader,
  feerateOf,
  hashOf,
  heightIn,
  json,
  mostBlock,
  mostSmall,
  quoted,
  readable,
  textOf,
  txidsOf,
  undecodable,
} from "./answers.ts";
import { type Http, openHttp } from "./http.ts";
import { type BlockHash, type ChainSource, type Published, SourceError } from "./source.ts";

export interface EsploraOptions {
  /** With its path: "https://blockstream.info/api". */
  readonly url: string;
  readonly timeoutMs?: number;
}

/** Undefined where it says that there is no such thing. */
const get = async (http: Http, path: string, most = mostSmall): Promise<Uint8Array | undefined> => {
  const { status, body } = await http.ask({ method: "GET", path, most });
  if (status === 404) return undefined;
  if (status !== 200) throw new SourceError(`it answers with status ${status}`);
  return body;
};

const must = async (asked: Promise<Uint8Array | undefined>, what: string): Promise<Uint8Array> => {
  const body = await asked;
  if (body === undefined) throw new SourceError(`no such ${what}`);
  return body;
};

const line = (body: Uint8Array): string => textOf(body).trim();

/** Satoshi per virtual byte, by the number of blocks. */
const estimates = z.record(z.string().regex(/^[1-9]\d{0,4}$/), z.number().positive());

const perVbyte = (rates: z.infer<typeof estimates>, blocks: number): number | undefined => {
  const targets = Object.keys(rates)
    .map(Number)
    .sort((a, b) => a - b);
  // The slowest of those that are fast enough; where none is, the fastest there is.
  const target = targets.findLast((one) => one <= blocks) ?? targets[0];
  return target === undefined ? undefined : rates[String(target)];
};

const submitted = z.object({ package_msg: z.string() });

/** Bitcoin Core's codes, in the words that the index passes on. */
const alreadyThere = /"code":\s*-27\b|error -27\b|already in (block chain|utxo set)|txn-already-known/;

const publishing = (http: Http): ChainSource["publish"] => {
  /** In the pool or in a block. */
  const isThere = async (id: string): Promise<boolean> =>
    (await get(http, `/tx/${id}/raw`, mostBlock)) !== undefined;

  const sendOne = async (bytes: Uint8Array): Promise<Published> => {
    const { status, body } = await http.ask({
      method: "POST",
      path: "/tx",
      headers: { "content-type": "text/plain" },
      body: toHex(bytes),
      most: mostSmall,
    });
    if (status === 200) {
      hashOf(line(body));
      return { is: "accepted" };
    }
    if (status !== 400) throw new SourceError(`it answers with status ${status}`);
    const words = line(body);
    return alreadyThere.test(words) ? { is: "known" } : { is: "refused", reason: quoted(words) };
  };

  const sendEach = async (transactions: readonly Uint8Array[]): Promise<Published> => {
    let all: Published = { is: "known" };
    for (const bytes of transactions) {
      const one = await sendOne(bytes);
      if (one.is === "refused") return one;
      if (one.is === "accepted") all = one;
    }
    return all;
  };

  /** An index without packages does not know the address. */
  const sendPackage = async (transactions: readonly Uint8Array[]): Promise<boolean> => {
    const { status, body } = await http.ask({
      method: "POST",
      path: "/txs/package",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(transactions.map(toHex)),
      most: mostSmall,
    });
    return status === 200 && json(body, submitted).package_msg === "success";
  };

  return async (transactions) => {
    const ids = txidsOf(transactions);
    if (ids === undefined) return undecodable;
    const left = await Promise.all(ids.map(async (id) => !(await isThere(id))));
    const fresh = transactions.filter((_, i) => left[i]);
    if (fresh.length > 1 && (await sendPackage(fresh))) return { is: "accepted" };
    return sendEach(fresh);
  };
};

export const esplora = ({ url, timeoutMs }: EsploraOptions): ChainSource => {
  const http = openHttp({ url, ...(timeoutMs === undefined ? {} : { timeoutMs }) });

  const hashAt = async (at: Height): Promise<BlockHash | undefined> => {
    const body = await get(http, `/block-height/${at}`);
    return body === undefined ? undefined : hashOf(line(body));
  };

  return {
    name: `esplora at ${http.at}`,
    tip: async () => {
      const at = heightIn(line(await must(get(http, "/blocks/tip/height"), "tip")));
      const hash = await hashAt(at);
      // Between the two questions its chain became shorter.
      if (hash === undefined) throw new SourceError("it does not know its own tip");
      return { height: at, hash };
    },
    hashAt,
    header: async (hash) => {
      const body = await must(get(http, `/block/${readable(hash)}/header`), "block");
      return checkedHeader(bytesOf(line(body)), hash);
    },
    block: async (hash) =>
      checkedBlock(await must(get(http, `/block/${readable(hash)}/raw`, mostBlock), "block"), hash),
    feerate: async (blocks) => {
      const rate = perVbyte(json(await must(get(http, "/fee-estimates"), "estimates"), estimates), blocks);
      return rate === undefined ? undefined : feerateOf(Math.round(rate * 1000));
    },
    publish: publishing(http),
    close: async () => http.close(),
  };
};
