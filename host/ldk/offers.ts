/**
 * BOLT 12 offers. Paying one takes an exchange of messages, and perhaps a person: who pays what, and the invoice once it
 * is here, is on disk, so that an approval which comes later, or after a restart, is still for the invoice that it was
 * given for.
 */

import { randomBytes } from "node:crypto";
import {
  Bolt12Invoice,
  type ChannelManager,
  type Event_InvoiceReceived,
  Offer,
  OffersContext,
  Option_OffersContextZ,
  Option_OffersContextZ_Some,
  Option_StrZ,
  Option_u64Z,
  Result_Bolt12InvoiceDecodeErrorZ_OK,
  Result_NoneBolt12SemanticErrorZ_Err,
  Result_OfferBolt12ParseErrorZ_OK,
  Result_OfferBolt12SemanticErrorZ_OK,
  Result_OffersContextDecodeErrorZ_OK,
  Result_OfferWithDerivedMetadataBuilderBolt12SemanticErrorZ_OK,
  Retry,
} from "lightningdevkit";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { NotUnderstood, Refused } from "../failures.ts";
import { offerFailure } from "./errors.ts";
import type { Jobs } from "./jobs.ts";
import type { Keys } from "./keys/keys.ts";
import { NotApproved } from "./keys/remote-answers.ts";
import type { Ledger, Settled } from "./ledger.ts";
import { attempts, limitOf } from "./limits.ts";
import { bytesOf, type NodeStore } from "./store.ts";
import { NotDone, type Turns } from "./turn.ts";

export interface OfferRequest {
  readonly offer: string;
  readonly msat: bigint;
  readonly feeLimitMsat?: bigint;
  readonly note?: string;
}

export interface Offers {
  make(request: { readonly description: string }): Promise<string>;
  /** The same again, where it waits for an approval, is the same payment. */
  pay(request: OfferRequest): Promise<Settled>;
  /** In a turn. */
  invoiceReceived(event: Event_InvoiceReceived): void;
  /** After a start: what has its invoice goes on. */
  resume(): void;
}

export interface OffersParts {
  readonly store: Pick<NodeStore, "database">;
  readonly manager: ChannelManager;
  readonly turns: Turns;
  readonly jobs: Jobs;
  readonly keys: Pick<Keys, "propose">;
  readonly ledger: Ledger;
  /** In seconds. */
  readonly now?: () => number;
}

const schema = `CREATE TABLE IF NOT EXISTS bill (
  id TEXT PRIMARY KEY NOT NULL, offer TEXT NOT NULL, msat INTEGER NOT NULL, fee_limit INTEGER NOT NULL,
  invoice BLOB, context BLOB, until INTEGER
) STRICT`;

/** Of an offer that is being paid. */
interface Bill {
  readonly id: string;
  readonly offer: string;
  readonly feeLimitMsat: bigint;
  readonly invoice: Uint8Array;
  readonly context: Uint8Array | undefined;
  readonly until: number;
}

const none = () => Option_u64Z.constructor_none();
const some = (value: bigint) => Option_u64Z.constructor_some(value);

const invoiceOf = ({ invoice }: Bill): Bolt12Invoice => {
  const read = Bolt12Invoice.constructor_read(invoice);
  if (!(read instanceof Result_Bolt12InvoiceDecodeErrorZ_OK))
    throw new Error("LDK can't read its own invoice");
  return read.res;
};

const contextOf = ({ context }: Bill): Option_OffersContextZ => {
  if (context === undefined) return Option_OffersContextZ.constructor_none();
  const read = OffersContext.constructor_read(context);
  if (!(read instanceof Result_OffersContextDecodeErrorZ_OK))
    throw new Error("LDK can't read its own context");
  return Option_OffersContextZ.constructor_some(read.res);
};

/** Nobody will ever agree to this invoice. */
const isOver = (error: unknown): boolean =>
  error instanceof NotUnderstood ||
  (error instanceof Refused && error.refusal.final) ||
  (error instanceof NotApproved && error.standing !== "pending");

