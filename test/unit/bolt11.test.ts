import { bech32 } from "@scure/base";
import { describe, expect, test } from "vitest";
import {
  buildUnsignedInvoice,
  encodeInvoice,
  type Invoice,
  invoiceDigest,
  parseInvoice,
  parseInvoicePreimage,
  parseUnsignedInvoice,
  type UnsignedInvoice,
  unsignedWords,
  writerFault,
} from "../../protocol/bolt/invoice/invoice.ts";
import { encodePrefix, parsePrefix } from "../../protocol/bolt/invoice/prefix.ts";
import { packed, toWords } from "../../protocol/bolt/invoice/words.ts";
import { concat, fromHex, toHex } from "../../protocol/bytes.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { Secret } from "../../protocol/secret.ts";
import { msat, type Signature } from "../../protocol/units.ts";
import vectors from "../vectors/bolt11.json" with { type: "json" };
import { changed, plain } from "./bolt11-plain.ts";
import { backends, native as curve, halves, n, signatureOf, text } from "./curve-backends.ts";

const key = new Secret(fromHex(vectors.secret));
const valid = vectors.valid.map((one) => ({ name: one.title, one }));
const titled = (start: string) => {
  const found = [...vectors.valid, ...vectors.invalid].find(({ title }) => title.startsWith(start));
  if (found === undefined) throw new RangeError(start);
  return found.invoice;
};
const donation = titled("Please make a donation");
const highS = titled("Public-key recovery with high-S");
const highSWithKey = titled("Non canonical signature (high-S)");

const unsignedOf = ({ hrp, network, amount, timestamp, fields }: Invoice): UnsignedInvoice => ({
  hrp,
  network,
  timestamp,
  fields,
  ...(amount === undefined ? {} : { amount }),
});
const digestOf = (invoice: UnsignedInvoice) => invoiceDigest(invoice.hrp, unsignedWords(invoice));

/** With another signature, or none that is good: what is tested then is what comes before. */
const signed = (invoice: UnsignedInvoice): string => {
  const digest = digestOf(invoice);
  const { signature, recovery } = curve.signRecoverable({ digest, key, lowR: false });
  return encodeInvoice(invoice, signature, recovery);
};

describe.each(backends)("the BOLT's examples, on $name", (curve) => {
  test.each(valid)("$name", ({ one }) => {
    const invoice = parseInvoice(curve, one.invoice);
    expect(plain({ network: invoice.network, amount: invoice.amount, timestamp: invoice.timestamp })).toEqual(
      {
        network: one.network,
        ...("amount" in one ? { amount: one.amount } : {}),
        timestamp: one.timestamp,
      },
    );
    expect(plain(invoice.fields)).toEqual(one.fields);
    const digest = digestOf(invoice);
    // In the example of high s, the recovery id was left as it had been for the low one.
    const id = one.invoice === highS ? invoice.recoveryId ^ 1 : invoice.recoveryId;
    expect(toHex(curve.recover(digest, invoice.signature, id) ?? Uint8Array.of())).toBe(vectors.payee);
    if (one.invoice !== highS) expect(toHex(invoice.payee)).toBe(vectors.payee);
    if ("signature" in one) {
      expect(toHex(invoice.signature)).toBe(one.signature);
      expect(invoice.recoveryId).toBe(one.recoveryId);
      expect(toHex(concat(text(invoice.hrp), packed(unsignedWords(invoice))))).toBe(one.preimage);
      expect(toHex(digest)).toBe(one.digest);
    }
    expect(encodeInvoice(invoice, invoice.signature, invoice.recoveryId)).toBe(one.invoice.toLowerCase());
  });

  // "Signatures are deterministic and generated using RFC6979". The one of high s was turned over.
  test.each(valid.filter(({ one }) => one.invoice !== highS))("is signed again: $name", ({ one }) => {
    const { hrp, words } = split(one.invoice.toLowerCase());
    const unsigned = parseUnsignedInvoice(curve, hrp, words);
    expect(unsigned).toEqual(unsignedOf(parseInvoice(curve, one.invoice)));
    const digest = digestOf(unsigned);
    const { signature, recovery } = curve.signRecoverable({ digest, key, lowR: false });
    expect(encodeInvoice(unsigned, signature, recovery)).toBe(one.invoice.toLowerCase());
    expect(parseInvoicePreimage(curve, concat(text(hrp), packed(words)))).toEqual(unsigned);
  });

  const reasons: Readonly<Record<string, RegExp>> = {
    "Same, but adding invalid unknown feature 100": /^features: requires the unknown feature 100$/,
    "Bech32 checksum is invalid.": /bech32/,
    "Malformed bech32 string (no 1)": /bech32/,
    "Malformed bech32 string (mixed case)": /bech32/,
    "Signature is not recoverable.": /^signature: no key made it$/,
    "String is too short.": /^too short$/,
    "Invalid multiplier": /prefix/,
    "Invalid sub-millisatoshi precision.": /parts of a millisatoshi/,
    "Missing required `s` field.": /^paymentSecret: missing$/,
    "Non canonical signature (high-S) with 'n' field defined": /^signature: the payee did not make it$/,
  };

  test.each(vectors.invalid)("invalid: $title", ({ title, invoice }) => {
    const reason = reasons[title];
    expect(reason).toBeInstanceOf(RegExp);
    expect(() => parseInvoice(curve, invoice)).toThrow(Malformed);
    expect(() => parseInvoice(curve, invoice)).toThrow(reason);
  });
});

