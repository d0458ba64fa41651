/** Bitcoin Core as a source: JSON-RPC, and REST for whole blocks where it is switched on. */

import { z } from "zod";
import { toHex } from "../protocol/bytes.ts";
import { height } from "../protocol/units.ts";
import {
  bytesOf,
  checkedBlock,
  checkedHeader,
  feerateOf,
  hashOf,
  mostBlock,
  mostSmall,
  quoted,
  readable,
  txidsOf,
  undecodable,
} from "./answers.ts";
import { type Http, openHttp } from "./http.ts";
import { type Credentials, type Rpc, RpcError, rpcOver } from "./rpc.ts";
import { type BlockHash, type ChainSource, type Published, SourceError, type Tip } from "./source.ts";

export type { Credentials } from "./rpc.ts";

export interface BitcoindOptions {
  readonly url: string;
  readonly credentials: Credentials;
  /** Blocks come by REST (`-rest`): half the bytes, and no JSON around them. */
  readonly rest?: boolean;
  readonly timeoutMs?: number;
}

/** Bitcoin Core, rpc/protocol.h. */
const code = {
  misc: -1,
  notFound: -5,
  badParameter: -8,
  undecodable: -22,
  unverified: -25,
  rejected: -26,
  alreadyThere: -27,
  noSuchMethod: -32601,
} as const;

const hex = z.string().regex(/^[0-9a-f]*$/);
const hash = hex.length(64);

const chainInfo = z.object({ blocks: z.number().int().min(0).max(499_999_999), bestblockhash: hash });
/** BTC per 1000 virtual bytes. */
const estimate = z.object({ feerate: z.number().positive().optional() });
/** The older question's answer is the number alone, below zero where nothing is known. */
const oldEstimate = z.number();
const submitted = z.object({ package_msg: z.string() });

/** Undefined where the node says that there is none. */
const unless = async <T>(codes: readonly number[], asked: Promise<T>): Promise<T | undefined> => {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof RpcError && codes.includes(error.code)) return undefined;
    throw error;
  }
};

const blockByRest = async (http: Http, wanted: BlockHash): Promise<Uint8Array> => {
  const path = `/rest/block/${readable(wanted)}.bin`;
  const { status, body } = await http.ask({ method: "GET", path, most: mostBlock });
  if (status === 404) throw new SourceError("no such block, or REST is switched off");
  if (status !== 200) throw new SourceError(`it answers with status ${status}`);
  return body;
};

/** Other nodes with this interface lack some of it, and say the one or the other. */
const lacking = [code.noSuchMethod, code.misc];

/** What became of one transaction, or of a package as a whole. */
const publishing = (rpc: Rpc): ChainSource["publish"] => {
  const has = async (method: "getmempoolentry" | "getrawtransaction", id: string): Promise<boolean> =>
    (await unless(
      [code.notFound],
      rpc({ method, params: [id], result: z.unknown().transform(() => true), most: 2 * mostBlock }),
    )) ?? false;

  /** With an index of all transactions also in a block. */
  const isKnown = (id: string): Promise<boolean> => has("getrawtransaction", id);

  const isWaiting = async (id: string): Promise<boolean> =>
    (await unless(lacking, has("getmempoolentry", id))) ?? isKnown(id);

  const sendOne = async (bytes: Uint8Array, id: string): Promise<Published> => {
    if (await isWaiting(id)) return { is: "known" };
    try {
      // No limit on the fee: that is for whoever signed.
      const params = [toHex(bytes), 0];
      await rpc({ method: "sendrawtransaction", params, result: hash, most: mostSmall });
      return { is: "accepted" };
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (error.code === code.alreadyThere) return { is: "known" };
      if (error.code === code.unverified && (await isKnown(id))) return { is: "known" };
      if (error.code === code.undecodable || error.code === code.unverified || error.code === code.rejected)
        return { is: "refused", reason: quoted(error.message) };
      throw error;
    }
  };

  const sendEach = async (
    transactions: readonly Uint8Array[],
    ids: readonly string[],
  ): Promise<Published> => {
    let all: Published = { is: "known" };
    for (const [i, bytes] of transactions.entries()) {
      const one = await sendOne(bytes, ids[i] ?? "");
      if (one.is === "refused") return one;
      if (one.is === "accepted") all = one;
    }
    return all;
  };

  return async (transactions) => {
    const ids = txidsOf(transactions);
    if (ids === undefined) return undecodable;
    const left = await Promise.all(ids.map(async (id) => !(await isWaiting(id))));
    const fresh = transactions.filter((_, i) => left[i]);
    if (fresh.length === 0) return { is: "known" };
    if (fresh.length > 1) {
      const params = [fresh.map(toHex), 0];
      // Whatever it finds wrong with them as a package, each may still do alone; and older nodes know none.
      const done = await unless(
        [code.noSuchMethod, code.badParameter, code.undecodable, code.unverified, code.rejected],
        rpc({ method: "submitpackage", params, result: submitted, most: mostSmall }),
      );
      if (done?.package_msg === "success") return { is: "accepted" };
    }
    return sendEach(transactions, ids);
  };
};

