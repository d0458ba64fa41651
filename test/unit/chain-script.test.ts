import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Entry, entryFrom, entryOf } from "../../chain/embedded/entry.ts";
import { scriptFault } from "../../chain/embedded/script.ts";
import { op, p2wsh, pushNumber, script as scriptOf } from "../../protocol/bitcoin/script.ts";
import type { Tx, TxOutput, Witness } from "../../protocol/bitcoin/tx.ts";
import { concat, fromHex } from "../../protocol/bytes.ts";
import { sat, script, txid } from "../../protocol/units.ts";

const vectors = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vectors/${name}.json`, import.meta.url), "utf8"));

interface Signed {
  readonly name: string;
  readonly entry: Entry;
  readonly spent: readonly TxOutput[];
}

const bip143 = (
  vectors("bip143") as {
    readonly signed: readonly {
      readonly name: string;
      readonly tx: string;
      readonly spent: readonly { readonly script: string; readonly value: number }[];
    }[];
  }
).signed.map(
  ({ name, tx, spent }): Signed => ({
    name: `BIP 143: ${name}`,
    entry: entryFrom(fromHex(tx)),
    spent: spent.map((one) => ({ script: script(fromHex(one.script)), value: sat(BigInt(one.value)) })),
  }),
);

const bip341 = (
  vectors("bip341") as {
    readonly keyPathSpending: readonly {
      readonly given: {
        readonly utxosSpent: readonly { readonly scriptPubKey: string; readonly amountSats: number }[];
      };
      readonly auxiliary: { readonly fullySignedTx: string };
    }[];
  }
).keyPathSpending.map(
  ({ given, auxiliary }): Signed => ({
    name: "BIP 341: all hash types, beside older inputs",
    entry: entryFrom(fromHex(auxiliary.fullySignedTx)),
    spent: given.utxosSpent.map(({ scriptPubKey, amountSats }) => ({
      script: script(fromHex(scriptPubKey)),
      value: sat(BigInt(amountSats)),
    })),
  }),
);

interface Bolt3 {
  readonly commitment: {
    readonly cases: readonly {
      readonly name: string;
      readonly commit_tx: string;
      readonly htlc_txs: readonly { readonly output: number; readonly tx: string }[];
    }[];
  };
  readonly anchors: readonly {
    readonly Name: string;
    readonly ExpectedCommitmentTxHex: string;
    readonly HtlcDescs: readonly { readonly ResolutionTxHex: string }[];
  }[];
}

/** A commitment spends the funding output, and each second-stage transaction an output of the commitment. */
const spends = (name: string, commitment: string, seconds: readonly string[]): readonly Signed[] => {
  const first = entryFrom(fromHex(commitment));
  const funding = first.witnesses[0]?.at(-1) ?? new Uint8Array(0);
  return [
    {
      name: `BOLT 3: ${name}`,
      entry: first,
      spent: [{ script: p2wsh(script(funding)), value: sat(10_000_000n) }],
    },
    ...seconds.map((tx, i): Signed => {
      const entry = entryFrom(fromHex(tx));
      const output = first.tx.outputs[entry.tx.inputs[0]?.outpoint.index ?? -1];
      return { name: `BOLT 3: ${name}: HTLC ${i}`, entry, spent: output === undefined ? [] : [output] };
    }),
  ];
};

const bolt3 = vectors("bolt3") as Bolt3;
const commitments = [
  ...bolt3.commitment.cases.flatMap((one) =>
    spends(
      one.name,
      one.commit_tx,
      one.htlc_txs.map(({ tx }) => tx),
    ),
  ),
  ...bolt3.anchors.flatMap((one) =>
    spends(
      `anchors: ${one.Name}`,
      one.ExpectedCommitmentTxHex,
      one.HtlcDescs.map(({ ResolutionTxHex }) => ResolutionTxHex),
    ),
  ),
];

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] as number) ^ 1);

/** Each item of each stack with one bit changed, in its middle and at its end. What is empty may be anything else. */
const tampered = ({ tx, witnesses }: Entry): readonly Entry[] =>
  witnesses.flatMap((witness, input) =>
    witness.flatMap((item, i) => {
      const others =
        item.length === 0 ? [] : [flipped(item, item.length >> 1), flipped(item, item.length - 1)];
      return others.map((other) => entryOf({ tx, witnesses: witnesses.with(input, witness.with(i, other)) }));
    }),
  );

describe("published transactions are judged as their authors say", () => {
  test.each([...bip143, ...bip341])("$name", ({ entry, spent }) => {
    expect(scriptFault(entry, spent)).toBeUndefined();
  });

  test("of BOLT 3, all of them", () => {
    expect(commitments.length).toBeGreaterThan(70);
    for (const { name, entry, spent } of commitments)
      expect([name, scriptFault(entry, spent)]).toEqual([name, undefined]);
  });

  test.each([...bip143, ...bip341])("$name: not once a bit of a witness is another", ({ entry, spent }) => {
    const others = tampered(entry);
    expect(others.length).toBeGreaterThan(1);
    for (const other of others) expect(scriptFault(other, spent)).toBeDefined();
  });

  test("nor where another value is spent", () => {
    for (const { entry, spent } of [...bip143.slice(1, 5), ...bip341]) {
      const other = spent.map(({ script, value }) => ({ script, value: sat(value + 1n) }));
      expect(scriptFault(entry, other)).toBeDefined();
    }
  });

  test("nor where the item that OP_CHECKMULTISIG drops is not empty (BIP 147)", () => {
    const one = commitments[0];
    if (one === undefined) throw new Error("no such vector");
    const witnesses = [(one.entry.witnesses[0] ?? []).with(0, Uint8Array.of(1))];
    expect(scriptFault(entryOf({ tx: one.entry.tx, witnesses }), one.spent)).toContain("NULLDUMMY");
  });

  test("an HTLC's spend is refused once its witness, its locktime or its sequence is another", () => {
    const htlcs = commitments.filter(({ name }) => name.includes("HTLC "));
    const [timeout, success] = [
      htlcs.find(({ entry }) => entry.tx.locktime > 0),
      htlcs.find(({ entry }) => entry.tx.locktime === 0),
    ];
    for (const one of [timeout, success]) {
      if (one === undefined) throw new Error("no such vector");
      const { tx, witnesses } = one.entry;
      const [input] = tx.inputs;
      if (input === undefined) throw new Error("no input");
      for (const other of tampered(one.entry)) expect(scriptFault(other, one.spent)).toBeDefined();
      const changed: readonly Tx[] = [
        { ...tx, locktime: tx.locktime + 1 },
        { ...tx, inputs: [{ ...input, sequence: input.sequence + 1 }] },
        { ...tx, outputs: tx.outputs.map(({ value, script }) => ({ value: sat(value - 1n), script })) },
      ];
      for (const other of changed)
        expect(scriptFault(entryOf({ tx: other, witnesses }), one.spent)).toMatch(/NULLFAIL|FALSE/);
    }
  });
});

const spendOf = (
  witnessScript: Uint8Array,
  {
    witness = [],
    ...fields
  }: Partial<Tx> & {
    readonly sequence?: number;
    readonly witness?: Witness;
  },
): string | undefined => {
  const tx: Tx = {
    version: 2,
    inputs: [
      { outpoint: { txid: txid(new Uint8Array(32).fill(1)), index: 0 }, sequence: fields.sequence ?? 0 },
    ],
    outputs: [{ value: sat(1000n), script: script(fromHex("51024e73")) }],
    locktime: 0,
    ...fields,
  };
  const leaf = script(witnessScript);
  return scriptFault(entryOf({ tx, witnesses: [[...witness, leaf]] }), [
    { value: sat(2000n), script: p2wsh(leaf) },
  ]);
};

describe("locks in scripts", () => {
  const behind = (n: number, opcode: number) => concat(pushNumber(n), scriptOf(opcode, op.drop, op[1]));
  const csv = behind(144, op.checksequenceverify);
  const cltv = behind(700, op.checklocktimeverify);
  const unsatisfied = expect.stringContaining("UNSATISFIED_LOCKTIME");

  test.each([
    ["in time", csv, { sequence: 144 }, undefined],
    ["later", csv, { sequence: 145 }, undefined],
    ["a block early", csv, { sequence: 143 }, unsatisfied],
    ["disabled", csv, { sequence: 0x8000_0090 }, unsatisfied],
    ["in seconds", csv, { sequence: 0x40_0090 }, unsatisfied],
    ["in version 1", csv, { sequence: 144, version: 1 }, unsatisfied],
    ["in time (BIP 65)", cltv, { locktime: 700 }, undefined],
    ["a block early (BIP 65)", cltv, { locktime: 699 }, unsatisfied],
    ["by the clock (BIP 65)", cltv, { locktime: 1_700_000_000 }, unsatisfied],
    ["of a final input (BIP 65)", cltv, { locktime: 700, sequence: 0xffff_ffff }, unsatisfied],
  ])("%s", (_, leaf, fields, expected) => {
    expect(spendOf(leaf, fields)).toEqual(expected);
  });
});

describe("what is not standard is refused", () => {
  test.each([
    ["two items left", scriptOf(op[1], op[1]), {}],
    [
      "a branch chosen by 2",
      scriptOf(op.if, op[1], op.else, op[1], op.endif),
      { witness: [Uint8Array.of(2)] },
    ],
    ["a number in a longer form", fromHex("0101"), {}],
    ["nothing left", fromHex(""), {}],
    ["false", scriptOf(op[0]), {}],
    ["an unknown opcode", fromHex("ba"), {}],
    ["a push that ends too early", fromHex("4c"), {}],
    ["a no-op that may get a meaning", fromHex("b051"), {}],
  ])("%s", (_, leaf, fields) => {
    expect(spendOf(leaf, fields)).toBeDefined();
  });

  test("another script than the output's, and none at all", () => {
    const tx: Tx = {
      version: 2,
      inputs: [{ outpoint: { txid: txid(new Uint8Array(32)), index: 0 }, sequence: 0 }],
      outputs: [{ value: sat(1n), script: script(fromHex("51024e73")) }],
      locktime: 0,
    };
    const spent = [{ value: sat(2n), script: p2wsh(scriptOf(op[1])) }];
    expect(scriptFault(entryOf({ tx, witnesses: [[scriptOf(op[2])]] }), spent)).toContain("MISMATCH");
    expect(scriptFault(entryOf({ tx, witnesses: [] }), spent)).toContain("EMPTY");
    expect(scriptFault(entryOf({ tx, witnesses: [[scriptOf(op[1])]] }), spent)).toBeUndefined();
    const anchor = [{ value: sat(2n), script: script(fromHex("51024e73")) }];
    expect(scriptFault(entryOf({ tx, witnesses: [] }), anchor)).toBeUndefined();
    expect(scriptFault(entryOf({ tx, witnesses: [[Uint8Array.of(1)]] }), anchor)).toBeDefined();
  });
});
