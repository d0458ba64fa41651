/** BOLT 11, "Tagged Fields". Every field that is understood has one encoding; the others are kept as they came. */

import { concat } from "../../bytes.ts";
import type { Curve } from "../../curve/curve.ts";
import { invalid, Malformed } from "../../malformed.ts";
import { type PaymentHash, type Point, paymentHash, point } from "../../units.ts";
import { encodeUint, uintOf } from "../tlv.ts";
import { encodeFeatures, type Features, featuresOf } from "./features.ts";
import { fromWords, minimalNumberOf, numberOf, toWords, wordsOf } from "./words.ts";

export interface RouteHop {
  readonly node: Point;
  readonly shortChannelId: bigint;
  /** Millisatoshi. */
  readonly feeBase: number;
  readonly feeMillionths: number;
  readonly expiryDelta: number;
}

export type Field =
  | { readonly is: "paymentHash"; readonly hash: PaymentHash }
  | { readonly is: "paymentSecret"; readonly bytes: Uint8Array }
  | { readonly is: "description"; readonly text: string }
  | { readonly is: "descriptionHash"; readonly hash: Uint8Array }
  | { readonly is: "metadata"; readonly bytes: Uint8Array }
  | { readonly is: "payee"; readonly key: Point }
  | { readonly is: "expiry"; readonly seconds: bigint }
  | { readonly is: "finalExpiryDelta"; readonly blocks: bigint }
  /** A witness version and its program, or 17 with the hash of a key, or 18 with the hash of a script. */
  | { readonly is: "fallback"; readonly version: number; readonly program: Uint8Array }
  | { readonly is: "route"; readonly hops: readonly RouteHop[] }
  | { readonly is: "features"; readonly bits: Features }
  /** Of a type, a length or a version that the BOLT does not define: a reader skips it, a signer does not sign it. */
  | { readonly is: "unknown"; readonly type: number; readonly words: Uint8Array };

type Is = Exclude<Field["is"], "unknown">;

/** The values of the letters p, s, d, h, m, n, x, c, f, r and 9. */
const types = {
  paymentHash: 1,
  paymentSecret: 16,
  description: 13,
  descriptionHash: 23,
  metadata: 27,
  payee: 19,
  expiry: 6,
  finalExpiryDelta: 24,
  fallback: 9,
  route: 3,
  features: 5,
} as const satisfies Record<Is, number>;

const names = new Map<number, Is>((Object.keys(types) as readonly Is[]).map((is) => [types[is], is]));

/**
 * The BOLT says of other lengths "MUST fail the payment", and gives an example in which they "must be ignored". Both
 * hold: what is ignored is missing, and a payment needs the hash and the secret.
 */
const lengths: Partial<Record<Is, number>> = {
  paymentHash: 52,
  paymentSecret: 52,
  descriptionHash: 52,
  payee: 53,
};

const maxWords = 1023;
const hopLength = 51;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const textOf = (bytes: Uint8Array): string => {
  try {
    return decoder.decode(bytes);
  } catch {
    throw invalid("not UTF-8");
  }
};

const isProgram = (version: number, length: number): boolean => {
  if (version === 17 || version === 18) return length === 20;
  if (version === 0) return length === 20 || length === 32;
  return version <= 16 && length >= 2 && length <= 40;
};

const keyOf = (curve: Pick<Curve, "isPoint">, bytes: Uint8Array): Point => {
  if (!curve.isPoint(bytes)) throw invalid("not a public key");
  return point(bytes);
};

const hopOf = (curve: Pick<Curve, "isPoint">, bytes: Uint8Array): RouteHop => ({
  node: keyOf(curve, bytes.slice(0, 33)),
  shortChannelId: uintOf(bytes.subarray(33, 41)),
  feeBase: Number(uintOf(bytes.subarray(41, 45))),
  feeMillionths: Number(uintOf(bytes.subarray(45, 49))),
  expiryDelta: Number(uintOf(bytes.subarray(49))),
});

const encodeHop = ({ node, shortChannelId, feeBase, feeMillionths, expiryDelta }: RouteHop): Uint8Array =>
  concat(
    node,
    encodeUint(shortChannelId, 8),
    encodeUint(BigInt(feeBase), 4),
    encodeUint(BigInt(feeMillionths), 4),
    encodeUint(BigInt(expiryDelta), 2),
  );