/** The prefix and the words before the signature. */
const split = (invoice: string) => {
  const { prefix, words } = bech32.decode(invoice, false);
  return { hrp: prefix, words: Uint8Array.from(words.slice(0, -104)) };
};

describe("a signature", () => {
  const low = (invoice: string): string => {
    const { prefix, words } = bech32.decode(invoice, false);
    const raw = bech32.fromWords(words.slice(-104));
    const { r, s } = halves(raw.subarray(0, 64));
    const turned = concat(signatureOf(r, n - s), Uint8Array.of((raw[64] as number) ^ 1));
    return bech32.encode(prefix, [...words.slice(0, -104), ...toWords(turned)], false);
  };

  const verified = (text: string) => {
    const invoice = parseInvoice(curve, text);
    return { digest: digestOf(invoice), signature: invoice.signature as Signature };
  };

  test("of high s is taken where the payee is recovered, and only there", () => {
    expect(parseInvoice(curve, low(highS)).payee).toEqual(parseInvoice(curve, highS).payee);
    expect(curve.verify({ ...verified(highS), key: parseInvoice(curve, highS).payee })).toBe(false);
    expect(curve.verify({ ...verified(low(highS)), key: parseInvoice(curve, highS).payee })).toBe(true);
    // The same with s turned over is good: high s was the one fault of the example.
    const named = parseInvoice(curve, low(highSWithKey));
    expect(named.fields.some(({ is }) => is === "payee")).toBe(true);
    expect(() => parseInvoice(curve, highSWithKey)).toThrow(/the payee did not make it/);
  });

  test("with a recovery id above 3 is none", () => {
    const invoice = parseInvoice(curve, donation);
    expect(() => parseInvoice(curve, encodeInvoice(invoice, invoice.signature, 4))).toThrow(/recovery id/);
  });

  test("is of the payee that is named, whatever the recovery id says", () => {
    const other = new Secret(new Uint8Array(32).fill(7));
    const unsigned = unsignedOf(parseInvoice(curve, donation));
    const claim = {
      ...unsigned,
      fields: [...unsigned.fields, { is: "payee", key: curve.publicKey(other) } as const],
    };
    expect(() => parseInvoice(curve, signed(claim))).toThrow(/the payee did not make it/);
    const own = {
      ...claim,
      fields: [...unsigned.fields, { is: "payee", key: curve.publicKey(key) } as const],
    };
    expect(toHex(parseInvoice(curve, signed(own)).payee)).toBe(vectors.payee);
    const digest = digestOf(own);
    const { signature, recovery } = curve.signRecoverable({ digest, key, lowR: false });
    expect(toHex(parseInvoice(curve, encodeInvoice(own, signature, recovery ^ 1)).payee)).toBe(vectors.payee);
  });

  test("over other content recovers another payee", () => {
    const invoice = parseInvoice(curve, donation);
    const later = parseInvoice(
      curve,
      encodeInvoice({ ...invoice, timestamp: invoice.timestamp + 1 }, invoice.signature, invoice.recoveryId),
    );
    expect(toHex(later.payee)).not.toBe(vectors.payee);
  });
});

