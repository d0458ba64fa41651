import { describe, expect, test } from "vitest";
import {
  buildUnsignedInvoice,
  encodeInvoice,
  invoiceDigest,
  unsignedWords,
} from "../../protocol/bolt/invoice/invoice.ts";
import { decodeOfferText, encodeOfferText } from "../../protocol/bolt/offer/text.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { msat, type NodeId, paymentHash } from "../../protocol/units.ts";
import { type Proposed, proofOf } from "../../signer/core/payments/proposal.ts";
import { type Bill, bolt12Bill, invoiceBill, keysendBill } from "../honest/invoices.ts";
import { htlcOf } from "../scripted/channel.ts";
import { curve } from "../scripted/road.ts";
import { alice, bytesOf, refundInvoice, signedInvoice } from "./bolt12-messages.ts";
import { now } from "./payments.kit.ts";

const node = fromHex(`02${"11".repeat(32)}`) as NodeId;
const other = fromHex(`03${"22".repeat(32)}`) as NodeId;
const what = { node, label: "tea", amount: 5_000n, feeLimit: 7n, now, expiry: 600 };

const proof = (
  { proposal }: Bill,
  changes: Partial<Proposed> = {},
  network: "regtest" | "bitcoin" = "regtest",
) => proofOf(curve, { ...proposal, ...changes }, network);
const fault = (bill: Bill, changes: Partial<Proposed>): string => {
  try {
    proof(bill, changes);
  } catch (error) {
    if (error instanceof Malformed) return error.path;
    throw error;
  }
  return "none";
};
const [bolt11, open] = [invoiceBill(what), invoiceBill(what, false)];
const [offered, refund] = [bolt12Bill(what, "offer"), bolt12Bill(what, "request")];
const [keysend, elsewhere] = [keysendBill(what), htlcOf("holder", 1n, "elsewhere").hash];
const rebalance: Bill = {
  ...keysend,
  proposal: { ...keysend.proposal, kind: "rebalance", amount: msat(0n) },
};

describe("an invoice proves", () => {
  test("of BOLT 11 its payee, network, hash, amount, time and what it is for", () => {
    const { payee, ...rest } = proof(bolt11);
    expect(rest).toEqual({
      ...{ signed: true, network: "regtest", hash: bolt11.hash, amount: 5_000n, expires: now + 600 },
      ...{ description: "tea", unbound: undefined },
    });
    expect(payee).not.toBe(unknown);
    // Told for what it is, whatever network the signer is of.
    expect(proof(bolt11, {}, "bitcoin").network).toBe("regtest");
  });

  test("of BOLT 12 the same, as far as it is for the signer's network", () => {
    const { payee, ...rest } = proof(offered);
    expect(rest).toEqual({
      ...{ signed: true, network: "regtest", hash: offered.hash, amount: 5_000n, expires: now + 600 },
      ...{ description: "tea", unbound: undefined },
    });
    expect(payee).not.toBe(unknown);
    expect(proof(offered, {}, "bitcoin").network).toBe(unknown);
    expect(proof(refund)).toMatchObject({ unbound: undefined, description: "a refund" });
  });

  test("of BOLT 12 nothing without what it answers, or with something else", () => {
    expect(proof(offered, { source: "" }).unbound).toBe("no offer or refund is shown");
    const another = bolt12Bill({ ...what, amount: 6_000n }, "offer");
    expect(proof(offered, { source: another.proposal.source }).unbound).toBeTypeOf("string");
    expect(proof(offered, { source: refund.proposal.source }).unbound).toBeTypeOf("string");
  });

  test("of BOLT 12 nothing that its payee did not sign", () => {
    const bytes = decodeOfferText(offered.proposal.invoice, "lni");
    const forged = encodeOfferText("lni", bytes.with(-1, (bytes.at(-1) ?? 0) ^ 1));
    expect(proof(offered, { invoice: forged }).unbound).toBe("its payee did not sign it");
  });

  test("without an amount whatever is paid of it", () => {
    expect(proof(open, { amount: msat(1n) }).amount).toBe(unknown);
    expect(fault(open, { amount: msat(0n) })).toBe("amount");
  });
});

