import { readFileSync } from "node:fs";
import { Transaction } from "@scure/btc-signer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { inputFields } from "../../protocol/bitcoin/psbt/fields.ts";
import { misfitOfInput } from "../../protocol/bitcoin/psbt/input.ts";
import {
  decodePsbt,
  encodePsbt,
  inputOf,
  unsignedTx,
  withInputEntries,
} from "../../protocol/bitcoin/psbt/psbt.ts";
import { decodeTx, encodeTx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { concat, fromHex, reversed, toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { randomPsbt } from "./psbt-arbitrary.ts";

interface Vector {
  readonly case: string;
  readonly hex: string;
  readonly locktime?: number | null;
}
type Section = "valid" | "invalid" | "signer" | "flow" | "locktime";
const vectors: Readonly<Record<string, Readonly<Partial<Record<Section, readonly Vector[]>>>>> = JSON.parse(
  readFileSync(new URL("../vectors/psbt.json", import.meta.url), "utf8"),
);
const all = (section: Section): readonly Vector[] =>
  Object.values(vectors).flatMap((bip) => bip[section] ?? []);

const pathOf = (bytes: Uint8Array): string => {
  try {
    decodePsbt(bytes);
  } catch (error) {
    if (error instanceof Malformed) return error.path;
    throw error;
  }
  return "accepted";
};

describe("the figures of BIPs 174, 370 and 371", () => {
  test("are all there", () => {
    const sections = ["valid", "invalid", "signer", "flow", "locktime"] as const;
    expect(sections.map((section) => all(section).length)).toEqual([30, 51, 4, 11, 10]);
  });

  test.each(all("valid"))("valid: $case", ({ hex }) => {
    const bytes = fromHex(hex);
    const psbt = decodePsbt(bytes);
    const again = encodePsbt(psbt);
    expect(again.length).toBe(bytes.length);
    expect(decodePsbt(again)).toEqual(psbt);
    expect(encodePsbt(decodePsbt(again))).toEqual(again);
    const tx = unsignedTx(psbt);
    expect([psbt.inputs.length, psbt.outputs.length]).toEqual([tx.inputs.length, tx.outputs.length]);
    for (const i of psbt.inputs.keys()) expect(inputOf(psbt, i).outpoint).toEqual(tx.inputs[i]?.outpoint);
  });

  test.each(all("invalid"))("invalid: $case", ({ hex }) => {
    expect(() => decodePsbt(fromHex(hex))).toThrow(Malformed);
  });

  test.each([
    ["PSBT with duplicate keys in an input", "inputs[0]"],
    ["PSBT with invalid global transaction typed key", "global.unsignedTx"],
    ["PSBT with invalid input witness utxo typed key", "inputs[0].witnessUtxo"],
    ["PSBT with invalid pubkey length for input partial signature typed key", "inputs[0].partialSignature"],
    ["PSBTv0 but with PSBT_OUT_SCRIPT.", "outputs[0].script"],
    ["PSBTv2 missing PSBT_IN_PREVIOUS_TXID.", "inputs[0].previousTxid"],
    ["PSBTv2 with PSBT_IN_REQUIRED_HEIGHT_LOCKTIME of 0.", "inputs[0].requiredHeight"],
    ["PSBTv2 but with PSBT_GLOBAL_UNSIGNED_TX.", "global.unsignedTx"],
  ])("%s: is said to be %s", (name, path) => {
    const found = all("invalid").find((vector) => vector.case === name);
    expect(pathOf(fromHex(found?.hex ?? ""))).toBe(path);
  });

  test("a scriptSig is refused for what it is", () => {
    const named = "PSBT where one input has a filled scriptSig in the unsigned tx";
    const found = all("invalid").find((vector) => vector.case === named);
    expect(() => decodePsbt(fromHex(found?.hex ?? ""))).toThrow(
      "global.unsignedTx: an input with a scriptSig",
    );
  });

  test.each(all("locktime"))("locktime $locktime: $case", ({ hex, locktime }) => {
    if (typeof locktime === "number") expect(unsignedTx(decodePsbt(fromHex(hex))).locktime).toBe(locktime);
    else expect(() => decodePsbt(fromHex(hex))).toThrow("ask for a time");
  });

  test("what a signer refuses, and why", () => {
    const why = all("signer").map(({ hex }) => {
      const psbt = decodePsbt(fromHex(hex));
      return psbt.inputs.map((_, i) => misfitOfInput(inputOf(psbt, i)));
    });
    expect(why).toEqual([
      ["witnessUtxo", undefined],
      ["redeemScript", undefined],
      [undefined, "redeemScript"],
      [undefined, "witnessScript"],
    ]);
  });

  test("an updated one tells of its inputs what the BIP put in", () => {
    // Creator, updater, updater with a hash type, two signers, combiner, finalizer, then the network's transaction.
    const flow = all("flow").map(({ hex }) => fromHex(hex));
    const [created, updated, typed] = flow;
    if (created === undefined || updated === undefined || typed === undefined) throw new Error("no figures");
    const psbt = decodePsbt(typed);
    expect(unsignedTx(psbt)).toEqual(unsignedTx(decodePsbt(created)));
    const [first, second] = [inputOf(psbt, 0), inputOf(psbt, 1)];
    const named = (bytes: Uint8Array): string => toHex(reversed(bytes));
    expect(named(first.outpoint.txid)).toBe(
      "75ddabb27b8845f5247975c8a5ba7c6f336c4570708ebe230caf6db5217ae858",
    );
    expect(named(second.outpoint.txid)).toBe(
      "1dea7cd05979072a3578cab271c02244ea8a090bbb46aa680a65ecd027048d83",
    );
    expect([first.outpoint.index, second.outpoint.index]).toEqual([0, 1]);
    expect([first.sighash, second.sighash]).toEqual([1, 1]);
    expect(inputOf(decodePsbt(updated), 0).sighash).toBe(unknown);
    expect(isKnown(first.prevTx) && toHex(txidOf(first.prevTx))).toBe(toHex(first.outpoint.txid));
    expect([first.value, second.value, second.prevTx]).toEqual([50_000_000n, 200_000_000n, unknown]);
    expect(first.witnessScript).toBe(unknown);
    expect(isKnown(second.witnessScript) && toHex(second.witnessScript)).toBe(
      "522103089dc10c7ac6db54f91329af617333db388cead0c231f723379d1b99030b02dc21023add904f3d6dcf59ddb906b0dee23529b7ffb9ed50e5e86151926860221f0e7352ae",
    );
    const hardened = 0x8000_0000;
    expect(second.keys.map(({ key, path }) => [toHex(key), path])).toEqual([
      [
        "023add904f3d6dcf59ddb906b0dee23529b7ffb9ed50e5e86151926860221f0e73",
        [hardened, hardened, hardened + 3],
      ],
      [
        "03089dc10c7ac6db54f91329af617333db388cead0c231f723379d1b99030b02dc",
        [hardened, hardened, hardened + 2],
      ],
    ]);
    expect(misfitOfInput(first)).toBeUndefined();
    expect(misfitOfInput(second)).toBeUndefined();
  });

  test("keys come out in their order, as the BIP's combiner writes them, and unknown ones are kept", () => {
    const [first, second, combined] = all("flow")
      .slice(-3)
      .map(({ hex }) => decodePsbt(fromHex(hex)));
    if (first === undefined || second === undefined || combined === undefined) throw new Error("no figures");
    const [own, others] = [first.inputs[0], second.inputs[0]];
    if (own === undefined || others === undefined) throw new Error("no inputs");
    const both = withInputEntries(first, 0, others);
    expect(both.inputs).toEqual(combined.inputs);
    expect(withInputEntries(both, 0, own)).toEqual(both);
    expect(toHex(encodePsbt(combined))).toBe(all("flow").at(-1)?.hex);
  });
});

const vectorOf = (name: string): Uint8Array => {
  const found = all("valid").find((vector) => vector.case === name);
  if (found === undefined) throw new Error(`no figure ${name}`);
  return fromHex(found.hex);
};

describe("the previous transaction", () => {
  const psbt = decodePsbt(vectorOf("1 input, 2 output updated PSBTv2."));
  const [entry] = psbt.inputs[0] ?? [];
  if (entry === undefined) throw new Error("no previous transaction");
  const { tx } = decodeTx(entry.value);

  test("is the one of the outpoint", () => {
    const other = { ...entry, value: encodeTx({ ...tx, locktime: 7 }) };
    expect(pathOf(encodePsbt(withInputEntries(psbt, 0, [other])))).toBe("inputs[0].nonWitnessUtxo");
  });

  test("has the output that is spent", () => {
    const index = {
      type: inputFields.outputIndex.type,
      key: new Uint8Array(0),
      value: Uint8Array.of(1, 0, 0, 0),
    };
    expect(pathOf(encodePsbt(withInputEntries(psbt, 0, [index])))).toBe("inputs[0].nonWitnessUtxo");
  });

  test("and the witness output agree", () => {
    const type = inputFields.witnessUtxo.type;
    const utxo = psbt.inputs[0]?.find((one) => one.type === type);
    if (utxo === undefined) throw new Error("no output");
    for (const at of [0, utxo.value.length - 1]) {
      const value = utxo.value.with(at, (utxo.value[at] ?? 0) ^ 1);
      expect(pathOf(encodePsbt(withInputEntries(psbt, 0, [{ ...utxo, value }])))).toBe(
        "inputs[0].witnessUtxo",
      );
    }
  });
});

describe("any PSBT", () => {
  test("is what it was, written and read again", () => {
    fc.assert(
      fc.property(randomPsbt, (psbt) => {
        const bytes = encodePsbt(psbt);
        const given = Uint8Array.from(bytes);
        const read = decodePsbt(given);
        given.fill(0);
        expect(read).toEqual(psbt);
        expect(toHex(encodePsbt(read))).toBe(toHex(bytes));
      }),
      { numRuns: 200 },
    );
  });

  test("is read as another library reads it", () => {
    let compared = 0;
    const known = all("valid").map(({ hex }) => hex);
    for (const hex of known) {
      let theirs: Transaction;
      try {
        theirs = Transaction.fromPSBT(fromHex(hex), {
          allowUnknownInputs: true,
          allowUnknownOutputs: true,
          disableScriptCheck: true,
        });
      } catch {
        // It takes fewer than the BIPs: no transaction version 1, no outputs without a script that it knows.
        continue;
      }
      const psbt = decodePsbt(fromHex(hex));
      const tx = unsignedTx(psbt);
      expect([theirs.version, theirs.lockTime]).toEqual([tx.version, tx.locktime]);
      for (const [i, input] of tx.inputs.entries()) {
        const other = theirs.getInput(i);
        expect(toHex(other.txid ?? new Uint8Array(0))).toBe(toHex(reversed(input.outpoint.txid)));
        expect([other.index, other.sequence ?? 0xffff_ffff]).toEqual([input.outpoint.index, input.sequence]);
        const own = inputOf(psbt, i);
        expect(other.witnessUtxo?.amount ?? own.value).toBe(own.value);
        expect(other.witnessScript ?? unknown).toEqual(own.witnessScript);
      }
      for (const [i, output] of tx.outputs.entries())
        expect(theirs.getOutput(i)).toMatchObject({ amount: output.value, script: output.script });
      compared++;
    }
    expect(compared).toBeGreaterThan(20);
  });

  test("a byte more, or one less, is Malformed", () => {
    for (const { hex } of all("valid")) {
      const bytes = fromHex(hex);
      expect(() => decodePsbt(concat(bytes, Uint8Array.of(0)))).toThrow(Malformed);
      for (let length = 0; length < bytes.length; length += 1 + (length >> 5))
        expect(() => decodePsbt(bytes.slice(0, length))).toThrow(Malformed);
    }
  });

  test("with more than any transaction holds is not read", () => {
    const counts = (inputs: string, outputs: string) =>
      fromHex(`70736274ff010204020000000104${inputs}0105${outputs}01fb040200000000`);
    expect(pathOf(counts("0100", "0100"))).toBe("accepted");
    expect(pathOf(counts("03fd8809", "0100"))).toBe("inputs");
    expect(pathOf(counts("03fd8709", "0100"))).toBe("inputs[0]");
    expect(pathOf(counts("0100", "03fd682b"))).toBe("outputs");
    expect(pathOf(counts("0100", "03fd672b"))).toBe("outputs[0]");
    expect(pathOf(counts("05feffffffff", "0100"))).toBe("inputs");
  });

  test("longer than any that is needed is not looked at", () => {
    expect(() => decodePsbt(new Uint8Array(4_000_001))).toThrow("4000001 bytes");
  });

  test("takes an entry in place of one with the same whole key", () => {
    const psbt = decodePsbt(vectorOf("PSBT with unknown types in the inputs."));
    const [unknownEntry] = psbt.inputs[0] ?? [];
    if (unknownEntry === undefined) throw new Error("no entry");
    const longer = { ...unknownEntry, key: concat(unknownEntry.key, Uint8Array.of(0)) };
    expect(withInputEntries(psbt, 0, [longer]).inputs[0]).toEqual([unknownEntry, longer]);
    const changed = { ...unknownEntry, value: Uint8Array.of(9) };
    expect(withInputEntries(psbt, 0, [changed]).inputs[0]).toEqual([changed]);
  });
});
