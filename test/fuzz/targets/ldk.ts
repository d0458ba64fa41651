/** What LDK writes of its own objects, and remote keys read. */

import * as fc from "fast-check";
import {
  type HtlcOutput,
  type ReadCommitment,
  type ReadHolderCommitment,
  readCommitment,
  readHolderCommitment,
  readHtlcOutput,
} from "../../../host/ldk/reading/commitment.ts";
import { indexOf } from "../../../host/ldk/reading/fields.ts";
import { type ReadUpdate, readUpdate, type UpdateStep } from "../../../host/ldk/reading/update.ts";
import { encodeBigSize, encodeTlvStream, encodeUint } from "../../../protocol/bolt/tlv.ts";
import { concat } from "../../../protocol/bytes.ts";
import {
  commitmentNumber,
  feerate,
  height,
  msat,
  paymentHash,
  point,
  preimage,
  sat,
  signature,
  txid,
} from "../../../protocol/units.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled } from "./seeds.ts";

/** `write_tlv_fields!` */
const record = (fields: Readonly<Record<number, Uint8Array | undefined>>): Uint8Array => {
  const stream = encodeTlvStream(
    Object.entries(fields).flatMap(([type, value]) =>
      value === undefined ? [] : [{ type: BigInt(type), value }],
    ),
  );
  return concat(encodeBigSize(BigInt(stream.length)), stream);
};

const writeHtlc = ({ offered, htlc, index }: HtlcOutput): Uint8Array =>
  record({
    0: Uint8Array.of(offered ? 1 : 0),
    2: encodeUint(htlc.amount, 8),
    4: encodeUint(BigInt(htlc.expiry), 4),
    6: htlc.hash,
    8: index === undefined ? undefined : encodeUint(BigInt(index), 4),
  });

const writeCommitment = (one: ReadCommitment): Uint8Array =>
  record({
    0: encodeUint(indexOf(one.number), 8),
    2: encodeUint(one.toBroadcaster, 8),
    4: encodeUint(one.toCountersignatory, 8),
    6: encodeUint(BigInt(one.feerate), 4),
    8: record({ 0: one.point }),
    10: record({ 0: one.tx, 2: one.txid }),
    12: concat(...one.htlcs.map(writeHtlc)),
  });

const writeHolder = ({ commitment, signature: made, htlcSignatures }: ReadHolderCommitment): Uint8Array =>
  record({
    0: writeCommitment(commitment),
    2: made,
    4: Uint8Array.of(1),
    6: concat(...htlcSignatures),
  });

const none = Uint8Array.of(0);
/** An `Option` of a source of three bytes. */
const source = Uint8Array.of(4, 9, 9, 9);

const writeStep = (step: UpdateStep, inner: ReadCommitment): Uint8Array => {
  if (step.is === "other") return concat(Uint8Array.of(3), record({ 0: encodeUint(7n, 8) }));
  if (step.is === "closed") return concat(Uint8Array.of(4), record({ 0: Uint8Array.of(1) }));
  if (step.is === "preimage") return concat(Uint8Array.of(2), record({ 0: step.preimage }));
  const { owner, number, txid: id, trimmed, preimages } = step;
  const outputs = trimmed.map(({ offeredBy, ...htlc }) =>
    writeHtlc({ offered: offeredBy === owner, htlc, index: undefined }),
  );
  if (owner === "counterparty")
    return concat(
      Uint8Array.of(1),
      record({
        0: id,
        2: encodeUint(indexOf(number), 8),
        6: concat(...outputs.map((one) => concat(one, source))),
      }),
    );
  const holder = {
    commitment: { ...inner, number, txid: id },
    signature: emptySignature,
    htlcSignatures: [],
  };
  const claimed = preimages.map((one) => concat(Uint8Array.of(2), record({ 0: id }), one));
  return concat(
    Uint8Array.of(0),
    record({
      0: writeHolder(holder),
      1: claimed.length === 0 ? undefined : concat(...claimed),
      2: concat(...outputs.map((one) => concat(one, none, source))),
    }),
  );
};
const emptySignature = signature(new Uint8Array(64));

