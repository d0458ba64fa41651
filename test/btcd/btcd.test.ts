/** A node that we did not write shows its chain: by Bitcoin Core's interface, as btcd has it. */

import { bech32 } from "@scure/base";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bitcoind } from "../../chain/bitcoind.ts";
import { anyones } from "../../chain/embedded/chain.ts";
import { observe } from "../../chain/observe.ts";
import type { Follower } from "../../chain/observer.ts";
import { type ChainSource, SourceError, type Tip } from "../../chain/source.ts";
import { scanBlock } from "../../protocol/bitcoin/block.ts";
import { chains } from "../../protocol/bitcoin/chains.ts";
import { blockHash, decodeHeader } from "../../protocol/bitcoin/header.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { Secret } from "../../protocol/secret.ts";
import { height, type Outpoint } from "../../protocol/units.ts";
import { made } from "../unit/chain-embedded.kit.ts";
import { type Btcd, build, startBtcd, version } from "./btcd.ts";

const built = await build();
if (built.is === "not") process.stderr.write(`btcd ${version}: skipped, ${built.why}\n`);
const path = built.is === "built" ? built.path : "";
const title = built.is === "built" ? `btcd ${version}` : `btcd ${version} (skipped: ${built.why})`;

/** Pays whoever shows the script: witness version 0, of 32 bytes. */
const minersAddress = bech32.encode("bcrt", [0, ...bech32.toWords(anyones.subarray(2))]);
const coin = 100_000_000n;
const subsidy = 50n * coin;