describe("an amount", () => {
  test.each([
    ["lnbc1", 100_000_000_000n],
    ["lnbc1m", 100_000_000n],
    ["lnbc1u", 100_000n],
    ["lnbc1n", 100n],
    ["lnbc10p", 1n],
    ["lnbcrt20m", 2_000_000_000n],
    ["lntbs1500u", 150_000_000n],
    ["lnbc21000000", 2_100_000_000_000_000_000n],
  ])("%s", (hrp, amount) => {
    expect(parsePrefix(hrp).amount).toBe(amount);
    expect(encodePrefix(parsePrefix(hrp))).toBe(hrp);
  });

  test.each([
    "lnbc0",
    "lnbc0u",
    "lnbc01u",
    "lnbc1p",
    "lnbc15p",
    "lnbc1x",
    "lnbc1mm",
    "lnbc-1",
    "lnbc1.5m",
    "lnbcm",
    "lnbc21000001",
    "lnbc999999999999999999999p",
    "lnxx1m",
    "ln1",
    "lnbc ",
    "LNBC1m",
    "xlnbc",
    "lnbc1m\n",
    "",
  ])("is not in %j", (hrp) => {
    expect(() => parsePrefix(hrp)).toThrow(Malformed);
  });

  test("is written as short as it can be, but kept as it was", () => {
    expect(encodePrefix({ network: "bitcoin", amount: msat(250_000_000n) })).toBe("lnbc2500u");
    expect(encodePrefix({ network: "bitcoin", amount: msat(1n) })).toBe("lnbc10p");
    expect(() => encodePrefix({ network: "bitcoin", amount: msat(0n) })).toThrow(RangeError);
    const long = { ...unsignedOf(parseInvoice(curve, donation)), hrp: "lnbc2500000n" };
    const again = parseInvoice(curve, signed(long));
    expect(again.amount).toBe(250_000_000n);
    expect(again.hrp).toBe("lnbc2500000n");
    expect(toHex(again.payee)).toBe(vectors.payee);
  });
});

