/** What one commitment says of each payment hash, read off its HTLC lists once. */

import { toHex } from "../../../protocol/bytes.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import { listOf } from "../balance.ts";
import type { Content, Live, Settled, Variant } from "../state.ts";

export interface Line {
  readonly offered: bigint;
  /** How many are offered. */
  readonly offers: number;
  /** The latest expiry among the offered. */
  readonly latest: number;
  /** Of the offered, each once. */
  readonly expiries: readonly number[];
  readonly received: readonly Htlc[];
  /** Of what expires at this height or later. */
  offeredFrom(expiry: number): bigint;
  receivedFrom(expiry: number): bigint;
}

export type Lines = ReadonlyMap<string, Line>;

const made = new WeakMap<object, { readonly trimmed: Content["trimmed"]; readonly lines: Lines }>();

/** A stranger may send hundreds of one hash: each question about them is a search, not a walk. */
const sumsFrom = (htlcs: readonly Htlc[]): ((expiry: number) => bigint) => {
  const sorted = htlcs.toSorted((a, b) => b.expiry - a.expiry);
  let sum = 0n;
  const sums = [sum];
  for (const { amount } of sorted) {
    sum += amount;
    sums.push(sum);
  }
  return (expiry) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] as Htlc).expiry >= expiry) low = middle + 1;
      else high = middle;
    }
    return sums[low] as bigint;
  };
};

const lineFrom = (offered: readonly Htlc[], received: readonly Htlc[]): Line => {
  const [offeredFrom, receivedFrom] = [sumsFrom(offered), sumsFrom(received)];
  const expiries = [...new Set(offered.map(({ expiry }) => expiry))];
  const latest = expiries.reduce((most, expiry) => Math.max(most, expiry), 0);
  return {
    offered: offeredFrom(0),
    offers: offered.length,
    latest,
    expiries,
    received,
    offeredFrom,
    receivedFrom,
  };
};

const none: Line = lineFrom([], []);

const read = (content: Content): Lines => {
  const byHash = new Map<string, Record<Side, Htlc[]>>();
  for (const htlc of listOf(content)) {
    const hash = toHex(htlc.hash);
    const both = byHash.get(hash) ?? { holder: [], counterparty: [] };
    both[htlc.offeredBy].push(htlc);
    byHash.set(hash, both);
  }
  return new Map(
    [...byHash].map(([hash, { holder, counterparty }]) => [hash, lineFrom(holder, counterparty)]),
  );
};

/** Lists are never changed, and a variant keeps the ones it came with. */
export const linesOf = (content: Content): Lines => {
  const known = made.get(content.htlcs);
  if (known?.trimmed === content.trimmed) return known.lines;
  const lines = read(content);
  made.set(content.htlcs, { trimmed: content.trimmed, lines });
  return lines;
};

export const lineOf = (content: Content, hash: string): Line => linesOf(content).get(hash) ?? none;

const sums = new WeakMap<readonly Settled[], ReadonlyMap<string, Settled>>();

export const settledBy = ({ settled }: Variant): ReadonlyMap<string, Settled> => {
  const known = sums.get(settled);
  if (known !== undefined) return known;
  const map = new Map(settled.map((one) => [toHex(one.hash), one]));
  sums.set(settled, map);
  return map;
};

export const variantsOf = ({ holder, counterparty }: Live): readonly Variant[] => [
  ...holder.variants,
  ...counterparty.variants,
];
