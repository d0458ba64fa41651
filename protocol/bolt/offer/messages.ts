/** BOLT 12: offers, requests and invoices, with what their readers are told to reject that no clock or chain decides. */

import { equal } from "../../bytes.ts";
import type { Curve } from "../../curve/curve.ts";
import { Malformed } from "../../malformed.ts";
import type { Point } from "../../units.ts";
import { checkKnown, featuresOf } from "../invoice/features.ts";
import type { TlvRecord } from "../tlv.ts";
import {
  type InvoiceFields,
  invoiceKind,
  type Kind,
  type Message,
  type OfferFields,
  offerKind,
  type RequestFields,
  requestKind,
} from "./fields.ts";
import { offerDigest, type SignedMessage } from "./merkle.ts";
import type { Points } from "./values.ts";

type With<Fields, Name extends keyof Fields> = Fields & Required<Pick<Fields, Name>>;

export type Offer = Message<OfferFields>;
/** Of an offer; or, where there is none, what offers a refund. The signature is there once it is made. */
export type InvoiceRequest = Message<With<RequestFields, "invreqMetadata" | "invreqPayerId">>;
export type OfferInvoice = Message<
  With<
    InvoiceFields,
    | "invoicePaths"
    | "invoiceBlindedpay"
    | "invoiceCreatedAt"
    | "invoicePaymentHash"
    | "invoiceAmount"
    | "invoiceNodeId"
  >
>;

/** MPP, compulsory. */
const invoiceFeatures: ReadonlySet<number> = new Set([16]);
const none: ReadonlySet<number> = new Set();

type Fault = Malformed | undefined;
const fault = (path: string, reason: string): Malformed => new Malformed(path, reason);

const requiredBit = (features: Uint8Array, known: ReadonlySet<number>, path: string): Fault => {
  try {
    checkKnown(featuresOf(features, 8), known);
    return undefined;
  } catch (error) {
    if (error instanceof Malformed) return error.within(path);
    throw error;
  }
};

const missing = <Fields>(fields: Fields, names: readonly (keyof Fields & string)[]): Fault => {
  const name = names.find((one) => fields[one] === undefined);
  return name === undefined ? undefined : fault(name, "missing");
};

/** "A reader of an offer". */
export const offerFault = (fields: OfferFields): Fault => {
  const { offerAmount, offerCurrency, offerDescription, offerFeatures, offerIssuerId, offerPaths } = fields;
  if (offerAmount !== undefined && offerDescription === undefined)
    return fault("offerDescription", "missing beside an amount");
  if (offerAmount === 0n) return fault("offerAmount", "zero");
  if (offerCurrency !== undefined && offerAmount === undefined)
    return fault("offerAmount", "missing beside a currency");
  if (offerIssuerId === undefined && offerPaths === undefined)
    return fault("offerIssuerId", "missing, and there are no paths");
  return requiredBit(offerFeatures ?? new Uint8Array(0), none, "offerFeatures");
};

/** Whether the message belongs to an offer. Without one, a request offers a refund. */
export const hasOffer = ({ offerIssuerId, offerPaths }: OfferFields): boolean =>
  offerIssuerId !== undefined || offerPaths !== undefined;

/** Millisatoshi, where the offer says it in them. */
export const expectedAmount = (fields: RequestFields): bigint | undefined =>
  fields.offerAmount === undefined || fields.offerCurrency !== undefined
    ? undefined
    : fields.offerAmount * (fields.invreqQuantity ?? 1n);

const quantityFault = ({ offerQuantityMax: max, invreqQuantity: quantity }: RequestFields): Fault => {
  if (max === undefined) return quantity === undefined ? undefined : fault("invreqQuantity", "not offered");
  if (quantity === undefined) return fault("invreqQuantity", "missing");
  // Zero is rejected under a limit alone; without one the writer "MUST set ... greater than zero" all the same.
  if (quantity === 0n) return fault("invreqQuantity", "zero");
  return max > 0n && quantity > max ? fault("invreqQuantity", "more than is offered") : undefined;
};

const answerFault = (fields: RequestFields): Fault => {
  const { offerAmount, invreqAmount } = fields;
  const wrong = offerFault(fields) ?? quantityFault(fields);
  if (wrong !== undefined) return wrong;
  if (invreqAmount === undefined)
    return offerAmount === undefined ? fault("invreqAmount", "missing") : undefined;
  const expected = expectedAmount(fields);
  return expected !== undefined && invreqAmount < expected
    ? fault("invreqAmount", "less than the offer asks")
    : undefined;
};

