import { describe, expect, test } from "vitest";
import { offerKind, requestKind } from "../../protocol/bolt/offer/fields.ts";
import { invoiceMatches, mismatch } from "../../protocol/bolt/offer/matches.ts";
import { merkleRoot, offerDigest } from "../../protocol/bolt/offer/merkle.ts";
import {
  type InvoiceRequest,
  isSignedInvoice,
  isSignedRequest,
  type Offer,
  type OfferInvoice,
  parseInvoiceRequest,
  parseOffer,
  parseOfferInvoice,
  requestDigest,
  usablePaths,
} from "../../protocol/bolt/offer/messages.ts";
import { decodeOfferText, encodeOfferText } from "../../protocol/bolt/offer/text.ts";
import {
  ByteReader,
  encodeBigSize,
  encodeTlvStream,
  encodeTruncated,
  parseTlvStream,
  truncatedOf,
} from "../../protocol/bolt/tlv.ts";
import { concat, fromHex, toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import format from "../vectors/bolt12-format-string.json" with { type: "json" };
import offers from "../vectors/bolt12-offers.json" with { type: "json" };
import signatures from "../vectors/bolt12-signature.json" with { type: "json" };
import tlv from "../vectors/bolt12-tlv.json" with { type: "json" };
import { changed } from "./bolt11-plain.ts";
import {
  alice,
  bob,
  bytesOf,
  invoice,
  keyOf,
  offer,
  path,
  payInfo,
  refund,
  refundInvoice,
  request,
  signedInvoice,
  signedRequest,
} from "./bolt12-messages.ts";
import { backends, native as curve } from "./curve-backends.ts";

const readOffer = (text: string) => parseOffer(curve, decodeOfferText(text, "lno"));

describe("BOLT 1's big sizes", () => {
  test.each(tlv.bigSizeDecoding)("$name", (one) => {
    const reader = new ByteReader(fromHex(one.bytes));
    if ("exp_error" in one) expect(() => reader.bigSize()).toThrow(Malformed);
    else {
      expect(reader.bigSize()).toBe(BigInt(one.value));
      expect(reader.left).toBe(0);
    }
  });
  test.each(tlv.bigSizeEncoding)("$name", ({ value, bytes }) => {
    expect(toHex(encodeBigSize(BigInt(value)))).toBe(bytes);
  });
});

describe("BOLT 1's streams", () => {
  test.each([...tlv.invalidInAny, ...tlv.invalidOrder])("$stream: $reason", ({ stream }) => {
    expect(() => parseTlvStream(fromHex(stream))).toThrow(Malformed);
  });
  test.each(tlv.valid)("%j", (stream) => {
    expect(toHex(encodeTlvStream(parseTlvStream(fromHex(stream))))).toBe(stream);
  });
});

test("truncated numbers have no zeros in front", () => {
  for (const value of [0n, 1n, 255n, 256n, 65_535n, 65_536n, (1n << 64n) - 1n])
    expect(truncatedOf(encodeTruncated(value), 8)).toBe(value);
  expect(encodeTruncated(0n).length).toBe(0);
  expect(encodeTruncated(256n)).toEqual(Uint8Array.of(1, 0));
  expect(() => truncatedOf(Uint8Array.of(0), 8)).toThrow(/zeros/);
  expect(() => truncatedOf(Uint8Array.of(0, 1), 8)).toThrow(/zeros/);
  expect(() => truncatedOf(new Uint8Array(9).fill(1), 8)).toThrow(/64 bits/);
  expect(() => truncatedOf(new Uint8Array(5).fill(1), 4)).toThrow(/32 bits/);
});

describe("the BOLT's strings", () => {
  const whole = (format[0] as (typeof format)[number]).string;
  test.each(format)("$comment: $string", ({ valid, string }) => {
    if (!valid) expect(() => readOffer(string)).toThrow(Malformed);
    else expect(encodeOfferText("lno", offerKind.encode(readOffer(string)))).toBe(whole);
  });
  test("are of one kind, in ASCII", () => {
    expect(() => decodeOfferText(whole, "lnr")).toThrow(/lnr1/);
    // The Kelvin sign is a large letter, and its small one is k.
    expect(() => decodeOfferText(whole.toUpperCase().replace("K", "\u212a"), "lno")).toThrow(Malformed);
    expect(() => decodeOfferText(whole.replace("pqps", "bqps"), "lno")).toThrow(Malformed);
  });
});

describe("the BOLT's offers", () => {
  test.each(offers)("$description", (one) => {
    if (!one.valid) {
      expect(() => readOffer(one.bolt12)).toThrow(Malformed);
      return;
    }
    const read = readOffer(one.bolt12);
    expect(
      offerKind.records(read).map(({ type, value }) => ({
        type: Number(type),
        length: value.length,
        hex: toHex(value),
      })),
    ).toEqual(one.fields);
    expect(encodeOfferText("lno", offerKind.encode(read))).toBe(one.bolt12);
  });

  const described = (start: string): Offer => {
    const found = offers.find(({ description }) => description.startsWith(start));
    return readOffer(found?.bolt12 ?? "");
  };
  test("say what they say", () => {
    expect(described("with description").fields.offerDescription).toBe("Test vectors");
    expect(described("with amount").fields.offerAmount).toBe(10_000n);
    expect(described("with currency").fields.offerCurrency).toBe("USD");
    expect(described("with issuer").fields.offerIssuer).toBe("https://bolt12.org BOLT12 industries");
    expect(described("with unlimited").fields.offerQuantityMax).toBe(0n);
    expect(described("with expiry").fields.offerAbsoluteExpiry).toBe(2_051_184_600n);
    expect(described("for bitcoin or").fields.offerChains?.length).toBe(2);
    const [first, ...others] = described("with blinded path via Bob").fields.offerPaths ?? [];
    expect(others).toEqual([]);
    expect(toHex(first?.introduction ?? Uint8Array.of())).toBe(toHex(keyOf(0x42)));
    expect(toHex(first?.pathKey ?? Uint8Array.of())).toBe("02".repeat(33));
    expect(first?.hops.map(({ node, encrypted }) => [toHex(node), toHex(encrypted)])).toEqual([
      ["02".repeat(33), "00".repeat(16)],
      ["02".repeat(33), "11".repeat(8)],
    ]);
    const short = described("same, with blinded path first_node_id").fields.offerPaths?.[0];
    expect(toHex(short?.introduction ?? Uint8Array.of())).toBe("00000000000000002a");
    expect(described("unknown odd field").unknown.map(({ type }) => type)).toEqual([33n]);
  });
});

describe("the BOLT's signatures", () => {
  const text = (one: (typeof signatures)[number]) => ("bolt12" in one ? one.bolt12 : undefined);
  /** The record under each leaf stands in the name of its hash. */
  const recordsOf = (one: (typeof signatures)[number]) =>
    one.leaves.map((leaf) => {
      const name = Object.keys(leaf).find((key) => key.includes("LnLeaf"));
      return fromHex(/,([0-9a-f]+)\)/.exec(name ?? "")?.[1] ?? "");
    });

  test.each(signatures)("$comment: the root", (one) => {
    const records = parseTlvStream(concat(...recordsOf(one)));
    expect(records.length).toBe(one.leaves.length);
    expect(toHex(merkleRoot(records))).toBe(one.merkle);
  });

  const [whole] = signatures.filter((one) => text(one) !== undefined);
  const read = () => parseInvoiceRequest(curve, decodeOfferText(text(whole as never) ?? "", "lnr"));

  test.each(backends)("the invoice request, on $name", (curve) => {
    const request = read();
    const expected = whole as Readonly<Record<string, unknown>>;
    expect(toHex(requestDigest(request))).toBe(expected["H(signature_tag,merkle)"]);
    expect(toHex(request.fields.signature ?? Uint8Array.of())).toBe(expected["signature"]);
    expect(isSignedRequest(curve, request)).toBe(true);
    expect(encodeOfferText("lnr", requestKind.encode(request))).toBe(expected["bolt12"]);
    expect(request.fields).toMatchObject({
      offerDescription: "A Mathematical Treatise",
      offerAmount: 100n,
      offerCurrency: "USD",
      offerIssuerId: keyOf(0x41),
      invreqPayerId: keyOf(0x42),
      invreqMetadata: new Uint8Array(8),
    });
    expect(signedRequest(request)).toEqual(request);
  });

  test("are of what was signed, by who had to", () => {
    const request = read();
    const { signature = new Uint8Array(64), ...unsigned } = request.fields;
    expect(isSignedRequest(curve, { ...request, fields: unsigned as InvoiceRequest["fields"] })).toBe(false);
    const other = { ...request, fields: { ...request.fields, invreqPayerNote: "x" } };
    expect(isSignedRequest(curve, other)).toBe(false);
    const broken = { ...request, fields: { ...request.fields, signature: changed(signature, 63, 0) } };
    expect(isSignedRequest(curve, broken)).toBe(false);
    expect(isSignedRequest(curve, signedRequest(request, alice))).toBe(false);
    expect(isSignedInvoice(curve, invoice)).toBe(false);
    expect(isSignedInvoice(curve, signedInvoice(invoice))).toBe(true);
    expect(isSignedInvoice(curve, signedInvoice(invoice, bob))).toBe(false);
    const records = requestKind.records(request);
    expect(offerDigest("invoice", records)).not.toEqual(offerDigest("invoice_request", records));
  });
});

