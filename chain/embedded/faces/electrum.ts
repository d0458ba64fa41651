/** The embedded chain as an Electrum server shows one, in ElectrumX's words, over TCP or TLS. */

import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createSecureServer } from "node:tls";
import { z } from "zod";
import { branchOf } from "../../../protocol/bitcoin/merkle.ts";
import { fromHex, reversed, toHex } from "../../../protocol/bytes.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import { txid } from "../../../protocol/units.ts";
import { lines } from "../../lines.ts";
import type { EmbeddedChain } from "../chain.ts";
import { type Entry, entryFrom } from "../entry.ts";
import type { Served } from "./serve.ts";

export interface ElectrumFaceOptions {
  readonly chain: EmbeddedChain;
  readonly port?: number;
  /** TLS, with both in PEM. */
  readonly tls?: { readonly key: string; readonly certificate: string };
  /** Protocol 1.6; servers before it take single transactions alone. */
  readonly packages?: boolean;
}

class Failure extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const badRequest = 1;
const daemonError = 2;
const noSuchMethod = -32601;
const mostRequest = 16_000_000;
const headersAtOnce = 2016;

const readable = (bytes: Uint8Array): string => toHex(reversed(bytes));
const natural = z.number().int().min(0);
const positionShape = z.tuple([natural, natural, z.boolean().optional()]);
const rejected = (words: string, raw: string): Failure =>
  new Failure(badRequest, `the transaction was rejected by network rules.\n\n${words}\n[${raw}]`);

const entryOf = (text: string): Entry => {
  try {
    return entryFrom(fromHex(text));
  } catch (error) {
    if (error instanceof Malformed) throw rejected("TX decode failed", text);
    throw error;
  }
};

const missing = "bad-txns-inputs-missingorspent";

/** As a node does without an index of all transactions. */
const send = (chain: EmbeddedChain, text: string): string => {
  const entry = entryOf(text);
  const found = chain.transaction(entry.txid);
  if (found?.height !== undefined) {
    const isLeft = entry.tx.outputs.some(
      (_, index) => chain.output({ txid: entry.txid, index }) !== undefined,
    );
    throw rejected(isLeft ? "Transaction outputs already in utxo set" : missing, text);
  }
  const done = chain.publish([entry.raw]);
  if (done.is === "refused") throw rejected(done.reason, text);
  return readable(entry.txid);
};

const headersFrom = (chain: EmbeddedChain, start: number, count: number): readonly string[] => {
  const all: string[] = [];
  for (let at = start; all.length < Math.min(count, headersAtOnce); at++) {
    const block = chain.blockAt(at);
    if (block === undefined) break;
    all.push(toHex(block.header));
  }
  return all;
};

const tipOf = (chain: EmbeddedChain): unknown => {
  const { height } = chain.tip();
  return { height, hex: toHex(chain.blockAt(height)?.header ?? new Uint8Array()) };
};

type Method = (options: ElectrumFaceOptions, params: readonly unknown[]) => unknown;

