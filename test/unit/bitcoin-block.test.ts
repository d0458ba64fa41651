import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commitmentIndex, scanBlock, type Watches } from "../../protocol/bitcoin/block.ts";
import { merkleRoot } from "../../protocol/bitcoin/merkle.ts";
import { decodeTx, type Tx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { outputsIn, rangeOfTx, txidIn, witnessIn } from "../../protocol/bitcoin/tx-range.ts";
import { concat, equal, fromHex, toHex } from "../../protocol/bytes.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { type Outpoint, type Script, sat, script, txid } from "../../protocol/units.ts";
import { steady, workOf } from "../steady.ts";
import {
  anyBlock,
  anyMadeTx,
  blockOf,
  coinbaseFor,
  hashOf,
  type MadeBlock,
  type MadeTx,
  publicChains,
  rawOf,
} from "./bitcoin-blocks.ts";

const nothing: Watches = { outpoints: [], scripts: [] };
const signet = publicChains.signet.map(fromHex);
const outpointOf = ({ txid, index }: Outpoint): string => `${toHex(txid)}:${index}`;

describe("where a transaction ends", () => {
  test("is where the decoder of whole ones says, with the same id, outputs and witnesses", () => {
    fc.assert(
      fc.property(anyMadeTx, (made) => {
        const raw = rawOf(made);
        const range = rangeOfTx(raw);
        const { tx, witnesses } = decodeTx(raw);
        expect(txidIn(raw, range)).toEqual(txidOf(tx));
        expect(outputsIn(raw, range)).toEqual(tx.outputs);
        for (const input of tx.inputs.keys())
          expect(witnessIn(raw, range, input)).toEqual(witnesses[input] ?? []);
      }),
    );
  });

  test("bytes are a transaction to both readers or to neither", () => {
    const reads = (read: () => unknown): boolean => {
      try {
        read();
        return true;
      } catch (error) {
        if (!(error instanceof Malformed)) throw error;
        return false;
      }
    };
    const seen = { both: 0, neither: 0 };
    steady(
      fc.property(anyMadeTx, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }), (made, changes) => {
        const raw = rawOf(made);
        for (const [at, value] of changes) raw[at % raw.length] = value;
        const mine = reads(() => rangeOfTx(raw));
        const other = reads(() => decodeTx(raw));
        // The decoder of whole ones knows amounts too, and no more can be paid than there is.
        if (mine !== other) expect(() => decodeTx(raw)).toThrow(/not an amount/);
        seen[mine ? "both" : "neither"]++;
      }),
      { numRuns: 2000 },
    );
    expect(seen.both).toBeGreaterThan(50);
    expect(seen.neither).toBeGreaterThan(50);
  });
});

describe("bytes that are no transaction", () => {
  const outpoint = `${"00".repeat(36)}`;
  test.each([
    [
      "a marker without any witness",
      `0200000000 01 01 ${outpoint} 00 00000000 01 ${"00".repeat(9)} 00 00000000`,
    ],
    ["another flag than 1", `0200000000 02 01 ${outpoint} 00 00000000 01 ${"00".repeat(9)} 0101aa 00000000`],
    ["no inputs behind a marker", `0200000000 01 00 01 ${"00".repeat(9)} 00000000`],
    ["no outputs", `02000000 01 ${outpoint} 00 00000000 00 00000000`],
    ["more inputs than bytes", `02000000 feffffffff ${outpoint}`],
    ["a script beyond the end", `02000000 01 ${outpoint} feffffff7f`],
  ])("%s", (_, text) => {
    const raw = fromHex(text.replaceAll(" ", ""));
    expect(() => rangeOfTx(raw)).toThrow(Malformed);
    expect(() => decodeTx(raw)).toThrow(Malformed);
  });

  test("a witness that no script could begin with is not read", () => {
    const [made] = fc.sample(anyMadeTx, { numRuns: 1, seed: 2 }) as [MadeTx];
    const stack = (count: number) => Array.from({ length: count }, () => new Uint8Array());
    const raw = (count: number) => rawOf({ ...made, witnesses: made.tx.inputs.map(() => stack(count)) });
    expect(witnessIn(raw(1_000), rangeOfTx(raw(1_000)), 0).length).toBe(1_000);
    expect(() => witnessIn(raw(1_001), rangeOfTx(raw(1_001)), 0)).toThrow(Malformed);
  });
});