/** A node's no where there should have been an answer. */
const asSourceError = (error: unknown): unknown => {
  if (!(error instanceof RpcError)) return error;
  if (error.code === code.notFound) return new SourceError("no such block");
  if (error.code === code.misc) return new SourceError("it does not have that block any more");
  return new SourceError(`it answers with error ${error.code}`);
};

export const bitcoind = ({ url, credentials, rest = false, timeoutMs }: BitcoindOptions): ChainSource => {
  const http = openHttp({ url, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  const rpc = rpcOver(http, credentials);
  const publish = publishing(rpc);

  const ask: Rpc = async (call) => {
    try {
      return await rpc(call);
    } catch (error) {
      throw asSourceError(error);
    }
  };

  const blockByRpc = async (wanted: BlockHash): Promise<Uint8Array> => {
    const most = 2 * mostBlock + mostSmall;
    return bytesOf(
      await ask({ method: "getblock", params: [readable(wanted), 0], result: z.string(), most }),
    );
  };

  const tip = async (): Promise<Tip> => {
    const call = { method: "getblockchaininfo", params: [], result: chainInfo, most: mostSmall };
    const { blocks, bestblockhash } = await ask(call);
    return { height: height(blocks), hash: hashOf(bestblockhash) };
  };

  /** BTC per 1000 virtual bytes. */
  const estimated = async (blocks: number): Promise<number | undefined> => {
    const params = [blocks];
    const smart = await unless(
      [code.noSuchMethod],
      rpc({ method: "estimatesmartfee", params, result: estimate, most: mostSmall }),
    );
    if (smart !== undefined) return smart.feerate;
    try {
      const old = await rpc({ method: "estimatefee", params, result: oldEstimate, most: mostSmall });
      return old > 0 ? old : undefined;
    } catch (error) {
      // For the same reason, too few blocks, each says another code.
      if (error instanceof RpcError) return undefined;
      throw error;
    }
  };

  return {
    name: `bitcoind at ${http.at}`,
    tip,
    hashAt: async (at) => {
      const call = { method: "getblockhash", params: [at], result: hash, most: mostSmall };
      try {
        const found = await unless([code.badParameter], rpc(call));
        return found === undefined ? undefined : hashOf(found);
      } catch (error) {
        if (error instanceof RpcError && error.code === code.misc && at > (await tip()).height)
          return undefined;
        throw asSourceError(error);
      }
    },
    header: async (wanted) => {
      const params = [readable(wanted), false];
      const found = await ask({ method: "getblockheader", params, result: hex, most: mostSmall });
      return checkedHeader(bytesOf(found), wanted);
    },
    block: async (wanted) =>
      checkedBlock(rest ? await blockByRest(http, wanted) : await blockByRpc(wanted), wanted),
    feerate: async (blocks) => {
      try {
        const rate = await estimated(Math.min(Math.max(Math.trunc(blocks), 1), 1008));
        return rate === undefined ? undefined : feerateOf(Math.round(rate * 1e8));
      } catch (error) {
        throw asSourceError(error);
      }
    },
    publish: async (transactions) => {
      try {
        return await publish(transactions);
      } catch (error) {
        throw asSourceError(error);
      }
    },
    close: async () => http.close(),
  };
};