const refundFault = (fields: RequestFields): Fault => {
  const barred = (["offerChains", "offerFeatures", "offerQuantityMax"] as const).find(
    (name) => fields[name] !== undefined,
  );
  return barred === undefined ? missing(fields, ["invreqAmount"]) : fault(barred, "there without an offer");
};

/** "The reader" of an invoice request. */
export const requestFault = (fields: RequestFields): Fault =>
  missing(fields, ["invreqMetadata", "invreqPayerId"]) ??
  requiredBit(fields.invreqFeatures ?? new Uint8Array(0), none, "invreqFeatures") ??
  (hasOffer(fields) ? answerFault(fields) : refundFault(fields));

/** Indices of the paths whose features are understood: the others "MUST NOT" be used. */
export const usablePaths = ({ invoiceBlindedpay = [] }: InvoiceFields): readonly number[] =>
  invoiceBlindedpay.flatMap(({ features }, at) =>
    requiredBit(features, none, "features") === undefined ? [at] : [],
  );

/** "A reader of an invoice". */
export const invoiceFault = (fields: InvoiceFields): Fault => {
  const absent = missing(fields, [
    "invoiceAmount",
    "invoiceCreatedAt",
    "invoicePaymentHash",
    "invoiceNodeId",
    "invoicePaths",
    "invoiceBlindedpay",
  ]);
  if (absent !== undefined) return absent;
  const { invoiceAmount, invoiceBlindedpay, invoicePaths, invreqAmount } = fields;
  if (invoicePaths?.length !== invoiceBlindedpay?.length)
    return fault("invoiceBlindedpay", "not one for each path");
  if (usablePaths(fields).length === 0) return fault("invoiceBlindedpay", "no path can be used");
  if (invreqAmount !== undefined && invoiceAmount !== invreqAmount)
    return fault("invoiceAmount", "not what was requested");
  return requiredBit(fields.invoiceFeatures ?? new Uint8Array(0), invoiceFeatures, "invoiceFeatures");
};

/** With what the fault would have named if it were missing. */
const sound = <Fields, Sound extends Fields>(
  kind: Kind<Fields>,
  faultOf: (fields: Fields) => Fault,
): ((points: Points, bytes: Uint8Array) => Message<Sound>) => {
  return (points, bytes) => {
    const { fields, unknown } = kind.parse(points, bytes);
    const wrong = faultOf(fields);
    if (wrong !== undefined) throw wrong;
    return { fields: fields as Sound, unknown };
  };
};

export const parseOffer: (points: Points, bytes: Uint8Array) => Offer = sound(offerKind, offerFault);
export const parseInvoiceRequest: (points: Points, bytes: Uint8Array) => InvoiceRequest = sound(
  requestKind,
  requestFault,
);
export const parseOfferInvoice: (points: Points, bytes: Uint8Array) => OfferInvoice = sound(
  invoiceKind,
  invoiceFault,
);

const isSignedBy = (
  curve: Pick<Curve, "verifySchnorr">,
  message: SignedMessage,
  records: readonly TlvRecord[],
  signature: Uint8Array | undefined,
  key: Point,
): boolean =>
  signature !== undefined &&
  curve.verifySchnorr({ digest: offerDigest(message, records), signature, key: key.subarray(1) });

/** By the payer's key. */
export const isSignedRequest = (curve: Pick<Curve, "verifySchnorr">, request: InvoiceRequest): boolean => {
  const { signature, invreqPayerId } = request.fields;
  return isSignedBy(curve, "invoice_request", requestKind.records(request), signature, invreqPayerId);
};

/** By the payee's key. */
export const isSignedInvoice = (curve: Pick<Curve, "verifySchnorr">, invoice: OfferInvoice): boolean => {
  const { signature, invoiceNodeId } = invoice.fields;
  return isSignedBy(curve, "invoice", invoiceKind.records(invoice), signature, invoiceNodeId);
};

/** What the payer's key signs, whether or not it has. */
export const requestDigest = (request: InvoiceRequest): Uint8Array =>
  offerDigest("invoice_request", requestKind.records(request));

/** What the payee's key signs, whether or not it has. */
export const offerInvoiceDigest = (invoice: OfferInvoice): Uint8Array =>
  offerDigest("invoice", invoiceKind.records(invoice));

/** Whether the payee is whom the offer names: itself, or an end of one of its paths. */
export const isOfferedPayee = ({ offerIssuerId, offerPaths = [] }: OfferFields, node: Point): boolean => {
  if (offerIssuerId !== undefined) return equal(offerIssuerId, node);
  return offerPaths.some(({ hops }) => equal(hops.at(-1)?.node ?? new Uint8Array(0), node));
};
