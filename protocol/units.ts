/** Amounts, counts and keys that may not be mixed: each unit is a type, checked where it is made. */

import { invalid } from "./malformed.ts";

declare const unit: unique symbol;
type Brand<Base, Name extends string> = Base & { readonly [unit]: Name };

export type Sat = Brand<bigint, "Sat">;
export type Msat = Brand<bigint, "Msat">;
/** Satoshi per 1000 weight units. */
export type Feerate = Brand<number, "Feerate">;
/** A block height, or a locktime that is one. */
export type Height = Brand<number, "Height">;
/** A relative delay in blocks (BIP 68). */
export type Delay = Brand<number, "Delay">;
/** Counts up from 0, below 2^48 (BOLT 3, "Commitment Transaction"). */
export type CommitmentNumber = Brand<bigint, "CommitmentNumber">;
/** Chosen by the signer, never used twice. */
export type ChannelId = Brand<bigint, "ChannelId">;

/** 33 bytes, compressed. */
export type Point = Brand<Uint8Array, "Point">;
/** 64 bytes: r and s, low s. */
export type Signature = Brand<Uint8Array, "Signature">;
/** 32 bytes in the order in which they are hashed and sent, which is not the order in which people read them. */
export type Txid = Brand<Uint8Array, "Txid">;
export type PaymentHash = Brand<Uint8Array, "PaymentHash">;
export type Preimage = Brand<Uint8Array, "Preimage">;
/** A per-commitment secret that may be known to the peer (BOLT 3, "Per-commitment Secret Requirements"). */
export type RevocationSecret = Brand<Uint8Array, "RevocationSecret">;
export type Script = Brand<Uint8Array, "Script">;
/** The public key of the node that a request is about. */
export type NodeId = Point;

export interface Outpoint {
  readonly txid: Txid;
  readonly index: number;
}

const maxSat = 2_100_000_000_000_000n;

export const sat = (n: bigint): Sat => {
  if (n < 0n || n > maxSat) throw invalid(`not an amount in satoshi: ${n}`);
  return n as Sat;
};

export const msat = (n: bigint): Msat => {
  if (n < 0n || n > maxSat * 1000n) throw invalid(`not an amount in millisatoshi: ${n}`);
  return n as Msat;
};

export const toMsat = (n: Sat): Msat => (n * 1000n) as Msat;
/** Rounded down, as BOLT 3 asks for every output. */
export const toSat = (n: Msat): Sat => (n / 1000n) as Sat;

const integer = (n: number, max: number, what: string): number => {
  if (!Number.isInteger(n) || n < 0 || n > max) throw invalid(`not ${what}: ${n}`);
  return n;
};

export const feerate = (n: number): Feerate => integer(n, 0xffff_ffff, "a feerate") as Feerate;
export const height = (n: number): Height => integer(n, 499_999_999, "a block height") as Height;
export const delay = (n: number): Delay => integer(n, 0xffff, "a delay in blocks") as Delay;

export const commitmentNumber = (n: bigint): CommitmentNumber => {
  if (n < 0n || n >= 1n << 48n) throw invalid(`not a commitment number: ${n}`);
  return n as CommitmentNumber;
};

export const channelId = (n: bigint): ChannelId => {
  if (n < 0n || n >= 1n << 63n) throw invalid(`not a channel id: ${n}`);
  return n as ChannelId;
};

const sized = (bytes: Uint8Array, length: number, what: string): Uint8Array => {
  if (bytes.length !== length) throw invalid(`not ${what}: ${bytes.length} bytes`);
  return bytes;
};

/** Checks the form alone; that it lies on the curve is the Curve's to say. */
export const point = (bytes: Uint8Array): Point => {
  sized(bytes, 33, "a public key");
  if (bytes[0] !== 2 && bytes[0] !== 3) throw invalid("not a public key: it must be compressed");
  return bytes as Point;
};

export const signature = (bytes: Uint8Array): Signature => sized(bytes, 64, "a signature") as Signature;
export const txid = (bytes: Uint8Array): Txid => sized(bytes, 32, "a transaction id") as Txid;
export const paymentHash = (bytes: Uint8Array): PaymentHash =>
  sized(bytes, 32, "a payment hash") as PaymentHash;
export const preimage = (bytes: Uint8Array): Preimage => sized(bytes, 32, "a preimage") as Preimage;
export const revocationSecret = (bytes: Uint8Array): RevocationSecret =>
  sized(bytes, 32, "a per-commitment secret") as RevocationSecret;
export const script = (bytes: Uint8Array): Script => bytes as Script;