const routeOf = (curve: Pick<Curve, "isPoint">, bytes: Uint8Array): readonly RouteHop[] => {
  if (bytes.length === 0 || bytes.length % hopLength !== 0) throw invalid("not one or more whole hops");
  return Array.from({ length: bytes.length / hopLength }, (_, at) =>
    hopOf(curve, bytes.subarray(at * hopLength, (at + 1) * hopLength)),
  );
};

const fallbackOf = (words: Uint8Array): Field | undefined => {
  const [version = 31] = words;
  if (version > 18) return undefined;
  const program = fromWords(words.subarray(1));
  return isProgram(version, program.length) ? { is: "fallback", version, program } : undefined;
};

const understood = (curve: Pick<Curve, "isPoint">, is: Is, words: Uint8Array): Field | undefined => {
  switch (is) {
    case "paymentHash":
      return { is, hash: paymentHash(fromWords(words)) };
    case "paymentSecret":
    case "metadata":
      return { is, bytes: fromWords(words) };
    case "description":
      return { is, text: textOf(fromWords(words)) };
    case "descriptionHash":
      return { is, hash: fromWords(words) };
    case "payee":
      return { is, key: keyOf(curve, fromWords(words)) };
    case "expiry":
      return { is, seconds: minimalNumberOf(words) };
    case "finalExpiryDelta":
      return { is, blocks: minimalNumberOf(words) };
    case "fallback":
      return fallbackOf(words);
    case "route":
      return { is, hops: routeOf(curve, fromWords(words)) };
    case "features":
      if (words[0] === 0) throw invalid("begins with zeros");
      return { is, bits: featuresOf(words, 5) };
  }
};

const fieldOf = (curve: Pick<Curve, "isPoint">, type: number, words: Uint8Array): Field => {
  const is = names.get(type);
  const length = is === undefined ? undefined : lengths[is];
  const known =
    is === undefined || (length !== undefined && words.length !== length)
      ? undefined
      : understood(curve, is, words);
  return known ?? { is: "unknown", type, words: words.slice() };
};

/** Of the type and the length. */
const headWords = 3;

const endOf = (words: Uint8Array, at: number): number =>
  at + headWords + Number(numberOf(words.subarray(at + 1, at + headWords)));

/** The words of all whole fields, or beyond the end where the last is not whole. */
export const fieldsLength = (words: Uint8Array): number => {
  let at = 0;
  while (words.length - at >= headWords) at = endOf(words, at);
  return at;
};

export const parseFields = (curve: Pick<Curve, "isPoint">, words: Uint8Array): readonly Field[] => {
  const fields: Field[] = [];
  for (let at = 0; at < words.length; ) {
    const type = words[at] as number;
    const start = at + headWords;
    const end = endOf(words, at);
    try {
      if (end > words.length || start > words.length) throw invalid("ends too early");
      fields.push(fieldOf(curve, type, words.subarray(start, end)));
    } catch (error) {
      throw error instanceof Malformed ? error.within(names.get(type) ?? `field ${type}`) : error;
    }
    at = end;
  }
  return fields;
};

const dataOf = (field: Field): Uint8Array => {
  switch (field.is) {
    case "paymentHash":
    case "descriptionHash":
      return toWords(field.hash);
    case "paymentSecret":
    case "metadata":
      return toWords(field.bytes);
    case "description":
      return toWords(new TextEncoder().encode(field.text));
    case "payee":
      return toWords(field.key);
    case "expiry":
      return wordsOf(field.seconds);
    case "finalExpiryDelta":
      return wordsOf(field.blocks);
    case "fallback":
      return concat(Uint8Array.of(field.version), toWords(field.program));
    case "route":
      return toWords(concat(...field.hops.map(encodeHop)));
    case "features":
      return encodeFeatures(field.bits, 5);
    case "unknown":
      return field.words;
  }
};

export const encodeFields = (fields: readonly Field[]): Uint8Array =>
  concat(
    ...fields.flatMap((field) => {
      const data = dataOf(field);
      if (data.length > maxWords) throw new RangeError(`a ${field.is} of ${data.length} words`);
      const type = field.is === "unknown" ? field.type : types[field.is];
      return [Uint8Array.of(type, data.length >> 5, data.length & 31), data];
    }),
  );