describe("what an invoice leaves out", () => {
  const tags = { node, feeLimit: msat(0n), payee: unknown, source: "" } as const;

  test("has no description, where BOLT 11 has its hash alone", () => {
    const hash = paymentHash(new Uint8Array(32).fill(9));
    const unsigned = buildUnsignedInvoice({
      ...{ network: "regtest", timestamp: now, amount: msat(5n) },
      fields: [
        { is: "paymentHash", hash },
        { is: "paymentSecret", bytes: new Uint8Array(32) },
        { is: "descriptionHash", hash: new Uint8Array(32) },
      ],
    });
    const digest = invoiceDigest(unsigned.hrp, unsignedWords(unsigned));
    const { signature, recovery } = curve.signRecoverable({ digest, key: alice, lowR: false });
    const invoice = encodeInvoice(unsigned, signature, recovery);
    const proposed = { ...tags, kind: "invoice", hash, amount: msat(5n), invoice } as const;
    expect(proofOf(curve, proposed, "regtest")).toMatchObject({ description: "", expires: now + 3_600 });
  });

  test("is Bitcoin, two hours and nothing, where BOLT 12 says none of it", () => {
    const { invoiceRelativeExpiry: _, ...fields } = refundInvoice.fields;
    const { offerDescription: __, ...silent } = fields;
    const proofFor = (said: typeof fields | typeof silent) => {
      const signed = signedInvoice({ fields: said, unknown: [] } as typeof refundInvoice);
      const invoice = encodeOfferText("lni", bytesOf.invoice(signed));
      const hash = paymentHash(said.invoicePaymentHash);
      const proposed = { ...tags, kind: "bolt12", hash, amount: msat(5_000n), invoice } as const;
      return proofOf(curve, proposed, "bitcoin");
    };
    const time = 1_700_000_000 + 7_200;
    expect(proofFor(fields)).toMatchObject({ network: "bitcoin", expires: time, description: "a refund" });
    expect(proofFor(silent)).toMatchObject({ unbound: "no offer or refund is shown", description: "" });
  });
});

describe("what a host says of it", () => {
  test("is that hash, amount and payee, or it is no proposal", () => {
    for (const bill of [bolt11, offered]) {
      expect(fault(bill, {})).toBe("none");
      expect(fault(bill, { hash: elsewhere })).toBe("hash");
      expect(fault(bill, { amount: msat(4_999n) })).toBe("amount");
      const { payee } = proof(bill);
      expect(proof(bill, { payee }).payee).toEqual(payee);
      expect(() => proof(bill, { payee: other })).toThrow("the payee is not the one of the invoice");
    }
  });

  test("says where it can't be read", () => {
    expect(fault(bolt11, { invoice: "lnbcrt1" })).toMatch(/^invoice/);
    expect(fault(offered, { invoice: "lni1" })).toMatch(/^invoice/);
    expect(fault(offered, { source: "lno1" })).toMatch(/^source/);
    expect(fault(offered, { source: "lnr1" })).toMatch(/^source/);
    const broken = {
      publicKey: () => {
        throw new TypeError("a fault of ours");
      },
    } as unknown as typeof curve;
    expect(() => proofOf(broken, bolt11.proposal, "regtest")).toThrow(TypeError);
  });
});

describe("a payment without an invoice", () => {
  test("proves nothing: its payee is what the host says", () => {
    expect(proof(keysend, { payee: other })).toEqual({
      ...{ signed: false, payee: other, network: unknown, hash: keysend.hash, amount: unknown },
      ...{ expires: unknown, description: "", unbound: undefined },
    });
    expect(toHex(proof(rebalance).hash)).toBe(toHex(keysend.hash));
  });

  test("has none, and pays something; but a rebalance pays nobody", () => {
    for (const bill of [keysend, rebalance]) {
      expect(fault(bill, { invoice: bolt11.proposal.invoice })).toBe("invoice");
      expect(fault(bill, { source: offered.proposal.source })).toBe("invoice");
    }
    expect(fault(keysend, { amount: msat(0n) })).toBe("amount");
    expect(fault(rebalance, { amount: msat(1n) })).toBe("amount");
  });
});