const writeUpdate = ({ id, steps }: ReadUpdate, inner: ReadCommitment): Uint8Array =>
  concat(
    Uint8Array.of(1, 1),
    encodeUint(id, 8),
    encodeUint(BigInt(steps.length), 8),
    ...steps.map((step) => writeStep(step, inner)),
    record({}),
  );

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const small = fc.bigInt({ min: 0n, max: 2_000_000n });
const terms = fc.record({
  amount: small.map(msat),
  expiry: fc.nat({ max: 499_999_999 }).map(height),
  hash: bytes(32).map(paymentHash),
});
const output: fc.Arbitrary<HtlcOutput> = fc.record({
  offered: fc.boolean(),
  htlc: terms,
  index: fc.option(fc.nat({ max: 1_000 }), { nil: undefined }),
});
const key = bytes(32).map((x) => point(concat(Uint8Array.of(2), x)));
const number = fc.bigInt({ min: 0n, max: (1n << 48n) - 1n }).map(commitmentNumber);
const commitment: fc.Arbitrary<ReadCommitment> = fc.record({
  number,
  toBroadcaster: small.map(sat),
  toCountersignatory: small.map(sat),
  feerate: fc.nat().map(feerate),
  point: key,
  tx: fc.uint8Array({ maxLength: 200 }),
  txid: bytes(32).map(txid),
  htlcs: fc.array(output, { maxLength: 4 }),
});
const holder: fc.Arbitrary<ReadHolderCommitment> = fc.record({
  commitment,
  signature: bytes(64).map(signature),
  htlcSignatures: fc.array(bytes(64).map(signature), { maxLength: 3 }),
});
const trimmed = (owner: "holder" | "counterparty") =>
  fc.array(
    fc.tuple(fc.constantFrom("holder" as const, "counterparty" as const), terms).map(([offeredBy, htlc]) => ({
      offeredBy,
      ...htlc,
    })),
    { maxLength: owner === "holder" ? 2 : 3 },
  );
const step: fc.Arbitrary<UpdateStep> = fc.oneof(
  fc.constantFrom({ is: "other" as const }, { is: "closed" as const }),
  bytes(32).map((one) => ({ is: "preimage" as const, preimage: preimage(one) })),
  fc.record({
    is: fc.constant("commitment" as const),
    owner: fc.constant("counterparty" as const),
    number,
    txid: bytes(32).map(txid),
    trimmed: trimmed("counterparty"),
    preimages: fc.constant([]),
  }),
  fc.record({
    is: fc.constant("commitment" as const),
    owner: fc.constant("holder" as const),
    number,
    txid: bytes(32).map(txid),
    trimmed: trimmed("holder"),
    preimages: fc.array(bytes(32).map(preimage), { maxLength: 2 }),
  }),
);
const update: fc.Arbitrary<ReadUpdate> = fc.record({
  id: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  steps: fc.array(step, { maxLength: 4 }),
});

const reading = "host/ldk/reading";

const target = <T>(
  name: string,
  covers: string,
  values: fc.Arbitrary<T>,
  read: (bytes: Uint8Array) => T,
  write: (value: T) => Uint8Array,
): Target => ({
  name,
  covers: [`${reading}/${covers}`],
  seeds: (seed, count) => sampled(values, seed, count).map(write),
  decode: (given) => {
    const value = read(given);
    return { value, encode: () => write(value) };
  },
  rejects: isMalformed,
  // LDK has fields that nobody here reads.
  exact: false,
});

const [inner] = sampled(commitment, 1, 1) as [ReadCommitment];

export const ldkTargets: readonly Target[] = [
  target("ldk-htlc", "commitment.ts readHtlcOutput", output, readHtlcOutput, writeHtlc),
  target("ldk-commitment", "commitment.ts readCommitment", commitment, readCommitment, writeCommitment),
  target(
    "ldk-holder-commitment",
    "commitment.ts readHolderCommitment",
    holder,
    readHolderCommitment,
    writeHolder,
  ),
  target("ldk-update", "update.ts readUpdate", update, readUpdate, (value) => writeUpdate(value, inner)),
];
