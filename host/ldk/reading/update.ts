/**
 * What a `ChannelMonitorUpdate` tells beyond the calls to a signer: HTLCs that are too small for an output, and preimages
 * (rust-lightning v0.1.2, `lightning/src/chain/channelmonitor.rs`).
 */

import { ByteReader } from "../../../protocol/bolt/tlv.ts";
import { invalid, Malformed } from "../../../protocol/malformed.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import { type CommitmentNumber, type Preimage, preimage, type Txid, txid } from "../../../protocol/units.ts";
import { type HtlcOutput, htlcOf, takeHolderCommitment, takeHtlc } from "./commitment.ts";
import { all, done, numberOf, type Record, skipOption, takeRecord, within } from "./fields.ts";

export type UpdateStep =
  | {
      readonly is: "commitment";
      readonly owner: Side;
      readonly number: CommitmentNumber;
      readonly txid: Txid;
      readonly trimmed: readonly Htlc[];
      /** Of HTLCs of ours that left with it. */
      readonly preimages: readonly Preimage[];
    }
  | { readonly is: "preimage"; readonly preimage: Preimage }
  /** The channel is at its end: no further commitment follows. */
  | { readonly is: "closed" }
  /** Secrets and closing scripts: nothing that a signer is not told. */
  | { readonly is: "other" };

export interface ReadUpdate {
  readonly id: bigint;
  readonly steps: readonly UpdateStep[];
}

/** Of `SERIALIZATION_VERSION`. */
const version = 1;

const smallOf = (outputs: readonly HtlcOutput[], owner: Side): readonly Htlc[] =>
  outputs.filter(({ index }) => index === undefined).map((output) => htlcOf(output, owner));

/** `(SentHTLCId, PaymentPreimage)` */
const takeClaimed = (from: ByteReader): Preimage => {
  from.take(1);
  takeRecord(from);
  return preimage(from.take(32));
};

const holderStep = (fields: Record): UpdateStep => {
  const { commitment } = within("commitment", () => {
    const inner = new ByteReader(fields.need(0, ""));
    const read = takeHolderCommitment(inner);
    done(inner);
    return read;
  });
  const outputs = all(
    fields.need(2, "htlcOutputs"),
    (from) => {
      const output = takeHtlc(from);
      skipOption(from);
      skipOption(from);
      return output;
    },
    "htlcOutputs",
  );
  const claimed = fields.optional(1);
  return {
    is: "commitment",
    owner: "holder",
    number: commitment.number,
    txid: commitment.txid,
    trimmed: smallOf(outputs, "holder"),
    preimages: claimed === undefined ? [] : all(claimed, takeClaimed, "claimed"),
  };
};

const counterpartyStep = (fields: Record): UpdateStep => {
  const outputs = all(
    fields.need(6, "htlcOutputs"),
    (from) => {
      const output = takeHtlc(from);
      skipOption(from);
      return output;
    },
    "htlcOutputs",
  );
  return {
    is: "commitment",
    owner: "counterparty",
    number: within("number", () => numberOf(fields.uint(2, "", 8))),
    txid: within("txid", () => txid(fields.need(0, ""))),
    trimmed: smallOf(outputs, "counterparty"),
    preimages: [],
  };
};

const takeStep = (from: ByteReader): UpdateStep => {
  const kind = from.small(1);
  const fields = takeRecord(from);
  switch (kind) {
    case 0:
      return holderStep(fields);
    case 1:
      return counterpartyStep(fields);
    case 2:
      return { is: "preimage", preimage: within("preimage", () => preimage(fields.need(0, ""))) };
    case 4:
      return { is: "closed" };
    case 3:
    case 5:
      return { is: "other" };
    default:
      // Odd kinds may be passed over, as LDK itself does.
      if (kind % 2 === 1) return { is: "other" };
      throw invalid(`no kind of step: ${kind}`);
  }
};

export const readUpdate = (bytes: Uint8Array): ReadUpdate => {
  const from = new ByteReader(bytes);
  from.take(1);
  const least = from.small(1);
  if (least > version) throw new Malformed("version", `readable from version ${least} on`);
  const id = from.uint(8);
  const count = from.uint(8);
  const steps: UpdateStep[] = [];
  for (let i = 0n; i < count; i++) steps.push(within(`steps[${i}]`, () => takeStep(from)));
  takeRecord(from);
  done(from);
  return { id, steps };
};
