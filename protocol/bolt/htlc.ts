/** BOLT 3, "HTLC-Timeout and HTLC-Success Transactions". */

import { p2wsh } from "../bitcoin/script.ts";
import {
  digestOf,
  hashOutputs,
  hashPrevouts,
  hashSequences,
  inputDigest,
  notCommitted,
  preimageLength,
  type Sighash,
  sighash,
} from "../bitcoin/sighash.ts";
import type { Tx } from "../bitcoin/tx.ts";
import { Writer } from "../bitcoin/writer.ts";
import { type Delay, type Feerate, type Sat, sat, type Txid, toSat } from "../units.ts";
import type { ChannelType, Htlc, Party } from "./channel.ts";
import type { Commitment, CommittedHtlc } from "./commitment.ts";
import type { CommitmentKeys } from "./derive.ts";
import { delayedScript } from "./scripts.ts";
import { htlcTransactionFee, htlcTransactionKind } from "./weight.ts";

export interface HtlcTerms {
  readonly type: ChannelType;
  /** The commitment's. */
  readonly feerate: Feerate;
  readonly delay: Delay;
  readonly keys: CommitmentKeys;
}

/** With anchors the broadcaster may add inputs and outputs to what the countersignatory has signed (BOLT 5). */
export const htlcSighash = (type: ChannelType, signer: Party): Sighash =>
  type === "anchors" && signer === "countersignatory" ? sighash.singleAnyoneCanPay : sighash.all;

/** The CSV of the anchor variant asks for one block. */
const sequenceOf = (type: ChannelType): number => (type === "anchors" ? 1 : 0);
const locktimeOf = (htlc: Htlc): number => (htlcTransactionKind(htlc) === "timeout" ? htlc.expiry : 0);
const payout = ({ type, feerate }: HtlcTerms, htlc: Htlc): Sat =>
  sat(toSat(htlc.amount) - htlcTransactionFee(type, htlcTransactionKind(htlc), feerate));

/** The second stage of one HTLC of the commitment `txid`. */
export const htlcTransaction = (txid: Txid, { htlc, index }: CommittedHtlc, terms: HtlcTerms): Tx => ({
  version: 2,
  inputs: [{ outpoint: { txid, index }, sequence: sequenceOf(terms.type) }],
  outputs: [{ value: payout(terms, htlc), script: p2wsh(delayedScript(terms)) }],
  locktime: locktimeOf(htlc),
});

/** What `signer` signs of an HTLC transaction that stands alone. */
export const htlcDigest = (
  txid: Txid,
  committed: CommittedHtlc,
  terms: HtlcTerms,
  signer: Party,
): Uint8Array =>
  inputDigest({
    tx: htlcTransaction(txid, committed, terms),
    index: 0,
    scriptCode: committed.script,
    value: toSat(committed.htlc.amount),
    type: htlcSighash(terms.type, signer),
  });

/**
 * `htlcDigest` for all HTLCs of a commitment at once, in the order of their outputs: there may be 966 of them, and
 * nothing that they share is hashed twice.
 */
export const htlcDigests = (
  { txid, htlcs }: Pick<Commitment, "txid" | "htlcs">,
  terms: HtlcTerms,
  signer: Party,
): readonly Uint8Array[] => {
  const type = htlcSighash(terms.type, signer);
  const all = type === sighash.all;
  const sequence = sequenceOf(terms.type);
  const hashSequence = all ? hashSequences([sequence]) : notCommitted;
  const outputScript = p2wsh(delayedScript(terms));
  const outputs = memo((value: Sat) => hashOutputs([{ value, script: outputScript }]));
  const to = new Writer(Math.max(0, ...htlcs.map(({ script }) => preimageLength(script))));
  return htlcs.map(({ htlc, index, script }) => {
    const outpoint = { txid, index };
    const parts = {
      version: 2,
      hashPrevouts: all ? hashPrevouts([outpoint]) : notCommitted,
      hashSequence,
      outpoint,
      scriptCode: script,
      value: toSat(htlc.amount),
      sequence,
      hashOutputs: outputs(payout(terms, htlc)),
      locktime: locktimeOf(htlc),
      type,
    };
    return digestOf(parts, to);
  });
};

const memo = <K, V>(make: (key: K) => V): ((key: K) => V) => {
  const made = new Map<K, V>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const value = make(key);
    made.set(key, value);
    return value;
  };
};
