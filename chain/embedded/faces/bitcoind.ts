/** The embedded chain as Bitcoin Core shows its own: JSON-RPC with its codes and words, and REST for blocks. */

import { z } from "zod";
import { fromHex, reversed, toHex } from "../../../protocol/bytes.ts";
import { txid } from "../../../protocol/units.ts";
import type { Block, EmbeddedChain } from "../chain.ts";
import { type Entry, entryFrom } from "../entry.ts";
import { type Answered, type Asked, type Served, serve } from "./serve.ts";

export interface BitcoindFaceOptions {
  readonly chain: EmbeddedChain;
  readonly user: string;
  readonly password: string;
  readonly port?: number;
  /** A node before version 26 knows no packages. */
  readonly packages?: boolean;
  /** Another node with this interface: without some methods, and with codes of its own. */
  readonly like?: "btcd";
}

class Failure extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const readable = (bytes: Uint8Array): string => toHex(reversed(bytes));
const hash = z
  .string()
  .length(64)
  .transform((text) => reversed(fromHex(text)));

const blockOf = (chain: EmbeddedChain, wanted: unknown): Block => {
  const block = chain.block(hash.parse(wanted));
  if (block === undefined) throw new Failure(-5, "Block not found");
  return block;
};

const entryOf = (text: unknown): Entry => {
  try {
    return entryFrom(fromHex(z.string().parse(text)));
  } catch {
    throw new Failure(-22, "TX decode failed. Make sure the tx has at least one input.");
  }
};

const missing = "bad-txns-inputs-missingorspent";

const send = (chain: EmbeddedChain, text: unknown): string => {
  const entry = entryOf(text);
  const found = chain.transaction(entry.txid);
  if (found?.height !== undefined) {
    // A node without an index of all transactions knows one by what is left of it.
    const isLeft = entry.tx.outputs.some(
      (_, index) => chain.output({ txid: entry.txid, index }) !== undefined,
    );
    throw isLeft ? new Failure(-27, "Transaction outputs already in utxo set") : new Failure(-25, missing);
  }
  const done = chain.publish([entry.raw]);
  if (done.is === "refused") throw new Failure(done.reason === missing ? -25 : -26, done.reason);
  return readable(entry.txid);
};

const submit = (chain: EmbeddedChain, texts: unknown): unknown => {
  const entries = z.array(z.string()).min(1).max(25).parse(texts).map(entryOf);
  // A node finds no package in what is partly in blocks.
  const isMined = entries.some(({ txid }) => chain.transaction(txid)?.height !== undefined);
  const done = isMined
    ? { is: "refused" as const, reason: "txn-already-known" }
    : chain.publish(entries.map(({ raw }) => raw));
  const error = done.is === "refused" ? { error: done.reason } : {};
  return {
    package_msg: done.is === "refused" ? "transaction failed" : "success",
    "tx-results": Object.fromEntries(
      entries.map((entry) => [readable(entry.wtxid), { txid: readable(entry.txid), ...error }]),
    ),
    "replaced-transactions": [],
  };
};

const outOfRange = -8;

type Method = (chain: EmbeddedChain, params: readonly unknown[]) => unknown;

const methods: Readonly<Record<string, Method>> = {
  getblockchaininfo: (chain) => {
    const { height, hash: best } = chain.tip();
    const [blocks, bestblockhash] = [height, readable(best)];
    return { chain: "regtest", blocks, headers: blocks, bestblockhash, initialblockdownload: false };
  },
  estimatefee: (chain) => {
    const suggested = chain.suggested();
    if (suggested === undefined) throw new Failure(-32600, "Invalid request: malformed");
    return (suggested * 4) / 1e8;
  },
  getblockcount: (chain) => chain.tip().height,
  getbestblockhash: (chain) => readable(chain.tip().hash),
  getblockhash: (chain, [at]) => {
    const block = chain.blockAt(z.number().int().parse(at));
    if (block === undefined) throw new Failure(outOfRange, "Block height out of range");
    return readable(block.hash);
  },
  getblockheader: (chain, [wanted]) => toHex(blockOf(chain, wanted).header),
  getblock: (chain, [wanted]) => toHex(blockOf(chain, wanted).raw),
  estimatesmartfee: (chain, [blocks]) => {
    const suggested = chain.suggested();
    // Per 1000 weight units there, per 1000 virtual bytes and in BTC here.
    return suggested === undefined
      ? { errors: ["Insufficient data or no feerate found"], blocks }
      : { feerate: (suggested * 4) / 1e8, blocks };
  },
  sendrawtransaction: (chain, [text]) => send(chain, text),
  submitpackage: (chain, [texts]) => submit(chain, texts),
  getmempoolentry: (chain, [id]) => {
    const found = chain.pool().find((one) => readable(one.txid) === id);
    if (found === undefined) throw new Failure(-5, "Transaction not in mempool");
    return { vsize: Math.ceil(found.weight / 4), weight: found.weight };
  },
  getrawtransaction: (chain, [id]) => {
    const found = chain.transaction(txid(hash.parse(id)));
    if (found === undefined) throw new Failure(-5, "No such mempool or blockchain transaction.");
    return toHex(found.raw);
  },
};

const request = z.object({ method: z.string(), params: z.array(z.unknown()), id: z.unknown() });

const answerOf = (status: number, result: unknown, error: unknown, id: unknown): Answered => ({
  status,
  type: "application/json",
  body: JSON.stringify({ result, error, id }),
});

/** What the one has and the other has not. */
const lacking: Readonly<Record<"core" | "btcd", readonly string[]>> = {
  core: ["estimatefee"],
  btcd: ["estimatesmartfee"],
};

const call = ({ chain, packages = true, like }: BitcoindFaceOptions, body: string): Answered => {
  let id: unknown = null;
  try {
    const { method, params, id: given } = request.parse(JSON.parse(body));
    id = given;
    if (like === "btcd" && method === "getmempoolentry") throw new Failure(-1, "Command unimplemented");
    const isLacking = method === "submitpackage" ? !packages : lacking[like ?? "core"].includes(method);
    const known = isLacking ? undefined : methods[method];
    if (known === undefined) return answerOf(404, null, { code: -32601, message: "Method not found" }, id);
    return answerOf(200, known(chain, params), null, id);
  } catch (error) {
    const [code, message] =
      error instanceof Failure ? [error.code, error.message] : [-32600, "Invalid request"];
    if (code === outOfRange && like === "btcd") return answerOf(200, null, { code: -1, message }, id);
    return answerOf(500, null, { code, message }, id);
  }
};

const rest = ({ chain }: BitcoindFaceOptions, path: string): Answered => {
  const [, wanted] = /^\/rest\/block\/([0-9a-f]{64})\.bin$/.exec(path) ?? [];
  const block = wanted === undefined ? undefined : chain.block(reversed(fromHex(wanted)));
  if (block === undefined) return { status: 404, body: "not found\r\n" };
  return { status: 200, body: block.raw, type: "application/octet-stream" };
};

export const serveBitcoind = (options: BitcoindFaceOptions): Promise<Served> => {
  const expected = `Basic ${Buffer.from(`${options.user}:${options.password}`).toString("base64")}`;
  return serve(({ method, path, authorization, body }: Asked): Answered => {
    if (method === "GET") return rest(options, path);
    if (authorization !== expected) return { status: 401, body: "" };
    return call(options, body);
  }, options.port);
};
