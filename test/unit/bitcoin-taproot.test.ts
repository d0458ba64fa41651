import { Transaction } from "@scure/btc-signer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  p2tr,
  p2trOf,
  type TaprootSighash,
  tapBranchHash,
  tapLeafHash,
  taprootDigest,
  taprootSighash,
  tapTweak,
} from "../../protocol/bitcoin/taproot.ts";
import { decodeTx, encodeTx, type Tx } from "../../protocol/bitcoin/tx.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { loadNative } from "../../protocol/curve/index.ts";
import { Secret } from "../../protocol/secret.ts";
import { sat, script, txid } from "../../protocol/units.ts";
import bip341 from "../vectors/bip341.json" with { type: "json" };

const curve = await loadNative();

interface Leaf {
  readonly id: number;
  readonly script: string;
  readonly leafVersion: number;
}
type Tree = Leaf | readonly [Tree, Tree];

const rootOf = (tree: Tree): Uint8Array =>
  "script" in tree
    ? tapLeafHash(script(fromHex(tree.script)), tree.leafVersion)
    : tapBranchHash(rootOf(tree[0]), rootOf(tree[1]));
const leavesOf = (tree: Tree): readonly Leaf[] => ("script" in tree ? [tree] : tree.flatMap(leavesOf));

describe("the figures of BIP 341", () => {
  test.each(bip341.scriptPubKey)("$expected.bip350Address", ({ given, intermediary, expected }) => {
    const tree = given.scriptTree as Tree | null;
    const internal = fromHex(given.internalPubkey);
    const root = tree === null ? undefined : rootOf(tree);
    expect(root === undefined ? null : toHex(root)).toBe(intermediary.merkleRoot);
    const leaves = tree === null ? [] : leavesOf(tree);
    expect(leaves.map((leaf) => toHex(rootOf(leaf)))).toEqual(
      "leafHashes" in intermediary ? intermediary.leafHashes : [],
    );
    expect(toHex(tapTweak(internal, root))).toBe(intermediary.tweak);
    expect(toHex(p2tr(fromHex(intermediary.tweakedPubkey)))).toBe(expected.scriptPubKey);
    expect(toHex(p2trOf(curve, internal, root))).toBe(expected.scriptPubKey);
  });

  const [spending, ...others] = bip341.keyPathSpending;
  if (spending === undefined || others.length > 0) throw new Error("not one transaction");
  const { tx } = decodeTx(fromHex(spending.given.rawUnsignedTx));
  const spent = spending.given.utxosSpent.map(({ amountSats, scriptPubKey }) => ({
    value: sat(BigInt(amountSats)),
    script: script(fromHex(scriptPubKey)),
  }));

  test("sign in every way", () => {
    const types = spending.inputSpending.map(({ given }) => given.hashType);
    expect(types.toSorted((a, b) => a - b)).toEqual(Object.values(taprootSighash));
  });

  test.each(spending.inputSpending)("input $given.txinIndex, hash type $given.hashType", (figure) => {
    const { given, intermediary, expected } = figure;
    const type = given.hashType as TaprootSighash;
    const digest = taprootDigest({ tx, index: given.txinIndex, spent, type });
    expect(toHex(digest)).toBe(intermediary.sigHash);
    const internal = new Secret(fromHex(given.internalPrivkey));
    const x = curve.publicKeyX(internal);
    const root = given.merkleRoot === null ? undefined : fromHex(given.merkleRoot);
    const key = curve.tweakSecret(internal, tapTweak(x, root));
    const signature = curve.signSchnorr({ digest, key, aux: new Uint8Array(32) });
    const hashType = type === taprootSighash.default ? "" : type.toString(16).padStart(2, "0");
    expect(expected.witness).toEqual([toHex(signature) + hashType]);
  });
});

const u32 = fc.oneof(fc.constantFrom(0, 1, 0x8000_0000, 0xffff_ffff), fc.nat({ max: 0xffff_ffff }));
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const output = fc.record({
  value: fc.bigInt({ min: 0n, max: 2_100_000_000_000_000n }).map(sat),
  script: fc.uint8Array({ minLength: 1, maxLength: 300 }).map(script),
});
const spend = fc
  .record({
    inputs: fc.array(fc.record({ txid: bytes32.map(txid), index: u32, sequence: u32, from: output }), {
      minLength: 1,
      maxLength: 5,
    }),
    outputs: fc.array(output, { minLength: 1, maxLength: 5 }),
    locktime: u32,
    version: fc.constantFrom(1, 2, 3),
    pick: fc.nat(),
    type: fc.constantFrom(...Object.values(taprootSighash)),
    leaf: fc.option(fc.uint8Array({ maxLength: 300 }).map(script)),
  })
  .map(({ inputs, outputs, locktime, version, pick, type, leaf }) => {
    const tx: Tx = {
      version,
      inputs: inputs.map(({ txid, index, sequence }) => ({ outpoint: { txid, index }, sequence })),
      outputs,
      locktime,
    };
    return { tx, spent: inputs.map(({ from }) => from), index: pick % inputs.length, type, leaf };
  });

test("every digest, of both paths, is the one that another library finds", () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(spend, ({ tx, spent, index, type, leaf }) => {
      const own = () =>
        taprootDigest({ tx, index, spent, type, ...(leaf === null ? {} : { leaf: tapLeafHash(leaf) }) });
      if ((type & 3) === taprootSighash.single && index >= tx.outputs.length) {
        expect(own).toThrow(RangeError);
        return;
      }
      const other = Transaction.fromRaw(encodeTx(tx), {
        allowUnknownInputs: true,
        allowUnknownOutputs: true,
        allowUnknownVersion: true,
        disableScriptCheck: true,
      });
      const theirs = other.preimageWitnessV1(
        index,
        spent.map((one): Uint8Array => one.script),
        type,
        spent.map((one): bigint => one.value),
        undefined,
        leaf ?? undefined,
      );
      expect(toHex(own())).toBe(toHex(theirs));
      const kind = `${type} ${leaf === null ? "key" : "script"}`;
      seen.set(kind, (seen.get(kind) ?? 0) + 1);
    }),
    { numRuns: 400 },
  );
  expect(seen.size).toBe(14);
});

test("what does not fit together is a mistake", () => {
  const [{ tx, spent }] = fc.sample(spend, { seed: 1, numRuns: 1 }) as [
    typeof spend extends fc.Arbitrary<infer T> ? T : never,
  ];
  const type = taprootSighash.default;
  expect(() => taprootDigest({ tx, index: tx.inputs.length, spent, type })).toThrow(RangeError);
  const [first] = spent;
  if (first === undefined) throw new Error("no output");
  expect(() => taprootDigest({ tx, index: 0, spent: [...spent, first], type })).toThrow(RangeError);
});
