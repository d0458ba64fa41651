/** Payments: invoices that are made here, and what is paid once the signer has consented. */

import { createHash, randomBytes } from "node:crypto";
import {
  Bolt11Invoice,
  type ChannelManager,
  Option_ThirtyTwoBytesZ,
  Option_u16Z,
  Option_u64Z,
  PaymentParameters,
  RecipientOnionFields,
  Result_Bolt11InvoiceParseOrSemanticErrorZ_OK,
  Result_C2Tuple_ThirtyTwoBytesThirtyTwoBytesZNoneZ_OK,
  Result_C3Tuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZNoneZ_OK,
  Result_NoneRetryableSendFailureZ_Err,
  Result_ThirtyTwoBytesRetryableSendFailureZ_Err,
  Retry,
  RetryableSendFailure,
  RouteParameters,
  UtilMethods,
} from "lightningdevkit";
import type { Field } from "../../protocol/bolt/invoice/fields.ts";
import {
  buildUnsignedInvoice,
  encodeInvoice,
  parseInvoice,
  unsignedWords,
} from "../../protocol/bolt/invoice/invoice.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { paymentHash, msat as toMsat } from "../../protocol/units.ts";
import { sendFailure } from "./errors.ts";
import { hintsOf } from "./hints.ts";
import type { Keys } from "./keys/keys.ts";
import type { Ledger, Settled } from "./ledger.ts";
import { exactly } from "./library.ts";
import { attempts, limitOf } from "./limits.ts";
import { NotDone, type Turns } from "./turn.ts";

export interface InvoiceRequest {
  readonly msat?: bigint;
  readonly description: string;
  readonly expirySeconds?: number;
}

export interface Payments {
  invoice(request: InvoiceRequest): Promise<{ readonly invoice: string; readonly hash: string }>;
  /** Resolves when it is settled, one way or the other. */
  pay(request: {
    readonly invoice: string;
    readonly msat?: bigint;
    readonly feeLimitMsat?: bigint;
  }): Promise<Settled>;
  keysend(request: {
    readonly node: string;
    readonly msat: bigint;
    readonly feeLimitMsat?: bigint;
  }): Promise<Settled>;
}

export interface PaymentsParts {
  readonly manager: ChannelManager;
  readonly turns: Turns;
  readonly keys: Pick<Keys, "propose" | "signInvoice">;
  readonly ledger: Ledger;
  readonly curve: Curve;
  readonly network: Network;
}

/** BOLT 11: the payer must leave us so many blocks. LDK fails what has fewer than 24, and a block may come on the way. */
const finalExpiryDelta = 27;
/** BOLT 9: var_onion_optin and payment_secret required, basic_mpp optional. */
const features = [8, 14, 17];
const defaultExpiry = 3_600;

const none = () => Option_u64Z.constructor_none();
const some = (value: bigint) => Option_u64Z.constructor_some(value);

