/** What a host proposes before it pays. */

import { buildUnsignedInvoice, unsignedWords } from "../../protocol/bolt/invoice/invoice.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { msat, type NodeId } from "../../protocol/units.ts";
import { htlcOf } from "./channel.ts";
import { plainTime } from "./road.ts";

type Propose = Request<"proposePayment">;

/** Of exactly this HTLC. */
export const keysend = (
  node: NodeId,
  { hash, amount }: Pick<Htlc, "hash" | "amount">,
  changes: Partial<Propose> = {},
): Propose => ({
  node,
  kind: "keysend",
  hash,
  amount,
  feeLimit: msat(0n),
  invoice: "",
  source: "",
  payee: unknown,
  ...changes,
});

/** An invoice of ours, whose preimage the label is. */
export const issueOf = (
  node: NodeId,
  label: string,
  amount: bigint,
  expiry = 3_600n,
): Request<"signInvoice"> => {
  const invoice = buildUnsignedInvoice({
    network: "regtest",
    timestamp: plainTime,
    amount: msat(amount),
    fields: [
      { is: "paymentHash", hash: htlcOf("holder", 1n, label).hash },
      { is: "paymentSecret", bytes: sha256(new TextEncoder().encode("secret")) },
      { is: "description", text: label },
      { is: "expiry", seconds: expiry },
    ],
  });
  return { node, hrp: invoice.hrp, words: unsignedWords(invoice) };
};
