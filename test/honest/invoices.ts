/** What others ask an honest node to pay: invoices of BOLT 11 and BOLT 12, signed by their payees. */

import { chains } from "../../protocol/bitcoin/chains.ts";
import {
  buildUnsignedInvoice,
  encodeInvoice,
  invoiceDigest,
  unsignedWords,
} from "../../protocol/bolt/invoice/invoice.ts";
import { encodeOfferText } from "../../protocol/bolt/offer/text.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { msat, type NodeId, type PaymentHash, type Preimage, paymentHash } from "../../protocol/units.ts";
import { preimageOf } from "../scripted/channel.ts";
import { curve } from "../scripted/road.ts";
import { alice, bytesOf, keyOf, path, payInfo, signedInvoice } from "../unit/bolt12-messages.ts";

export type Proposal = Request<"proposePayment">;

/** Both halves of what a payee gives out. */
export interface Bill {
  readonly proposal: Proposal;
  readonly hash: PaymentHash;
  readonly preimage: Preimage;
  readonly amount: bigint;
  readonly feeLimit: bigint;
}

export interface Billing {
  readonly node: NodeId;
  readonly label: string;
  readonly amount: bigint;
  readonly feeLimit: bigint;
  readonly now: number;
  /** Seconds. */
  readonly expiry?: number;
}

const bytes = (text: string) => new TextEncoder().encode(text);

const bill = ({ node, label, amount, feeLimit }: Billing, more: Partial<Proposal>): Bill => {
  const preimage = preimageOf(label);
  const hash = paymentHash(sha256(preimage));
  const texts = { invoice: "", source: "", payee: unknown } as const;
  const amounts = { amount: msat(amount), feeLimit: msat(feeLimit) };
  return {
    proposal: { node, kind: "keysend", hash, ...amounts, ...texts, ...more },
    ...{ hash, preimage, amount, feeLimit },
  };
};

export const keysendBill = (what: Billing): Bill => bill(what, {});

export const invoiceBill = (what: Billing, hasAmount = true): Bill => {
  const hash = paymentHash(sha256(preimageOf(what.label)));
  const unsigned = buildUnsignedInvoice({
    network: "regtest",
    timestamp: what.now,
    ...(hasAmount ? { amount: msat(what.amount) } : {}),
    fields: [
      { is: "paymentHash", hash },
      { is: "paymentSecret", bytes: sha256(bytes(`secret ${what.label}`)) },
      { is: "description", text: what.label },
      { is: "expiry", seconds: BigInt(what.expiry ?? 3_600) },
    ],
  });
  const digest = invoiceDigest(unsigned.hrp, unsignedWords(unsigned));
  const { signature, recovery } = curve.signRecoverable({ digest, key: alice, lowR: false });
  return bill(what, { kind: "invoice", invoice: encodeInvoice(unsigned, signature, recovery) });
};

const regtest = chains.regtest.genesisHash;

export const bolt12Bill = (what: Billing, from: "offer" | "request"): Bill => {
  const preimage = preimageOf(what.label);
  const offer = {
    fields: {
      offerChains: [regtest],
      offerAmount: what.amount,
      offerDescription: "tea",
      offerIssuerId: keyOf(0x41),
    },
    unknown: [],
  };
  const refund = {
    fields: {
      offerDescription: "a refund",
      invreqMetadata: bytes(what.label),
      invreqChain: regtest,
      invreqAmount: what.amount,
      invreqPayerId: keyOf(0x42),
    },
    unknown: [],
  };
  const asked =
    from === "request"
      ? refund.fields
      : {
          ...offer.fields,
          invreqMetadata: bytes(what.label),
          invreqChain: regtest,
          invreqPayerId: keyOf(0x42),
        };
  const invoice = signedInvoice({
    fields: {
      ...asked,
      invoicePaths: [path],
      invoiceBlindedpay: [payInfo],
      invoiceCreatedAt: BigInt(what.now),
      invoiceRelativeExpiry: BigInt(what.expiry ?? 3_600),
      invoicePaymentHash: sha256(preimage),
      invoiceAmount: what.amount,
      invoiceNodeId: keyOf(0x41),
    },
    unknown: [],
  });
  return bill(what, {
    kind: "bolt12",
    invoice: encodeOfferText("lni", bytesOf.invoice(invoice)),
    source:
      from === "offer"
        ? encodeOfferText("lno", bytesOf.offer(offer))
        : encodeOfferText("lnr", bytesOf.request(refund)),
  });
};
