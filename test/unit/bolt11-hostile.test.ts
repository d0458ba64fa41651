/** Whatever comes: Malformed, or a value that says all of it. */
import { bech32 } from "@scure/base";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  encodeInvoice,
  invoiceDigest,
  parseInvoice,
  parseInvoicePreimage,
  parseUnsignedInvoice,
  type UnsignedInvoice,
  unsignedWords,
} from "../../protocol/bolt/invoice/invoice.ts";
import { fromWords, packed, toWords } from "../../protocol/bolt/invoice/words.ts";
import { concat, equal, toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { workOf } from "../steady.ts";
import vectors from "../vectors/bolt11.json" with { type: "json" };
import { unsignedInvoice } from "./bolt11-arbitrary.ts";
import { native as curve, secret, text } from "./curve-backends.ts";

const key = secret(77n);
const payee = curve.publicKey(key);

const signed = (invoice: UnsignedInvoice): string => {
  const digest = invoiceDigest(invoice.hrp, unsignedWords(invoice));
  const { signature, recovery } = curve.signRecoverable({ digest, key, lowR: false });
  return encodeInvoice(invoice, signature, recovery);
};

const malformedOr = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(Malformed);
    return undefined;
  }
};

describe("an invoice of any fields", () => {
  test("is read as it was written, by each road", () => {
    fc.assert(
      fc.property(unsignedInvoice, (invoice) => {
        const words = unsignedWords(invoice);
        expect(parseUnsignedInvoice(curve, invoice.hrp, words)).toEqual(invoice);
        const preimage = concat(text(invoice.hrp), packed(words));
        expect(parseInvoicePreimage(curve, preimage)).toEqual(invoice);
        expect(equal(sha256(preimage), invoiceDigest(invoice.hrp, words))).toBe(true);
        const whole = signed(invoice);
        const read = parseInvoice(curve, whole);
        expect(read).toMatchObject(invoice);
        expect(read.payee).toEqual(payee);
        expect(encodeInvoice(read, read.signature, read.recoveryId)).toBe(whole);
        expect(parseInvoice(curve, whole.toUpperCase())).toEqual(read);
      }),
      { numRuns: 200 },
    );
  });

  test("with one word changed is another invoice of another payee, or none", () => {
    fc.assert(
      fc.property(unsignedInvoice, fc.nat(), fc.integer({ min: 1, max: 31 }), (invoice, place, by) => {
        const { prefix, words } = bech32.decode(signed(invoice), false);
        const at = place % (words.length - 104);
        const other = bech32.encode(prefix, words.with(at, (words[at] as number) ^ by), false);
        const read = malformedOr(() => parseInvoice(curve, other));
        if (read === undefined) return;
        expect(encodeInvoice(read, read.signature, read.recoveryId)).toBe(other);
        expect(read.payee).not.toEqual(payee);
      }),
      { numRuns: 300 },
    );
  });

  test("with one character changed is none", () => {
    fc.assert(
      fc.property(unsignedInvoice, fc.nat(), fc.integer({ min: 33, max: 126 }), (invoice, place, to) => {
        const whole = signed(invoice);
        const at = place % whole.length;
        const other = whole.slice(0, at) + String.fromCharCode(to) + whole.slice(at + 1);
        if (other !== whole) expect(() => parseInvoice(curve, other)).toThrow(Malformed);
      }),
      { numRuns: 300 },
    );
  });
});

describe("what is no invoice", () => {
  test("is malformed, as text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string().map((s) => `lnbc1${s}`),
        ),
        (one) => {
          expect(() => parseInvoice(curve, one)).toThrow(Malformed);
        },
      ),
    );
  });

  test("is malformed, as words, or says what they say", () => {
    const start = [...unsignedWords(parseInvoice(curve, vectors.valid[0]?.invoice ?? ""))];
    const words = fc.array(fc.nat({ max: 33 }), { maxLength: 80 });
    fc.assert(
      fc.property(words, fc.nat({ max: start.length }), (tail, kept) => {
        const all = Uint8Array.from([...start.slice(0, kept), ...tail]);
        const read = malformedOr(() => parseUnsignedInvoice(curve, "lnbc", all));
        if (read !== undefined) expect(unsignedWords(read)).toEqual(all);
      }),
      { numRuns: 1_000 },
    );
  });

  test("is malformed, as bytes, or says what they say", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("lnbc", "lntbs1m", "ln", ""),
        fc.uint8Array({ maxLength: 60 }),
        (hrp, tail) => {
          const bytes = concat(text(hrp), tail);
          const read = malformedOr(() => parseInvoicePreimage(curve, bytes));
          if (read !== undefined)
            expect(toHex(concat(text(read.hrp), packed(unsignedWords(read))))).toBe(toHex(bytes));
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("is not looked at where it is longer than a QR code holds", () => {
    const long = "lnbc1".padEnd(7_090, "q");
    const work = workOf(() => {
      expect(() => parseInvoice(curve, long.repeat(1_000))).toThrow(/longer than/);
      expect(() => parseUnsignedInvoice(curve, "lnbc", new Uint8Array(10_000_000))).toThrow(/longer than/);
      expect(() => parseInvoicePreimage(curve, new Uint8Array(10_000_000))).toThrow(/longer than/);
    });
    expect(work).toBeLessThan(1_000);
    // The worst that is looked at: nothing but empty fields.
    expect(() => parseUnsignedInvoice(curve, "lnbc", new Uint8Array(7_000))).not.toThrow();
  });
});

test("words hold bytes in one way", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 50 }),
      fc.uint8Array({ max: 31, maxLength: 30 }),
      (bytes, some) => {
        const words = toWords(bytes);
        expect([...words]).toEqual(bech32.toWords(bytes));
        expect(fromWords(words)).toEqual(bytes);
        expect(packed(words).subarray(0, bytes.length)).toEqual(bytes);
        const read = malformedOr(() => fromWords(some));
        if (read !== undefined) expect(toWords(read)).toEqual(some);
      },
    ),
    { numRuns: 500 },
  );
});
