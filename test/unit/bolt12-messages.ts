/** An offer, a request and an invoice of BOLT 12 that belong together, for its tests. */
import { invoiceKind, offerKind, requestKind } from "../../protocol/bolt/offer/fields.ts";
import {
  type InvoiceRequest,
  type Offer,
  type OfferInvoice,
  offerInvoiceDigest,
  requestDigest,
} from "../../protocol/bolt/offer/messages.ts";
import type { BlindedPath, BlindedPayInfo } from "../../protocol/bolt/offer/values.ts";
import { Secret } from "../../protocol/secret.ts";
import { native as curve } from "./curve-backends.ts";

export const secretOf = (byte: number): Secret => new Secret(new Uint8Array(32).fill(byte));
export const keyOf = (byte: number) => curve.publicKey(secretOf(byte));

export const alice = secretOf(0x41);
export const bob = secretOf(0x42);
const aux = new Uint8Array(32);

export const path: BlindedPath = {
  introduction: keyOf(1),
  pathKey: keyOf(2),
  hops: [
    { node: keyOf(3), encrypted: Uint8Array.of(1, 2, 3) },
    { node: keyOf(4), encrypted: new Uint8Array(0) },
  ],
};

export const payInfo: BlindedPayInfo = {
  feeBase: 1,
  feeMillionths: 2,
  expiryDelta: 3,
  minimum: 4n,
  maximum: (1n << 64n) - 1n,
  features: new Uint8Array(0),
};

export const offer: Offer = {
  fields: { offerAmount: 1_000n, offerDescription: "tea", offerQuantityMax: 5n, offerIssuerId: keyOf(0x41) },
  unknown: [{ type: 33n, value: Uint8Array.of(7) }],
};

export const request: InvoiceRequest = {
  fields: {
    ...offer.fields,
    invreqMetadata: new Uint8Array(8),
    invreqPayerId: keyOf(0x42),
    invreqQuantity: 2n,
    invreqPayerNote: "thanks",
  },
  unknown: offer.unknown,
};

const asked = {
  invoicePaths: [path],
  invoiceBlindedpay: [payInfo],
  invoiceCreatedAt: 1_700_000_000n,
  invoiceRelativeExpiry: 60n,
  invoicePaymentHash: new Uint8Array(32).fill(9),
  invoiceNodeId: keyOf(0x41),
};

export const invoice: OfferInvoice = {
  fields: { ...request.fields, ...asked, invoiceAmount: 2_000n },
  unknown: request.unknown,
};

export const refund: InvoiceRequest = {
  fields: {
    invreqMetadata: Uint8Array.of(1),
    invreqPayerId: keyOf(0x42),
    offerDescription: "a refund",
    invreqAmount: 5_000n,
  },
  unknown: [],
};

export const refundInvoice: OfferInvoice = {
  fields: { ...refund.fields, ...asked, invoiceAmount: 5_000n },
  unknown: [],
};

export const signedRequest = (request: InvoiceRequest, key = bob): InvoiceRequest => {
  const signature = curve.signSchnorr({ digest: requestDigest(request), key, aux });
  return { ...request, fields: { ...request.fields, signature } };
};

export const signedInvoice = (invoice: OfferInvoice, key = alice): OfferInvoice => {
  const signature = curve.signSchnorr({ digest: offerInvoiceDigest(invoice), key, aux });
  return { ...invoice, fields: { ...invoice.fields, signature } };
};

export const bytesOf = {
  offer: (one: Offer) => offerKind.encode(one),
  request: (one: InvoiceRequest) => requestKind.encode(one),
  invoice: (one: OfferInvoice) => invoiceKind.encode(one),
};
