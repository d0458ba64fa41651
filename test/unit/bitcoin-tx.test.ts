import { Transaction } from "@scure/btc-signer";
import { RawTx } from "@scure/btc-signer/script.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inputDigest, sighash } from "../../protocol/bitcoin/sighash.ts";
import {
  decodeTx,
  encodeTx,
  encodeWitnessTx,
  type Tx,
  txidOf,
  type Witness,
  weightOf,
} from "../../protocol/bitcoin/tx.ts";
import { reversed, toHex } from "../../protocol/bytes.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { sat, script, txid } from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import { bytesOf, figures } from "./bolt3-figures.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = (maxLength: number) => fc.uint8Array({ maxLength, size: "max" });
const anyScript = bytes(300).map(script);
const anyTx: fc.Arbitrary<Tx> = fc.record({
  version: u32,
  inputs: fc
    .array(
      fc.record({
        outpoint: fc.record({ txid: fc.uint8Array({ minLength: 32, maxLength: 32 }).map(txid), index: u32 }),
        sequence: u32,
        scriptSig: fc.option(anyScript, { nil: undefined }),
      }),
      { minLength: 1, maxLength: 5 },
    )
    .map((inputs) =>
      inputs.map(({ scriptSig, ...input }) =>
        scriptSig === undefined || scriptSig.length === 0 ? input : { ...input, scriptSig },
      ),
    ),
  outputs: fc.array(
    fc.record({ value: fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }).map(sat), script: anyScript }),
    { minLength: 1, maxLength: 5 },
  ),
  locktime: u32,
});
const anyWitnesses = (tx: Tx): fc.Arbitrary<readonly Witness[]> =>
  fc.array(fc.array(bytes(300), { maxLength: 4 }), {
    minLength: tx.inputs.length,
    maxLength: tx.inputs.length,
  });
const anySigned = anyTx.chain((tx) => anyWitnesses(tx).map((witnesses) => ({ tx, witnesses })));

/** The same through the library's coder. */
const byLibrary = (tx: Tx, witnesses: readonly Witness[]): Uint8Array =>
  RawTx.encode({
    version: tx.version | 0,
    segwitFlag: witnesses.some((witness) => witness.length > 0),
    inputs: tx.inputs.map(({ outpoint, sequence, scriptSig }) => ({
      txid: reversed(outpoint.txid),
      index: outpoint.index,
      finalScriptSig: scriptSig ?? new Uint8Array(),
      sequence,
    })),
    outputs: tx.outputs.map(({ value, script }) => ({ amount: value, script })),
    witnesses: witnesses.map((witness) => [...witness]),
    lockTime: tx.locktime,
  });

describe("encoding", () => {
  test("is the library's, and decodes to what it was made of", () => {
    fc.assert(
      fc.property(anySigned, ({ tx, witnesses }) => {
        const encoded = encodeWitnessTx(tx, witnesses);
        expect(encoded).toEqual(byLibrary(tx, witnesses));
        expect(encodeTx(tx)).toEqual(byLibrary(tx, []));
        const without = witnesses.every((witness) => witness.length === 0);
        expect(decodeTx(encoded)).toEqual({ tx, witnesses: without ? [] : witnesses });
        expect(decodeTx(encodeTx(tx))).toEqual({ tx, witnesses: [] });
        expect(txidOf(tx)).toEqual(doubleSha256(encodeTx(tx)));
        expect(weightOf(tx, witnesses)).toBe(3 * encodeTx(tx).length + encoded.length);
      }),
    );
  });

  test("counts of more than one byte", () => {
    for (const count of [0xfc, 0xfd, 0x100, 2000]) {
      const [input] = [{ outpoint: { txid: txid(new Uint8Array(32)), index: 0 }, sequence: 0 }];
      const outputs = Array.from({ length: count }, () => ({
        value: sat(1n),
        script: script(new Uint8Array()),
      }));
      const tx: Tx = { version: 2, inputs: [input], outputs, locktime: 0 };
      expect(encodeTx(tx)).toEqual(byLibrary(tx, []));
      expect(decodeTx(encodeTx(tx)).tx).toEqual(tx);
    }
    const long = { value: sat(1n), script: script(new Uint8Array(70_000)) };
    const tx: Tx = {
      version: 2,
      inputs: [{ outpoint: { txid: txid(new Uint8Array(32)), index: 0 }, sequence: 0 }],
      outputs: [long],
      locktime: 0,
    };
    expect(decodeTx(encodeTx(tx)).tx).toEqual(tx);
  });
});