/** With some fields set, and those that are named left out. */
const but = <M extends { readonly fields: object }>(
  message: M,
  change: Partial<M["fields"]>,
  ...left: string[]
): M => ({
  ...message,
  fields: Object.fromEntries(
    Object.entries({ ...message.fields, ...change }).filter(([name]) => !left.includes(name)),
  ),
});

const asRequest = (one: InvoiceRequest) => parseInvoiceRequest(curve, bytesOf.request(one));
const asInvoice = (one: OfferInvoice) => parseOfferInvoice(curve, bytesOf.invoice(one));

describe("a request", () => {
  test("is read as it was written", () => {
    for (const one of [request, refund, signedRequest(request)]) expect(asRequest(one)).toEqual(one);
  });

  test.each<readonly [string, InvoiceRequest]>([
    ["invreqMetadata: missing", but(request, {}, "invreqMetadata")],
    ["invreqPayerId: missing", but(request, {}, "invreqPayerId")],
    ["invreqFeatures: requires the unknown feature 0", but(request, { invreqFeatures: Uint8Array.of(1) })],
    ["offerFeatures: requires the unknown feature 8", but(request, { offerFeatures: Uint8Array.of(1, 0) })],
    ["invreqQuantity: missing", but(request, {}, "invreqQuantity")],
    ["invreqQuantity: more than is offered", but(request, { invreqQuantity: 6n })],
    ["invreqQuantity: zero", but(request, { invreqQuantity: 0n })],
    ["invreqQuantity: not offered", but(request, {}, "offerQuantityMax")],
    ["invreqAmount: less than the offer asks", but(request, { invreqAmount: 1_999n })],
    ["invreqAmount: missing", but(request, {}, "offerAmount")],
    ["invreqAmount: missing", but(refund, {}, "invreqAmount")],
    ["offerQuantityMax: there without an offer", but(refund, { offerQuantityMax: 1n })],
    ["offerFeatures: there without an offer", but(refund, { offerFeatures: Uint8Array.of(2) })],
    ["offerDescription: missing beside an amount", but(request, {}, "offerDescription")],
    ["offerCurrency: not three letters", but(request, { offerCurrency: "usd" })],
    [
      "invreqBip353Name: has other characters",
      but(request, { invreqBip353Name: { name: "é", domain: "x" } }),
    ],
    ["type 160 has no place here", { ...request, unknown: [{ type: 160n, value: Uint8Array.of() }] }],
    ["type 3000000001 has no", { ...request, unknown: [{ type: 3_000_000_001n, value: Uint8Array.of() }] }],
    ["type 92 is unknown and even", { ...request, unknown: [{ type: 92n, value: Uint8Array.of() }] }],
  ])("is malformed: %s", (reason, one) => {
    expect(() => asRequest(one)).toThrow(Malformed);
    expect(() => asRequest(one)).toThrow(reason);
  });

  test("has nothing behind a name's domain", () => {
    const records = requestKind.records(request);
    const name = { type: 91n, value: Uint8Array.of(1, 97, 1, 98, 0) };
    expect(() => parseInvoiceRequest(curve, encodeTlvStream([...records, name]))).toThrow(
      /^invreqBip353Name: goes on behind its end$/,
    );
  });

  test.each<readonly [string, InvoiceRequest]>([
    ["exactly the amount", but(request, { invreqAmount: 2_000n })],
    ["a tip", but(request, { invreqAmount: 3_000n })],
    ["another currency", but(request, { offerCurrency: "USD", invreqAmount: 1n })],
    ["any number", but(request, { offerQuantityMax: 0n, invreqQuantity: 1_000_000n })],
    ["odd features", but(request, { invreqFeatures: Uint8Array.of(2) })],
    ["odd types", { ...request, unknown: [{ type: 241n, value: Uint8Array.of(1) }] }],
    ["a name", but(request, { invreqBip353Name: { name: "alice", domain: "example.org" } })],
  ])("can have %s", (_, one) => {
    expect(asRequest(one)).toEqual(one);
  });
});