describe("fields", () => {
  const base = unsignedOf(parseInvoice(curve, donation));
  const without = (is: string) => base.fields.filter((field) => field.is !== is);
  const parsed = (fields: UnsignedInvoice["fields"]) => parseInvoice(curve, signed({ ...base, fields }));

  test("that are not there have the BOLT's values", () => {
    const invoice = parsed(without("features"));
    expect([invoice.expiry, invoice.finalExpiryDelta]).toEqual([3_600n, 18n]);
    expect([invoice.features, invoice.fallbacks, invoice.routes]).toEqual([[], [], []]);
    expect("descriptionHash" in invoice || "metadata" in invoice || "amount" in invoice).toBe(false);
  });

  test("that a payer needs must be there", () => {
    expect(() => parsed(without("paymentHash"))).toThrow(/^paymentHash: missing$/);
    expect(() => parsed(without("paymentSecret"))).toThrow(/^paymentSecret: missing$/);
    expect(() => parsed(without("description"))).toThrow(/^description: neither/);
    expect(() => parsed([...base.fields, { is: "descriptionHash", hash: new Uint8Array(32) }])).toThrow(
      /both/,
    );
  });

  test("that are repeated: the first counts", () => {
    const invoice = parsed([...base.fields, { is: "paymentSecret", bytes: new Uint8Array(32) }]);
    expect(toHex(invoice.paymentSecret)).toBe("11".repeat(32));
  });

  test("of features: every required bit must be known, in each of them, and what it depends on be there", () => {
    const bits = (...all: (readonly number[])[]) => [
      ...without("features"),
      ...all.map((bits) => ({ is: "features" as const, bits })),
    ];
    expect(parsed(bits([8, 14, 17])).features).toEqual([8, 14, 17]);
    expect(() => parsed(bits([8, 14], [30]))).toThrow(/unknown feature 30/);
    expect(() => parsed(bits([8, 17]))).toThrow(/depends/);
    const amp = signed({ ...base, fields: bits([8, 14, 30]) });
    expect(() => parseInvoice(curve, amp)).toThrow(/unknown feature 30/);
    expect(parseInvoice(curve, amp, { features: new Set([8, 14, 30]) }).features).toEqual([8, 14, 30]);
  });

  test("have one encoding", () => {
    const words = unsignedWords(base);
    const field = (type: number, ...data: number[]) => Uint8Array.of(type, 0, data.length, ...data);
    const parse = (...extra: Uint8Array[]) => parseUnsignedInvoice(curve, base.hrp, concat(words, ...extra));
    expect(() => parse(field(6, 0, 1))).toThrow(/^expiry: begins with zeros$/);
    expect(() => parse(field(24, 0))).toThrow(/^finalExpiryDelta: begins with zeros$/);
    expect(() => parse(field(5, 0, 8))).toThrow(/^features: begins with zeros$/);
    expect(() => parse(field(27, 1, 1))).toThrow(/^metadata: padded/);
    expect(() => parse(field(27, 1, 0, 0))).toThrow(/^metadata: a word more/);
    expect(() => parse(field(6, ...new Array<number>(14).fill(1)))).toThrow(/^expiry: above 64 bits$/);
    expect(() => parse(field(6, ...new Array<number>(13).fill(31)))).toThrow(/^expiry: above 64 bits$/);
    expect(() => parse(field(13, 31, 28))).toThrow(/^description: not UTF-8$/);
    expect(() => parse(field(3))).toThrow(/^route: not one or more/);
    expect(() => parse(field(2, 1).subarray(0, 3))).toThrow(/^field 2: ends too early$/);
    expect(() => parse(Uint8Array.of(1))).toThrow(/ends too early/);
    expect(parse(field(6), field(24)).fields.slice(-2)).toEqual([
      { is: "expiry", seconds: 0n },
      { is: "finalExpiryDelta", blocks: 0n },
    ]);
  });

  test("of a fallback that is not defined are skipped, whatever they hold", () => {
    const parse = (...data: number[]) =>
      parseUnsignedInvoice(
        curve,
        base.hrp,
        concat(unsignedWords(base), Uint8Array.of(9, 0, data.length, ...data)),
      ).fields.at(-1);
    for (const data of [[], [19], [19, 1], [31, 1, 1], [0], [16], [17, 0, 0]])
      expect(parse(...data)).toEqual({ is: "unknown", type: 9, words: Uint8Array.from(data) });
  });

  test("keep a mark of byte order in a description", () => {
    const text = "\ufeffmarked";
    expect(parsed([...without("description"), { is: "description", text }]).description).toBe(text);
  });

  test("with points that are not on the curve are none", () => {
    const off = Uint8Array.from([2, ...new Uint8Array(31), 5]);
    expect(curve.isPoint(off)).toBe(false);
    const words = concat(unsignedWords(base), Uint8Array.of(19, 1, 21), toWords(off));
    expect(() => parseUnsignedInvoice(curve, base.hrp, words)).toThrow(/^payee: not a public key$/);
  });

  test("that no writer may write are named", () => {
    const fault = (fields: UnsignedInvoice["fields"]) => writerFault({ ...base, fields });
    expect(fault(base.fields)).toBeUndefined();
    expect(fault(without("paymentHash"))).toBe("not exactly one paymentHash");
    expect(fault([...base.fields, ...base.fields])).toBe("not exactly one paymentHash");
    expect(fault(without("paymentSecret"))).toBe("not exactly one paymentSecret");
    expect(fault(without("description"))).toBe("not exactly one description or descriptionHash");
    const expiry = { is: "expiry", seconds: 1n } as const;
    expect(fault([...base.fields, expiry])).toBeUndefined();
    expect(fault([...base.fields, expiry, expiry])).toBe("more than one expiry");
    expect(fault([...base.fields, { is: "unknown", type: 2, words: Uint8Array.of(1) }])).toMatch(/type 2/);
    expect(fault([...without("features"), { is: "features", bits: [] }])).toBe("features without a bit");
  });
});