const methods: Readonly<Record<string, Method>> = {
  "server.ping": () => null,
  "blockchain.headers.subscribe": ({ chain }) => tipOf(chain),
  "blockchain.block.header": ({ chain }, [at]) => {
    const block = chain.blockAt(natural.parse(at));
    if (block === undefined) throw new Failure(badRequest, `height ${at} out of range`);
    return toHex(block.header);
  },
  "blockchain.block.headers": ({ chain, packages = true }, [start, count]) => {
    const all = headersFrom(chain, natural.parse(start), natural.parse(count));
    const shown = packages ? { headers: all } : { hex: all.join("") };
    return { ...shown, count: all.length, max: headersAtOnce };
  },
  "blockchain.transaction.id_from_pos": ({ chain }, params) => {
    const [at, position, isProved = false] = positionShape.parse(params);
    const entries = chain.blockAt(at)?.entries ?? [];
    const entry = entries[position];
    if (entry === undefined)
      throw new Failure(badRequest, `no tx at position ${position} in block at height ${at}`);
    if (!isProved) return readable(entry.txid);
    const leaves = entries.map((one) => one.txid);
    return { tx_hash: readable(entry.txid), merkle: branchOf(leaves, position).map(readable) };
  },
  "blockchain.transaction.get": ({ chain }, [id]) => {
    const found = chain.transaction(txid(reversed(fromHex(z.string().length(64).parse(id)))));
    if (found === undefined)
      throw new Failure(
        daemonError,
        "daemon error: DaemonError({'code': -5, 'message': 'No such mempool or blockchain transaction.'})",
      );
    return toHex(found.raw);
  },
  "blockchain.transaction.broadcast": ({ chain }, [text]) => send(chain, z.string().parse(text)),
  "blockchain.transaction.broadcast_package": ({ chain, packages = true }, [texts]) => {
    if (!packages)
      throw new Failure(noSuchMethod, 'unknown method "blockchain.transaction.broadcast_package"');
    const entries = z.array(z.string()).min(1).max(25).parse(texts).map(entryOf);
    const isMined = entries.some((entry) => chain.transaction(entry.txid)?.height !== undefined);
    const done = isMined
      ? { is: "refused" as const, reason: "txn-already-known" }
      : chain.publish(entries.map(({ raw }) => raw));
    return done.is === "refused"
      ? { success: false, errors: [{ txid: "", error: done.reason }] }
      : { success: true };
  },
  "blockchain.estimatefee": ({ chain }) => {
    const suggested = chain.suggested();
    return suggested === undefined ? -1 : (suggested * 4) / 1e8;
  },
  "blockchain.relayfee": () => 0.00001,
};

const request = z.object({ method: z.string(), params: z.array(z.unknown()).default([]), id: natural });

const failureOf = (error: unknown): { readonly code: number; readonly message: string } =>
  error instanceof Failure
    ? { code: error.code, message: error.message }
    : { code: -32602, message: "invalid params" };

/** What one line is answered with. `server.version` comes first, and once. */
const answering = (options: ElectrumFaceOptions, write: (value: unknown) => void, end: () => void) => {
  const { chain, packages = true } = options;
  let isGreeted = false;
  let told: string | undefined;

  const greet = (): unknown => {
    if (isGreeted) throw new Failure(badRequest, "server.version already sent");
    isGreeted = true;
    return ["Embedded 1.0", packages ? "1.6" : "1.4"];
  };

  const call = (method: string, params: readonly unknown[]): unknown => {
    if (method === "server.version") return greet();
    const known = methods[method];
    if (known === undefined) throw new Failure(noSuchMethod, `unknown method "${method}"`);
    return known(options, params);
  };

  /** To whoever subscribed, before the answer to something else. */
  const notify = (method: string): void => {
    const tip = toHex(chain.tip().hash);
    if (told !== undefined && told !== tip)
      write({ jsonrpc: "2.0", method: "blockchain.headers.subscribe", params: [tipOf(chain)] });
    if (told !== undefined || method === "blockchain.headers.subscribe") told = tip;
  };

  return (line: Uint8Array): void => {
    const { id, method, params } = request.parse(JSON.parse(new TextDecoder().decode(line)));
    if (!isGreeted && method !== "server.version") {
      const message = "use server.version to identify client";
      write({ jsonrpc: "2.0", id, error: { code: badRequest, message } });
      end();
      return;
    }
    notify(method);
    try {
      write({ jsonrpc: "2.0", id, result: call(method, params) });
    } catch (error) {
      write({ jsonrpc: "2.0", id, error: failureOf(error) });
    }
  };
};

export const serveElectrum = async (options: ElectrumFaceOptions): Promise<Served> => {
  const open = new Set<Socket>();
  const serve = (socket: Socket): void => {
    open.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => open.delete(socket));
    socket.on("error", () => socket.destroy());
    const write = (value: unknown): void => void socket.write(`${JSON.stringify(value)}\n`);
    const line = answering(options, write, () => socket.end());
    const read = lines({ most: () => mostRequest, line });
    socket.on("data", (part: Buffer) => {
      try {
        read(part);
      } catch {
        socket.destroy();
      }
    });
  };
  const { tls, port = 0 } = options;
  const server: Server =
    tls === undefined
      ? createServer(serve)
      : createSecureServer({ key: tls.key, cert: tls.certificate }, serve);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `${tls === undefined ? "tcp" : "ssl"}://127.0.0.1:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
};