describe("an invoice", () => {
  test("is read as it was written", () => {
    const full = but(invoice, {
      invoiceFallbacks: [
        { version: 0, program: new Uint8Array(20) },
        { version: 200, program: Uint8Array.of() },
      ],
      invoiceFeatures: Uint8Array.of(1, 0, 0),
    });
    for (const one of [invoice, refundInvoice, full, signedInvoice(full)])
      expect(asInvoice(one)).toEqual(one);
  });

  const even = { ...payInfo, features: Uint8Array.of(1) };
  test.each<readonly [string, OfferInvoice]>([
    ...(
      [
        "invoiceAmount",
        "invoiceCreatedAt",
        "invoicePaymentHash",
        "invoiceNodeId",
        "invoicePaths",
        "invoiceBlindedpay",
      ] as const
    ).map((name) => [`${name}: missing`, but(invoice, {}, name)] as const),
    ["invoiceBlindedpay: not one for each path", but(invoice, { invoicePaths: [path, path] })],
    ["invoiceBlindedpay: no path can be used", but(invoice, { invoiceBlindedpay: [even] })],
    ["invoiceAmount: not what was requested", but(invoice, { invreqAmount: 2_001n })],
    [
      "invoiceFeatures: requires the unknown feature 18",
      but(invoice, { invoiceFeatures: Uint8Array.of(4, 0, 0) }),
    ],
    ["invoicePaths: a path without hops", but(invoice, { invoicePaths: [{ ...path, hops: [] }] })],
    ["invoicePaths: ends too early", but(invoice, { invoicePaths: [] })],
    ...[changed(keyOf(1), 0, 4), concat(Uint8Array.of(2), new Uint8Array(31), Uint8Array.of(5))].map(
      (introduction) =>
        [
          "invoicePaths: not a public key",
          but(invoice, { invoicePaths: [{ ...path, introduction }] }),
        ] as const,
    ),
    ["invoiceNodeId: not a public key", but(invoice, { invoiceNodeId: changed(keyOf(1), 0, 4) as never })],
    ["type 178 is unknown and even", { ...invoice, unknown: [{ type: 178n, value: Uint8Array.of() }] }],
  ])("is malformed: %s", (reason, one) => {
    expect(() => asInvoice(one)).toThrow(Malformed);
    expect(() => asInvoice(one)).toThrow(reason);
  });

  test("has the paths whose features are understood", () => {
    const two = but(invoice, {
      invoicePaths: [path, path, path],
      invoiceBlindedpay: [even, payInfo, payInfo],
    });
    expect(usablePaths(asInvoice(two).fields)).toEqual([1, 2]);
  });
});

