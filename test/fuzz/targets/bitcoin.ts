/** Bitcoin's own encodings, and the small texts. */

import * as fc from "fast-check";
import { decodeDer, encodeDer } from "../../../protocol/bitcoin/der.ts";
import { decodePsbt, encodePsbt } from "../../../protocol/bitcoin/psbt/psbt.ts";
import { decodeTx, encodeWitnessTx, type Tx, type Witness } from "../../../protocol/bitcoin/tx.ts";
import { fromHex, toHex } from "../../../protocol/bytes.ts";
import { sat, script, signature, txid } from "../../../protocol/units.ts";
import { randomPsbt } from "../../unit/psbt-arbitrary.ts";
import type { Target } from "../check.ts";
import { isMalformed, sampled, utf8 } from "./seeds.ts";

const u32 = fc.oneof(fc.constantFrom(0, 1, 2, 0xffff_fffe, 0xffff_ffff), fc.nat({ max: 0xffff_ffff }));
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(txid);

const input = fc
  .record({ txid: hash, index: u32, sequence: u32, scriptSig: fc.oneof(fc.constant(undefined), bytes(30)) })
  .map(({ txid, index, sequence, scriptSig }) => ({
    outpoint: { txid, index },
    sequence,
    ...(scriptSig === undefined || scriptSig.length === 0 ? {} : { scriptSig: script(scriptSig) }),
  }));

const output = fc.record({
  value: fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }).map(sat),
  script: bytes(40).map(script),
});

const transaction: fc.Arbitrary<{ readonly tx: Tx; readonly witnesses: readonly Witness[] }> = fc
  .record({
    version: u32,
    inputs: fc.array(input, { minLength: 1, maxLength: 4 }),
    outputs: fc.array(output, { minLength: 1, maxLength: 6 }),
    locktime: u32,
  })
  .chain((tx) =>
    fc.record({
      tx: fc.constant(tx),
      witnesses: fc.oneof(
        fc.constant([]),
        fc.array(fc.array(bytes(75), { maxLength: 4 }), {
          minLength: tx.inputs.length,
          maxLength: tx.inputs.length,
        }),
      ),
    }),
  );

const coordinate = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fc
    .nat({ max: 0xffff })
    .map((n) => Uint8Array.from({ length: 32 }, (_, i) => (i < 30 ? 0 : n >> (8 * (31 - i))))),
);

export const bitcoinTargets: readonly Target[] = [
  {
    name: "psbt",
    covers: ["protocol/bitcoin/psbt/psbt.ts decodePsbt", "protocol/bitcoin/psbt/map.ts readPsbtMap"],
    seeds: (seed, count) => sampled(randomPsbt, seed, count).map(encodePsbt),
    decode: (bytes) => {
      const value = decodePsbt(bytes);
      return { value, encode: () => encodePsbt(value) };
    },
    rejects: isMalformed,
    // Keys come in any order, and go out in one.
    exact: false,
  },
  {
    name: "transaction",
    covers: ["protocol/bitcoin/tx.ts decodeTx"],
    seeds: (seed, count) =>
      sampled(transaction, seed, count).map(({ tx, witnesses }) => encodeWitnessTx(tx, witnesses)),
    decode: (bytes) => {
      const value = decodeTx(bytes);
      return { value, encode: () => encodeWitnessTx(value.tx, value.witnesses) };
    },
    rejects: isMalformed,
    exact: true,
    kindOf: (value) => ((value as ReturnType<typeof decodeTx>).witnesses.length > 0 ? "witnesses" : "bare"),
  },
  {
    name: "der",
    covers: ["protocol/bitcoin/der.ts decodeDer"],
    seeds: (seed, count) =>
      sampled(fc.tuple(coordinate, coordinate), seed, count).map(([r, s]) =>
        encodeDer(signature(Uint8Array.from([...r, ...s]))),
      ),
    decode: (bytes) => {
      const value = decodeDer(bytes);
      return { value, encode: () => encodeDer(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
  {
    name: "hex",
    covers: ["protocol/bytes.ts fromHex"],
    seeds: (seed, count) => sampled(bytes(40), seed, count).map((raw) => utf8(toHex(raw))),
    decode: (given) => {
      const value = fromHex(new TextDecoder().decode(given));
      return { value, encode: () => utf8(toHex(value)) };
    },
    rejects: isMalformed,
    // Capitals are taken too.
    exact: false,
  },
];