export const openPayments = (parts: PaymentsParts): Payments => {
  const { manager, turns, keys, ledger, curve, network } = parts;
  const invoice: Payments["invoice"] = async (request) => {
    const { msat, description, expirySeconds = defaultExpiry } = request;
    if (msat !== undefined) toMsat(msat);
    if (!Number.isInteger(expirySeconds) || expirySeconds < 1 || expirySeconds > 0xffff_ffff)
      throw new NotDone(`not an expiry in seconds: ${expirySeconds}`);
    const made = await turns.take(() => {
      const result = manager.create_inbound_payment(
        msat === undefined ? none() : some(msat),
        expirySeconds,
        Option_u16Z.constructor_none(),
      );
      if (!(result instanceof Result_C2Tuple_ThirtyTwoBytesThirtyTwoBytesZNoneZ_OK))
        throw new NotDone("not an amount that can be invoiced");
      const [hash, secret] = [result.res.get_a(), result.res.get_b()];
      ledger.expect(toHex(hash), msat ?? 0n);
      return { hash, secret, hints: hintsOf(manager.list_channels()) };
    });
    const fields: readonly Field[] = [
      { is: "paymentHash", hash: paymentHash(made.hash) },
      { is: "paymentSecret", bytes: made.secret },
      { is: "description", text: description },
      { is: "features", bits: features },
      { is: "expiry", seconds: BigInt(expirySeconds) },
      { is: "finalExpiryDelta", blocks: BigInt(finalExpiryDelta) },
      ...made.hints.map((hop): Field => ({ is: "route", hops: [hop] })),
    ];
    const unsigned = buildUnsignedInvoice({
      network,
      ...(msat === undefined ? {} : { amount: toMsat(msat) }),
      timestamp: Math.floor(Date.now() / 1000),
      fields,
    });
    const { signature, recovery } = await keys.signInvoice(unsigned.hrp, unsignedWords(unsigned));
    return { invoice: encodeInvoice(unsigned, signature, recovery), hash: toHex(made.hash) };
  };

  const parametersOf = (text: string, msat: bigint, hasAmount: boolean) => {
    const parsed = Bolt11Invoice.constructor_from_str(text);
    if (!(parsed instanceof Result_Bolt11InvoiceParseOrSemanticErrorZ_OK))
      throw new NotDone("LDK can't read the invoice");
    const parameters = hasAmount
      ? UtilMethods.constructor_payment_parameters_from_invoice(parsed.res)
      : UtilMethods.constructor_payment_parameters_from_variable_amount_invoice(parsed.res, msat);
    if (!(parameters instanceof Result_C3Tuple_ThirtyTwoBytesRecipientOnionFieldsRouteParametersZNoneZ_OK))
      throw new NotDone("the invoice can't be paid");
    return parameters.res;
  };

  const pay: Payments["pay"] = async ({ invoice: text, msat, feeLimitMsat }) => {
    const read = parseInvoice(curve, text);
    if (read.network !== network) throw new NotDone(`the invoice is for ${read.network}`);
    if (ledger.isPaid(toHex(read.paymentHash))) throw new NotDone("the invoice was paid before");
    const amountMsat = read.amount ?? msat;
    if (amountMsat === undefined) throw new NotDone("the invoice leaves the amount to the payer: say one");
    const limit = limitOf(amountMsat, feeLimitMsat);
    await keys.propose({ kind: "bolt11", invoice: text, amountMsat, feeLimitMsat: limit });
    const id = toHex(read.paymentHash);
    return ledger.settled(id, () =>
      turns.take(() => {
        const parameters = parametersOf(text, amountMsat, read.amount !== undefined);
        const route = parameters.get_c();
        route.set_max_total_routing_fee_msat(some(limit));
        // The hash is the id, so the same invoice can't be paid twice.
        const result = manager.send_payment(
          read.paymentHash,
          parameters.get_b(),
          read.paymentHash,
          route,
          Retry.constructor_attempts(attempts),
        );
        if (result instanceof Result_NoneRetryableSendFailureZ_Err) {
          // On its way since before a restart: LDK will say what became of it.
          if (result.err === RetryableSendFailure.LDKRetryableSendFailure_DuplicatePayment) return;
          throw new NotDone(sendFailure(result.err));
        }
        ledger.begin({ id, hash: id, msat: amountMsat });
      }),
    );
  };

  const keysend: Payments["keysend"] = async ({ node, msat, feeLimitMsat }) => {
    const payee = exactly(33, fromHex(node), "a node id");
    if (!curve.isPoint(payee)) throw new NotDone("not a node id");
    const preimage = Uint8Array.from(randomBytes(32));
    const hash = Uint8Array.from(createHash("sha256").update(preimage).digest());
    const limit = limitOf(msat, feeLimitMsat);
    await keys.propose({ kind: "keysend", payee, hash, amountMsat: msat, feeLimitMsat: limit });
    const id = toHex(hash);
    return ledger.settled(id, () =>
      turns.take(() => {
        const to = PaymentParameters.constructor_for_keysend(payee, finalExpiryDelta, false);
        const result = manager.send_spontaneous_payment(
          Option_ThirtyTwoBytesZ.constructor_some(preimage),
          RecipientOnionFields.constructor_spontaneous_empty(),
          hash,
          RouteParameters.constructor_new(to, msat, some(limit)),
          Retry.constructor_attempts(attempts),
        );
        if (result instanceof Result_ThirtyTwoBytesRetryableSendFailureZ_Err)
          throw new NotDone(sendFailure(result.err));
        ledger.begin({ id, hash: id, msat });
      }),
    );
  };

  return { invoice, pay, keysend };
};