describe.skipIf(built.is === "not").each([
  ["with an index of all transactions", ["--txindex"]],
  ["without one", []],
])(`${title}, %s`, (_, options) => {
  let node: Btcd | undefined;
  let source: ChainSource;
  const ask = async (method: string, ...params: readonly unknown[]): Promise<unknown> => {
    if (node === undefined) throw new Error("btcd does not run");
    return node.ask(method, ...params);
  };
  const generate = async (count: number): Promise<void> => void (await ask("generate", count));

  beforeAll(async () => {
    node = await startBtcd(path, `--miningaddr=${minersAddress}`, ...options);
    const { url, user, password } = node;
    const secret = new Secret(new TextEncoder().encode(password));
    source = bitcoind({ url, credentials: { user, password: secret } });
    await generate(110);
  });
  afterAll(async () => {
    await source?.close();
    await node?.stop();
  });

  const blockAt = async (at: number): Promise<Uint8Array> => {
    const hash = await source.hashAt(height(at));
    if (hash === undefined) throw new Error(`nothing at ${at}`);
    return source.block(hash);
  };
  /** The coinbase's output of a block deep enough. */
  const fund = async (at: number): Promise<Outpoint> => {
    const { txids } = scanBlock(await blockAt(at), { outpoints: [], scripts: [] });
    const [txid] = txids;
    if (txid === undefined) throw new Error("no coinbase");
    return { txid, index: 0 };
  };

  test("shows its tip, and each block of its best chain", async () => {
    const tip = await source.tip();
    expect(tip.height).toBe(110);
    expect(await source.hashAt(tip.height)).toEqual(tip.hash);
    expect(await source.hashAt(height(111))).toBeUndefined();
    expect(await source.hashAt(height(0))).toEqual(chains.regtest.genesisHash);
    let previous: Uint8Array = chains.regtest.genesisHash;
    for (let at = 1; at <= 110; at++) {
      const block = await blockAt(at);
      const { header } = scanBlock(block, { outpoints: [], scripts: [] });
      expect(equal(header.previous, previous)).toBe(true);
      previous = blockHash(header);
      expect(equal(await source.header(previous), block.subarray(0, 80))).toBe(true);
    }
    expect(toHex(previous)).toBe(toHex(tip.hash));
  });

  test("says that there is no such block", async () => {
    await expect(source.header(new Uint8Array(32).fill(7))).rejects.toThrow(new SourceError("no such block"));
    await expect(source.block(new Uint8Array(32).fill(7))).rejects.toThrow(new SourceError("no such block"));
  });

  test("knows nothing of fees yet", async () => {
    expect(await source.feerate(6)).toBeUndefined();
    expect(await source.feerate(2_000)).toBeUndefined();
  });

  test("takes a transaction, knows it in the pool and in a block, and shows it", async () => {
    const tx = made({ inputs: [await fund(1)], outputs: [subsidy - 10_000n] });
    expect(await source.publish([tx.raw])).toEqual({ is: "accepted" });
    expect(await source.publish([tx.raw])).toEqual({ is: "known" });
    await generate(1);
    expect(await source.publish([tx.raw])).toEqual({ is: "known" });
    const { height: top } = await source.tip();
    const { found } = scanBlock(await blockAt(top), { outpoints: [await fund(1)], scripts: [] });
    expect(found.map(({ raw }) => toHex(raw))).toEqual([toHex(tx.raw)]);
  });

  test("takes parents and children one by one, beside what is in a block", async () => {
    const parent = made({ inputs: [await fund(2)], outputs: [subsidy - 10_000n] });
    const child = made({ inputs: parent.outputs, outputs: [subsidy - 20_000n] });
    expect(await source.publish([parent.raw, child.raw])).toEqual({ is: "accepted" });
    expect(await source.publish([parent.raw, child.raw])).toEqual({ is: "known" });
    const last = made({ inputs: child.outputs, outputs: [subsidy - 30_000n] });
    expect(await source.publish([parent.raw, child.raw, last.raw])).toEqual({ is: "accepted" });
    await generate(1);
    expect(await ask("getrawmempool")).toEqual([]);
  });

  test("says why it takes none", async () => {
    const input = await fund(3);
    const greedy = made({ inputs: [input], outputs: [subsidy + 1n] });
    const nowhere = made({ inputs: greedy.outputs, outputs: [1n] });
    const young = made({ inputs: [await fund(105)], outputs: [subsidy - 10_000n] });
    const wrong = made({ inputs: [input], outputs: [subsidy - 10_000n], witness: [Uint8Array.of(0x52)] });
    for (const [{ raw }, words] of [
      [greedy, /total value of all transaction inputs|higher|spend/i],
      [nowhere, /orphan/i],
      [young, /matur/i],
      [wrong, /failed to validate input/],
    ] as const)
      expect(await source.publish([raw])).toEqual({ is: "refused", reason: expect.stringMatching(words) });
    expect(await source.publish([Uint8Array.of(1, 2)])).toMatchObject({ is: "refused" });
    const [a, b] = [10_000n, 20_000n].map((fee) =>
      made({ inputs: [{ outpoint: input, sequence: 0xffff_ffff }], outputs: [subsidy - fee] }),
    );
    if (a === undefined || b === undefined) throw new Error("no conflict");
    expect(await source.publish([a.raw])).toEqual({ is: "accepted" });
    expect(await source.publish([b.raw])).toMatchObject({ is: "refused" });
  });

  test("leads a follower through a reorganisation, and still knows what went away", async () => {
    const begin = await source.hashAt(height(100));
    if (begin === undefined) throw new Error("no block 100");
    let at: Tip = { height: height(100), hash: begin };
    const told: number[] = [];
    const follower: Follower = {
      at: () => at,
      connected: async (block) => {
        scanBlock(block.block, { outpoints: [], scripts: [] });
        told.push(block.height);
        at = { height: block.height, hash: block.hash };
      },
      disconnected: async (block) => {
        told.push(-block.height);
        at = { height: height(block.height - 1), hash: decodeHeader(block.header).previous };
      },
    };
    const observer = observe({ source, everyMs: 1_000_000 });
    const following = observer.follow(follower);
    const old = await source.tip();
    expect(await following.caughtUp()).toEqual(old);
    const fork = await source.hashAt(height(old.height - 1));
    if (fork === undefined) throw new Error("no fork");
    await ask("invalidateblock", toHex(Uint8Array.from(fork).reverse()));
    await generate(3);
    const tip = await source.tip();
    expect(tip.height).toBe(old.height + 1);
    expect(await following.caughtUp()).toEqual(tip);
    await observer.close();
    const { height: h } = old;
    expect(told.slice(-5)).toEqual([-h, -(h - 1), h - 1, h, h + 1]);
    expect(blockHash(decodeHeader(await source.header(old.hash)))).toEqual(old.hash);
    expect(equal((await source.block(old.hash)).subarray(0, 80), await source.header(old.hash))).toBe(true);
  });

  test("refuses wrong credentials, which stand in no message", async () => {
    const password = new Secret(new TextEncoder().encode("hunter2"));
    const other = bitcoind({ url: node?.url ?? "", credentials: { user: "countersign", password } });
    await expect(other.tip()).rejects.toThrow(new SourceError("it refuses the credentials"));
    await other.close();
  });
});