describe("BIP 143 digests", () => {
  test("are the library's", () => {
    fc.assert(
      fc.property(
        anyTx,
        anyScript,
        fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }).map(sat),
        fc.constantFrom(sighash.all, sighash.singleAnyoneCanPay),
        fc.nat(),
        (tx, scriptCode, value, type, at) => {
          const index = at % tx.inputs.length;
          const library = new Transaction({
            version: tx.version | 0,
            lockTime: tx.locktime,
            allowUnknownOutputs: true,
            allowUnknownVersion: true,
            disableScriptCheck: true,
          });
          for (const { outpoint, sequence } of tx.inputs) {
            library.addInput({ txid: reversed(outpoint.txid), index: outpoint.index, sequence });
          }
          for (const { value, script } of tx.outputs) library.addOutput({ amount: value, script });
          expect(inputDigest({ tx, index, scriptCode, value, type })).toEqual(
            library.preimageWitnessV0(index, scriptCode, type, value),
          );
        },
      ),
    );
  });

  test("of an input that is not there is a fault", () => {
    const { tx } = decodeTx(bytesOf(figures.anchors[0]?.ExpectedCommitmentTxHex ?? ""));
    const value = sat(1n);
    const scriptCode = script(new Uint8Array());
    expect(() => inputDigest({ tx, index: 1, scriptCode, value, type: sighash.all })).toThrow(RangeError);
  });
});

describe("hostile bytes", () => {
  const real = [
    ...figures.commitment.cases.flatMap(({ commit_tx, htlc_txs }) => [
      commit_tx,
      ...htlc_txs.map(({ tx }) => tx),
    ]),
    ...figures.anchors.map(({ ExpectedCommitmentTxHex }) => ExpectedCommitmentTxHex),
    figures.funding["funding_tx"] ?? "",
  ].map(bytesOf);

  /** Malformed, or a transaction that has no other form than these bytes. */
  const harmless = (bytes: Uint8Array): "decoded" | "malformed" => {
    try {
      const { tx, witnesses } = decodeTx(bytes);
      expect(toHex(witnesses.length > 0 ? encodeWitnessTx(tx, witnesses) : encodeTx(tx))).toBe(toHex(bytes));
      return "decoded";
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      return "malformed";
    }
  };

  test("real transactions are read", () => {
    expect(real.length).toBe(16 + 33 + 9 + 1);
    for (const bytes of real) expect(harmless(bytes)).toBe("decoded");
  });

  test("cut anywhere, or with bytes after the end, they are malformed", () => {
    for (const bytes of real.slice(0, 6)) {
      for (let end = 0; end < bytes.length; end++) expect(harmless(bytes.subarray(0, end))).toBe("malformed");
      expect(harmless(Uint8Array.of(...bytes, 0))).toBe("malformed");
    }
  });

  test("random and mutated bytes", () => {
    const mutated = fc
      .tuple(fc.constantFrom(...real), fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }))
      .map(([bytes, changes]) => {
        const out = Uint8Array.from(bytes);
        for (const [at, value] of changes) out[at % out.length] = value;
        return out;
      });
    const seen = { decoded: 0, malformed: 0 };
    steady(
      fc.property(
        fc.oneof({ weight: 4, arbitrary: mutated }, { weight: 1, arbitrary: bytes(2000) }),
        (bytes) => {
          seen[harmless(bytes)]++;
        },
      ),
      { numRuns: 3000 },
    );
    expect(seen.decoded).toBeGreaterThan(100);
    expect(seen.malformed).toBeGreaterThan(100);
  });

  test.each([
    ["inputs beyond the end", "02000000feffffffff"],
    ["outputs beyond the end", `0200000001${"00".repeat(36)}0000000000feffffffff`],
    ["a script beyond the end", `0200000001${"00".repeat(36)}feffffff7f`],
    [
      "a count in a longer form than it needs",
      `02000000fd0100${"00".repeat(36)}0000000000010000000000000000000000000000`,
    ],
    ["nothing at all in it", "020000000000000000000000"],
    ["no inputs", `020000000002${"00".repeat(9)}${"00".repeat(9)}00000000`],
    ["no outputs", `0200000001${"00".repeat(36)}00000000000000000000`],
    ["more bitcoin than there is", `0200000001${"00".repeat(36)}000000000001ffffffffffffffff0000000000`],
    [
      "a marker without any witness",
      `02000000000101${"00".repeat(36)}000000000001000000000000000000000000000000`,
    ],
    ["nothing", ""],
  ])("%s", (_, text) => {
    expect(() => decodeTx(bytesOf(text))).toThrow(Malformed);
  });

  test("an amount that is none is named", () => {
    const text = `0200000001${"00".repeat(36)}000000000001ffffffffffffffff0000000000`;
    expect(() => decodeTx(bytesOf(text))).toThrow(/^outputs\[0\]\.value: /);
  });

  test("what it costs is bounded by the length, and the length is bounded", () => {
    // A stack of empty items is the most that a byte can ask for.
    const count = 390_000;
    const { tx } = decodeTx(real[0] ?? new Uint8Array());
    const worst = encodeWitnessTx(tx, [Array.from({ length: count }, () => new Uint8Array())]);
    const before = process.memoryUsage();
    const { witnesses } = decodeTx(worst);
    const after = process.memoryUsage();
    expect(witnesses[0]?.length).toBe(count);
    const used = after.heapUsed + after.external - before.heapUsed - before.external;
    expect(used).toBeLessThan(200_000_000);
    expect(() => decodeTx(new Uint8Array(400_001))).toThrow(/400001 bytes/);
  });
});
