/** BOLT 11, "Invoice Protocol for Lightning Payments". */

import { bech32 } from "@scure/base";
import { concat, equal } from "../../bytes.ts";
import type { Curve } from "../../curve/curve.ts";
import { sha256 } from "../../hash.ts";
import { invalid, Malformed } from "../../malformed.ts";
import type { PaymentHash, Point, Signature } from "../../units.ts";
import { checkDependencies, checkKnown, type Features, invoiceFeatures } from "./features.ts";
import { encodeFields, type Field, fieldsLength, parseFields, type RouteHop } from "./fields.ts";
import { encodePrefix, type Prefix, parsePrefix } from "./prefix.ts";
import { fromWords, numberOf, packed, toWords, wordsOf } from "./words.ts";

export interface UnsignedInvoice extends Prefix {
  /** As it was written: an amount can be written in several ways, and the signature covers the one chosen. */
  readonly hrp: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly fields: readonly Field[];
}

/** Whole, verified, and such that it may be paid; where a field is repeated, the first is meant. */
export interface Invoice extends UnsignedInvoice {
  /** r and s. Where the payee was recovered, s may be high. */
  readonly signature: Uint8Array;
  readonly recoveryId: number;
  readonly payee: Point;
  readonly paymentHash: PaymentHash;
  readonly paymentSecret: Uint8Array;
  /** Either this or its hash. */
  readonly description?: string;
  readonly descriptionHash?: Uint8Array;
  readonly metadata?: Uint8Array;
  /** Seconds from the timestamp. */
  readonly expiry: bigint;
  readonly finalExpiryDelta: bigint;
  readonly features: Features;
  readonly fallbacks: readonly { readonly version: number; readonly program: Uint8Array }[];
  readonly routes: readonly (readonly RouteHop[])[];
}

/** The most characters of a QR code, in which every invoice must fit to be of use. */
const maxLength = 7_089;
const timestampWords = 7;
const signatureWords = 104;
const defaultExpiry = 3_600n;
const defaultFinalExpiryDelta = 18n;

/** Everything before the signature. */
export const unsignedWords = ({ timestamp, fields }: UnsignedInvoice): Uint8Array =>
  concat(wordsOf(BigInt(timestamp), timestampWords), encodeFields(fields));

/** What is signed. `words` is the data part without the signature. */
export const invoiceDigest = (hrp: string, words: Uint8Array): Uint8Array =>
  sha256(concat(new TextEncoder().encode(hrp), packed(words)));

/** Of words that a host wants signed: what comes back says all that they say, and is all that a digest is made of. */
export const parseUnsignedInvoice = (curve: Curve, hrp: string, words: Uint8Array): UnsignedInvoice => {
  if (hrp.length + words.length > maxLength) throw invalid("longer than an invoice can be");
  if (words.some((word) => word > 31)) throw invalid("not words of 5 bits");
  if (words.length < timestampWords) throw new Malformed("timestamp", "ends too early");
  const prefix = parsePrefix(hrp);
  const timestamp = Number(numberOf(words.subarray(0, timestampWords)));
  const invoice = { ...prefix, hrp, timestamp, fields: parseFields(curve, words.subarray(timestampWords)) };
  if (!equal(unsignedWords(invoice), words)) throw invalid("has another encoding");
  return invoice;
};

/**
 * Of the bytes under the hash, as lnd sends them: the prefix, then the packed words. What ends the prefix is the first
 * byte of the timestamp, which is no digit or letter before the year 2174.
 */
export const parseInvoicePreimage = (curve: Curve, bytes: Uint8Array): UnsignedInvoice => {
  if (bytes.length > maxLength) throw invalid("longer than an invoice can be");
  const end = bytes.findIndex((byte) => byte < 0x30 || byte > 0x7a);
  if (end < 0) throw new Malformed("timestamp", "ends too early");
  const hrp = String.fromCharCode(...bytes.subarray(0, end));
  const all = toWords(bytes.subarray(end));
  // What was filled up can look like a word or two more. No field is that short.
  const words = all.subarray(0, timestampWords + fieldsLength(all.subarray(timestampWords)));
  const invoice = parseUnsignedInvoice(curve, hrp, words);
  if (!equal(packed(words), bytes.subarray(end))) throw invalid("has another encoding");
  return invoice;
};

export const buildUnsignedInvoice = (parts: Omit<UnsignedInvoice, "hrp">): UnsignedInvoice => ({
  ...parts,
  hrp: encodePrefix(parts),
});

export const encodeInvoice = (
  invoice: UnsignedInvoice,
  signature: Uint8Array,
  recoveryId: number,
): string => {
  const signed = toWords(concat(signature, Uint8Array.of(recoveryId)));
  return bech32.encode(invoice.hrp, concat(unsignedWords(invoice), signed), false);
};

type Named<Is extends Field["is"]> = Extract<Field, { readonly is: Is }>;