test("an invoice is built as the BOLT's was", () => {
  const { timestamp, fields } = parseInvoice(curve, titled("Please send $3"));
  const built = buildUnsignedInvoice({ network: "bitcoin", amount: msat(250_000_000n), timestamp, fields });
  expect(signed(built)).toBe(titled("Please send $3"));
});

describe("the bytes under the hash", () => {
  test("are read however many bits were filled up", () => {
    const base = unsignedOf(parseInvoice(curve, donation));
    const lengths = new Set<number>();
    for (let length = 0; length < 9; length++) {
      const words = Uint8Array.from({ length }, () => 0);
      const invoice = { ...base, fields: [...base.fields, { is: "unknown" as const, type: 2, words }] };
      const bytes = concat(text(invoice.hrp), packed(unsignedWords(invoice)));
      lengths.add((unsignedWords(invoice).length * 5) % 8);
      expect(parseInvoicePreimage(curve, bytes)).toEqual(invoice);
      expect(toHex(sha256(bytes))).toBe(toHex(digestOf(invoice)));
    }
    expect(lengths.size).toBe(8);
  });

  test("are nothing with a bit or a byte too many", () => {
    const base = unsignedOf(parseInvoice(curve, donation));
    const bytes = concat(text(base.hrp), packed(unsignedWords(base)));
    // Three words of zeros are a field of its own, which is seen.
    const longer = parseInvoicePreimage(curve, concat(bytes, Uint8Array.of(0)));
    expect(longer.fields.at(-1)).toEqual({ is: "unknown", type: 0, words: new Uint8Array(0) });
    expect(() => parseInvoicePreimage(curve, concat(bytes, Uint8Array.of(1)))).toThrow(Malformed);
    const last = bytes.length - 1;
    expect((unsignedWords(base).length * 5) % 8).not.toBe(0);
    expect(() => parseInvoicePreimage(curve, changed(bytes, last, (bytes[last] as number) | 1))).toThrow(
      Malformed,
    );
    expect(() => parseInvoicePreimage(curve, text("lnbc1m"))).toThrow(Malformed);
    expect(() => parseInvoicePreimage(curve, new Uint8Array(0))).toThrow(Malformed);
  });
});

test("recovery is the same on both backends, and undefined where there is no key", () => {
  const digest = sha256(text("a digest"));
  const signature = curve.sign({ digest, key, lowR: false });
  const { r } = halves(signature);
  const cases: readonly (readonly [Uint8Array, Uint8Array])[] = [
    [digest, signature],
    [new Uint8Array(32), signature],
    [new Uint8Array(32).fill(255), signature],
    [digest, signatureOf(0n, 1n)],
    [digest, signatureOf(1n, 0n)],
    [digest, signatureOf(n, 1n)],
    [digest, signatureOf(1n, n - 1n)],
    [digest, signatureOf(5n, 1n)],
    [digest, signatureOf(r, n)],
    [digest, signatureOf(n - 1n, 1n)],
    // s R = z G: the point at infinity, which is no key.
    [fromHex(`${"00".repeat(31)}01`), signatureOf(xOfG, 1n)],
    [digest, signature.subarray(1)],
  ];
  for (const [digest, signature] of cases)
    for (const id of [-1, 0, 1, 2, 3, 4, 0.5]) {
      const [a, b] = backends.map((backend) => backend.recover(digest, signature, id));
      expect(a === undefined ? a : toHex(a)).toBe(b === undefined ? b : toHex(b));
      if (a !== undefined) expect(curve.isPoint(a)).toBe(true);
    }
  expect(curve.recover(digest, signature, 0) ?? curve.recover(digest, signature, 1)).toBeDefined();
  expect(curve.recover(fromHex(`${"00".repeat(31)}01`), signatureOf(xOfG, 1n), 0)).toBeUndefined();
  for (const backend of backends)
    expect(() => backend.recover(new Uint8Array(31), signature as Signature, 0)).toThrow(Malformed);
});

/** The x of the generator, whose y is even. */
const xOfG = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798n;
