/** BOLT 12, "Signature Calculation". */

import { compare, concat } from "../../bytes.ts";
import { sha256 } from "../../hash.ts";
import { encodeBigSize, encodeTlvRecord, type TlvRecord } from "../tlv.ts";

export type SignedMessage = "invoice_request" | "invoice";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** H(tag, message) of BIP340, with the part that is the same for each message of a tag. */
const tagged = (tag: Uint8Array): ((message: Uint8Array) => Uint8Array) => {
  const prefix = sha256(tag);
  return (message) => sha256(concat(prefix, prefix, message));
};

const leaf = tagged(ascii("LnLeaf"));
const branch = tagged(ascii("LnBranch"));

const joined = (a: Uint8Array, b: Uint8Array): Uint8Array =>
  branch(compare(a, b) < 0 ? concat(a, b) : concat(b, a));

/** "TLV types 240 through 1000 (inclusive)". */
export const isSignatureType = (type: bigint): boolean => type >= 240n && type <= 1000n;

/** Of the records that are no signatures. A stream without any has no root. */
export const merkleRoot = (records: readonly TlvRecord[]): Uint8Array => {
  const covered = records.filter(({ type }) => !isSignatureType(type));
  const [first] = covered;
  if (first === undefined) throw new RangeError("no record to sign");
  const nonce = tagged(concat(ascii("LnNonce"), encodeTlvRecord(first)));
  let level = covered.map((record) =>
    joined(leaf(encodeTlvRecord(record)), nonce(encodeBigSize(record.type))),
  );
  // "the deepest tree on the lowest-order leaves": what has no neighbour waits for the next level.
  while (level.length > 1) {
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, at) => {
      const [left, right] = level.slice(2 * at, 2 * at + 2) as [Uint8Array, Uint8Array | undefined];
      return right === undefined ? left : joined(left, right);
    });
  }
  return level[0] as Uint8Array;
};

/** What BIP340 signs, of the one signature field that the BOLT defines. */
export const rootDigest = (message: SignedMessage, root: Uint8Array): Uint8Array =>
  tagged(ascii(`lightning${message}signature`))(root);

export const offerDigest = (message: SignedMessage, records: readonly TlvRecord[]): Uint8Array =>
  rootDigest(message, merkleRoot(records));
