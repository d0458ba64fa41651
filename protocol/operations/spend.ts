import { blob, choice, fixed, list, maybe, message, u8, u32, type ValueOf } from "../codec.ts";
import { channel, htlc, number, outpoint, point, preimage, sat, script, transaction } from "./fields.ts";
import { operation } from "./operation.ts";

/** Of a key of the wallet: an account of `identity`, a branch of it, and the index below. */
export const place = message("WalletPlace", {
  account: u8("account", (n) => n),
  branch: u8("branch", (n) => n),
  index: u32("index", (n) => n),
});
export type Place = ValueOf<typeof place>;

/** By which right an input is spent (BOLT 5). `foreign`: not ours, and not to be signed. */
export const inputKind = choice("InputKind", [
  "delayed",
  "toRemote",
  "holderHtlc",
  "counterpartyHtlc",
  "justiceToLocal",
  "justiceHtlc",
  "justiceSecondLevel",
  "anchor",
  "wallet",
  "foreign",
]);
export type InputKind = ValueOf<typeof inputKind>;

/** What it says beside its kind is needed for some kinds, and held against what the signer knows for all. */
export const spendInput = message("SpendInput", {
  outpoint,
  kind: inputKind,
  /** Of every kind but `wallet` and `foreign`. */
  channel: maybe(channel),
  /** Of the commitment: for our own outputs and for justice. */
  number: maybe(number),
  /** In place of the number, for an output of our own commitment. */
  point: maybe(point),
  /** For `justiceHtlc`: the signer remembers no revoked HTLCs. */
  htlc: maybe(htlc),
  preimage: maybe(preimage),
  /** Of the output that is spent. */
  value: maybe(sat),
  script: maybe(script),
  /** With or without witnesses: it proves value and script. */
  prevTx: maybe(blob("transaction", 400_000, (bytes) => bytes)),
  /** For `wallet`. */
  place: maybe(place),
});
export type SpendInput = ValueOf<typeof spendInput>;

/** What an output is: of our wallet, a channel's closing script or its funding; `other` is whatever is none of these. */
export const spendOutput = message("SpendOutput", {
  kind: choice("OutputKind", ["wallet", "closing", "funding", "other"]),
  place: maybe(place),
  channel: maybe(channel),
});
export type SpendOutput = ValueOf<typeof spendOutput>;

export const maxSpendInputs = 500;

export const spendOperations = {
  spend: operation(
    0x40,
    "Signs our inputs of one transaction: claims of any kind, wallet inputs and funding, mixed as the host likes.",
    {
      /** Without signatures. */
      tx: transaction,
      /** One for each of the transaction's. */
      inputs: list(spendInput, maxSpendInputs),
      outputs: list(spendOutput, 3_000),
    },
    {
      /** One for each input, unknown where it is foreign: ECDSA over everything, or BIP 340 for taproot. */
      signatures: list(maybe(fixed("signature", 64, (raw) => raw)), maxSpendInputs),
    },
  ),
  walletAddress: operation(
    0x43,
    "Answers with the script of one place of the wallet, which counts as used from then on.",
    { place },
    { script },
  ),
};