const all = <Is extends Field["is"]>(fields: readonly Field[], is: Is): readonly Named<Is>[] =>
  fields.filter((field): field is Named<Is> => field.is === is);

const first = <Is extends Field["is"]>(fields: readonly Field[], is: Is): Named<Is> | undefined =>
  all(fields, is)[0];

/** Why the BOLT's writer may not have written it, if so: what a payee's key should not sign. */
export const writerFault = ({ fields }: UnsignedInvoice): string | undefined => {
  const count = (is: Field["is"]): number => all(fields, is).length;
  for (const is of ["paymentHash", "paymentSecret"] as const)
    if (count(is) !== 1) return `not exactly one ${is}`;
  if (count("description") + count("descriptionHash") !== 1)
    return "not exactly one description or descriptionHash";
  for (const is of ["expiry", "finalExpiryDelta", "payee", "metadata", "features"] as const)
    if (count(is) > 1) return `more than one ${is}`;
  const [unknown] = all(fields, "unknown");
  if (unknown !== undefined) return `a field of type ${unknown.type} that is not understood`;
  if (first(fields, "features")?.bits.length === 0) return "features without a bit";
  return undefined;
};

const payeeOf = (curve: Curve, unsigned: UnsignedInvoice, signature: Uint8Array, id: number): Point => {
  const digest = invoiceDigest(unsigned.hrp, unsignedWords(unsigned));
  const named = first(unsigned.fields, "payee")?.key;
  if (named === undefined) {
    const recovered = curve.recover(digest, signature, id);
    if (recovered === undefined) throw new Malformed("signature", "no key made it");
    return recovered;
  }
  // "MUST use the n field to validate the signature instead of performing public-key recovery", and low s.
  if (!curve.verify({ digest, signature: signature as Signature, key: named }))
    throw new Malformed("signature", "the payee did not make it");
  return named;
};

export interface ReaderOptions {
  /** Even feature bits that are understood. */
  readonly features: ReadonlySet<number>;
}

const required = <T>(value: T | undefined, path: string): T => {
  if (value === undefined) throw new Malformed(path, "missing");
  return value;
};

const featuresIn = (fields: readonly Field[], known: ReadonlySet<number>): Features => {
  try {
    for (const { bits } of all(fields, "features")) checkKnown(bits, known);
    const bits = first(fields, "features")?.bits ?? [];
    checkDependencies(bits);
    return bits;
  } catch (error) {
    throw error instanceof Malformed ? error.within("features") : error;
  }
};

/** What a payer needs ("A reader", of "Tagged Fields"), with what is meant where a field is not there. */
const payable = ({ fields }: UnsignedInvoice, { features }: ReaderOptions) => {
  const description = first(fields, "description")?.text;
  const descriptionHash = first(fields, "descriptionHash")?.hash;
  const metadata = first(fields, "metadata")?.bytes;
  if ((description === undefined) === (descriptionHash === undefined))
    throw new Malformed("description", "neither or both of description and descriptionHash");
  return {
    paymentHash: required(first(fields, "paymentHash")?.hash, "paymentHash"),
    paymentSecret: required(first(fields, "paymentSecret")?.bytes, "paymentSecret"),
    ...(description === undefined ? {} : { description }),
    ...(descriptionHash === undefined ? {} : { descriptionHash }),
    ...(metadata === undefined ? {} : { metadata }),
    expiry: first(fields, "expiry")?.seconds ?? defaultExpiry,
    finalExpiryDelta: first(fields, "finalExpiryDelta")?.blocks ?? defaultFinalExpiryDelta,
    features: featuresIn(fields, features),
    fallbacks: all(fields, "fallback").map(({ version, program }) => ({ version, program })),
    routes: all(fields, "route").map(({ hops }) => hops),
  };
};

const decoded = (text: string): { readonly hrp: string; readonly words: Uint8Array } => {
  if (text.length > maxLength) throw invalid("longer than an invoice can be");
  try {
    const { prefix, words } = bech32.decode(text, maxLength);
    return { hrp: prefix, words: Uint8Array.from(words) };
  } catch {
    throw invalid("not bech32, or mistyped");
  }
};

/** Of an invoice that somebody else signed. */
export const parseInvoice = (
  curve: Curve,
  text: string,
  options: ReaderOptions = { features: invoiceFeatures },
): Invoice => {
  const { hrp, words } = decoded(text);
  const end = words.length - signatureWords;
  if (end < timestampWords) throw invalid("too short");
  const unsigned = parseUnsignedInvoice(curve, hrp, words.subarray(0, end));
  const signed = fromWords(words.subarray(end));
  const [signature, recoveryId] = [signed.slice(0, 64), signed[64] as number];
  if (recoveryId > 3) throw new Malformed("signature", "not a recovery id");
  const meaning = payable(unsigned, options);
  return {
    ...unsigned,
    ...meaning,
    signature,
    recoveryId,
    payee: payeeOf(curve, unsigned, signature, recoveryId),
  };
};