describe("public blocks", () => {
  test("block 100000: who is watched is found, and nobody else", () => {
    const bytes = fromHex(publicChains.block100000);
    const spent = {
      txid: txid(hashOf("87a157f3fd88ac7907c05fc55e271dc4acdc5605d187d646604ca8c0e9382e03")),
      index: 0,
    };
    const pays = script(fromHex("76a91439aa3d569e06a1d7926dc4be1193c99bf2eb9ee088ac"));
    expect(scanBlock(bytes, nothing).found).toEqual([]);
    const { found } = scanBlock(bytes, { outpoints: [spent, { ...spent, index: 1 }], scripts: [pays] });
    expect(found.map(({ position }) => position)).toEqual([1, 3]);
    expect(found[0]).toMatchObject({ spends: [{ outpoint: spent, input: 0 }], creations: [] });
    expect(found[1]).toMatchObject({
      spends: [],
      creations: [{ output: { value: 1_000_000n, script: pays } }],
    });
    for (const { raw, txid } of found) expect(txidOf(decodeTx(raw).tx)).toEqual(txid);
  });

  test("signet's: their witnesses are those that the coinbase commits to", () => {
    for (const bytes of signet) {
      const { txids, coinbase } = scanBlock(bytes, nothing);
      expect(txids.length).toBeLessThanOrEqual(2);
      expect(commitmentIndex(outputsIn(coinbase, rangeOfTx(coinbase)))).toBe(1);
    }
    const [, , block] = signet as [Uint8Array, Uint8Array, Uint8Array];
    const outpoint = {
      txid: txid(hashOf("4a05f434d5e5a1eb9a98c37175fea97616be49ab7972834e010cdfe6c523a57c")),
      index: 0,
    };
    const [found] = scanBlock(block, { outpoints: [outpoint], scripts: [] }).found;
    expect(found?.spends).toEqual([{ outpoint, input: 0 }]);
    const raw = found?.raw ?? new Uint8Array();
    expect(witnessIn(raw, rangeOfTx(raw), 0).map(({ length }) => length)).toEqual([71, 33]);
  });

  test("a witness that was not mined is no part of a block", () => {
    const [, , block] = signet as [Uint8Array, Uint8Array, Uint8Array];
    const changed = block.slice();
    // In the last witness, before the locktime.
    changed[changed.length - 10] = (changed[changed.length - 10] as number) ^ 1;
    expect(() => scanBlock(changed, nothing)).toThrow("witnesses: not those that the coinbase commits to");
  });
});

/** What the block has by its own account, found without any table. */
const expectedFor = ({ txs, txids }: MadeBlock, { outpoints, scripts }: Watches): readonly string[] => {
  const watched = new Set(outpoints.map(outpointOf));
  const found: string[] = [];
  txs.forEach(({ tx }, position) => {
    const id = txids[position] as Outpoint["txid"];
    const spends = tx.inputs.flatMap(({ outpoint }, input) =>
      watched.has(outpointOf(outpoint)) ? [`${input}<${outpointOf(outpoint)}`] : [],
    );
    const creations = tx.outputs.flatMap(({ script }, index) => {
      const name = outpointOf({ txid: id, index });
      const known = watched.has(name) || scripts.some((one) => equal(one, script));
      if (known || spends.length > 0) watched.add(name);
      return known ? [`>${name}`] : [];
    });
    if (spends.length + creations.length > 0) found.push(`${position} ${spends} ${creations}`);
  });
  return found;
};

const scanned = (block: MadeBlock, watches: Watches): readonly string[] =>
  scanBlock(block.raw, watches).found.map(({ position, spends, creations }) => {
    const inputs = spends.map(({ outpoint, input }) => `${input}<${outpointOf(outpoint)}`);
    return `${position} ${inputs} ${creations.map(({ outpoint }) => `>${outpointOf(outpoint)}`)}`;
  });

/** Each spends an output of the one before it or of nobody's. */
const chained = fc.array(fc.tuple(anyMadeTx, fc.boolean(), fc.nat(2)), { maxLength: 8 }).map((list) => {
  const others: MadeTx[] = [];
  for (const [made, follows, index] of list) {
    const before = others.at(-1);
    const [first, ...inputs] = made.tx.inputs;
    if (!follows || before === undefined || first === undefined) others.push(made);
    else {
      const outpoint = { txid: txidOf(before.tx), index };
      others.push({ ...made, tx: { ...made.tx, inputs: [{ ...first, outpoint }, ...inputs] } });
    }
  }
  return blockOf([coinbaseFor(others), ...others]);
});

