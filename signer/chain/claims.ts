/** Of one channel that has ended: transactions that take what is ours, built by the steps that a person would ask. */

import { reasonOf } from "../../chain/feeder.ts";
import { sighash } from "../../protocol/bitcoin/sighash.ts";
import { decodeTx, txidOf, type Witness } from "../../protocol/bitcoin/tx.ts";
import { reversed, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Homeward } from "../../protocol/operations/admin.ts";
import { type Feerate, type Height, txid } from "../../protocol/units.ts";
import type { Ended, Open } from "../core/chain/ends.ts";
import { keyOf } from "../core/outpoints.ts";
import type { Ask } from "./asking.ts";
import { isWorthMore } from "./feerates.ts";

export interface Claim {
  readonly what: string;
  /** As people write it. */
  readonly txid: string;
  readonly tx: Uint8Array;
  /** The height from which on it may be published. */
  readonly from: Height;
}

/** What was built last for outputs of one urgency. */
export interface Built {
  /** What it was built from; empty where it has to be built again in any case. */
  readonly of: string;
  readonly feerate: Feerate;
  readonly claims: ReadonlyMap<string, Claim>;
}

export interface Wanted {
  readonly ended: Ended;
  /** Those of it that are as urgent. */
  readonly open: readonly Open[];
  readonly feerate: Feerate;
  /** What a claim that is too small for `feerate` pays. */
  readonly calm: Feerate;
  readonly tip: Height;
  /** When a coin of ours came or went last, and how many outputs of all channels wait: what had no coin may have one. */
  readonly coins: string;
}

const ofWhat = ({ ended: { is, txid: closed }, open, tip, coins }: Wanted): string =>
  [
    ...[is, toHex(closed)],
    ...open.map(({ outpoint, since, until }) => `${keyOf(outpoint)} ${since} ${until}`),
    // Of our own commitment alone: coins are given to what is due.
    ...(is === "holder" ? [coins, open.filter(({ since }) => since <= tip + 1).length] : []),
  ].join("\n");

/** An HTLC transaction that pays no fee is signed so that others may add what does; here nobody will. */
const isBare = ([first]: readonly Witness[]): boolean =>
  first?.length === htlcItems && first[2]?.at(-1) === sighash.singleAnyoneCanPay;
/** Of HTLC-timeout and HTLC-success: nothing, theirs, ours, the preimage or nothing, the script. */
const htlcItems = 5;

/** By each output that it takes. Those that wait for a transaction which is not confirmed are built again when it is. */
const claimIn = ({ what, tx: bytes, wait, from }: Homeward): readonly (readonly [string, Claim])[] => {
  const { tx, witnesses } = decodeTx(bytes);
  if (wait > 0 || isBare(witnesses)) return [];
  const claim = { what, txid: toHex(reversed(txidOf(tx))), tx: bytes, from };
  return tx.inputs.map(({ outpoint }) => [keyOf(outpoint), claim]);
};

const ask = async (road: Ask, { ended }: Wanted, feerate: Feerate) => {
  const { channel, is } = ended;
  const outcome =
    is === "revoked"
      ? await road("justice", { channel, feerate })
      : // Named, so that a reorganisation at this moment makes no exit of it: nothing is closed without a person.
        await road("exit", { channel, feerate, confirmed: txid(ended.txid), preimages: [] });
  return outcome.is === "reply"
    ? {
        claims: outcome.reply.transactions.flatMap(claimIn),
        left: outcome.reply.left,
        trouble: unknown,
      }
    : { claims: [], left: [], trouble: reasonOf(outcome) };
};

export interface Rebuilt {
  readonly built: Built;
  /** Why nothing new was built. */
  readonly trouble: string | undefined;
  /** What stays where it is, in the words of the step; of what was built now. */
  readonly left: readonly string[];
}

/** The same as before where nothing has changed and the feerate hardly. */
export const rebuilt = async (road: Ask, wanted: Wanted, before: Built | undefined): Promise<Rebuilt> => {
  const of = ofWhat(wanted);
  const { feerate, calm, open } = wanted;
  if (before !== undefined && before.of === of && !isWorthMore(feerate, before.feerate))
    return { built: before, trouble: undefined, left: [] };
  const { claims: dear, left, trouble } = await ask(road, wanted, feerate);
  const names = new Set(open.map(({ outpoint }) => keyOf(outpoint)));
  // What was built with a lower fee still serves for what is too small for a higher one.
  const claims = new Map([...(before?.claims ?? []), ...dear].filter(([name]) => names.has(name)));
  if (trouble !== unknown)
    return { built: { of: "", feerate: before?.feerate ?? calm, claims }, trouble, left };
  // Nothing was signed for it, so nothing is lost by asking with the next block; of our own close the step signs always.
  if (claims.size === 0 && wanted.ended.is !== "holder")
    return { built: { of: "", feerate, claims }, trouble: undefined, left };
  if (feerate > calm && claims.size < names.size)
    for (const [name, claim] of (await ask(road, wanted, calm)).claims)
      if (names.has(name) && !claims.has(name)) claims.set(name, claim);
  return { built: { of, feerate, claims }, trouble: undefined, left };
};
