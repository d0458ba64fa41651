/** Messages of BOLT 12 that their readers take, with any of their fields. */
import * as fc from "fast-check";
import { isWithin, offerRanges, requestRanges } from "../../protocol/bolt/offer/fields.ts";
import type { InvoiceRequest, Offer, OfferInvoice } from "../../protocol/bolt/offer/messages.ts";
import type { BlindedPath, BlindedPayInfo } from "../../protocol/bolt/offer/values.ts";
import type { TlvRecord } from "../../protocol/bolt/tlv.ts";
import type { Point } from "../../protocol/units.ts";
import { aPoint, bytesOf, points, u16, u64 } from "./bolt11-arbitrary.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const text = fc.string({ unit: "grapheme", maxLength: 20 });
const u32 = fc.nat({ max: 0xffff_ffff });
const oddFeatures = fc.constantFrom(Uint8Array.of(), Uint8Array.of(2), Uint8Array.of(0, 0x80, 0xaa));

const introduction = fc.oneof(
  aPoint.map((key): Uint8Array => key),
  fc.tuple(fc.nat({ max: 1 }), bytesOf(8)).map(([side, id]) => Uint8Array.of(side, ...id)),
);

const path: fc.Arbitrary<BlindedPath> = fc.record({
  introduction,
  pathKey: aPoint,
  hops: fc.array(fc.record({ node: aPoint, encrypted: bytes(20) }), { minLength: 1, maxLength: 3 }),
});
const paths = fc.array(path, { minLength: 1, maxLength: 2 });

const payInfo: fc.Arbitrary<BlindedPayInfo> = fc.record({
  feeBase: u32,
  feeMillionths: u32,
  expiryDelta: u16,
  minimum: u64,
  maximum: u64,
  features: oddFeatures,
});

/** Odd types of which no field is known, in order. */
const unknownOf = (allowed: (type: bigint) => boolean): fc.Arbitrary<readonly TlvRecord[]> =>
  fc
    .uniqueArray(
      fc
        .oneof(
          fc.bigInt({ min: 0n, max: 520n }),
          fc.bigInt({ min: 500_000_000n, max: 1_500_000_000n }),
          fc.bigInt({ min: 0n, max: (1n << 63n) - 1n }),
        )
        .map((half) => 2n * half + 1n)
        .filter((type) => type !== 89n && type !== 91n && allowed(type)),
      { maxLength: 3 },
    )
    .chain((types) =>
      fc.tuple(
        ...types.toSorted((a, b) => (a < b ? -1 : 1)).map((type) => fc.tuple(fc.constant(type), bytes(20))),
      ),
    )
    .map((records) => records.map(([type, value]) => ({ type, value })));

const present = { requiredKeys: [] as [] };

const offerFields = fc
  .record(
    {
      offerChains: fc.array(bytesOf(32), { minLength: 1, maxLength: 2 }),
      offerMetadata: bytes(20),
      offerCurrency: fc.constantFrom("USD", "EUR"),
      offerAmount: fc.bigInt({ min: 1n, max: 1n << 40n }),
      offerDescription: text,
      offerFeatures: oddFeatures,
      offerAbsoluteExpiry: u64,
      offerPaths: paths,
      offerIssuer: text,
      offerIssuerId: aPoint,
    },
    present,
  )
  .map((fields) => {
    const { offerCurrency, offerAmount, ...rest } = fields;
    return {
      ...rest,
      ...(rest.offerPaths === undefined && rest.offerIssuerId === undefined
        ? { offerIssuerId: points[0] as Point }
        : {}),
      ...(offerAmount === undefined
        ? {}
        : { offerAmount, offerDescription: rest.offerDescription ?? "some" }),
      ...(offerAmount === undefined || offerCurrency === undefined ? {} : { offerCurrency }),
    };
  });

const payerFields = fc.record(
  {
    invreqMetadata: bytes(20),
    invreqPayerId: aPoint,
    invreqChain: bytesOf(32),
    invreqFeatures: oddFeatures,
    invreqPayerNote: text,
    invreqPaths: paths,
    invreqBip353Name: fc.record({
      name: fc.stringMatching(/^[a-z0-9._-]{0,12}$/),
      domain: fc.stringMatching(/^[A-Z0-9.]{0,12}$/),
    }),
    signature: bytesOf(64),
  },
  { requiredKeys: ["invreqMetadata", "invreqPayerId"] },
);

export const anOffer: fc.Arbitrary<Offer> = fc.record({
  fields: offerFields,
  unknown: unknownOf((type) => isWithin(offerRanges, type)),
});

/** Of an offer without a limit, at a price above all of its own. */
export const aRequest: fc.Arbitrary<InvoiceRequest> = fc
  .record({
    offer: offerFields,
    payer: payerFields,
    unknown: unknownOf((type) => isWithin(requestRanges, type)),
  })
  .map(({ offer, payer, unknown }) => ({
    fields: { ...offer, ...payer, invreqAmount: 1n << 41n },
    unknown,
  }));

export const anInvoice: fc.Arbitrary<OfferInvoice> = fc
  .record({
    request: aRequest,
    paths,
    payInfo,
    created: u64,
    expiry: fc.option(u32, { nil: undefined }),
    hash: bytesOf(32),
    node: aPoint,
    unknown: unknownOf(() => true),
  })
  .map(({ request, paths, payInfo, created, expiry, hash, node, unknown }) => ({
    fields: {
      ...request.fields,
      invoicePaths: paths,
      invoiceBlindedpay: paths.map(() => payInfo),
      invoiceCreatedAt: created,
      ...(expiry === undefined ? {} : { invoiceRelativeExpiry: BigInt(expiry) }),
      invoicePaymentHash: hash,
      invoiceAmount: 1n << 41n,
      invoiceNodeId: node,
    },
    unknown,
  }));
