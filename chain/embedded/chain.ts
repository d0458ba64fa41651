/** A regtest chain in this process, for the demo and for tests: blocks and coins of its own, and a node's rules. */

import { op, p2wsh, script as scriptOf } from "../../protocol/bitcoin/script.ts";
import type { TxOutput } from "../../protocol/bitcoin/tx.ts";
import { concat, toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import {
  type Feerate,
  type Height,
  height,
  type Outpoint,
  type Script,
  type Txid,
} from "../../protocol/units.ts";
import { type BlockHash, type ChainSource, type Published, SourceError, type Tip } from "../source.ts";
import { type Ground, judge, readmit } from "./admit.ts";
import { type Block, buildBlock, genesisBlock } from "./block.ts";
import { openCoins, type Spender } from "./coins.ts";
import { type Entry, entryFrom } from "./entry.ts";
import type { NextBlock } from "./finality.ts";
import { openPool, type Waiting } from "./pool.ts";

export type { Block } from "./block.ts";
export type { Spender } from "./coins.ts";
export type { Waiting } from "./pool.ts";

export interface MineOptions {
  /** Whom the subsidy and the fees are paid to; without it, whoever shows `anyonesWitness`. */
  readonly to?: Script;
  /** Up to 40 bytes in the coinbase, for people. */
  readonly tag?: string;
  /** The pool is left as it is. */
  readonly empty?: boolean;
}

export interface ReorganiseOptions extends MineOptions {
  /** These come first: what was in the blocks that are gone, or in the pool, and conflicts with them is lost. */
  readonly include?: readonly Uint8Array[];
}

export interface Unspent extends TxOutput {
  /** Absent while it waits in the pool. */
  readonly height?: Height;
}

export interface Found {
  readonly raw: Uint8Array;
  /** Absent while it waits in the pool. */
  readonly height?: Height;
}

export interface EmbeddedChain {
  readonly source: ChainSource;
  tip(): Tip;
  mine(count: number, options?: MineOptions): readonly Block[];
  /** Takes so many blocks back, then mines others; more of them, or a node would not have changed its mind. */
  reorganise(depth: number, blocks: number, options?: ReorganiseOptions): readonly Block[];
  /** Parents first: all are accepted, or none. */
  publish(transactions: readonly Uint8Array[]): Published;
  /** Parents first. */
  pool(): readonly Waiting[];
  /** What nothing has spent, on the chain or in the pool. */
  output(outpoint: Outpoint): Unspent | undefined;
  transaction(txid: Txid): Found | undefined;
  /** On the chain or in the pool. */
  spender(outpoint: Outpoint): Spender | undefined;
  /** Of the best chain. */
  blockAt(height: number): Block | undefined;
  /** Also one that a reorganisation took away. */
  block(hash: BlockHash): Block | undefined;
  /** What the source says of fees from now on; nothing at first. */
  suggest(feerate: Feerate | undefined): void;
  suggested(): Feerate | undefined;
}

const anyonesScript = scriptOf(op[1]);
/** Spends what `mine` pays by default. */
export const anyonesWitness: readonly Uint8Array[] = [anyonesScript];
export const anyones: Script = p2wsh(anyonesScript);

/** BIP 113. */
const medianOver = 11;
/** What Bitcoin Core keeps free for the coinbase. */
const maxWeight = 4_000_000 - 8_000;

/** `now` in milliseconds, as Date.now. */
export const openChain = ({ now = Date.now }: { readonly now?: () => number } = {}): EmbeddedChain => {
  const genesis = genesisBlock();
  const best: Block[] = [genesis];
  const known = new Map<string, Block>([[toHex(genesis.hash), genesis]]);
  const confirmed = new Map<string, { readonly entry: Entry; readonly height: Height }>();
  const coins = openCoins();
  const pool = openPool();
  let mined = 0;
  let suggested: Feerate | undefined;

  const last = (): Block => best.at(-1) as Block;

  const medianAt = (at: number): number => {
    const times = best.slice(Math.max(0, at - medianOver + 1), at + 1).map(({ time }) => time);
    return times.sort((a, b) => a - b)[times.length >> 1] as number;
  };

  const next = (): NextBlock => ({
    height: best.length,
    median: medianAt(last().height),
    medianBefore: (at) => medianAt(Math.max(0, at - 1)),
  });

  const ground = (): Ground => ({ coins, pool, next: next() });

  const connect = (block: Block): void => {
    coins.connect(block.entries, block.height);
    for (const entry of block.entries) confirmed.set(entry.id, { entry, height: block.height });
    best.push(block);
    known.set(toHex(block.hash), block);
    pool.remove(block.entries);
  };

  const disconnect = (): Block => {
    const block = best.pop() as Block;
    coins.disconnect(block.entries);
    for (const { id } of block.entries) confirmed.delete(id);
    return block;
  };

  /** What fits into one block, without children whose parents did not. */
  const selection = (): readonly Waiting[] => {
    const left = new Set<string>();
    let weight = 0;
    return pool.all().filter((entry) => {
      const fits =
        weight + entry.weight <= maxWeight &&
        !entry.tx.inputs.some(({ outpoint }) => left.has(toHex(outpoint.txid)));
      if (fits) weight += entry.weight;
      else left.add(entry.id);
      return fits;
    });
  };

  const mineOne = ({ to = anyones, tag = "", empty = false }: MineOptions): Block => {
    const entries = empty ? [] : selection();
    mined++;
    const text = new TextEncoder().encode(tag);
    if (text.length > 40) throw new RangeError(`a tag of ${text.length} bytes`);
    const serial = Uint8Array.of(mined >>> 24, mined >>> 16, mined >>> 8, mined);
    const block = buildBlock({
      height: best.length,
      previous: last().hash,
      time: Math.max(medianAt(last().height) + 1, Math.floor(now() / 1000)),
      to,
      extra: concat(serial, text),
      fees: entries.reduce((total, { fee }) => total + fee, 0n),
      entries,
    });
    connect(block);
    return block;
  };

  const mine = (count: number, options: MineOptions = {}): readonly Block[] =>
    Array.from({ length: count }, () => mineOne(options));

  const isKnown = ({ txid, id }: Entry): boolean => confirmed.has(id) || pool.get(txid) !== undefined;

  const publish = (transactions: readonly Uint8Array[]): Published => {
    let entries: readonly Entry[];
    try {
      entries = transactions.map(entryFrom).filter((entry) => !isKnown(entry));
    } catch (error) {
      if (error instanceof Malformed) return { is: "refused", reason: "TX decode failed" };
      throw error;
    }
    if (entries.length === 0) return { is: "known" };
    const verdict = judge(entries, ground());
    if (verdict.is === "unfit") return { is: "refused", reason: verdict.reason };
    pool.remove(verdict.replaced);
    for (const entry of verdict.entries) pool.add(entry);
    return { is: "accepted" };
  };

  const keep = (entries: readonly Entry[]): void => {
    for (const entry of entries) {
      const waiting = isKnown(entry) ? undefined : readmit(entry, ground());
      if (waiting !== undefined) pool.add(waiting);
    }
  };

  const reorganise = (
    depth: number,
    blocks: number,
    { include = [], ...options }: ReorganiseOptions = {},
  ): readonly Block[] => {
    if (depth < 1 || depth >= best.length)
      throw new RangeError(`${best.length} blocks: can't take ${depth} back`);
    if (blocks <= depth) throw new RangeError(`${blocks} blocks have not more work than ${depth}`);
    const waited = pool.all();
    pool.clear();
    const taken = Array.from({ length: depth }, disconnect).reverse();
    const done = publish(include);
    if (done.is === "refused") {
      for (const block of taken) connect(block);
      for (const entry of waited) pool.add(entry);
      throw new Error(`can't be included: ${done.reason}`);
    }
    keep([...taken.flatMap(({ entries }) => entries.slice(1)), ...waited]);
    return mine(blocks, options);
  };

  const spender = (outpoint: Outpoint): Spender | undefined =>
    coins.spender(outpoint) ?? pool.spender(outpoint);

  const block = (hash: BlockHash): Block | undefined => known.get(toHex(hash));
  const wanted = (hash: BlockHash): Block => {
    const found = block(hash);
    if (found === undefined) throw new SourceError("no such block");
    return found;
  };
  const tip = (): Tip => ({ height: last().height, hash: last().hash });

  return {
    tip,
    mine,
    reorganise,
    publish,
    pool: () => pool.all(),
    output: (outpoint) => {
      if (spender(outpoint) !== undefined) return undefined;
      const coin = coins.get(outpoint);
      if (coin === undefined) return pool.output(outpoint);
      return { value: coin.value, script: coin.script, height: height(coin.height) };
    },
    transaction: (txid) => {
      const found = confirmed.get(toHex(txid));
      if (found !== undefined) return { raw: found.entry.raw, height: found.height };
      const waiting = pool.get(txid);
      return waiting && { raw: waiting.raw };
    },
    spender,
    blockAt: (at) => best[at],
    block,
    suggest: (feerate) => {
      suggested = feerate;
    },
    suggested: () => suggested,
    source: {
      name: "the embedded chain",
      tip: async () => tip(),
      hashAt: async (at) => best[at]?.hash,
      header: async (hash) => wanted(hash).header.slice(),
      block: async (hash) => wanted(hash).raw.slice(),
      feerate: async () => suggested,
      publish: async (transactions) => publish(transactions),
      close: async () => {},
    },
  };
};
