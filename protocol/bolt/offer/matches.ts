/** Whether an invoice is the one that was asked for (BOLT 12, "Requirements" of invoices, "A reader of an invoice"). */

import { equal } from "../../bytes.ts";
import { invoiceKind, offerKind, offerRanges, repeated, requestKind, requestRanges } from "./fields.ts";
import {
  expectedAmount,
  hasOffer,
  type InvoiceRequest,
  isOfferedPayee,
  type Offer,
  type OfferInvoice,
  requestFault,
} from "./messages.ts";
import { bitcoinChain } from "./values.ts";

/** What was approved: an offer, or the very request that was sent or published; a refund is a request of no offer. */
export type Source =
  | { readonly is: "offer"; readonly offer: Offer }
  | { readonly is: "request"; readonly request: InvoiceRequest };

const repeats = (invoice: OfferInvoice, source: Source): boolean => {
  const own = invoiceKind.records(invoice);
  return source.is === "offer"
    ? equal(repeated(own, offerRanges), repeated(offerKind.records(source.offer), offerRanges))
    : equal(repeated(own, requestRanges), repeated(requestKind.records(source.request), requestRanges));
};

/** The first thing in which the invoice differs from what was asked for. Its signature is another question. */
export const mismatch = (invoice: OfferInvoice, source: Source): string | undefined => {
  const { fields } = invoice;
  if (!repeats(invoice, source)) return `it does not repeat the fields of the ${source.is}`;
  const wrong = requestFault(fields);
  if (wrong !== undefined) return wrong.message;
  const { offerChains = [bitcoinChain], invreqChain = bitcoinChain, invreqAmount } = fields;
  if (!hasOffer(fields)) return undefined;
  if (!offerChains.some((chain) => equal(chain, invreqChain))) return "the chain is not one of the offer";
  if (!isOfferedPayee(fields, fields.invoiceNodeId)) return "the payee is not the one of the offer";
  const expected = expectedAmount(fields);
  if (invreqAmount === undefined && expected !== undefined && fields.invoiceAmount !== expected)
    return "the amount is not the one of the offer";
  return undefined;
};

export const invoiceMatches = (invoice: OfferInvoice, source: Source): boolean =>
  mismatch(invoice, source) === undefined;
