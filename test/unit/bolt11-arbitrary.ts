/** Invoices of every kind of field, each in a form that its encoder would write. */
import * as fc from "fast-check";
import type { Field, RouteHop } from "../../protocol/bolt/invoice/fields.ts";
import { buildUnsignedInvoice, type UnsignedInvoice } from "../../protocol/bolt/invoice/invoice.ts";
import { fromHex } from "../../protocol/bytes.ts";
import type { Network } from "../../protocol/operations/fields.ts";
import { type Msat, msat, type PaymentHash, point } from "../../protocol/units.ts";

export const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
export const u64 = fc.oneof(
  fc.constantFrom(0n, 1n, 31n, 32n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const u32 = fc.nat({ max: 0xffff_ffff });
export const u16 = fc.nat({ max: 0xffff });

/** Known to lie on the curve, so that no arithmetic is needed for them. */
export const points = [
  "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
  "02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5",
  "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad",
].map((text) => point(fromHex(text)));
export const aPoint = fc.constantFrom(...points);

const hop: fc.Arbitrary<RouteHop> = fc.record({
  node: aPoint,
  shortChannelId: u64,
  feeBase: u32,
  feeMillionths: u32,
  expiryDelta: u16,
});

const fallback = fc
  .oneof(
    fc.tuple(fc.constantFrom(0, 17, 18), bytesOf(20)),
    fc.tuple(fc.constantFrom(0, 1, 16), bytesOf(32)),
    fc.tuple(fc.integer({ min: 1, max: 16 }), fc.uint8Array({ minLength: 2, maxLength: 40 })),
  )
  .map(([version, program]) => ({ is: "fallback" as const, version, program }));

/** The letters that the BOLT gives no meaning. */
const unknownTypes = [0, 2, 4, 7, 8, 10, 11, 12, 14, 15, 17, 18, 20, 21, 22, 25, 26, 28, 29, 30, 31];
const word = fc.nat({ max: 31 });
const unknown = fc
  .tuple(fc.constantFrom(...unknownTypes), fc.array(word, { maxLength: 60 }))
  .map(([type, words]) => ({ is: "unknown" as const, type, words: Uint8Array.from(words) }));

const featureBits = fc
  .uniqueArray(
    fc.oneof(
      fc.constantFrom(8, 14, 16, 48),
      fc.nat({ max: 40 }).map((n) => 2 * n + 1),
    ),
    { maxLength: 6 },
  )
  .map((bits) => [...bits].sort((a, b) => a - b));

/** Description or its hash, hash and secret, then anything. */
const required: fc.Arbitrary<readonly Field[]> = fc
  .tuple(
    bytesOf(32),
    bytesOf(32),
    fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 40 }).map((text) => ({ is: "description" as const, text })),
      bytesOf(32).map((hash) => ({ is: "descriptionHash" as const, hash })),
    ),
  )
  .map(([hash, secret, description]) => [
    { is: "paymentHash", hash: hash as PaymentHash },
    { is: "paymentSecret", bytes: secret },
    description,
  ]);

const optional: fc.Arbitrary<Field> = fc.oneof(
  u64.map((seconds) => ({ is: "expiry" as const, seconds })),
  u64.map((blocks) => ({ is: "finalExpiryDelta" as const, blocks })),
  bytes(60).map((bytes) => ({ is: "metadata" as const, bytes })),
  fallback,
  fc.array(hop, { minLength: 1, maxLength: 3 }).map((hops) => ({ is: "route" as const, hops })),
  unknown,
);

const features = fc
  .option(featureBits, { nil: undefined })
  .map((bits): readonly Field[] => (bits === undefined ? [] : [{ is: "features", bits: withSecret(bits) }]));
const withSecret = (bits: readonly number[]): readonly number[] =>
  [...new Set([...bits, 14])].sort((a, b) => a - b);

const networks: readonly Network[] = ["bitcoin", "testnet", "signet", "regtest"];
const amount: fc.Arbitrary<Msat> = fc
  .oneof(
    fc.bigInt({ min: 1n, max: 2_100_000_000_000_000_000n }),
    fc
      .tuple(fc.bigInt({ min: 1n, max: 20_000n }), fc.nat({ max: 11 }))
      .map(([n, zeros]) => n * 10n ** BigInt(zeros)),
  )
  .map(msat);

/** One that can be paid once it is signed. */
export const unsignedInvoice: fc.Arbitrary<UnsignedInvoice> = fc
  .record({
    network: fc.constantFrom(...networks),
    amount: fc.option(amount, { nil: undefined }),
    // Up to the day on which its first byte looks like a digit.
    timestamp: fc.nat({ max: 6_442_450_943 }),
    fields: fc
      .tuple(required, features, fc.array(optional, { maxLength: 5 }))
      .chain(([a, b, c]) =>
        fc.shuffledSubarray([...a, ...b, ...c], { minLength: a.length + b.length + c.length }),
      ),
  })
  .map(({ amount, ...rest }) => buildUnsignedInvoice(amount === undefined ? rest : { ...rest, amount }));