export const openOffers = (parts: OffersParts): Offers => {
  const { manager, turns, jobs, keys, ledger, now = () => Math.floor(Date.now() / 1_000) } = parts;
  const { database } = parts.store;
  database.exec(schema);
  const begin = database.prepare("INSERT INTO bill VALUES (?, ?, ?, ?, NULL, NULL, NULL)");
  const arrive = database.prepare(
    "UPDATE bill SET invoice = ?, context = ?, until = ? WHERE id = ? AND invoice IS NULL",
  );
  const end = database.prepare("DELETE FROM bill WHERE id = ?");
  const dropFailed = database.prepare(
    "DELETE FROM bill WHERE id IN (SELECT id FROM payment WHERE direction = 'out' AND state <> 'waiting')",
  );
  const waiting = database.prepare("SELECT * FROM bill WHERE invoice IS NOT NULL ORDER BY rowid");
  const same = database.prepare(
    "SELECT id FROM bill WHERE offer = ? AND msat = ? AND fee_limit = ? AND until > ? ORDER BY until DESC",
  );
  waiting.setReadBigInts(true);

  const bills = (): readonly Bill[] =>
    waiting.all().map((row) => ({
      id: String(row["id"]),
      offer: String(row["offer"]),
      feeLimitMsat: BigInt(row["fee_limit"] as bigint),
      invoice: bytesOf(row["invoice"]),
      context: row["context"] === null ? undefined : bytesOf(row["context"]),
      until: Number(row["until"]),
    }));

  /** In a turn. */
  const giveUp = (id: string): void => {
    end.run(id);
    manager.abandon_payment(fromHex(id));
  };

  const settle = async (bill: Bill): Promise<void> => {
    const { id, offer, feeLimitMsat } = bill;
    const invoice = invoiceOf(bill);
    await keys.propose({
      kind: "bolt12",
      invoice: bill.invoice,
      ...{ offer, feeLimitMsat },
      amountMsat: invoice.amount_msats(),
    });
    await turns.take(() => {
      end.run(id);
      const result = manager.send_payment_for_bolt12_invoice(invoice, contextOf(bill));
      if (!result.is_ok()) manager.abandon_payment(fromHex(id));
    });
  };

  const goOn = (id: string): void =>
    jobs.start(`pay ${id}`, async () => {
      const bill = bills().find((one) => one.id === id);
      if (bill === undefined) return;
      try {
        if (bill.until <= now()) throw new NotDone("the invoice for the offer has expired: pay it anew");
        await settle(bill);
      } catch (error) {
        ledger.postponed(id, error instanceof Error ? error : new NotDone(String(error)));
        if (isOver(error) || bill.until <= now()) await turns.take(() => giveUp(id));
      }
    });

  const ask = (id: string, { offer: text, msat, note }: OfferRequest, limit: bigint): void => {
    const parsed = Offer.constructor_from_str(text);
    if (!(parsed instanceof Result_OfferBolt12ParseErrorZ_OK)) throw new NotDone("LDK can't read the offer");
    const result = manager.pay_for_offer(
      parsed.res,
      none(),
      some(msat),
      note === undefined ? Option_StrZ.constructor_none() : Option_StrZ.constructor_some(note),
      fromHex(id),
      Retry.constructor_attempts(attempts),
      some(limit),
    );
    if (result instanceof Result_NoneBolt12SemanticErrorZ_Err) throw new NotDone(offerFailure(result.err));
    begin.run(id, text, msat, limit);
    ledger.begin({ id, msat });
  };

  return {
    make: ({ description }) =>
      turns.take(() => {
        const builder = manager.create_offer_builder(none());
        if (!(builder instanceof Result_OfferWithDerivedMetadataBuilderBolt12SemanticErrorZ_OK))
          throw new NotDone("an offer needs a peer that passes messages on");
        builder.res.description(description);
        const built = builder.res.build();
        if (!(built instanceof Result_OfferBolt12SemanticErrorZ_OK)) throw new NotDone("not an offer");
        return built.res.to_str();
      }),
    pay: async (request) => {
      const limit = limitOf(request.msat, request.feeLimitMsat);
      const known = same.get(request.offer, request.msat, limit, now())?.["id"];
      if (typeof known === "string") return ledger.settled(known, async () => goOn(known));
      const id = toHex(randomBytes(32));
      return ledger.settled(id, () => turns.take(() => ask(id, request, limit)));
    },
    invoiceReceived: ({ payment_id, invoice, context }) => {
      const id = toHex(payment_id);
      // Requests take several ways, and each that arrives is answered by another invoice: the first one is paid.
      const { changes } = arrive.run(
        invoice.write(),
        context instanceof Option_OffersContextZ_Some ? context.some.write() : null,
        invoice.created_at() + invoice.relative_expiry(),
        id,
      );
      if (changes > 0) turns.afterwards(() => goOn(id));
    },
    resume: () => {
      dropFailed.run();
      for (const { id } of bills()) goOn(id);
    },
  };
};
