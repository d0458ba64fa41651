/** signInvoice, signBolt12: what we issue is remembered before it is signed. */

import { chains } from "../../../protocol/bitcoin/chains.ts";
import {
  invoiceDigest,
  parseUnsignedInvoice,
  type UnsignedInvoice,
  unsignedWords,
} from "../../../protocol/bolt/invoice/invoice.ts";
import { rootDigest } from "../../../protocol/bolt/offer/merkle.ts";
import {
  offerInvoiceDigest,
  parseInvoiceRequest,
  parseOfferInvoice,
  requestDigest,
} from "../../../protocol/bolt/offer/messages.ts";
import { bitcoinChain, type Points } from "../../../protocol/bolt/offer/values.ts";
import { isKnown, type Maybe } from "../../../protocol/codec.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import { type PaymentHash, type Point, paymentHash } from "../../../protocol/units.ts";
import { type Issue, maxIssued, withIssued } from "../issued.ts";
import type { Signed } from "../ports.ts";
import { judge, refuse } from "../rule.ts";
import { bolt12Rules, invoiceRules, reading, rootRules } from "../rules/node.ts";
import { textOf } from "../rules/table.ts";
import { type Change, type Decision, given, refused, type Settings, type Step, type View } from "../step.ts";

/** BOLT 11, the fields `p` and `x`. */
const issueOf = ({ fields, amount, timestamp }: UnsignedInvoice): Issue => {
  const { hash } = given(
    fields.find((field) => field.is === "paymentHash"),
    "hash",
  );
  const expiry = fields.find((field) => field.is === "expiry")?.seconds ?? 3_600n;
  return { hash, amount, timestamp: BigInt(timestamp), expiry };
};

type Remembered =
  | { readonly is: "remembered"; readonly change: Change }
  | (Decision<never> & { readonly is: "refused" });

/** Room comes back as invoices expire, so a refusal for the lack of it is not final. */
const remember = (view: View, issue: Issue, settings: Settings): Remembered => {
  const change = withIssued(view, issue, settings);
  return change === undefined
    ? refused(refuse({ ...textOf("invoice-is-ours"), later: true }, { max: maxIssued }))
    : { is: "remembered", change };
};

export const signInvoice: Step<"signInvoice", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { node, hrp, words }, view, settings }) => {
    const { network, curve } = settings;
    const read = reading(() => parseUnsignedInvoice(curve, hrp, words));
    if ("facts" in read) return refused(refuse(textOf("invoice-is-ours"), read.facts));
    const invoice = read.value;
    const refusal = judge(invoiceRules, { network, node, invoice });
    if (refusal !== undefined) return refused(refusal);
    const kept = remember(view, issueOf(invoice), settings);
    if (kept.is === "refused") return kept;
    return {
      is: "signed",
      change: kept.change,
      job: { kind: "invoice", digest: invoiceDigest(invoice.hrp, unsignedWords(invoice)) },
      reply: (_, signed) => signed as Signed["invoice"],
    };
  },
};

interface Bolt12 {
  readonly digest: Uint8Array;
  readonly chain: Uint8Array;
  readonly key: Point;
  readonly issue: Issue | undefined;
}

/** BOLT 12, "invoice_relative_expiry". */
const defaultExpiry = 7_200n;

const parse = (points: Points, message: Request<"signBolt12">["message"], stream: Uint8Array): Bolt12 => {
  if (message === "invoiceRequest") {
    const request = parseInvoiceRequest(points, stream);
    const { invreqChain: chain = bitcoinChain, invreqPayerId: key } = request.fields;
    return { digest: requestDigest(request), chain, key, issue: undefined };
  }
  const invoice = parseOfferInvoice(points, stream);
  const { invreqChain: chain = bitcoinChain, invoiceNodeId: key } = invoice.fields;
  const { invoicePaymentHash, invoiceAmount: amount, invoiceCreatedAt: timestamp } = invoice.fields;
  const { invoiceRelativeExpiry: expiry = defaultExpiry } = invoice.fields;
  const hash: PaymentHash = paymentHash(invoicePaymentHash);
  return { digest: offerInvoiceDigest(invoice), chain, key, issue: { hash, amount, timestamp, expiry } };
};

const tags = { invoice: "invoice", invoiceRequest: "invoice_request" } as const;

const signs = (digest: Uint8Array, tweak: Maybe<Uint8Array>, change: Change): Decision<"signBolt12"> => ({
  is: "signed",
  change,
  job: { kind: "bolt12", digest, tweak },
  reply: (_, signed) => signed as Signed["bolt12"],
});

const notOne = (): Malformed => new Malformed("root", "either this or the stream is known");

export const signBolt12: Step<"signBolt12", undefined> = {
  needs: ({ tweak }) => (isKnown(tweak) ? { payerKey: tweak } : {}),
  prepare: () => undefined,
  decide: ({ body, view, known, settings }) => {
    const { network, tier, curve } = settings;
    const { node, message, stream, root, tweak } = body;
    if (isKnown(root)) {
      if (isKnown(stream)) throw notOne();
      const refusal = judge(rootRules, tier);
      return refusal === undefined ? signs(rootDigest(tags[message], root), tweak, {}) : refused(refusal);
    }
    if (!isKnown(stream)) throw notOne();
    const read = reading(() => parse(curve, message, stream));
    if ("facts" in read) return refused(refuse(textOf("invoice-is-ours"), read.facts));
    const { digest, chain, key: wanted, issue } = read.value;
    const ours = isKnown(tweak) ? given(known.payerKey, "payer key") : node;
    const { genesisHash: genesis } = chains[network];
    const refusal = judge(bolt12Rules, { network, chain, genesis, wanted, ours });
    if (refusal !== undefined) return refused(refusal);
    if (issue === undefined) return signs(digest, tweak, {});
    const kept = remember(view, issue, settings);
    return kept.is === "refused" ? kept : signs(digest, tweak, kept.change);
  },
};
