import { describe, expect, test } from "vitest";
import { spendFromPsbt, withSignatures } from "../../host/psbt.ts";
import { decodeDer } from "../../protocol/bitcoin/der.ts";
import { inputFields, outputFields } from "../../protocol/bitcoin/psbt/fields.ts";
import { type PsbtEntry, psbtMap } from "../../protocol/bitcoin/psbt/map.ts";
import { decodePsbt, encodePsbt, inputOf, type Psbt, unsignedTx } from "../../protocol/bitcoin/psbt/psbt.ts";
import { p2wpkhScriptCode } from "../../protocol/bitcoin/script.ts";
import { inputDigest, sighash } from "../../protocol/bitcoin/sighash.ts";
import type { Tx } from "../../protocol/bitcoin/tx.ts";
import { Writer } from "../../protocol/bitcoin/writer.ts";
import { concat, equal } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { type Point, sat } from "../../protocol/units.ts";
import { curve, rig } from "../scripted/road.ts";
import { foreignCoin, placeAt, spending, toOther, toWallet, walletCoin } from "../scripted/spends.ts";

const none = new Uint8Array(0);
const u32 = (n: number): Uint8Array => new Writer(4).u32(n).bytes;
const u64 = (n: bigint): Uint8Array => new Writer(8).u64(n).bytes;
const hard = (n: number): number => n + 2 ** 31;
/** BIP 84 of a test network, account 0: as `identity` says. */
const origin = (...below: number[]): Uint8Array =>
  concat(u32(1), ...[hard(84), hard(1), hard(0), ...below].map(u32));
const entry = (type: number, value: Uint8Array, key: Uint8Array = none): PsbtEntry => ({ type, key, value });

const psbtOf = (
  version: 0 | 2,
  tx: Tx,
  inputs: readonly (readonly PsbtEntry[])[],
  outputs: readonly (readonly PsbtEntry[])[],
  raw: Uint8Array,
): Psbt =>
  version === 0
    ? {
        version,
        global: psbtMap([entry(0x00, raw)]),
        inputs: inputs.map(psbtMap),
        outputs: outputs.map(psbtMap),
      }
    : {
        version,
        global: psbtMap([
          entry(0xfb, u32(2)),
          entry(0x02, u32(tx.version)),
          entry(0x03, u32(tx.locktime)),
          entry(0x04, Uint8Array.of(inputs.length)),
          entry(0x05, Uint8Array.of(outputs.length)),
        ]),
        inputs: tx.inputs.map(({ outpoint, sequence }, i) =>
          psbtMap([
            ...(inputs[i] ?? []),
            entry(0x0e, outpoint.txid),
            entry(0x0f, u32(outpoint.index)),
            entry(0x10, u32(sequence)),
          ]),
        ),
        outputs: tx.outputs.map(({ value, script }, i) =>
          psbtMap([...(outputs[i] ?? []), entry(0x03, u64(value)), entry(0x04, script)]),
        ),
      };

const scene = async (version: 0 | 2) => {
  const on = await rig();
  const { node } = on.session;
  const { accounts } = await on.call("identity", { node });
  const key = await on.keyring.walletKey(placeAt(7, 1));
  if (key === undefined) throw new Error("no such place");
  const coins = [
    await walletCoin(on, 100_000n, { place: placeAt(7, 1) }),
    foreignCoin(40_000n, { proven: true }),
  ];
  const back = await on.keyring.walletKey(placeAt(2));
  const pays = [await toWallet(on, 99_000n, placeAt(2)), toOther(39_000n)];
  const { tx, body } = spending(node, coins, pays);
  const inputs = coins.map(({ said }, i) => [
    entry(inputFields.nonWitnessUtxo.type, said.prevTx as Uint8Array),
    ...(i === 0 ? [entry(inputFields.derivation.type, origin(1, 7), key.point)] : []),
  ]);
  const outputs = [[entry(outputFields.derivation.type, origin(0, 2), back?.point ?? none)], []];
  const psbt = decodePsbt(encodePsbt(psbtOf(version, tx, inputs, outputs, body.tx)));
  return { on, node, accounts, psbt, tx, body, point: key.point, coins };
};

describe.each([0, 2] as const)("a PSBT of version %s", (version) => {
  test("becomes a request, and its signatures come back", async () => {
    const { on, node, accounts, psbt, tx, body, point } = await scene(version);
    const asked = spendFromPsbt({ node, psbt, accounts });
    expect(asked.tx).toEqual(body.tx);
    expect(asked.inputs.map(({ kind, place, value }) => [kind, place, value])).toEqual([
      ["wallet", placeAt(7, 1), 100_000n],
      ["foreign", "unknown", 40_000n],
    ]);
    expect(asked.outputs.map(({ kind, place }) => [kind, place])).toEqual([
      ["wallet", placeAt(2)],
      ["other", "unknown"],
    ]);
    const signed = withSignatures(psbt, await on.call("spend", asked));
    expect(unsignedTx(signed)).toEqual(tx);
    const [made, ...others] = (signed.inputs[0] ?? []).filter(
      ({ type }) => type === inputFields.partialSignature.type,
    );
    expect(others).toEqual([]);
    expect(equal(made?.key ?? none, point)).toBe(true);
    expect(made?.value.at(-1)).toBe(sighash.all);
    const digest = inputDigest({
      ...{ tx, index: 0, value: sat(100_000n), type: sighash.all },
      scriptCode: p2wpkhScriptCode(point as Point),
    });
    expect(
      curve.verify({ digest, signature: decodeDer((made?.value ?? none).slice(0, -1)), key: point }),
    ).toBe(true);
    expect(signed.inputs[1]?.some(({ type }) => type === inputFields.partialSignature.type)).toBe(false);
    expect(decodePsbt(encodePsbt(signed)).version).toBe(version);
  });

  test("with paths of another wallet has nothing of ours", async () => {
    const { on, node, psbt } = await scene(version);
    const asked = spendFromPsbt({ node, psbt, accounts: [{ path: "m/84'/1'/5'" }] });
    expect(asked.inputs.every(({ kind }) => kind === "foreign")).toBe(true);
    expect((await on.refusal("spend", asked)).rule).toBe("onchain-format-standard");
  });

  test("takes claims and channels from the node", async () => {
    const { node, psbt } = await scene(version);
    const claim = () => ({ kind: "toRemote", channel: 3n }) as never;
    const pays = () => ({ kind: "closing", place: "unknown", channel: 3n }) as never;
    const asked = spendFromPsbt({ node, psbt, accounts: [], claim, pays });
    expect(asked.inputs.map(({ kind }) => kind)).toEqual(["toRemote", "toRemote"]);
    expect(asked.outputs.map(({ kind }) => kind)).toEqual(["closing", "closing"]);
  });

  test("says which signature it has no place for", async () => {
    const { psbt } = await scene(version);
    expect(() => withSignatures(psbt, { signatures: [] })).toThrow(Malformed);
    const signature = new Uint8Array(64).fill(1);
    expect(() => withSignatures(psbt, { signatures: ["unknown", signature] })).toThrow(/inputs\[1\]/);
    const taproot = withSignatures(psbt, { signatures: [signature, "unknown"] }, () => new Uint8Array(32));
    expect(
      taproot.inputs[0]?.find(({ type }) => type === inputFields.taprootKeySignature.type)?.value,
    ).toEqual(signature);
    expect(inputOf(taproot, 0).value).toBe(100_000n);
  });
});
