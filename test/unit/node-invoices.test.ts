/** Invoices of BOLT 11 and 12: signed as their readers verify them, and remembered. */

import { describe, expect, test } from "vitest";
import { chains } from "../../protocol/bitcoin/chains.ts";
import type { Field } from "../../protocol/bolt/invoice/fields.ts";
import { encodeInvoice, parseInvoice, type UnsignedInvoice } from "../../protocol/bolt/invoice/invoice.ts";
import { invoiceKind, requestKind } from "../../protocol/bolt/offer/fields.ts";
import { merkleRoot } from "../../protocol/bolt/offer/merkle.ts";
import {
  type InvoiceRequest,
  isSignedInvoice,
  isSignedRequest,
  type OfferInvoice,
} from "../../protocol/bolt/offer/messages.ts";
import { concat, toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { nobleCurve } from "../../protocol/curve/index.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Request } from "../../protocol/operations/index.ts";
import type { Point } from "../../protocol/units.ts";
import { maxFar, maxIssued, withIssued } from "../../signer/core/issued.ts";
import { unpackPayment } from "../../signer/core/node-records.ts";
import { openLedger } from "../../signer/core/payments/ledger.ts";
import { freshNode, freshPayment, type Payment } from "../../signer/core/state.ts";
import { unwatched, type View } from "../../signer/core/step.ts";
import { askInvoice, hashOf, invoiceOf } from "../scripted/node.ts";
import { plainTime, type Rig, rig } from "../scripted/road.ts";
import { bob } from "../scripted/scene.ts";
import { invoice as offeredInvoice, request as offeredRequest } from "./bolt12-messages.ts";

const noble = nobleCurve();
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

const signed = (on: Rig, invoice: UnsignedInvoice) =>
  on.call("signInvoice", askInvoice(on.session.node, invoice));
const refusedInvoice = (on: Rig, invoice: UnsignedInvoice) =>
  on.refusal("signInvoice", askInvoice(on.session.node, invoice));

const issuedIn = async (on: Rig): Promise<readonly (readonly unknown[])[]> => {
  const stored = await on.store.load(on.session.node);
  return [...stored]
    .filter(([key]) => key.includes("/payment/"))
    .map(([, { bytes }]) => unpackPayment(bytes))
    .flatMap(({ hash, issued }) =>
      isKnown(issued)
        ? [[toHex(hash), isKnown(issued.amount) ? String(issued.amount) : unknown, issued.until]]
        : [],
    )
    .sort();
};

describe("signInvoice", () => {
  test("finishes an invoice that a payer reads, and the same bytes again", async () => {
    let on = await rig();
    const payee: Field = { is: "payee", key: on.session.node };
    for (const invoice of [invoiceOf({ amount: 250_000n }), invoiceOf({ label: "named", more: [payee] })]) {
      const { signature, recoveryId } = await signed(on, invoice);
      const read = parseInvoice(noble, encodeInvoice(invoice, signature, recoveryId));
      expect(read.payee).toEqual(on.session.node);
      expect(read.amount).toBe(invoice.amount);
      expect(await signed(on, invoice)).toEqual({ signature, recoveryId });
      on = await on.restart();
      expect(await signed(on, invoice)).toEqual({ signature, recoveryId });
    }
  });

  test("refuses one of another node or network, and one that BOLT 11's writer may not write", async () => {
    const on = await rig();
    const hash: Field = { is: "paymentHash", hash: hashOf("second") };
    const others = [
      invoiceOf({ network: "bitcoin" }),
      invoiceOf({ more: [{ is: "payee", key: bob.id }] }),
      invoiceOf({ more: [hash] }),
      invoiceOf({ more: [{ is: "unknown", type: 2, words: Uint8Array.of(1) }] }),
    ];
    for (const invoice of others)
      expect(await refusedInvoice(on, invoice)).toMatchObject({ rule: "invoice-is-ours", final: true });
    expect(await issuedIn(on)).toEqual([]);
  });

  test("remembers the hash before the signature leaves, and over a restart", async () => {
    let on = await rig();
    await signed(on, invoiceOf({ label: "one", amount: 5_000n, expiry: 60n }));
    on = await on.restart();
    await signed(on, invoiceOf({ label: "two" }));
    expect(await issuedIn(on)).toEqual(
      [
        [toHex(hashOf("one")), "5000", plainTime + 60],
        [toHex(hashOf("two")), unknown, plainTime + 3_600],
      ].sort(),
    );
  });

  test("keeps the later end and no amount where a hash is issued again", async () => {
    const on = await rig();
    await signed(on, invoiceOf({ amount: 5_000n, expiry: 7_200n }));
    await signed(on, invoiceOf({ amount: 6_000n, expiry: 60n }));
    expect(await issuedIn(on)).toEqual([[toHex(hashOf("tea")), unknown, plainTime + 7_200]]);
  });

  test("a timestamp of long ago, or an expiry without end, does not let a hash be forgotten sooner", async () => {
    const on = await rig();
    await signed(on, invoiceOf({ label: "old", timestamp: 1, expiry: 60n }));
    await signed(on, invoiceOf({ label: "long", expiry: (1n << 64n) - 1n }));
    expect(await issuedIn(on)).toEqual(
      [
        [toHex(hashOf("old")), unknown, plainTime + 60],
        [toHex(hashOf("long")), unknown, 0xffff_ffff],
      ].sort(),
    );
  });

  test("forgets what expired more than a day ago, sixteen at a time", async () => {
    let now = plainTime;
    const on = await rig({ time: () => now });
    for (let n = 0; n < 20; n++) await signed(on, invoiceOf({ label: `early ${n}`, expiry: 60n }));
    now += 60 + 86_400 - 1;
    await signed(on, invoiceOf({ label: "later" }));
    expect(await issuedIn(on)).toHaveLength(21);
    now += 1;
    await signed(on, invoiceOf({ label: "last" }));
    expect(await issuedIn(on)).toHaveLength(21 - 16 + 1);
    await signed(on, invoiceOf({ label: "last" }));
    expect((await issuedIn(on)).map(([hash]) => hash)).toEqual(
      [hashOf("last"), hashOf("later")].map(toHex).sort(),
    );
  });
});

describe("signBolt12", () => {
  const regtest = chains.regtest.genesisHash;
  const invoiceBy = (key: Point): OfferInvoice => ({
    ...offeredInvoice,
    fields: {
      ...offeredInvoice.fields,
      ...{ offerChains: [regtest], invreqChain: regtest, offerIssuerId: key, invoiceNodeId: key },
    },
  });
  const requestBy = (key: Point): InvoiceRequest => ({
    ...offeredRequest,
    fields: { ...offeredRequest.fields, offerChains: [regtest], invreqChain: regtest, invreqPayerId: key },
  });
  const bodyOf = (on: Rig, changes: Partial<Request<"signBolt12">>): Request<"signBolt12"> => ({
    ...{ node: on.session.node, message: "invoice", stream: unknown, root: unknown, tweak: unknown },
    ...changes,
  });

  test("an invoice of ours: a payer accepts it, and its hash is remembered", async () => {
    const on = await rig();
    const invoice = invoiceBy(on.session.node);
    const body = bodyOf(on, { stream: invoiceKind.encode(invoice) });
    const { signature } = await on.call("signBolt12", body);
    expect(isSignedInvoice(noble, { ...invoice, fields: { ...invoice.fields, signature } })).toBe(true);
    expect(await on.call("signBolt12", body)).toEqual({ signature });
    expect(await issuedIn(on)).toEqual([["09".repeat(32), "2000", plainTime + 60]]);
  });

  /** The base and the sum, by arithmetic that is not the keyring's. */
  const payerOf = async (on: Rig, tweak: Uint8Array): Promise<Point> => {
    const { node } = on.session;
    const { secret } = await on.call("deriveSecret", { node, label: ascii("node-alias-base") });
    return noble.addTweak(node, sha256(concat(secret, tweak)));
  };

  test("a request under a payer's key, as Core Lightning derives it", async () => {
    const on = await rig();
    const tweak = offeredRequest.fields.invreqMetadata;
    const request = requestBy(await payerOf(on, tweak));
    const body = bodyOf(on, { message: "invoiceRequest", stream: requestKind.encode(request), tweak });
    const { signature } = await on.call("signBolt12", body);
    expect(isSignedRequest(noble, { ...request, fields: { ...request.fields, signature } })).toBe(true);
  });

  test("a root alone from a host that knows no more, and never from one of tier full", async () => {
    const on = await rig({ tier: "commitments" });
    const invoice = invoiceBy(on.session.node);
    const root = merkleRoot(invoiceKind.records(invoice));
    const { signature } = await on.call("signBolt12", bodyOf(on, { root }));
    expect(isSignedInvoice(noble, { ...invoice, fields: { ...invoice.fields, signature } })).toBe(true);
    const request = await on.call("signBolt12", bodyOf(on, { message: "invoiceRequest", root }));
    expect(request.signature).not.toEqual(signature);
    const full = await rig();
    expect(await full.refusal("signBolt12", bodyOf(full, { root }))).toMatchObject({
      rule: "message-domain",
    });
  });

  test("refuses another chain, another payee, another payer, and bytes of another kind", async () => {
    const on = await rig();
    const { node } = on.session;
    const { invreqChain: _, offerChains: __, ...onBitcoin } = invoiceBy(node).fields;
    const tweak = ascii("tweak");
    const invoice = (one: OfferInvoice) => ({ stream: invoiceKind.encode(one) });
    const cases: readonly Partial<Request<"signBolt12">>[] = [
      invoice({ ...offeredInvoice, fields: onBitcoin as OfferInvoice["fields"] }),
      invoice(invoiceBy(bob.id)),
      { ...invoice(invoiceBy(node)), tweak },
      { message: "invoiceRequest", stream: requestKind.encode(requestBy(bob.id)) },
      { message: "invoiceRequest", stream: requestKind.encode(requestBy(node)), tweak },
      { stream: requestKind.encode(requestBy(node)) },
      { stream: new Uint8Array(0) },
    ];
    for (const one of cases)
      expect(await on.refusal("signBolt12", bodyOf(on, one))).toMatchObject({ rule: "invoice-is-ours" });
    expect(await issuedIn(on)).toEqual([]);
  });

  test("wants the message or its root, and not both", async () => {
    const on = await rig();
    const both = { stream: invoiceKind.encode(invoiceBy(on.session.node)), root: new Uint8Array(32) };
    for (const one of [{}, both])
      expect(await on.outcome("signBolt12", bodyOf(on, one))).toMatchObject({ is: "malformed" });
  });
});

describe("what is remembered of invoices", () => {
  const full = (until: number): Map<string, Payment> =>
    new Map(
      Array.from({ length: maxIssued }, (_, n) => {
        const hash = hashOf(`full ${n}`);
        return [toHex(hash), { ...freshPayment(hash), issued: { amount: unknown, until } }];
      }),
    );
  const viewOf = (payments: ReadonlyMap<string, Payment>, now: number): View =>
    ({
      ...{ node: freshNode, channel: undefined, channels: new Map(), approvals: new Map() },
      ...{ payments, ledger: openLedger(), outlook: unwatched, now },
    }) as Partial<View> as View;
  const issue = (label: string) => ({
    ...{ hash: hashOf(label), amount: undefined, timestamp: BigInt(plainTime), expiry: 3_600n },
  });

  test("has an end: no more until some have expired, but one that is known is issued again", () => {
    const payments = full(plainTime);
    expect(withIssued(viewOf(payments, plainTime), issue("one more"))).toBeUndefined();
    expect(withIssued(viewOf(payments, plainTime), issue("full 7"))?.payments?.size).toBe(1);
    const later = withIssued(viewOf(payments, plainTime + 86_400), issue("one more"));
    expect(later?.payments?.size).toBe(17);
    payments.delete(toHex(hashOf("full 9")));
    expect(withIssued(viewOf(payments, plainTime), issue("one more"))?.payments?.size).toBe(1);
  });

  test("keeps room for such as expire soon, however many are to last for years", () => {
    const lasting = [...full(0xffff_ffff)].slice(0, maxFar);
    const years = (label: string) => ({ ...issue(label), expiry: 1_000_000_000n });
    const view = viewOf(new Map(lasting), plainTime);
    expect(withIssued(view, years("one more"))).toBeUndefined();
    expect(withIssued(view, { ...issue("one more"), expiry: 8n * 86_400n })).toBeUndefined();
    expect(withIssued(view, { ...issue("one more"), expiry: 8n * 86_400n - 1n })).toBeDefined();
    expect(withIssued(view, years("full 7"))).toBeDefined();
    expect(withIssued(view, years("one more"), { clockless: true })).toBeDefined();
    expect(withIssued(viewOf(new Map(lasting.slice(1)), plainTime), years("one more"))).toBeDefined();
    // One that was to expire soon is not made to last either.
    const soon = new Map([...lasting, ...[...full(plainTime)].slice(maxFar)]);
    expect(withIssued(viewOf(soon, plainTime), years(`full ${maxFar + 3}`))).toBeUndefined();
    expect(withIssued(viewOf(soon, plainTime), issue(`full ${maxFar + 3}`))).toBeDefined();
    expect(withIssued(viewOf(soon, plainTime + 86_400), issue("one more"))).toBeDefined();
  });

  test("looks at some alone while there is room, in whatever order they came, and at all when there is none", () => {
    const payments = full(plainTime);
    const begin = toHex(issue("one more").hash).slice(0, 2);
    const isLooked = (key: string): boolean => key.startsWith(begin);
    for (const [key, payment] of payments)
      if (isLooked(key)) payments.set(key, { ...payment, issued: { amount: unknown, until: 0xffff_ffff } });
    const now = plainTime + 86_400;
    expect(withIssued(viewOf(payments, now), issue("one more"))?.payments?.size).toBe(1_001);
    payments.delete([...payments.keys()].find((key) => !isLooked(key)) ?? "");
    expect(withIssued(viewOf(payments, now), issue("one more"))?.payments?.size).toBe(1);
    // As after a restart.
    const turned = new Map([...full(plainTime)].slice(1).toReversed());
    const first = new Map([...full(plainTime)].slice(1));
    const gone = [first, turned].map((all) => {
      const change = withIssued(viewOf(all, now), issue("one more"));
      return [...(change?.payments?.keys() ?? [])].toSorted();
    });
    expect(gone[0]?.length).toBeGreaterThan(10);
    expect(gone[1]).toEqual(gone[0]);
  });

  describe("where no clock is", () => {
    const clockless = true;
    const aged = (): Map<string, Payment> => {
      const payments = full(plainTime + 2);
      for (const [n, until] of [
        [7, 1],
        [9, 0],
      ] as const) {
        const hash = hashOf(`full ${n}`);
        payments.set(toHex(hash), { ...freshPayment(hash), issued: { amount: unknown, until } });
      }
      return payments;
    };
    const goneFor = (payments: ReadonlyMap<string, Payment>, now: number, label = "one more") => {
      const change = withIssued(viewOf(payments, now), issue(label), { clockless });
      return [...(change?.payments ?? [])].flatMap(([key, one]) => (one === undefined ? [key] : []));
    };
    const keyed = (n: number): string => toHex(hashOf(`full ${n}`));

    test("stays while there is room, however late it is said to be", () => {
      const payments = aged();
      payments.delete(keyed(11));
      expect(goneFor(payments, 0xffff_ffff)).toEqual([]);
      const few = new Map([...payments].slice(0, 100));
      expect(goneFor(few, 0xffff_ffff)).toEqual([]);
    });

    test("goes when there is none, the oldest first, whether or not it has expired", () => {
      const gone = goneFor(aged(), plainTime);
      expect(gone).toHaveLength(16);
      expect(gone.slice(0, 2)).toEqual([keyed(9), keyed(7)]);
      expect(goneFor(aged(), plainTime, "full 9")).toEqual([]);
    });

    test("never goes with a payment that could be made again", () => {
      const payments = aged();
      const paid = (until: number) => ({
        ...{ content: new Uint8Array(32), kind: "keysend", amount: 5n, feeLimit: 0n },
        ...{ payee: unknown, at: plainTime, until },
      });
      const [first, second] = [payments.get(keyed(9)), payments.get(keyed(7))];
      if (first === undefined || second === undefined) throw new Error("not there");
      const now = plainTime + 86_400;
      payments.set(keyed(9), { ...first, settledOut: 5n, intent: paid(plainTime + 1) } as Payment);
      payments.set(keyed(7), { ...second, settledOut: 5n, intent: paid(plainTime) } as Payment);
      expect(goneFor(payments, now)).not.toContain(keyed(9));
      expect(goneFor(payments, now)).toContain(keyed(7));
    });
  });

  test("leaves room to what was paid, and its own to what is paid", () => {
    const hash = hashOf("both");
    const payments = full(plainTime).set(toHex(hash), { ...freshPayment(hash), settledIn: 5n });
    expect(withIssued(viewOf(payments, plainTime), issue("both"))).toBeUndefined();
    payments.delete(toHex(hashOf("full 9")));
    const change = withIssued(viewOf(payments, plainTime), issue("both"));
    expect(change?.payments?.get(toHex(hash))).toMatchObject({ settledIn: 5n, issued: { amount: unknown } });
  });
});
