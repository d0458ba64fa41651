import { choice, fixed, maybe, text, u64, type ValueOf } from "../codec.ts";
import { invalid } from "../malformed.ts";
import { hash, msat, node, preimages } from "./fields.ts";
import { operation } from "./operation.ts";

const lastSecond = 1n << 40n;
export const seconds = u64(
  "seconds since 1970",
  (n) => {
    if (n > lastSecond) throw invalid(`no time: ${n}`);
    return n;
  },
  lastSecond,
);
export const approvalId = fixed("approval", 32, (bytes) => bytes);

export const paymentKind = choice("PaymentKind", ["invoice", "keysend", "bolt12", "rebalance"]);
/** Where an intent stands: only an approved one lets HTLCs out. */
export const standing = choice("Standing", ["approved", "pending", "denied", "settled"]);
export type PaymentKind = ValueOf<typeof paymentKind>;

/** What a host wants to pay, before it commits to anything. */
const intent = {
  kind: paymentKind,
  hash,
  /** That the payee gets; 0 for a rebalance, which pays ourselves. */
  amount: msat,
  /** That the route may cost on top. */
  feeLimit: msat,
  /** As text: BOLT 11, or `lni...` of BOLT 12; empty where the kind has none. */
  invoice: text("invoice", 8_192),
  /** What a BOLT 12 invoice answers: an offer, `lno...`, or a refund that we published, `lnr...`. */
  source: text("offer or refund", 8_192),
  /** Of a keysend, as the host says; of an invoice its signature tells. */
  payee: maybe(node),
};

export const paymentOperations = {
  checkPayment: operation(
    0x50,
    "Asks what would become of a payment that is proposed like this; nothing is reserved.",
    intent,
    { standing },
  ),
  proposePayment: operation(
    0x51,
    "Proposes a payment: approved and reserved within the limits, or waiting for a person; asked again, it says where it stands.",
    intent,
    { standing, approval: approvalId, until: seconds },
  ),
  withdrawPayment: operation(
    0x52,
    "Gives up a payment that was proposed and of which nothing is on its way: what was reserved is free again.",
    { hash },
    {},
  ),
  showPreimages: operation(
    0x53,
    "Shows preimages as soon as the host has them: kept while something received may have to be claimed with them, also without a host.",
    { preimages },
    {},
  ),
};
