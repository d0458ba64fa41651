/** PSBTs of both versions with all kinds of fields, as they are after reading. */

import * as fc from "fast-check";
import { psbtMap } from "../../protocol/bitcoin/psbt/map.ts";
import type { Psbt } from "../../protocol/bitcoin/psbt/psbt.ts";
import { encodeTx, type Tx, type TxOutput, txidOf } from "../../protocol/bitcoin/tx.ts";
import { outputLength, Writer } from "../../protocol/bitcoin/writer.ts";
import { concat } from "../../protocol/bytes.ts";
import { hash160, sha256 } from "../../protocol/hash.ts";
import { sat, script, txid } from "../../protocol/units.ts";

const none: Uint8Array = new Uint8Array(0);
const bytes = (minLength: number, maxLength = minLength) => fc.uint8Array({ minLength, maxLength });
const number = fc.oneof(fc.constantFrom(0, 1, 0xffff_fffd, 0xffff_ffff), fc.nat({ max: 0xffff_ffff }));
const u32 = (n: number): Uint8Array => new Writer(4).u32(n).bytes;
const u64 = (n: bigint): Uint8Array => new Writer(8).u64(n).bytes;
const entry = (type: number, value: Uint8Array, key: Uint8Array = none) => ({ type, key, value });
const outputBytes = (output: TxOutput): Uint8Array => new Writer(outputLength(output)).output(output).bytes;

const publicKey = bytes(32).map((x) => concat(Uint8Array.of(2 + ((x[0] ?? 0) & 1)), x));
const origin = fc
  .record({ fingerprint: bytes(4), path: fc.array(number, { maxLength: 5 }) })
  .map(({ fingerprint, path }) => concat(fingerprint, ...path.map(u32)));
const output = fc.record({
  value: fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }).map(sat),
  script: bytes(0, 40).map(script),
});

/** One for each key that both versions have. */
const common = (derivation: number, taprootDerivation: number, internalKey: number) => [
  fc.tuple(publicKey, origin).map(([key, value]) => entry(derivation, value, key)),
  fc
    .tuple(bytes(32), origin)
    .map(([key, value]) => entry(taprootDerivation, concat(Uint8Array.of(0), value), key)),
  bytes(32).map((key) => entry(internalKey, key)),
  fc.tuple(bytes(0, 9), bytes(0, 9)).map(([key, value]) => entry(0x51, value, key)),
  fc
    .tuple(bytes(0, 9), bytes(0, 9))
    .map(([key, value]) => entry(0xfc, value, concat(Uint8Array.of(3, 1, 2, 3, 7), key))),
  fc
    .tuple(fc.integer({ min: 0xfd, max: 0x1_0000 }), bytes(0, 300))
    .map(([type, value]) => entry(type, value)),
];

const inputEntry = fc.oneof(
  ...common(0x06, 0x16, 0x17),
  fc.tuple(publicKey, bytes(9, 73)).map(([key, value]) => entry(0x02, value, key)),
  number.map((n) => entry(0x03, u32(n))),
  bytes(0, 60).map((value) => entry(0x04, value)),
  bytes(0, 300).map((value) => entry(0x05, value)),
  fc.array(bytes(0, 80), { maxLength: 4 }).map((items) => {
    const length = items.reduce((sum, item) => sum + 1 + item.length, 1);
    const to = new Writer(length).size(items.length);
    for (const item of items) to.sized(item);
    return entry(0x08, to.bytes);
  }),
  bytes(0, 40).map((value) => entry(0x0b, value, sha256(value))),
  bytes(0, 40).map((value) => entry(0x0c, value, hash160(value))),
  bytes(64, 65).map((value) => entry(0x13, value)),
  fc.tuple(bytes(64), bytes(64, 65)).map(([key, value]) => entry(0x14, value, key)),
  fc
    .tuple(fc.nat({ max: 3 }), bytes(1, 50))
    .map(([n, value]) => entry(0x15, value, new Uint8Array(33 + 32 * n))),
);
const outputEntry = fc.oneof(
  ...common(0x02, 0x07, 0x05),
  bytes(0, 60).map((value) => entry(0x00, value)),
  bytes(0, 60).map((value) => entry(0x06, concat(Uint8Array.of(1, 0xc0, value.length), value))),
);

