/** BOLT 12, "Encoding": bech32 without a checksum, which may be broken up with `+`. */

import { invalid } from "../../malformed.ts";
import { fromWords, toWords } from "../invoice/words.ts";

export type OfferPrefix = "lno" | "lnr" | "lni";

const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const joint = /(?<=[a-z0-9])\+\s*(?=[a-z0-9])/g;

/** Blinded paths make them long; an onion message has room for less than this. */
const maxLength = 65_536;

export const decodeOfferText = (text: string, prefix: OfferPrefix): Uint8Array => {
  if (text.length > maxLength) throw invalid("too long");
  // Before letters are made small: outside ASCII, others become those of the alphabet.
  if (!/^[a-zA-Z0-9+\s]*$/.test(text)) throw invalid("not bech32");
  const lower = text.toLowerCase();
  if (text !== lower && text !== text.toUpperCase()) throw invalid("of mixed case");
  const whole = lower.replaceAll(joint, "");
  if (!whole.startsWith(`${prefix}1`)) throw invalid(`does not begin with ${prefix}1`);
  const words = new Uint8Array(whole.length - prefix.length - 1);
  for (let at = 0; at < words.length; at++) {
    const word = alphabet.indexOf(whole[prefix.length + 1 + at] as string);
    if (word < 0) throw invalid("not bech32");
    words[at] = word;
  }
  return fromWords(words);
};

export const encodeOfferText = (prefix: OfferPrefix, bytes: Uint8Array): string =>
  `${prefix}1${Array.from(toWords(bytes), (word) => alphabet[word]).join("")}`;
