/** Whatever comes: Malformed, or a value that says all of it. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  invoiceKind,
  type Kind,
  type Message,
  offerKind,
  requestKind,
} from "../../protocol/bolt/offer/fields.ts";
import { invoiceMatches, mismatch } from "../../protocol/bolt/offer/matches.ts";
import { merkleRoot } from "../../protocol/bolt/offer/merkle.ts";
import { parseInvoiceRequest, parseOffer, parseOfferInvoice } from "../../protocol/bolt/offer/messages.ts";
import { decodeOfferText, encodeOfferText } from "../../protocol/bolt/offer/text.ts";
import type { Points } from "../../protocol/bolt/offer/values.ts";
import { encodeTlvStream, parseTlvStream } from "../../protocol/bolt/tlv.ts";
import { concat, toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { workOf } from "../steady.ts";
import { anInvoice, anOffer, aRequest } from "./bolt12-arbitrary.ts";
import { invoice, offer, request } from "./bolt12-messages.ts";
import { native as curve } from "./curve-backends.ts";

const malformedOr = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(Malformed);
    return undefined;
  }
};

const kinds = <Fields, Sound extends Fields>(
  name: string,
  kind: Kind<Fields>,
  parse: (points: Points, bytes: Uint8Array) => Message<Sound>,
  messages: fc.Arbitrary<Message<Sound>>,
): void => {
  describe(name, () => {
    test("of any fields is read as it was written", () => {
      fc.assert(
        fc.property(messages, (message) => {
          const bytes = kind.encode(message);
          const read = parse(curve, bytes);
          expect(read).toEqual(message);
          expect(kind.encode(read)).toEqual(bytes);
        }),
        { numRuns: 200 },
      );
    });

    test("with bytes changed, or cut off, is malformed or says what it says", () => {
      fc.assert(
        fc.property(
          messages,
          fc.nat(),
          fc.uint8Array({ maxLength: 4 }),
          fc.boolean(),
          (message, place, by, cut) => {
            const whole = kind.encode(message);
            const at = place % whole.length;
            const rest = cut ? new Uint8Array(0) : whole.subarray(at + by.length);
            const bytes = concat(whole.subarray(0, at), by, rest);
            const read = malformedOr(() => parse(curve, bytes));
            if (read !== undefined) expect(toHex(kind.encode(read))).toBe(toHex(bytes));
          },
        ),
        { numRuns: 500 },
      );
    });

    test("of chance is malformed", () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
          expect(() => parse(curve, bytes)).toThrow(Malformed);
        }),
        { numRuns: 500 },
      );
      const long = new Uint8Array(10_000_000);
      expect(workOf(() => expect(() => parse(curve, long)).toThrow(/too long/))).toBeLessThan(500);
    });
  });
};

kinds("an offer", offerKind, parseOffer, anOffer);
kinds("a request", requestKind, parseInvoiceRequest, aRequest);
kinds("an invoice", invoiceKind, parseOfferInvoice, anInvoice);

describe("text", () => {
  test("holds any bytes, in capitals and in pieces too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.array(fc.nat(), { maxLength: 3 }), (bytes, cuts) => {
        const whole = encodeOfferText("lni", bytes);
        expect(decodeOfferText(whole, "lni")).toEqual(bytes);
        expect(decodeOfferText(whole.toUpperCase(), "lni")).toEqual(bytes);
        const pieces = [...cuts.map((cut) => 1 + (cut % (whole.length - 1)))].sort((a, b) => b - a);
        const joined = [...new Set(pieces)].reduce(
          (text, at) => `${text.slice(0, at)}+ \n${text.slice(at)}`,
          whole,
        );
        expect(decodeOfferText(joined, "lni")).toEqual(bytes);
      }),
    );
  });

  test("of chance is malformed", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary" }),
          fc.string().map((text) => `lno1${text}`),
        ),
        (text) => {
          const read = malformedOr(() => decodeOfferText(text, "lno"));
          if (read !== undefined) expect(decodeOfferText(encodeOfferText("lno", read), "lno")).toEqual(read);
        },
      ),
      { numRuns: 1_000 },
    );
    const work = workOf(() => {
      expect(() => decodeOfferText("lno1".padEnd(10_000_000, "q"), "lno")).toThrow(/too long/);
      expect(() => decodeOfferText(`lno1${"q+".repeat(30_000)}`, "lno")).toThrow(Malformed);
      expect(() => decodeOfferText(`lno1q+${" ".repeat(60_000)}`, "lno")).toThrow(Malformed);
    });
    expect(work).toBeLessThan(1_000);
  });
});

/** By recursion: the left part of a tree has the largest power of two that leaves something for the right. */
const root = (leaves: readonly Uint8Array[]): Uint8Array => {
  const [only, ...others] = leaves;
  if (only !== undefined && others.length === 0) return only;
  let half = 1;
  while (half * 2 < leaves.length) half *= 2;
  const [a, b] = [root(leaves.slice(0, half)), root(leaves.slice(half))];
  return tagged("LnBranch", toHex(a) < toHex(b) ? concat(a, b) : concat(b, a));
};
const tagged = (tag: string | Uint8Array, message: Uint8Array): Uint8Array => {
  const hash = sha256(typeof tag === "string" ? new TextEncoder().encode(tag) : tag);
  return sha256(concat(hash, hash, message));
};

test("the root of any number of records is that of the definition", () => {
  for (let count = 1; count < 20; count++) {
    const records = Array.from({ length: count }, (_, at) => ({
      type: BigInt(at),
      value: Uint8Array.of(at, count),
    }));
    const first = encodeTlvStream(records.slice(0, 1));
    const leaves = records.map((record) => {
      const pair = [
        tagged("LnLeaf", encodeTlvStream([record])),
        tagged(concat(new TextEncoder().encode("LnNonce"), first), Uint8Array.of(Number(record.type))),
      ];
      return tagged("LnBranch", concat(...pair.toSorted((a, b) => (toHex(a) < toHex(b) ? -1 : 1))));
    });
    expect(toHex(merkleRoot(records))).toBe(toHex(root(leaves)));
    const signed = [
      ...records,
      { type: 240n, value: Uint8Array.of(1) },
      { type: 1000n, value: Uint8Array.of() },
    ];
    expect(merkleRoot(signed)).toEqual(merkleRoot(records));
    expect(merkleRoot([...records, { type: 1001n, value: Uint8Array.of() }])).not.toEqual(
      merkleRoot(records),
    );
  }
  expect(() => merkleRoot([])).toThrow(RangeError);
});

test("an invoice that answers something else in any byte does not match", () => {
  const good = invoiceKind.encode(invoice);
  let seen = 0;
  for (let at = 0; at < good.length; at++)
    for (const by of [1, 2, 0x80]) {
      const read = malformedOr(() => parseOfferInvoice(curve, good.with(at, (good[at] as number) ^ by)));
      if (read === undefined) continue;
      const covered = parseTlvStream(invoiceKind.encode(read)).filter(({ type }) => type < 160n);
      const same = toHex(encodeTlvStream(covered)) === toHex(requestKind.encode(request));
      if (!same) expect(mismatch(read, { is: "request", request })).toBeDefined();
      if (!same) seen++;
      const ofOffer = invoiceMatches(read, { is: "offer", offer });
      const repeats = encodeTlvStream(covered.filter(({ type }) => type > 0n && type < 80n));
      if (toHex(repeats) !== toHex(offerKind.encode(offer))) expect(ofOffer).toBe(false);
    }
  expect(seen).toBeGreaterThan(50);
});
