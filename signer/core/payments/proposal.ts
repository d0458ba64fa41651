/** What a proposed payment is, as its invoice proves it; the host's own words are only compared with that. */

import { chains } from "../../../protocol/bitcoin/chains.ts";
import { parseInvoice } from "../../../protocol/bolt/invoice/invoice.ts";
import { mismatch, type Source } from "../../../protocol/bolt/offer/matches.ts";
import {
  isSignedInvoice,
  parseInvoiceRequest,
  parseOffer,
  parseOfferInvoice,
} from "../../../protocol/bolt/offer/messages.ts";
import { decodeOfferText } from "../../../protocol/bolt/offer/text.ts";
import { bitcoinChain } from "../../../protocol/bolt/offer/values.ts";
import { equal } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe, unknown } from "../../../protocol/codec.ts";
import type { Curve } from "../../../protocol/curve/curve.ts";
import { invalid, Malformed, within } from "../../../protocol/malformed.ts";
import type { Network } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { NodeId, PaymentHash } from "../../../protocol/units.ts";

export type Proposed = Request<"proposePayment">;

/** What an invoice proves. A keysend and a rebalance prove nothing: their payee is whoever has the hash. */
export interface Proof {
  readonly signed: boolean;
  readonly payee: Maybe<NodeId>;
  readonly network: Maybe<Network>;
  readonly hash: PaymentHash;
  /** Unknown where the payer chooses it. */
  readonly amount: Maybe<bigint>;
  /** Seconds since 1970. */
  readonly expires: Maybe<number>;
  readonly description: string;
  /** Why a BOLT 12 invoice is none for what it is shown with. */
  readonly unbound: string | undefined;
}

const fromBolt11 = (curve: Curve, { invoice }: Proposed): Proof => {
  const parsed = within("invoice", () => parseInvoice(curve, invoice));
  return {
    signed: true,
    payee: parsed.payee,
    network: parsed.network,
    hash: parsed.paymentHash,
    amount: parsed.amount ?? unknown,
    expires: Number(BigInt(parsed.timestamp) + parsed.expiry),
    description: parsed.description ?? "",
    unbound: undefined,
  };
};

/** BOLT 12, "Invoices": two hours where the invoice says nothing. */
const offerExpiry = 7_200n;

const sourceOf = (curve: Curve, source: string): Source | undefined => {
  if (source === "") return undefined;
  return source.startsWith("lnr")
    ? { is: "request", request: parseInvoiceRequest(curve, decodeOfferText(source, "lnr")) }
    : { is: "offer", offer: parseOffer(curve, decodeOfferText(source, "lno")) };
};

const fromBolt12 = (curve: Curve, { invoice, source }: Proposed, network: Network): Proof => {
  const parsed = within("invoice", () => parseOfferInvoice(curve, decodeOfferText(invoice, "lni")));
  const asked = within("source", () => sourceOf(curve, source));
  const { fields } = parsed;
  const chain = fields.invreqChain ?? bitcoinChain;
  const unbound = (): string | undefined => {
    if (asked === undefined) return "no offer or refund is shown";
    if (!isSignedInvoice(curve, parsed)) return "its payee did not sign it";
    return mismatch(parsed, asked);
  };
  return {
    signed: true,
    payee: fields.invoiceNodeId,
    network: equal(chain, chains[network].genesisHash) ? network : unknown,
    hash: fields.invoicePaymentHash as PaymentHash,
    amount: fields.invoiceAmount,
    expires: Number(fields.invoiceCreatedAt + (fields.invoiceRelativeExpiry ?? offerExpiry)),
    description: fields.offerDescription ?? "",
    unbound: unbound(),
  };
};

const bare = ({ hash, payee, invoice, source }: Proposed): Proof => {
  if (invoice !== "" || source !== "") throw new Malformed("invoice", "there for a kind that has none");
  return {
    signed: false,
    payee,
    network: unknown,
    hash,
    amount: unknown,
    expires: unknown,
    description: "",
    unbound: undefined,
  };
};

export const proofOf = (curve: Curve, proposed: Proposed, network: Network): Proof => {
  const proof = ((): Proof => {
    switch (proposed.kind) {
      case "invoice":
        return fromBolt11(curve, proposed);
      case "bolt12":
        return fromBolt12(curve, proposed, network);
      case "keysend":
      case "rebalance":
        return bare(proposed);
    }
  })();
  if (!equal(proof.hash, proposed.hash)) throw new Malformed("hash", "not the one of the invoice");
  if (proposed.kind === "rebalance" && proposed.amount !== 0n)
    throw new Malformed("amount", "a rebalance pays ourselves: only its fee leaves");
  if (proposed.kind !== "rebalance" && proposed.amount === 0n) throw new Malformed("amount", "pays nothing");
  if (isKnown(proof.amount) && proof.amount !== proposed.amount)
    throw new Malformed("amount", `the invoice asks for ${proof.amount}`);
  if (isKnown(proposed.payee) && isKnown(proof.payee) && !equal(proposed.payee, proof.payee))
    throw invalid("the payee is not the one of the invoice");
  return proof;
};
