/** What is an Electrum source's own: whole blocks from single transactions, hashes for heights, TLS. */

import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { electrum } from "../../chain/electrum.ts";
import { type EmbeddedChain, openChain } from "../../chain/embedded/chain.ts";
import { serveElectrum } from "../../chain/embedded/faces/electrum.ts";
import { lines } from "../../chain/lines.ts";
import { observe } from "../../chain/observe.ts";
import type { Follower } from "../../chain/observer.ts";
import { type ChainSource, SourceError, type Tip } from "../../chain/source.ts";
import { decodeHeader } from "../../protocol/bitcoin/header.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { height, type Outpoint } from "../../protocol/units.ts";
import { first, made, shore, subsidy } from "../unit/chain-embedded.kit.ts";
import { type AskedLine, greeting, openings, result, say } from "./electrum.kit.ts";

const { listen, source: opened, later, closeAll } = openings();
afterEach(closeAll);

const faceOf = async (chain: EmbeddedChain, packages = true): Promise<ChainSource> => {
  const served = await serveElectrum({ chain, packages });
  later(served.close);
  return opened(served.url);
};

/** A chain of transactions, each of which spends the one before. */
const chained = (from: Outpoint, count: number): readonly Uint8Array[] => {
  const all: Uint8Array[] = [];
  let at = from;
  for (let i = 1; i <= count; i++) {
    const tx = made({ inputs: [at], outputs: [subsidy - 1000n * BigInt(i)] });
    all.push(tx.raw);
    at = first(tx.outputs);
  }
  return all;
};

/** The embedded chain by another server, which changes some answers. */
const tampered = async (
  chain: EmbeddedChain,
  change: (asked: AskedLine, value: unknown) => unknown,
): Promise<ChainSource> => {
  const honest = await serveElectrum({ chain });
  later(honest.close);
  const { url } = await listen((asked, socket) => {
    const behind = connect({ host: "127.0.0.1", port: Number(new URL(honest.url).port), noDelay: true });
    const read = lines({
      most: () => 20_000_000,
      line: (bytes) => {
        const said = JSON.parse(new TextDecoder().decode(bytes)) as { id: number; result?: unknown };
        if (said.id !== asked.id) return;
        behind.destroy();
        const value = change(asked, said.result);
        if (value === undefined) say(socket, { ...said, id: asked.id });
        else if (value instanceof Error)
          say(socket, { id: asked.id, error: { code: 1, message: value.message } });
        else result(socket, asked, value);
      },
    });
    behind.on("data", read);
    if (asked.method !== "server.version")
      say(behind, { id: 1_000_000, method: "server.version", params: ["t", "1.4"] });
    say(behind, asked);
  });
  return opened(url);
};