describe("scanning", () => {
  test("finds what a search without tables finds, through chains of spends within the block", () => {
    let found = 0;
    steady(
      fc.property(chained, fc.infiniteStream(fc.nat(3)), (block, dice) => {
        const roll = (): boolean => dice.next().value === 0;
        const watches: Watches = {
          outpoints: block.txs
            .flatMap(({ tx }, at) => [
              ...tx.inputs.map(({ outpoint }) => outpoint),
              { txid: block.txids[at] as Outpoint["txid"], index: 0 },
            ])
            .filter(roll),
          scripts: block.txs.flatMap(({ tx }) => tx.outputs.map(({ script }) => script)).filter(roll),
        };
        const expected = expectedFor(block, watches);
        expect(scanned(block, watches)).toEqual(expected);
        found += expected.length;
      }),
      { numRuns: 300 },
    );
    expect(found).toBeGreaterThan(300);
  });

  test("a spend of a spend is seen, though nobody could have waited for it", () => {
    const [a, b, c] = fc.sample(anyMadeTx, { numRuns: 3, seed: 5 }) as [MadeTx, MadeTx, MadeTx];
    const spending = (made: MadeTx, spent: MadeTx): MadeTx => {
      const [first] = made.tx.inputs as [Tx["inputs"][0]];
      const inputs = [{ ...first, outpoint: { txid: txidOf(spent.tx), index: 0 } }];
      return { tx: { ...made.tx, inputs }, witnesses: [] };
    };
    const second = spending(b, a);
    const others = [a, second, spending(c, second)];
    const [{ outpoint }] = a.tx.inputs as [Tx["inputs"][0]];
    const { found } = scanBlock(blockOf([coinbaseFor(others), ...others]).raw, {
      outpoints: [outpoint],
      scripts: [],
    });
    expect(found.map(({ position }) => position)).toEqual([1, 2, 3]);
  });
});

const made = fc.sample(anyMadeTx, { numRuns: 6, seed: 3 });
const block = blockOf([coinbaseFor(made), ...made]);

