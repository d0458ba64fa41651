/** What a payee wrote and a host hands on: BOLT 11 and BOLT 12. */

import * as fc from "fast-check";
import {
  encodeInvoice,
  invoiceDigest,
  parseInvoice,
  parseInvoicePreimage,
  parseUnsignedInvoice,
  type UnsignedInvoice,
  unsignedWords,
} from "../../../protocol/bolt/invoice/invoice.ts";
import { packed } from "../../../protocol/bolt/invoice/words.ts";
import {
  invoiceKind,
  type Kind,
  type Message,
  offerKind,
  requestKind,
} from "../../../protocol/bolt/offer/fields.ts";
import { parseInvoiceRequest, parseOffer, parseOfferInvoice } from "../../../protocol/bolt/offer/messages.ts";
import { decodeOfferText, encodeOfferText } from "../../../protocol/bolt/offer/text.ts";
import type { Points } from "../../../protocol/bolt/offer/values.ts";
import { encodeTlvStream, parseTlvStream, type TlvRecord } from "../../../protocol/bolt/tlv.ts";
import { concat } from "../../../protocol/bytes.ts";
import { loadNative } from "../../../protocol/curve/index.ts";
import { Secret } from "../../../protocol/secret.ts";
import { unsignedInvoice } from "../../unit/bolt11-arbitrary.ts";
import { anInvoice, anOffer, aRequest } from "../../unit/bolt12-arbitrary.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled, utf8 } from "./seeds.ts";

/** In JavaScript, the arithmetic would cost more than all the reading. */
const curve = await loadNative();
const payee = new Secret(new Uint8Array(32).fill(1));
const latin = new TextDecoder("latin1");

const signed = (invoice: UnsignedInvoice): string => {
  const digest = invoiceDigest(invoice.hrp, unsignedWords(invoice));
  const { signature, recovery } = curve.signRecoverable({ digest, key: payee, lowR: false });
  return encodeInvoice(invoice, signature, recovery);
};

const fieldsOf = (value: unknown): string =>
  (value as UnsignedInvoice).fields.some(({ is }) => is === "unknown") ? "unknown fields" : "known fields";

/** The prefix, a zero, and the words. */
const wordsForm = (invoice: UnsignedInvoice): Uint8Array =>
  concat(utf8(invoice.hrp), Uint8Array.of(0), unsignedWords(invoice));

const bolt11 = "protocol/bolt/invoice/";

const invoiceTargets: readonly Target[] = [
  {
    name: "invoice",
    covers: [`${bolt11}invoice.ts parseInvoice`],
    seeds: (seed, count) => sampled(unsignedInvoice, seed, count).map((invoice) => utf8(signed(invoice))),
    decode: (bytes) => {
      const value = parseInvoice(curve, latin.decode(bytes));
      return { value, encode: () => utf8(encodeInvoice(value, value.signature, value.recoveryId)) };
    },
    rejects: isMalformed,
    // Capitals are taken too.
    exact: false,
    kindOf: fieldsOf,
  },
  {
    name: "invoice-words",
    covers: [
      `${bolt11}invoice.ts parseUnsignedInvoice`,
      `${bolt11}fields.ts parseFields`,
      `${bolt11}prefix.ts parsePrefix`,
      `${bolt11}words.ts fromWords`,
    ],
    seeds: (seed, count) => sampled(unsignedInvoice, seed, count).map(wordsForm),
    decode: (bytes) => {
      const end = Math.max(0, bytes.indexOf(0));
      const value = parseUnsignedInvoice(
        curve,
        latin.decode(bytes.subarray(0, end)),
        bytes.subarray(end + 1),
      );
      return { value, encode: () => wordsForm(value) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: fieldsOf,
  },
  {
    name: "invoice-preimage",
    covers: [`${bolt11}invoice.ts parseInvoicePreimage`],
    seeds: (seed, count) =>
      sampled(unsignedInvoice, seed, count).map((one) => concat(utf8(one.hrp), packed(unsignedWords(one)))),
    decode: (bytes) => {
      const value = parseInvoicePreimage(curve, bytes);
      return { value, encode: () => concat(utf8(value.hrp), packed(unsignedWords(value))) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: fieldsOf,
  },
];

const message = <Fields, Sound extends Fields>(
  name: string,
  read: string,
  kind: Kind<Fields>,
  parse: (points: Points, bytes: Uint8Array) => Message<Sound>,
  messages: fc.Arbitrary<Message<Sound>>,
): Target => ({
  name,
  covers: [`protocol/bolt/offer/messages.ts ${read}`],
  seeds: (seed, count) => sampled(messages, seed, count).map((one) => kind.encode(one)),
  decode: (bytes) => {
    const value = parse(curve, bytes);
    return { value, encode: () => kind.encode(value) };
  },
  rejects: isMalformed,
  exact: true,
  kindOf: (value) => ((value as Message<unknown>).unknown.length > 0 ? "unknown fields" : "known fields"),
});

const record: fc.Arbitrary<TlvRecord> = fc.record({
  type: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  value: fc.uint8Array({ maxLength: 30 }),
});
const stream = fc
  .uniqueArray(record, { maxLength: 6, selector: ({ type }) => type })
  .map((records) => records.toSorted((a, b) => (a.type < b.type ? -1 : 1)));

const offerTargets: readonly Target[] = [
  message("offer", "parseOffer", offerKind, parseOffer, anOffer),
  message("invoice-request", "parseInvoiceRequest", requestKind, parseInvoiceRequest, aRequest),
  message("offer-invoice", "parseOfferInvoice", invoiceKind, parseOfferInvoice, anInvoice),
  {
    name: "offer-text",
    covers: ["protocol/bolt/offer/text.ts decodeOfferText"],
    seeds: (seed, count) =>
      sampled(fc.uint8Array({ maxLength: 60 }), seed, count).map((bytes) =>
        utf8(encodeOfferText("lno", bytes)),
      ),
    decode: (bytes) => {
      const value = decodeOfferText(latin.decode(bytes), "lno");
      return { value, encode: () => utf8(encodeOfferText("lno", value)) };
    },
    rejects: isMalformed,
    // Capitals are taken too, and text in pieces.
    exact: false,
  },
  {
    name: "tlv-stream",
    covers: ["protocol/bolt/tlv.ts parseTlvStream"],
    seeds: (seed, count) => sampled(stream, seed, count).map(encodeTlvStream),
    decode: (bytes) => {
      const value = parseTlvStream(bytes);
      return { value, encode: () => encodeTlvStream(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
];

export const boltTargets: readonly Target[] = [...invoiceTargets, ...offerTargets];