describe("what was asked for", () => {
  const ofOffer = { is: "offer", offer } as const;
  const ofRequest = { is: "request", request } as const;
  const ofRefund = { is: "request", request: refund } as const;

  test("is what an honest payee sends", () => {
    expect(mismatch(signedInvoice(invoice), ofOffer)).toBeUndefined();
    expect(mismatch(invoice, ofRequest)).toBeUndefined();
    // Its own signature is none of the fields that are repeated.
    expect(mismatch(invoice, { is: "request", request: signedRequest(request) })).toBeUndefined();
    expect(mismatch(refundInvoice, ofRefund)).toBeUndefined();
    expect(mismatch(but(refundInvoice, { invoiceNodeId: keyOf(77) }), ofRefund)).toBeUndefined();
    expect(invoiceMatches(invoice, ofRequest)).toBe(true);
  });

  test.each<readonly [string, OfferInvoice]>([
    ["a field changed", but(invoice, { offerDescription: "coffee" })],
    ["a field left out", but(invoice, {}, "offerDescription")],
    ["a field more", but(invoice, { offerIssuer: "me" })],
    ["an unknown field left out", { ...invoice, unknown: [] }],
    ["an unknown field changed", { ...invoice, unknown: [{ type: 33n, value: Uint8Array.of(8) }] }],
    [
      "an experimental field more",
      { ...invoice, unknown: [...invoice.unknown, { type: 1_000_000_001n, value: Uint8Array.of() }] },
    ],
  ])("of either is not there with %s", (_, one) => {
    expect(mismatch(one, ofOffer)).toBe("it does not repeat the fields of the offer");
    expect(mismatch(one, ofRequest)).toBe("it does not repeat the fields of the request");
    expect(invoiceMatches(one, ofOffer)).toBe(false);
  });

  test.each<readonly [string, OfferInvoice]>([
    ["the payer's key", but(invoice, { invreqPayerId: keyOf(5) })],
    ["the metadata", but(invoice, { invreqMetadata: Uint8Array.of(1) })],
    ["the quantity", but(invoice, { invreqQuantity: 3n, invoiceAmount: 3_000n })],
    ["an amount", but(invoice, { invreqAmount: 2_000n })],
    ["a chain", but(invoice, { invreqChain: new Uint8Array(32) })],
    [
      "an experimental field",
      { ...invoice, unknown: [...invoice.unknown, { type: 2_000_000_001n, value: Uint8Array.of() }] },
    ],
  ])("of the request alone differs in %s", (_, one) => {
    expect(mismatch(one, ofRequest)).toBe("it does not repeat the fields of the request");
  });

  test("of an offer: payee, amount, quantity and chain are its own", () => {
    expect(mismatch(but(invoice, { invoiceNodeId: keyOf(5) }), ofOffer)).toMatch(/payee/);
    expect(mismatch(but(invoice, { invoiceNodeId: keyOf(5) }), ofRequest)).toMatch(/payee/);
    expect(mismatch(but(invoice, { invoiceAmount: 2_001n }), ofRequest)).toMatch(/the amount/);
    expect(mismatch(but(invoice, { invoiceAmount: 1_999n }), ofOffer)).toMatch(/the amount/);
    expect(mismatch(but(invoice, { invreqQuantity: 6n, invoiceAmount: 6_000n }), ofOffer)).toMatch(
      /more than/,
    );
    expect(mismatch(but(invoice, { invreqChain: new Uint8Array(32) }), ofOffer)).toMatch(/chain/);
    const tip = but(invoice, { invreqAmount: 2_500n, invoiceAmount: 2_500n });
    expect(mismatch(tip, ofOffer)).toBeUndefined();
  });

  test("of an offer without an issuer: the payee is the end of one of its paths", () => {
    const nameless = but(offer, { offerPaths: [path] }, "offerIssuerId");
    const answer = but(invoice, { offerPaths: [path], invoiceNodeId: keyOf(4) }, "offerIssuerId");
    const source = { is: "offer", offer: nameless } as const;
    expect(mismatch(answer, source)).toBeUndefined();
    expect(mismatch(but(answer, { invoiceNodeId: keyOf(3) }), source)).toMatch(/payee/);
  });
});