describe("what is not the block that was mined", () => {
  const withTxs = (txs: readonly MadeTx[]): Uint8Array => blockOf(txs, block.header.merkleRoot).raw;

  test("one left out, added, changed or moved", () => {
    const [coinbase, ...others] = block.txs as [MadeTx, ...MadeTx[]];
    expect(scanBlock(block.raw, nothing).txids).toEqual(block.txids);
    for (const at of others.keys()) {
      const without = [coinbase, ...others.filter((_, i) => i !== at)];
      expect(() => scanBlock(withTxs(without), nothing)).toThrow("transactions: they have another root");
      const twice = [coinbase, ...others.flatMap((one, i) => (i === at ? [one, one] : [one]))];
      expect(() => scanBlock(withTxs(twice), nothing)).toThrow(Malformed);
    }
    const moved = [coinbase, ...others.toReversed()];
    expect(() => scanBlock(withTxs(moved), nothing)).toThrow("transactions: they have another root");
  });

  test("the last one twice has the same root, and is seen", () => {
    const odd = [coinbaseFor(made.slice(0, 2)), ...made.slice(0, 2)];
    const honest = blockOf(odd);
    const repeated = blockOf([...odd, ...odd.slice(-1)], honest.header.merkleRoot);
    expect(() => scanBlock(repeated.raw, nothing)).toThrow(/beside itself/);
  });

  test("a coinbase that is missing, or a second one", () => {
    expect(() => scanBlock(blockOf(made).raw, nothing)).toThrow(
      /^transactions\[0\]: the coinbase is the first/,
    );
    const second = blockOf([...block.txs, coinbaseFor([], 1)]);
    expect(() => scanBlock(second.raw, nothing)).toThrow(/^transactions\[7\]: the coinbase is the first/);
  });

  test("nodes of the tree shown as its leaves", () => {
    const { txids, header } = block;
    const nodes = [0, 2, 4].map((i) =>
      concat(txids[i] ?? new Uint8Array(), txids[i + 1] ?? new Uint8Array()),
    );
    const shown = concat(block.raw.subarray(0, 80), Uint8Array.of(nodes.length), ...nodes);
    expect(merkleRoot(txids)).toEqual(header.merkleRoot);
    expect(() => scanBlock(shown, nothing)).toThrow(Malformed);
  });

  test("witnesses left out, or without a commitment to them", () => {
    const bare = block.txs.map(({ tx }) => ({ tx, witnesses: [] }));
    expect(() => scanBlock(withTxs(bare), nothing)).toThrow("witnesses: the coinbase has no reserved value");
    const uncommitted = blockOf([coinbaseFor([]), ...made]);
    expect(() => scanBlock(uncommitted.raw, nothing)).toThrow("witnesses: no commitment to them");
  });

  test("cut anywhere, or with bytes behind it", () => {
    for (let end = 0; end < block.raw.length; end++)
      expect(() => scanBlock(block.raw.subarray(0, end), nothing)).toThrow(Malformed);
    expect(() => scanBlock(concat(block.raw, Uint8Array.of(0)), nothing)).toThrow(/1 bytes too many/);
  });

  test("a changed byte is Malformed, unless it is the header's own", () => {
    fc.assert(
      fc.property(anyBlock(), fc.nat(), fc.integer({ min: 1, max: 255 }), ({ raw }, at, by) => {
        const changed = raw.slice();
        const place = 36 + (at % (raw.length - 36));
        changed[place] = (changed[place] as number) ^ by;
        if (place >= 68 && place < 80) expect(scanBlock(changed, nothing).found).toEqual([]);
        else expect(() => scanBlock(changed, nothing)).toThrow(Malformed);
      }),
      { numRuns: 1000 },
    );
  });

  test.each([
    ["more transactions than a block can have", "fe1b410000"],
    ["none", "00"],
    ["a count in a longer form than it needs", "fd0100"],
    ["a count beyond 32 bits", "ffffffffffffffffff"],
  ])("%s", (_, count) => {
    const bytes = concat(block.raw.subarray(0, 80), fromHex(count), block.raw.subarray(81));
    expect(() => scanBlock(bytes, nothing)).toThrow(Malformed);
  });
});

const large = (count: number): MadeBlock => {
  const hash = (n: number): Uint8Array => new Uint8Array(32).fill(n & 0xff).fill(n >> 8, 0, 16);
  const pays = (n: number): Script => script(concat(fromHex("0020"), hash(n)));
  const others = Array.from(
    { length: count },
    (_, n): MadeTx => ({
      tx: {
        version: 2,
        inputs: [0, 1].map((index) => ({ outpoint: { txid: txid(hash(n)), index }, sequence: 0 })),
        outputs: [0, 1, 2].map((i) => ({ value: sat(BigInt(n)), script: pays(3 * n + i) })),
        locktime: n,
      },
      witnesses: [0, 1].map(() => [new Uint8Array(71), new Uint8Array(33)]),
    }),
  );
  return blockOf([coinbaseFor(others), ...others]);
};

describe("size", () => {
  const { raw, txs } = large(3_500);
  const watches: Watches = {
    outpoints: txs.slice(1, 2_001).flatMap(({ tx }) => [{ txid: txidOf(tx), index: 5 }]),
    scripts: [script(concat(fromHex("0020"), new Uint8Array(32).fill(0x77)))],
  };

  test("a block of 1.5 MB takes a moment, and a small multiple of its bytes", () => {
    expect(raw.length).toBeGreaterThan(1_400_000);
    scanBlock(raw, watches);
    const times = [0, 1, 2].map(() => workOf(() => scanBlock(raw, watches)));
    // Under 100 ms; the machine may be slow.
    expect(Math.min(...times)).toBeLessThan(1_000);
    const before = process.memoryUsage();
    const kept = scanBlock(raw, watches);
    const after = process.memoryUsage();
    expect(kept.txids.length).toBe(3_501);
    const used = after.heapUsed + after.external - before.heapUsed - before.external;
    expect(used).toBeLessThan(20 * raw.length);
  });

  test("more weight than consensus allows", () => {
    const heavy = large(8_000).raw;
    expect(heavy.length).toBeLessThan(4_000_000);
    expect(() => scanBlock(heavy, nothing)).toThrow(/weight units/);
    expect(() => scanBlock(new Uint8Array(4_000_001), nothing)).toThrow(/4000001 bytes/);
  });
});
