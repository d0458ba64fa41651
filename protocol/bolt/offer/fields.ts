/** The fields of BOLT 12, under the BOLT's names. An invoice has those of its request, and that those of its offer. */

import { equal } from "../../bytes.ts";
import { invalid, Malformed } from "../../malformed.ts";
import { encodeTlvStream, parseTlvStream, type TlvRecord } from "../tlv.ts";
import { isSignatureType } from "./merkle.ts";
import {
  bytes,
  chains,
  currency,
  fallbacks,
  hash32,
  humanName,
  key,
  type Points,
  paths,
  payInfos,
  signature,
  text,
  tu32,
  tu64,
  type Value,
} from "./values.ts";

interface Field<T> extends Value<T> {
  readonly type: bigint;
}

const field = <T>(type: number, value: Value<T>): Field<T> => ({ type: BigInt(type), ...value });

const offerFields = {
  offerChains: field(2, chains),
  offerMetadata: field(4, bytes),
  offerCurrency: field(6, currency),
  offerAmount: field(8, tu64),
  offerDescription: field(10, text),
  offerFeatures: field(12, bytes),
  offerAbsoluteExpiry: field(14, tu64),
  offerPaths: field(16, paths),
  offerIssuer: field(18, text),
  /** 0: as many as one likes. */
  offerQuantityMax: field(20, tu64),
  offerIssuerId: field(22, key),
};

const requestFields = {
  invreqMetadata: field(0, bytes),
  ...offerFields,
  invreqChain: field(80, hash32),
  invreqAmount: field(82, tu64),
  invreqFeatures: field(84, bytes),
  invreqQuantity: field(86, tu64),
  invreqPayerId: field(88, key),
  invreqPayerNote: field(89, text),
  invreqPaths: field(90, paths),
  invreqBip353Name: field(91, humanName),
  signature: field(240, signature),
};

const invoiceFields = {
  ...requestFields,
  invoicePaths: field(160, paths),
  invoiceBlindedpay: field(162, payInfos),
  invoiceCreatedAt: field(164, tu64),
  invoiceRelativeExpiry: field(166, tu32),
  invoicePaymentHash: field(168, hash32),
  invoiceAmount: field(170, tu64),
  invoiceFallbacks: field(172, fallbacks),
  invoiceFeatures: field(174, bytes),
  invoiceNodeId: field(176, key),
};

type ValuesOf<Table> = {
  readonly [Name in keyof Table]?: Table[Name] extends Field<infer T> ? T : never;
};

export type OfferFields = ValuesOf<typeof offerFields>;
export type RequestFields = ValuesOf<typeof requestFields>;
export type InvoiceFields = ValuesOf<typeof invoiceFields>;

/** A stream read whole: what is understood, and the odd types that are not. */
export interface Message<Fields> {
  readonly fields: Fields;
  readonly unknown: readonly TlvRecord[];
}

/** Inclusive. */
type Range = readonly [from: bigint, to: bigint];

export const offerRanges: readonly Range[] = [
  [1n, 79n],
  [1_000_000_000n, 1_999_999_999n],
];
export const requestRanges: readonly Range[] = [
  [0n, 159n],
  [1_000_000_000n, 2_999_999_999n],
];

export const isWithin = (ranges: readonly Range[], type: bigint): boolean =>
  ranges.some(([from, to]) => type >= from && type <= to);

export interface Kind<Fields> {
  parse(points: Points, bytes: Uint8Array): Message<Fields>;
  /** In ascending order. */
  records(message: Message<Fields>): readonly TlvRecord[];
  encode(message: Message<Fields>): Uint8Array;
}

/** Bytes: what an onion message could hold, and more. */
const maxLength = 65_535;

const kind = <Fields>(
  // biome-ignore lint/suspicious/noExplicitAny: fields of every type meet here, and come out as `ValuesOf`
  table: Readonly<Record<string, Field<any>>>,
  allowed: (type: bigint) => boolean,
): Kind<Fields> => {
  const entries = Object.entries(table);
  const named = new Map(entries.map(([name, { type }]) => [type, name]));
  const records: Kind<Fields>["records"] = ({ fields, unknown }) => {
    const values = fields as Readonly<Record<string, unknown>>;
    const known = entries.flatMap(([name, { type, write }]) =>
      values[name] === undefined ? [] : [{ type, value: write(values[name]) }],
    );
    return [...known, ...unknown].toSorted((a, b) => (a.type < b.type ? -1 : 1));
  };
  const encode: Kind<Fields>["encode"] = (message) => encodeTlvStream(records(message));

  const parse: Kind<Fields>["parse"] = (points, bytes) => {
    if (bytes.length > maxLength) throw invalid("too long");
    const fields: Record<string, unknown> = {};
    const unknown: TlvRecord[] = [];
    for (const record of parseTlvStream(bytes)) {
      const name = named.get(record.type);
      if (name === undefined) {
        if (!allowed(record.type)) throw invalid(`type ${record.type} has no place here`);
        if (record.type % 2n === 0n) throw invalid(`type ${record.type} is unknown and even`);
        unknown.push(record);
        continue;
      }
      try {
        fields[name] = (table[name] as Field<unknown>).read(record.value, points);
      } catch (error) {
        throw error instanceof Malformed ? error.within(name) : error;
      }
    }
    const message = { fields: fields as Fields, unknown };
    if (!equal(encode(message), bytes)) throw invalid("has another encoding");
    return message;
  };
  return { parse, records, encode };
};

export const offerKind = kind<OfferFields>(offerFields, (type) => isWithin(offerRanges, type));
export const requestKind = kind<RequestFields>(
  requestFields,
  (type) => isWithin(requestRanges, type) || isSignatureType(type),
);
/** The BOLT draws no line for the types of an invoice. */
export const invoiceKind = kind<InvoiceFields>(invoiceFields, () => true);

/** The bytes of the fields in these ranges: what a later message has to repeat. */
export const repeated = (records: readonly TlvRecord[], ranges: readonly Range[]): Uint8Array =>
  encodeTlvStream(records.filter(({ type }) => isWithin(ranges, type)));
