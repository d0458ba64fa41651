/** BOLT 3, "Commitment Transaction". */

import { p2wsh } from "../bitcoin/script.ts";
import { inputDigest, sighash } from "../bitcoin/sighash.ts";
import { type Tx, type TxOutput, txidOf } from "../bitcoin/tx.ts";
import { compare } from "../bytes.ts";
import {
  type CommitmentNumber,
  type Delay,
  type Outpoint,
  type Point,
  type Sat,
  type Script,
  type Txid,
  toSat,
} from "../units.ts";
import { anchorValue, type ChannelType, type Htlc } from "./channel.ts";
import type { CommitmentKeys } from "./derive.ts";
import { obscure, obscuringFactor } from "./obscure.ts";
import { anchorScript, delayedScript, fundingScript, htlcScripts, toRemoteOutput } from "./scripts.ts";
import { anchorsOf } from "./trim.ts";

export interface CommitmentTerms<H extends Htlc = Htlc> {
  readonly type: ChannelType;
  readonly fundingOutpoint: Outpoint;
  readonly fundingValue: Sat;
  readonly openerPaymentBasepoint: Point;
  readonly accepterPaymentBasepoint: Point;
  readonly number: CommitmentNumber;
  readonly keys: CommitmentKeys;
  /** What the countersignatory asks the broadcaster to wait. */
  readonly delay: Delay;
  /** After fee and anchors; 0 where there is no output. */
  readonly toBroadcaster: Sat;
  readonly toCountersignatory: Sat;
  /** Those that have an output. */
  readonly htlcs: readonly H[];
}

export interface CommittedHtlc<H extends Htlc = Htlc> {
  readonly htlc: H;
  /** Of its output. */
  readonly index: number;
  /** Its witness script. */
  readonly script: Script;
}

export interface Commitment<H extends Htlc = Htlc> {
  readonly tx: Tx;
  readonly txid: Txid;
  /** What both sides sign with their funding keys. */
  readonly digest: Uint8Array;
  /** In the order of their outputs, which is the order of `htlc_signature`s. */
  readonly htlcs: readonly CommittedHtlc<H>[];
}

interface Planned<H extends Htlc> extends TxOutput {
  readonly committed?: { readonly htlc: H; readonly script: Script };
}

/** BOLT 3, "Transaction Output Ordering". The sort is stable, so HTLCs alike in everything keep their order. */
const byValueScriptExpiry = <H extends Htlc>(a: Planned<H>, b: Planned<H>): number => {
  if (a.value !== b.value) return a.value < b.value ? -1 : 1;
  return compare(a.script, b.script) || (a.committed?.htlc.expiry ?? 0) - (b.committed?.htlc.expiry ?? 0);
};

const plan = <H extends Htlc>(terms: CommitmentTerms<H>): readonly Planned<H>[] => {
  const { type, keys, delay, toBroadcaster, toCountersignatory, htlcs } = terms;
  const outputs: Planned<H>[] = [];
  if (toBroadcaster > 0n)
    outputs.push({ value: toBroadcaster, script: p2wsh(delayedScript({ keys, delay })) });
  if (toCountersignatory > 0n) {
    outputs.push({ value: toCountersignatory, script: toRemoteOutput(type, keys.countersignatoryPayment) });
  }
  const funding = { broadcaster: keys.broadcasterFunding, countersignatory: keys.countersignatoryFunding };
  for (const party of anchorsOf(terms)) {
    outputs.push({ value: anchorValue, script: p2wsh(anchorScript(funding[party])) });
  }
  const scriptOf = htlcScripts(type, keys);
  for (const htlc of htlcs) {
    const script = scriptOf(htlc);
    outputs.push({ value: toSat(htlc.amount), script: p2wsh(script), committed: { htlc, script } });
  }
  return outputs.sort(byValueScriptExpiry);
};

export const buildCommitment = <H extends Htlc>(terms: CommitmentTerms<H>): Commitment<H> => {
  const { fundingOutpoint, fundingValue, openerPaymentBasepoint, accepterPaymentBasepoint, number, keys } =
    terms;
  const { sequence, locktime } = obscure(
    number,
    obscuringFactor(openerPaymentBasepoint, accepterPaymentBasepoint),
  );
  const outputs = plan(terms);
  const tx: Tx = {
    version: 2,
    inputs: [{ outpoint: fundingOutpoint, sequence }],
    outputs: outputs.map(({ value, script }) => ({ value, script })),
    locktime,
  };
  return {
    tx,
    txid: txidOf(tx),
    digest: inputDigest({
      tx,
      index: 0,
      scriptCode: fundingScript(keys.broadcasterFunding, keys.countersignatoryFunding),
      value: fundingValue,
      type: sighash.all,
    }),
    htlcs: outputs.flatMap(({ committed }, index) =>
      committed === undefined ? [] : [{ ...committed, index }],
    ),
  };
};
