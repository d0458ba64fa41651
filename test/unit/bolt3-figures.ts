/** Appendices B to F of BOLT 3, as data. */

import { readFileSync } from "node:fs";
import type { Htlc } from "../../protocol/bolt/channel.ts";
import type { CommitmentTerms } from "../../protocol/bolt/commitment.ts";
import { commitmentKeys } from "../../protocol/bolt/derive.ts";
import { fromHex, reversed } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import {
  commitmentNumber,
  delay,
  height,
  msat,
  type Outpoint,
  type Point,
  type Preimage,
  paymentHash,
  point,
  preimage,
  sat,
  txid,
} from "../../protocol/units.ts";

interface HtlcFigure {
  readonly direction: "remote->local" | "local->remote";
  readonly amount_msat: string;
  readonly expiry: string;
  readonly payment_preimage: string;
}

export interface CommitmentCase {
  readonly name: string;
  readonly outputs: readonly { readonly what: string; readonly amount: number; readonly script: string }[];
  readonly htlc_txs: readonly {
    readonly output: number;
    readonly kind: "timeout" | "success";
    readonly htlc: string;
    readonly remote_htlc_signature: string;
    readonly local_htlc_signature: string;
    readonly tx: string;
  }[];
  readonly to_local_msat: number;
  readonly to_remote_msat: number;
  readonly local_feerate_per_kw: number;
  readonly base_fee?: number;
  readonly actual_fee?: number;
  readonly remote_signature: string;
  readonly local_signature: string;
  readonly commit_tx: string;
  readonly num_htlcs: number;
}

export interface AnchorsCase {
  readonly Name: string;
  readonly LocalBalance: number;
  readonly RemoteBalance: number;
  readonly DustLimitSatoshis: number;
  readonly FeePerKw: number;
  readonly UseTestHtlcs: boolean;
  readonly HtlcDescs: readonly { readonly RemoteSigHex: string; readonly ResolutionTxHex: string }[];
  readonly ExpectedCommitmentTxHex: string;
  readonly RemoteSigHex: string;
}

interface Figures {
  readonly funding: Readonly<Record<string, string>>;
  readonly commitment: {
    readonly common: Readonly<Record<string, string>>;
    readonly htlcs: Readonly<Record<string, HtlcFigure>>;
    readonly internal: Readonly<Record<string, string>>;
    readonly cases: readonly CommitmentCase[];
  };
  readonly secrets: {
    readonly generate: readonly { name: string; seed: string; I: string; output: string }[];
    readonly store: readonly {
      name: string;
      steps: readonly { I: string; secret: string; result: "OK" | "ERROR" }[];
    }[];
  };
  readonly keys: Readonly<Record<string, string>>;
  readonly anchors: readonly AnchorsCase[];
}

export const figures: Figures = JSON.parse(
  readFileSync(new URL("../vectors/bolt3.json", import.meta.url), "utf8"),
);

export const field = (record: Readonly<Record<string, string>>, name: string): string => {
  const value = record[name];
  if (value === undefined) throw new Error(`no figure ${name}`);
  return value;
};

export const bytesOf = (text: string): Uint8Array => fromHex(text.replace(/^0x/, "").toLowerCase());

/** Private keys stand with a last byte 01, as in the wallet import format. */
export const secretOf = (text: string): Secret => new Secret(bytesOf(text).subarray(0, 32));

const { common, htlcs, internal } = figures.commitment;
export const commonBytes = (name: string): Uint8Array => bytesOf(field(common, name));
export const internalSecret = (name: string): Secret => secretOf(field(internal, name));
const commonPoint = (name: string): Point => point(commonBytes(name));

export interface NumberedHtlc extends Htlc {
  readonly number: string;
  readonly preimage: Preimage;
}

const numberedHtlc = (number: string): NumberedHtlc => {
  const figure = htlcs[number];
  if (figure === undefined) throw new Error(`no HTLC ${number}`);
  const secret = preimage(bytesOf(figure.payment_preimage));
  return {
    number,
    preimage: secret,
    offeredBy: figure.direction === "local->remote" ? "broadcaster" : "countersignatory",
    amount: msat(BigInt(figure.amount_msat)),
    hash: paymentHash(sha256(secret)),
    expiry: height(Number(figure.expiry)),
  };
};

/** HTLCs 0 to 4 stand in all cases that have any; 1, 5 and 6 in the one of equal amounts. */
export const caseHtlcs = (name: string, toLocalMsat: number): readonly NumberedHtlc[] =>
  (name.includes("same amount")
    ? ["1", "5", "6"]
    : toLocalMsat === 6_988_000_000
      ? ["0", "1", "2", "3", "4"]
      : []
  ).map(numberedHtlc);

export const fundingOutpoint: Outpoint = {
  txid: txid(reversed(commonBytes("funding_tx_id"))),
  index: Number(field(common, "funding_output_index")),
};

/** The channel of appendix C: the local node opened it and owns every commitment. */
export const figureChannel = (curve: Curve) => {
  const basepoint = (name: string) => curve.publicKey(internalSecret(name));
  const keys = commitmentKeys(curve, {
    broadcaster: {
      funding: commonPoint("local_funding_pubkey"),
      revocation: commonPoint("local_funding_pubkey"),
      payment: commonPoint("local_payment_basepoint"),
      delayed: basepoint("local_delayed_payment_basepoint_secret"),
      htlc: commonPoint("local_htlc_basepoint"),
    },
    countersignatory: {
      funding: commonPoint("remote_funding_pubkey"),
      revocation: basepoint("remote_revocation_basepoint_secret"),
      payment: commonPoint("remote_payment_basepoint"),
      delayed: commonPoint("remote_funding_pubkey"),
      htlc: commonPoint("remote_htlc_basepoint"),
    },
    point: curve.publicKey(internalSecret("local_per_commitment_secret")),
  });
  const terms = {
    fundingOutpoint,
    fundingValue: sat(BigInt(field(common, "funding_amount_satoshi"))),
    openerPaymentBasepoint: commonPoint("local_payment_basepoint"),
    accepterPaymentBasepoint: commonPoint("remote_payment_basepoint"),
    number: commitmentNumber(BigInt(field(common, "commitment_number"))),
    keys,
    delay: delay(Number(field(common, "local_delay"))),
  } satisfies Partial<CommitmentTerms>;
  return terms;
};
