import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeDer, encodeDer, witnessSignature } from "../../protocol/bitcoin/der.ts";
import { op, pushNumber, script } from "../../protocol/bitcoin/script.ts";
import { sighash } from "../../protocol/bitcoin/sighash.ts";
import { toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { signature } from "../../protocol/units.ts";
import { bytesOf, figures } from "./bolt3-figures.ts";

const real = [
  ...figures.commitment.cases.flatMap((c) => [
    c.remote_signature,
    c.local_signature,
    ...c.htlc_txs.flatMap((h) => [h.remote_htlc_signature, h.local_htlc_signature]),
  ]),
  ...figures.anchors.flatMap((c) => [c.RemoteSigHex, ...c.HtlcDescs.map(({ RemoteSigHex }) => RemoteSigHex)]),
];

describe("DER", () => {
  test("the signatures of BOLT 3, there and back", () => {
    expect(real.length).toBe(16 * 2 + 33 * 2 + 9 + 15);
    for (const text of real) expect(toHex(encodeDer(decodeDer(bytesOf(text))))).toBe(text);
  });

  test("any r and s, also short ones", () => {
    const word = fc
      .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat({ max: 31 }))
      .map(([bytes, zeros]) => bytes.fill(0, 0, zeros));
    fc.assert(
      fc.property(word, word, (r, s) => {
        const both = signature(Uint8Array.of(...r, ...s));
        const encoded = encodeDer(both);
        expect(decodeDer(encoded)).toEqual(both);
        expect(encoded.length).toBeLessThanOrEqual(72);
        expect(witnessSignature(both, sighash.singleAnyoneCanPay)).toEqual(Uint8Array.of(...encoded, 0x83));
      }),
    );
  });

  test.each([
    ["nothing", ""],
    ["another tag", "3106020101020101"],
    ["a wrong length", "3007020101020101"],
    ["bytes after the end", "300602010102010100"],
    ["bytes after s, counted", "300702010102010100"],
    ["an integer of no length", "30050200020101"],
    ["no second integer", "3003020101"],
    ["a negative integer", "3006020180020101"],
    ["a padded integer", "300702020001020101"],
    ["an integer beyond the end", "3006020101020201"],
    ["another tag inside", "3006030101020101"],
    ["33 bytes of digits", `3026022101${"00".repeat(32)}020101`],
  ])("%s is malformed", (_, text) => {
    expect(() => decodeDer(bytesOf(text))).toThrow(Malformed);
  });

  test("whatever is changed, only what would be encoded so is read", () => {
    const mutated = fc
      .tuple(fc.constantFrom(...real), fc.nat(), fc.nat({ max: 255 }), fc.nat({ max: 3 }))
      .map(([text, at, value, cut]) => {
        const out = bytesOf(text);
        out[at % out.length] = value;
        return out.subarray(0, out.length - cut);
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 80 })), (bytes) => {
        let read: ReturnType<typeof decodeDer>;
        try {
          read = decodeDer(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(Malformed);
          return;
        }
        expect(toHex(encodeDer(read))).toBe(toHex(bytes));
      }),
      { numRuns: 2000 },
    );
  });
});

test.each([
  [0, [op[0]]],
  [1, [op[1]]],
  [16, [op[16]]],
  [17, [1, 17]],
  [0x7f, [1, 0x7f]],
  [0x80, [2, 0x80, 0]],
  [144, [2, 0x90, 0]],
  [0x7fff, [2, 0xff, 0x7f]],
  [0x8000, [3, 0, 0x80, 0]],
  [0x7f_ffff, [3, 0xff, 0xff, 0x7f]],
  [0x80_0000, [4, 0, 0, 0x80, 0]],
  [499_999_999, [4, 0xff, 0x64, 0xcd, 0x1d]],
])("the number %d is pushed in its shortest form", (n, expected) => {
  expect([...pushNumber(n)]).toEqual(expected);
});

test("a push that would need another opcode is a fault", () => {
  expect([...script(op.return, new Uint8Array(75))].slice(0, 3)).toEqual([op.return, 75, 0]);
  expect(() => script(new Uint8Array(76))).toThrow(RangeError);
});
