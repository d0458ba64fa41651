/** The embedded chain as an Esplora index shows one. */

import { fromHex, reversed, toHex } from "../../../protocol/bytes.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import { txid } from "../../../protocol/units.ts";
import type { EmbeddedChain } from "../chain.ts";
import { entryFrom } from "../entry.ts";
import { type Answered, type Asked, type Served, serve } from "./serve.ts";

export interface EsploraFaceOptions {
  readonly chain: EmbeddedChain;
  readonly port?: number;
  /** Older ones take single transactions alone. */
  readonly packages?: boolean;
}

const readable = (bytes: Uint8Array): string => toHex(reversed(bytes));
const ok = (body: string | Uint8Array): Answered => ({ status: 200, body });
const none: Answered = { status: 404, body: "not found" };
const bad = (body: string): Answered => ({ status: 400, body });

const get = (chain: EmbeddedChain, path: string): Answered => {
  if (path === "/blocks/tip/height") return ok(String(chain.tip().height));
  if (path === "/blocks/tip/hash") return ok(readable(chain.tip().hash));
  if (path === "/fee-estimates") {
    const suggested = chain.suggested();
    const rates = suggested === undefined ? {} : { 1: suggested / 250, 6: suggested / 250, 144: 1 };
    return { ...ok(JSON.stringify(rates)), type: "application/json" };
  }
  const [, at] = /^\/block-height\/(\d+)$/.exec(path) ?? [];
  if (at !== undefined) {
    const block = chain.blockAt(Number(at));
    return block === undefined ? none : ok(readable(block.hash));
  }
  const [, hash, part] = /^\/block\/([0-9a-f]{64})\/(header|raw)$/.exec(path) ?? [];
  if (hash !== undefined) {
    const block = chain.block(reversed(fromHex(hash)));
    if (block === undefined) return none;
    return ok(part === "raw" ? block.raw : toHex(block.header));
  }
  const [, id] = /^\/tx\/([0-9a-f]{64})\/raw$/.exec(path) ?? [];
  const found = id === undefined ? undefined : chain.transaction(txid(reversed(fromHex(id))));
  return found === undefined ? none : ok(found.raw);
};

const post = ({ chain, packages = true }: EsploraFaceOptions, path: string, body: string): Answered => {
  if (path === "/tx") {
    const entry = entryFrom(fromHex(body));
    const done = chain.publish([entry.raw]);
    if (done.is === "accepted") return ok(readable(entry.txid));
    const [code, message] =
      done.is === "known" ? [-27, "Transaction outputs already in utxo set"] : [-26, done.reason];
    return bad(`sendrawtransaction RPC error: ${JSON.stringify({ code, message })}`);
  }
  if (path !== "/txs/package" || !packages) return none;
  const done = chain.publish((JSON.parse(body) as string[]).map(fromHex));
  const package_msg = done.is === "refused" ? "transaction failed" : "success";
  return { ...ok(JSON.stringify({ package_msg, "tx-results": {} })), type: "application/json" };
};

export const serveEsplora = (options: EsploraFaceOptions): Promise<Served> =>
  serve(({ method, path, body }: Asked): Answered => {
    if (method === "GET") return get(options.chain, path);
    try {
      return post(options, path, body);
    } catch (error) {
      if (error instanceof Malformed || error instanceof SyntaxError) return bad("invalid transaction");
      throw error;
    }
  }, options.port);
