/** What must come home of a commitment that was published, and whether the transactions that were given bring it. */

import { decodeTx, type Tx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { equal, toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Side } from "../../protocol/operations/fields.ts";
import { commitmentNumber, type Outpoint, type Preimage } from "../../protocol/units.ts";
import { nothingSpent } from "../../signer/core/spend/inputs.ts";
import { type Balances, type Content, contentOf } from "../scripted/content.ts";
import { rawOf } from "../unit/bitcoin-blocks.ts";
import { verdict } from "../unit/bolt-spend-interpreter.ts";
import { type Published, publishedBy } from "../unit/chain-channel.ts";
import { type Held, openedOf, pointOf } from "./held.ts";
import type { World } from "./life.ts";

export interface Mined {
  readonly owner: Side;
  readonly content: Content;
  readonly published: Published;
  readonly tx: Tx;
  readonly raw: Uint8Array;
}

export const minedOf = (
  world: World,
  held: Held,
  { owner, number: n, balances }: { owner: Side; number: bigint; balances: Balances },
): Mined => {
  const { shared } = openedOf(world, held);
  const number = commitmentNumber(n);
  const content = contentOf(shared.terms, owner, number, balances);
  const point = owner === "holder" ? pointOf(held, n) : world.peer.point(number);
  const published = publishedBy(shared, owner, point, content);
  return { owner, content, published, tx: published.tx.tx, raw: rawOf(published.tx) };
};

export interface Knowledge {
  /** Of HTLCs that are in none of the live commitments nobody has to remember anything. */
  readonly pending: Balances;
  readonly preimages?: readonly Preimage[];
}

/** Of the counterparty's, which is revoked, all but the anchors; of our own what is ours. */
export const oursIn = (
  { owner, content, published: { commitment, outpoint } }: Mined,
  { pending, preimages = [] }: Knowledge,
): readonly Outpoint[] => {
  const ofValue = (value: bigint): readonly Outpoint[] => {
    const htlcs = commitment.htlcs.map(({ index }) => index);
    const at = commitment.tx.outputs.findIndex((one, i) => one.value === value && !htlcs.includes(i));
    return at < 0 ? [] : [outpoint(at)];
  };
  const htlcs = commitment.htlcs
    .filter(({ htlc: { hash, offeredBy } }) => {
      if (owner === "counterparty") return pending.htlcs.some((one) => equal(one.hash, hash));
      return offeredBy === "broadcaster" || preimages.some((one) => equal(sha256(one), hash));
    })
    .map(({ index }) => outpoint(index));
  const theirs = owner === "counterparty" ? ofValue(content.toCounterparty) : [];
  return [...ofValue(content.toHolder), ...theirs, ...htlcs];
};

const keyOf = ({ txid, index }: Outpoint): string => `${toHex(txid)}:${index}`;

/** What of one transaction the others take, however their fees are paid. */
export const takenOf = (txid: Uint8Array, raws: readonly Uint8Array[]): string =>
  raws
    .flatMap((raw) => decodeTx(raw).tx.inputs.map(({ outpoint }) => outpoint))
    .filter((outpoint) => equal(outpoint.txid, txid))
    .map(keyOf)
    .toSorted()
    .join();

/** Each is run over what it spends: in one of the others, or in `before`. */
export const flawIn = (
  before: readonly Tx[],
  raws: readonly Uint8Array[],
  wanted: readonly Outpoint[],
): string | undefined => {
  const all = raws.map(decodeTx);
  const known = new Map([...before, ...all.map(({ tx }) => tx)].map((tx) => [toHex(txidOf(tx)), tx]));
  const taken = new Set<string>();
  for (const { tx, witnesses } of all) {
    // A coin of the wallet that pays the fee came out of another life: only the first input is never one.
    const found = tx.inputs.map(({ outpoint }) => {
      taken.add(keyOf(outpoint));
      return known.get(toHex(outpoint.txid))?.outputs[outpoint.index];
    });
    if (found[0] === undefined) return "a transaction spends what nobody has";
    const spent = found.map((output) => output ?? nothingSpent);
    for (const [index, witness] of witnesses.entries()) {
      if (found[index] === undefined) continue;
      const why = verdict({ tx, index, spent, witness });
      if (why !== undefined) return `a transaction that no node takes: ${why}`;
    }
  }
  const missing = wanted.find((outpoint) => !taken.has(keyOf(outpoint)));
  return missing === undefined ? undefined : `nothing spends ${keyOf(missing)}`;
};
