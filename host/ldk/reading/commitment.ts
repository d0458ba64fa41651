/** Commitments as LDK hands them to its signers (rust-lightning v0.1.2, `lightning/src/ln/chan_utils.rs`). */

import { ByteReader } from "../../../protocol/bolt/tlv.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Htlc, Side } from "../../../protocol/operations/fields.ts";
import {
  type CommitmentNumber,
  type Feerate,
  feerate,
  height,
  msat,
  type Point,
  paymentHash,
  point,
  type Sat,
  type Signature,
  sat,
  signature,
  type Txid,
  txid,
} from "../../../protocol/units.ts";
import { all, done, numberOf, takeRecord, within } from "./fields.ts";

/** `HTLCOutputInCommitment` */
export interface HtlcOutput {
  /** By the commitment's broadcaster. */
  readonly offered: boolean;
  readonly htlc: Omit<Htlc, "offeredBy">;
  /** Of its output; undefined where it is too small for one. */
  readonly index: number | undefined;
}

/** `CommitmentTransaction` */
export interface ReadCommitment {
  readonly number: CommitmentNumber;
  readonly toBroadcaster: Sat;
  readonly toCountersignatory: Sat;
  readonly feerate: Feerate;
  readonly point: Point;
  /** As LDK built it, without signatures. */
  readonly tx: Uint8Array;
  readonly txid: Txid;
  /** Those with an output, in the order of the outputs. */
  readonly htlcs: readonly HtlcOutput[];
}

/** `HolderCommitmentTransaction` */
export interface ReadHolderCommitment {
  readonly commitment: ReadCommitment;
  readonly signature: Signature;
  readonly htlcSignatures: readonly Signature[];
}

/** As the holder sees it. */
export const htlcOf = ({ offered, htlc }: HtlcOutput, broadcaster: Side): Htlc => {
  const other = broadcaster === "holder" ? "counterparty" : "holder";
  return { offeredBy: offered ? broadcaster : other, ...htlc };
};

const flag = (value: bigint, name: string): boolean => {
  if (value > 1n) throw new Malformed(name, "neither true nor false");
  return value === 1n;
};

export const takeHtlc = (from: ByteReader): HtlcOutput => {
  const fields = takeRecord(from);
  const index = fields.optional(8);
  return {
    offered: flag(fields.uint(0, "offered", 1), "offered"),
    htlc: {
      amount: within("amount", () => msat(fields.uint(2, "", 8))),
      expiry: within("expiry", () => height(Number(fields.uint(4, "", 4)))),
      hash: within("hash", () => paymentHash(fields.need(6, ""))),
    },
    index: index === undefined ? undefined : Number(fields.uint(8, "index", 4)),
  };
};

const takeCommitment = (from: ByteReader): ReadCommitment => {
  const fields = takeRecord(from);
  const keys = within("keys", () => takeRecord(new ByteReader(fields.need(8, ""))));
  const built = within("built", () => takeRecord(new ByteReader(fields.need(10, ""))));
  return {
    number: within("number", () => numberOf(fields.uint(0, "", 8))),
    toBroadcaster: within("toBroadcaster", () => sat(fields.uint(2, "", 8))),
    toCountersignatory: within("toCountersignatory", () => sat(fields.uint(4, "", 8))),
    feerate: within("feerate", () => feerate(Number(fields.uint(6, "", 4)))),
    point: within("keys.point", () => point(keys.need(0, ""))),
    tx: built.need(0, "built.transaction"),
    txid: within("built.txid", () => txid(built.need(2, ""))),
    htlcs: all(fields.need(12, "htlcs"), takeHtlc, "htlcs"),
  };
};

export const readHtlcOutput = (bytes: Uint8Array): HtlcOutput => {
  const from = new ByteReader(bytes);
  const htlc = takeHtlc(from);
  done(from);
  return htlc;
};

export const readCommitment = (bytes: Uint8Array): ReadCommitment => {
  const from = new ByteReader(bytes);
  const commitment = takeCommitment(from);
  done(from);
  return commitment;
};

export const takeHolderCommitment = (from: ByteReader): ReadHolderCommitment => {
  const fields = takeRecord(from);
  return {
    commitment: within("inner", () => readCommitment(fields.need(0, ""))),
    signature: within("signature", () => signature(fields.need(2, ""))),
    htlcSignatures: all(
      fields.need(6, "htlcSignatures"),
      (each) => signature(each.take(64)),
      "htlcSignatures",
    ),
  };
};

export const readHolderCommitment = (bytes: Uint8Array): ReadHolderCommitment => {
  const from = new ByteReader(bytes);
  const commitment = takeHolderCommitment(from);
  done(from);
  return commitment;
};