/** The output that an input spends, and how much of it is told. */
const spent = fc.record({
  tx: fc.record({
    version: fc.constant(2),
    inputs: fc.tuple(
      fc.record({ outpoint: fc.record({ txid: bytes(32).map(txid), index: number }), sequence: number }),
    ),
    outputs: fc.array(output, { minLength: 1, maxLength: 3 }),
    locktime: number,
  }),
  pick: fc.nat(),
  told: fc.constantFrom("nothing", "output", "transaction", "both"),
  sequence: number,
  more: fc.array(inputEntry, { maxLength: 5 }),
});
const made = fc.record({ output, more: fc.array(outputEntry, { maxLength: 3 }) });

type Entries = Parameters<typeof psbtMap>[0];
const distinct = (entries: Entries): Entries => [
  ...new Map(entries.map((one) => [`${one.type} ${one.key.join()}`, one])).values(),
];

const locks = fc.constantFrom("none", "height", "time", "both");

export const randomPsbt: fc.Arbitrary<Psbt> = fc
  .record({
    version: fc.constantFrom<0 | 2>(0, 2),
    spends: fc.array(spent, { maxLength: 4 }),
    makes: fc.array(made, { maxLength: 4 }),
    locktime: number,
    modifiable: fc.option(fc.nat({ max: 255 })),
    lock: locks,
    saysVersion: fc.boolean(),
    more: fc.array(
      fc.tuple(bytes(0, 9), bytes(0, 9)).map(([key, value]) => entry(0x30, value, key)),
      {
        maxLength: 2,
      },
    ),
  })
  .map(({ version, spends, makes, locktime, modifiable, lock, saysVersion, more }): Psbt => {
    const inputs = spends.map(({ tx, pick, told, sequence, more }) => {
      const index = pick % tx.outputs.length;
      const output = tx.outputs[index];
      const told01: Entries = [
        ...(told === "transaction" || told === "both" ? [entry(0x00, encodeTx(tx))] : []),
        ...(output !== undefined && (told === "output" || told === "both")
          ? [entry(0x01, outputBytes(output))]
          : []),
      ];
      return { outpoint: { txid: txidOf(tx), index }, sequence, entries: [...told01, ...more] };
    });
    const tx: Tx = { version: 2, inputs, outputs: makes.map(({ output }) => output), locktime };
    const unsigned: Tx = { ...tx, inputs: inputs.map(({ outpoint, sequence }) => ({ outpoint, sequence })) };
    const map = (entries: Entries) => psbtMap(distinct(entries));
    if (version === 0)
      return {
        version,
        global: map([
          entry(0x00, encodeTx(unsigned)),
          ...(saysVersion ? [entry(0xfb, u32(0))] : []),
          ...more,
        ]),
        inputs: inputs.map(({ entries }) => map(entries)),
        outputs: makes.map(({ more }) => map(more)),
      };
    return {
      version,
      global: map([
        entry(0x02, u32(2)),
        entry(0x03, u32(locktime)),
        entry(0x04, Uint8Array.of(inputs.length)),
        entry(0x05, Uint8Array.of(makes.length)),
        entry(0xfb, u32(2)),
        ...(modifiable === null ? [] : [entry(0x06, Uint8Array.of(modifiable))]),
        ...more,
      ]),
      inputs: inputs.map(({ outpoint, sequence, entries }) =>
        map([
          entry(0x0e, outpoint.txid),
          entry(0x0f, u32(outpoint.index)),
          entry(0x10, u32(sequence)),
          ...(lock === "time" || lock === "both" ? [entry(0x11, u32(500_000_000 + sequence / 16))] : []),
          ...(lock === "height" || lock === "both" ? [entry(0x12, u32(1 + (sequence % 499_999_999)))] : []),
          ...entries,
        ]),
      ),
      outputs: makes.map(({ output, more }) =>
        map([entry(0x03, u64(output.value)), entry(0x04, output.script), ...more]),
      ),
    };
  });
