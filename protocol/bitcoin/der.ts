/** ECDSA signatures as scripts check them (BIP 66), and as Lightning messages carry them: r and s, 64 bytes. */

import { concat } from "../bytes.ts";
import { invalid } from "../malformed.ts";
import { type Signature, signature } from "../units.ts";
import type { Sighash } from "./sighash.ts";

const integer = (word: Uint8Array): Uint8Array => {
  let start = 0;
  while (start < word.length - 1 && word[start] === 0) start++;
  const digits = word.subarray(start);
  // A set top bit would make it negative.
  const body = (digits[0] as number) >= 0x80 ? concat(Uint8Array.of(0), digits) : digits;
  return concat(Uint8Array.of(0x02, body.length), body);
};

export const encodeDer = (signature: Signature): Uint8Array => {
  const r = integer(signature.subarray(0, 32));
  const s = integer(signature.subarray(32));
  return concat(Uint8Array.of(0x30, r.length + s.length), r, s);
};

/** As an item of a witness. */
export const witnessSignature = (signature: Signature, type: Sighash): Uint8Array =>
  concat(encodeDer(signature), Uint8Array.of(type));

/** Only what `encodeDer` can give is taken; that r and s are in range, and s low, is the Curve's to say. */
export const decodeDer = (bytes: Uint8Array): Signature => {
  if (bytes[0] !== 0x30 || bytes[1] !== bytes.length - 2) throw invalid("not a DER signature");
  const out = new Uint8Array(64);
  const rest = readInteger(bytes.subarray(2), out.subarray(0, 32));
  if (readInteger(rest, out.subarray(32)).length > 0) throw invalid("bytes after a DER signature");
  return signature(out);
};

const readInteger = (bytes: Uint8Array, into: Uint8Array): Uint8Array => {
  const length = bytes[1] ?? 0;
  const body = bytes.subarray(2, 2 + length);
  if (bytes[0] !== 0x02 || length === 0 || body.length !== length)
    throw invalid("no integer in a DER signature");
  const [first = 0, second = 0] = body;
  if (first >= 0x80) throw invalid("a negative integer in a DER signature");
  if (first === 0 && length > 1 && second < 0x80) throw invalid("a padded integer in a DER signature");
  const digits = first === 0 ? body.subarray(1) : body;
  if (digits.length > 32) throw invalid("an integer too large in a DER signature");
  into.set(digits, 32 - digits.length);
  return bytes.subarray(2 + length);
};
