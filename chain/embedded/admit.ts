/** What a node asks of transactions before it keeps and relays them; reasons are in Bitcoin Core's words. */

import { type TxOutput, weightOf } from "../../protocol/bitcoin/tx.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { Outpoint } from "../../protocol/units.ts";
import type { Coins } from "./coins.ts";
import { type Entry, keyOf, virtualSize } from "./entry.ts";
import { lockFault, type NextBlock } from "./finality.ts";
import type { Pool, Waiting } from "./pool.ts";
import { scriptFault } from "./script.ts";

const maturity = 100;
/** Satoshi per virtual byte: what relaying costs, and what a replacement adds. */
const relayRate = 1n;
const maxStandardWeight = 400_000;
/** CVE-2017-12842: one of 64 bytes could be taken for a node of the tree. */
const minStandardLength = 65;
const newestVersion = 3;

export interface Ground {
  readonly coins: Coins;
  readonly pool: Pool;
  readonly next: NextBlock;
}

export type Verdict =
  | {
      readonly is: "fit";
      readonly entries: readonly Waiting[];
      /** What they push out of the pool. */
      readonly replaced: readonly Waiting[];
    }
  | { readonly is: "unfit"; readonly reason: string };

const unfit = (reason: string): Verdict => ({ is: "unfit", reason });

const isNowhere = ({ txid, index }: Outpoint): boolean =>
  index === 0xffff_ffff && txid.every((byte) => byte === 0);

const formFault = ({ tx, weight }: Entry): string | undefined => {
  const spent = tx.inputs.map(({ outpoint }) => keyOf(outpoint));
  if (new Set(spent).size !== spent.length) return "bad-txns-inputs-duplicate";
  if (tx.inputs.some(({ outpoint }) => isNowhere(outpoint))) return "coinbase";
  if (tx.version < 1 || tx.version > newestVersion) return "version";
  if (weight > maxStandardWeight) return "tx-size";
  return weightOf(tx, []) / 4 < minStandardLength ? "tx-size-small" : undefined;
};

interface Found {
  readonly output: TxOutput;
  /** Of the block that made it; what waits itself comes with the next at best. */
  readonly height: number;
}

/** What stands before a transaction: the chain, the pool without what is replaced, its own package. */
interface Before extends Ground {
  readonly made: Map<string, TxOutput>;
  readonly taken: Set<string>;
  readonly replaced: ReadonlySet<string>;
}

const findInput = (outpoint: Outpoint, before: Before): Found | string => {
  const { coins, pool, next, made, taken, replaced } = before;
  const key = keyOf(outpoint);
  if (taken.has(key)) return "conflict-in-package";
  if (replaced.has(toHex(outpoint.txid))) return "bad-txns-spends-conflicting-tx";
  const waits = made.get(key) ?? pool.output(outpoint);
  if (waits !== undefined) return { output: waits, height: next.height };
  const coin = coins.get(outpoint);
  if (coin === undefined) return "bad-txns-inputs-missingorspent";
  if (coin.isCoinbase && next.height - coin.height < maturity) return "bad-txns-premature-spend-of-coinbase";
  return { output: coin, height: coin.height };
};

const sum = (values: readonly { readonly value: bigint }[]): bigint =>
  values.reduce((total, { value }) => total + value, 0n);

interface Funded {
  readonly waiting: Waiting;
  readonly spent: readonly TxOutput[];
}

const fund = (entry: Entry, before: Before): Funded | string => {
  const form = formFault(entry);
  if (form !== undefined) return form;
  const found: Found[] = [];
  for (const { outpoint } of entry.tx.inputs) {
    const one = findInput(outpoint, before);
    if (typeof one === "string") return one;
    found.push(one);
  }
  const heights = found.map(({ height }) => height);
  const lock = lockFault(entry.tx, heights, before.next);
  if (lock !== undefined) return lock;
  const spent = found.map(({ output }) => output);
  const fee = sum(spent) - sum(entry.tx.outputs);
  if (fee < 0n) return "bad-txns-in-belowout";
  for (const { outpoint } of entry.tx.inputs) before.taken.add(keyOf(outpoint));
  for (const [index, output] of entry.tx.outputs.entries())
    before.made.set(keyOf({ txid: entry.txid, index }), output);
  return { waiting: { ...entry, fee }, spent };
};

interface Cost {
  readonly fee: bigint;
  readonly size: bigint;
}

const costOf = (entries: readonly Waiting[]): Cost => ({
  fee: entries.reduce((total, { fee }) => total + fee, 0n),
  size: entries.reduce((total, entry) => total + BigInt(virtualSize(entry)), 0n),
});

const relays = ({ fee, size }: Cost): boolean => fee >= relayRate * size;

/** A child may pay for parents that pay too little, and nobody for a child. */
const feeFault = (entries: readonly Waiting[]): string | undefined =>
  relays(costOf(entries)) && relays(costOf(entries.slice(-1))) ? undefined : "min relay fee not met";

/** BIP 125, rules 3 and 4, and Bitcoin Core's that nothing is replaced by what pays a lower rate. */
const replacementFault = (
  entries: readonly Waiting[],
  conflicts: readonly Waiting[],
  replaced: readonly Waiting[],
): string | undefined => {
  const own = costOf(entries);
  const theirs = costOf(replaced);
  const outbid = conflicts.every((one) => {
    const { fee, size } = costOf([one]);
    return own.fee * size > fee * own.size;
  });
  return outbid && own.fee >= theirs.fee + relayRate * own.size ? undefined : "insufficient fee";
};

const conflictsOf = (entries: readonly Entry[], pool: Pool): readonly Waiting[] => {
  const all = entries.flatMap(({ tx }) =>
    tx.inputs.flatMap(({ outpoint }) => {
      const spender = pool.spender(outpoint);
      const conflict = spender === undefined ? undefined : pool.get(spender.txid);
      return conflict === undefined ? [] : [conflict];
    }),
  );
  return [...new Set(all)];
};

/** A package, parents first: all of it is fit, or none. */
export const judge = (entries: readonly Entry[], ground: Ground): Verdict => {
  const conflicts = conflictsOf(entries, ground.pool);
  const replaced = ground.pool.withDescendants(conflicts);
  const before: Before = {
    ...ground,
    made: new Map(),
    taken: new Set(),
    replaced: new Set(replaced.map(({ id }) => id)),
  };
  const funded: Funded[] = [];
  for (const entry of entries) {
    const one = fund(entry, before);
    if (typeof one === "string") return unfit(one);
    funded.push(one);
  }
  const waiting = funded.map((one) => one.waiting);
  const fees =
    feeFault(waiting) ?? (replaced.length > 0 ? replacementFault(waiting, conflicts, replaced) : undefined);
  if (fees !== undefined) return unfit(fees);
  for (const [i, { spent }] of funded.entries()) {
    const fault = scriptFault(entries[i] as Entry, spent);
    if (fault !== undefined) return unfit(`mandatory-script-verify-flag-failed (${fault})`);
  }
  return { is: "fit", entries: waiting, replaced };
};

/** Of one that was in a block, or in the pool before a reorganisation: its scripts held, and its fee is not asked for. */
export const readmit = (entry: Entry, ground: Ground): Waiting | undefined => {
  if (conflictsOf([entry], ground.pool).length > 0) return undefined;
  const before: Before = { ...ground, made: new Map(), taken: new Set(), replaced: new Set() };
  const one = fund(entry, before);
  return typeof one === "string" ? undefined : one.waiting;
};