describe("a block", () => {
  test("of many transactions is put together in their order, once", async () => {
    const { chain, funds } = shore(2);
    for (const raw of chained(first(funds), 70)) chain.publish([raw]);
    const [block] = chain.mine(1);
    if (block === undefined) throw new Error("no block");
    expect(block.entries).toHaveLength(71);
    let asked = 0;
    const source = await tampered(chain, ({ method }) => {
      if (method === "blockchain.transaction.get") asked++;
      return undefined;
    });
    await source.tip();
    expect(toHex(await source.block(block.hash))).toBe(toHex(block.raw));
    const again = await source.block(block.hash);
    expect(toHex(again)).toBe(toHex(block.raw));
    expect(asked).toBe(71);
    // Nobody shares the source's copy.
    again.fill(0);
    expect(toHex(await source.block(block.hash))).toBe(toHex(block.raw));
  }, 30_000);

  const threeOf = () => {
    const { chain, funds } = shore(2);
    for (const raw of chained(first(funds), 2)) chain.publish([raw]);
    chain.mine(1);
    const { hash, entries } = chain.blockAt(chain.tip().height) ?? {};
    if (hash === undefined || entries?.length !== 3) throw new Error("no block of three");
    return { chain, hash, ids: entries.map(({ txid }) => toHex(Uint8Array.from(txid).reverse())) };
  };
  const isPosition = ({ method }: AskedLine): boolean => method === "blockchain.transaction.id_from_pos";

  test.each([
    ["without its last", ({ params: [, at] }: AskedLine) => (at === 2 ? new Error("none") : undefined)],
    // CVE-2012-2459: the last of three stands for itself twice, and the root is the same.
    [
      "with its last twice",
      ({ params: [, at] }: AskedLine, _: unknown, ids: readonly string[]) => (at === 3 ? ids[2] : undefined),
    ],
    [
      "in another order",
      ({ params: [, at] }: AskedLine, _: unknown, ids: readonly string[]) =>
        at === 1 ? ids[2] : at === 2 ? ids[1] : undefined,
    ],
    [
      "whose tree is shorter",
      (_: AskedLine, value: unknown) => (typeof value === "object" ? { ...value, merkle: [] } : undefined),
    ],
    [
      "without an end",
      ({ params: [, at] }: AskedLine, value: unknown, ids: readonly string[]) =>
        at === 0 ? { ...(value as object), merkle: new Array(8).fill("00") } : (ids[Number(at)] ?? ids[1]),
    ],
  ] as const)(
    "%s is none",
    async (_, change) => {
      const { chain, hash, ids } = threeOf();
      const source = await tampered(chain, (asked, value) =>
        isPosition(asked) ? change(asked, value, ids) : undefined,
      );
      await source.tip();
      const error: unknown = await source.block(hash).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(SourceError);
      expect(String(error)).toMatch(/not those of the block|more than \d+ bytes|can't be reached/);
    },
    60_000,
  );

  test("with another transaction, or with another witness, is none", async () => {
    const { chain, hash } = threeOf();
    let from = "";
    let to = "";
    const source = await tampered(chain, ({ method }, value) =>
      method === "blockchain.transaction.get" && typeof value === "string"
        ? value.replace(from, to)
        : undefined,
    );
    await source.tip();
    // The version of each, then the witness that anyone may show.
    [from, to] = ["02000000", "03000000"];
    await expect(source.block(hash)).rejects.toThrow("another transaction");
    [from, to] = ["010151", "010152"];
    await expect(source.block(hash)).rejects.toThrow("not those of the block");
    [from, to] = ["", "0"];
    await expect(source.block(hash)).rejects.toThrow("no hexadecimal");
    [from, to] = ["", ""];
    expect(equal(await source.block(hash), chain.block(hash)?.raw ?? new Uint8Array())).toBe(true);
  });

  test("that was taken away while it was put together is none, and the next look finds the others", async () => {
    const { chain, hash } = threeOf();
    let isDone = false;
    const source = await tampered(chain, (asked) => {
      if (isPosition(asked) && asked.params[1] === 1 && !isDone) {
        isDone = true;
        chain.reorganise(1, 2, { empty: true });
      }
      return undefined;
    });
    await source.tip();
    await expect(source.block(hash)).rejects.toThrow(SourceError);
    await expect(source.block(hash)).rejects.toThrow("does not have that block any more");
    const tip = await source.tip();
    expect(tip).toEqual(chain.tip());
    expect(equal(await source.block(tip.hash), chain.block(tip.hash)?.raw ?? new Uint8Array())).toBe(true);
  });
});

describe("a hash that was never asked for here", () => {
  test("is found among the last headers, and elsewhere it is not", async () => {
    for (const packages of [true, false]) {
      const { chain } = shore(2);
      const source = await faceOf(chain, packages);
      const { hash, header, raw } = chain.blockAt(50) ?? {};
      if (hash === undefined || header === undefined) throw new Error("no block");
      expect(await source.header(hash)).toEqual(header);
      expect(await source.block(hash)).toEqual(raw);
      await expect(source.header(new Uint8Array(32))).rejects.toThrow("no such block");
    }
  });
});

test("a no below the tip is trouble, and above it the end of the chain", async () => {
  const { chain } = shore(2);
  const source = await tampered(chain, ({ method }) =>
    method === "blockchain.block.header" ? new Error("busy") : undefined,
  );
  await expect(source.hashAt(height(5))).rejects.toThrow("it answers with error 1: busy");
  expect(await source.hashAt(height(102))).toBeUndefined();
});

describe("followers", () => {
  const walker = (start: Tip): Follower & { readonly told: number[] } => {
    let at = start;
    const told: number[] = [];
    return {
      told,
      at: () => at,
      connected: async (block) => {
        told.push(block.height);
        at = { height: block.height, hash: block.hash };
      },
      disconnected: async (block) => {
        told.push(-block.height);
        at = { height: height(block.height - 1), hash: decodeHeader(block.header).previous };
      },
    };
  };
  const tipAt = (chain: EmbeddedChain, at: number): Tip => ({
    height: height(at),
    hash: chain.blockAt(at)?.hash ?? new Uint8Array(),
  });

  test("of one connection each go their way, through a reorganisation", async () => {
    const { chain } = shore(2);
    const source = await faceOf(chain);
    const observer = observe({ source, everyMs: 1_000_000 });
    const all = [10, 60, 100].map((at) => walker(tipAt(chain, at)));
    const followings = all.map((one) => observer.follow(one));
    for (const one of followings) expect(await one.caughtUp()).toEqual(chain.tip());
    chain.reorganise(3, 4);
    for (const one of followings) expect(await one.caughtUp()).toEqual(chain.tip());
    await observer.close();
    for (const { told } of all) expect(told.slice(-7)).toEqual([-101, -100, -99, 99, 100, 101, 102]);
  });

  test("that slept through a reorganisation are led back by the headers that they keep", async () => {
    const { chain } = shore(2);
    const old = tipAt(chain, 101);
    const kept = new Map([100, 101].map((at) => [toHex(tipAt(chain, at).hash), chain.blockAt(at)?.header]));
    chain.reorganise(2, 3);
    const source = await faceOf(chain);
    const observer = observe({ source, everyMs: 1_000_000 });
    const awake = { ...walker(old), header: (hash: Uint8Array) => kept.get(toHex(hash)) };
    expect(await observer.follow(awake).caughtUp()).toEqual(chain.tip());
    expect(awake.told).toEqual([-101, -100, 100, 101, 102]);
    await observer.close();
  });
});

describe("publishing", () => {
  const answering = (answer: (asked: AskedLine) => unknown) =>
    listen(
      greeting((asked, socket) => {
        const said = answer(asked);
        if (said instanceof Error)
          say(socket, {
            id: asked.id,
            error: { code: (said as { code?: number }).code, message: said.message },
          });
        else if (typeof said === "object" && said !== null && "words" in said)
          say(socket, { id: asked.id, error: (said as { words: string }).words });
        else result(socket, asked, said);
      }),
    );
  const failure = (code: number, message: string) => Object.assign(new Error(message), { code });
  const tx = made({ inputs: [{ txid: made({ inputs: [], outputs: [1n] }).txid, index: 0 }], outputs: [1n] });
  const id = toHex(Uint8Array.from(tx.txid).reverse());

  // As the servers' sources have them.
  test.each([
    ["electrs", failure(2, "Transaction outputs already in utxo set"), { is: "known" }],
    ["electrs", failure(2, "txn-mempool-conflict"), { is: "refused", reason: "txn-mempool-conflict" }],
    [
      "ElectrumX",
      failure(1, "the transaction was rejected by network rules.\n\nmin relay fee not met, 0 < 110\n[0200]"),
      { is: "refused", reason: "min relay fee not met, 0 < 110" },
    ],
    [
      "Fulcrum",
      failure(1, "the transaction was rejected by network rules.\n\nbad-txns-inputs-missingorspent\n"),
      { is: "refused", reason: "bad-txns-inputs-missingorspent" },
    ],
    [
      "Fulcrum",
      failure(1, "the transaction was rejected by network rules.\n\nTransaction already in block chain\n"),
      { is: "known" },
    ],
    [
      "Blockstream's electrs",
      { words: 'sendrawtransaction RPC error: {"code":-26,"message":"dust"}' },
      { is: "refused", reason: 'sendrawtransaction RPC error: {"code":-26,"message":"dust"}' },
    ],
    [
      "Blockstream's electrs",
      { words: 'sendrawtransaction RPC error: {"code":-27,"message":""}' },
      { is: "known" },
    ],
  ])("%s says %o", async (_, said, expected) => {
    const { url } = await answering(({ method }) =>
      method === "blockchain.transaction.get"
        ? failure(2, "No such mempool or blockchain transaction.")
        : said,
    );
    expect(await opened(url).publish([tx.raw])).toEqual(expected);
  });

  test.each([
    failure(-101, "excessive resource usage"),
    failure(-32603, "unavailable index"),
    failure(1, "failed to broadcast transaction: connection refused"),
  ])("%o is no verdict", async (said) => {
    const { url } = await answering(() => said);
    await expect(opened(url).publish([tx.raw])).rejects.toThrow(`error ${said.code}: ${said.message}`);
  });

  test("what came into a block between two questions is known", async () => {
    let gets = 0;
    const { url } = await answering(({ method }) => {
      if (method === "blockchain.transaction.get") return gets++ === 0 ? failure(2, "none") : toHex(tx.raw);
      return failure(2, "bad-txns-inputs-missingorspent");
    });
    expect(await opened(url).publish([tx.raw])).toEqual({ is: "known" });
    expect(gets).toBe(2);
  });

  test("without packages goes one by one, and the reason says so", async () => {
    const { chain, funds } = shore(2);
    const source = await faceOf(chain, false);
    const parent = made({ inputs: [first(funds)], outputs: [subsidy - 240n, 240n], version: 3 });
    const child = made({ inputs: parent.outputs, outputs: [subsidy - 1000n], version: 3 });
    expect(await source.publish([parent.raw, child.raw])).toEqual({
      is: "refused",
      reason: "min relay fee not met (the server takes no packages: each was sent alone)",
    });
    const sent: unknown[] = [];
    const { url } = await answering(({ method, params }) => {
      if (method === "blockchain.transaction.get") return failure(2, "none");
      if (method !== "blockchain.transaction.broadcast") return failure(-32601, "unknown method");
      sent.push(params[0]);
      return id;
    });
    expect(await opened(url).publish([parent.raw, child.raw])).toEqual({ is: "accepted" });
    expect(sent).toEqual([toHex(parent.raw), toHex(child.raw)]);
  });
});

describe("TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "countersign-electrum-"));
  const at = (name: string): string => join(folder, name);
  const read = (name: string): string => readFileSync(at(name), "utf8");
  const openssl = (...args: readonly string[]): void => {
    execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  };
  const selfSigned = (name: string, ...more: readonly string[]): void =>
    openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2", "-subj", `/CN=${name}`, ...more],
    );
  const issued = (name: string, names: string): void => {
    openssl(
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`],
      ...["-addext", `subjectAltName=${names}`],
    );
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "authority.pem", "-CAkey", "authority.key"],
      ...["-out", `${name}.pem`, "-days", "2", "-copy_extensions", "copy", "-CAcreateserial"],
    );
  };
  beforeAll(() => {
    selfSigned("plain");
    selfSigned("other");
    selfSigned("authority", "-addext", "keyUsage=critical,keyCertSign");
    issued("local", "IP:127.0.0.1,DNS:localhost");
    issued("elsewhere", "DNS:electrum.example");
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const asked = async (server: string, pinned: readonly string[], host = "127.0.0.1") => {
    const chain = openChain();
    const tls = { key: read(`${server}.key`), certificate: read(`${server}.pem`) };
    const served = await serveElectrum({ chain, tls });
    later(served.close);
    const pems = pinned.map((one) => read(`${one}.pem`));
    const source = electrum({
      url: served.url.replace("127.0.0.1", host),
      ...(pems.length === 0
        ? {}
        : { pinned: { pem: pems.join(""), certificates: pems.map((pem) => new X509Certificate(pem).raw) } }),
    });
    later(() => source.close());
    return (await source.tip()).height;
  };

  test.each([
    ["its own certificate, whatever its name", "plain", ["plain"], "127.0.0.1"],
    ["one of several", "plain", ["other", "plain"], "127.0.0.1"],
    ["its authority's, and the address", "local", ["authority"], "127.0.0.1"],
    ["its authority's, and the name", "local", ["authority"], "localhost"],
    ["its own, which another signed", "elsewhere", ["elsewhere"], "127.0.0.1"],
  ])("is trusted for %s", async (_, server, pinned, host) => {
    expect(await asked(server, pinned, host)).toBe(0);
  });

  test.each([
    ["nothing", "plain", [], "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["another's certificate", "plain", ["other"], "DEPTH_ZERO_SELF_SIGNED_CERT"],
    ["its authority's, under another name", "elsewhere", ["authority"], "ERR_TLS_CERT_ALTNAME_INVALID"],
    ["another authority's", "local", ["other"], "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
  ])("is not trusted for %s", async (_, server, pinned, reason) => {
    await expect(asked(server, pinned)).rejects.toThrow(`it can't be reached (${reason})`);
  });

  test("and what is none do not understand each other, and say so", async () => {
    const { url } = await listen(greeting(() => {}));
    await expect(opened(url.replace("tcp:", "ssl:"), { timeoutMs: 200 }).tip()).rejects.toThrow(SourceError);
  });
});

test("an address is one of a server, with nothing else in it", () => {
  for (const url of [
    "http://h:1",
    "tcp://h",
    "tcp://u@h:1",
    "ssl://h:1/x",
    "ssl://h:70000",
    "tcp://:1",
    "h:1",
  ])
    expect(() => electrum({ url })).toThrow(RangeError);
  expect(electrum({ url: "ssl://[::1]:50002/" }).name).toBe("electrum at [::1]:50002");
});
