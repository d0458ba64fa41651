import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { scanBlock } from "../../protocol/bitcoin/block.ts";
import type { Header } from "../../protocol/bitcoin/header.ts";
import { branchOf, depthOf, merkleRoot, parentOf, rootOf } from "../../protocol/bitcoin/merkle.ts";
import {
  decodeMerkleBlock,
  encodeMerkleBlock,
  type MerkleBlock,
  proveMatches,
  provePresence,
} from "../../protocol/bitcoin/proof.ts";
import { encodeTx, type Tx } from "../../protocol/bitcoin/tx.ts";
import { concat, equal, fromHex, toHex } from "../../protocol/bytes.ts";
import { doubleSha256 } from "../../protocol/hash.ts";
import { Malformed } from "../../protocol/malformed.ts";
import { sat, script, type Txid, txid } from "../../protocol/units.ts";
import { steady } from "../steady.ts";
import {
  anyBlock,
  anyHash,
  anyMadeTx,
  coinbaseFor,
  hashOf,
  type MadeBlock,
  publicChains,
  rawOf,
} from "./bitcoin-blocks.ts";

/** The same root in another way: by halves of a list filled up to a power of two. */
const slowRoot = (leaves: readonly Uint8Array[], depth = depthOf(leaves.length)): Uint8Array => {
  if (depth === 0) return leaves[0] as Uint8Array;
  const half = 2 ** (depth - 1);
  const left = slowRoot(leaves.slice(0, half), depth - 1);
  return parentOf(left, leaves.length > half ? slowRoot(leaves.slice(half), depth - 1) : left);
};

const manyHashes = fc.uniqueArray(anyHash, { minLength: 1, maxLength: 40, selector: toHex });

describe("the tree", () => {
  test("of block 100000", () => {
    const ids = [
      "8c14f0db3df150123e6f3dbbf30f8b955a8249b62ac1d1ff16284aefa3d06d87",
      "fff2525b8931402dd09222c50775608f75787bd2b87e56995a7bdd30f79702c4",
      "6359f0868171b1d194cbee1af2f16ea598ae8fad666d9b012c8ed2b79a236ec4",
      "e9a66845e05d5abc0ad04ec80f774a7e585c6e8db975962d069a522137b80c1d",
    ].map(hashOf);
    const { header, txids } = scanBlock(fromHex(publicChains.block100000), { outpoints: [], scripts: [] });
    expect(txids).toEqual(ids);
    expect(merkleRoot(ids)).toEqual(header.merkleRoot);
  });

  test("every branch leads to the root, and to no other place", () => {
    fc.assert(
      fc.property(manyHashes, fc.nat(), fc.nat(), (leaves, at, elsewhere) => {
        const root = merkleRoot(leaves);
        expect(root).toEqual(slowRoot(leaves));
        const position = at % leaves.length;
        const siblings = branchOf(leaves, position);
        const leaf = leaves[position] as Uint8Array;
        expect(siblings.length).toBe(depthOf(leaves.length));
        expect(rootOf(leaf, { position, siblings })).toEqual(root);
        const other = elsewhere % 2 ** siblings.length;
        const found = ((): Uint8Array | undefined => {
          try {
            return rootOf(leaf, { position: other, siblings });
          } catch (error) {
            if (!(error instanceof Malformed)) throw error;
            return undefined;
          }
        })();
        expect(found !== undefined && equal(found, root)).toBe(other === position);
      }),
      { numRuns: 300 },
    );
  });

  test("a list that ends in a repetition is none, though its root is right", () => {
    fc.assert(
      fc.property(manyHashes, (leaves) => {
        for (let tail = 1; tail <= leaves.length; tail *= 2) {
          if (leaves.length % tail !== 0 || (leaves.length / tail) % 2 === 0) continue;
          const repeated = [...leaves, ...leaves.slice(-tail)];
          if (depthOf(leaves.length) > 0)
            expect(slowRoot(repeated, depthOf(leaves.length))).toEqual(slowRoot(leaves));
          expect(() => merkleRoot(repeated)).toThrow(/beside itself/);
        }
      }),
    );
  });

  test.each([
    ["no leaf there", { position: 2, siblings: [new Uint8Array(32)] }],
    ["no whole number", { position: 0.5, siblings: [new Uint8Array(32)] }],
    ["below zero", { position: -1, siblings: [new Uint8Array(32)] }],
    ["deeper than a block", { position: 0, siblings: Array.from({ length: 16 }, () => new Uint8Array(32)) }],
    ["a short hash", { position: 0, siblings: [new Uint8Array(31)] }],
  ])("%s", (_, branch) => {
    expect(() => rootOf(new Uint8Array(32), branch)).toThrow(Malformed);
  });
});

const proofIn = (block: MadeBlock, position: number) => ({
  merkleRoot: block.header.merkleRoot,
  tx: rawOf(block.txs[position] as MadeBlock["txs"][0]),
  branch: { position, siblings: branchOf(block.txids, position) },
  coinbase: rawOf(block.txs[0] as MadeBlock["txs"][0]),
  coinbaseSiblings: branchOf(block.txids, 0),
});

const shape = (inputScript: number, outputScript: number): Tx => ({
  version: 2,
  inputs: [
    {
      outpoint: { txid: txid(new Uint8Array(32).fill(9)), index: 0 },
      sequence: 0,
      ...(inputScript === 0 ? {} : { scriptSig: script(new Uint8Array(inputScript)) }),
    },
  ],
  outputs: [{ value: sat(1n), script: script(new Uint8Array(outputScript)) }],
  locktime: 0,
});

describe("presence", () => {
  test("of every transaction in its block, and of none elsewhere", () => {
    fc.assert(
      fc.property(anyBlock(12), anyMadeTx, (block, stranger) => {
        for (const position of block.txids.keys()) {
          const proof = proofIn(block, position);
          expect(provePresence(proof)).toEqual(block.txids[position]);
          expect(() => provePresence({ ...proof, tx: rawOf(stranger) })).toThrow(/^tx: /);
          const other = { ...proof.branch, position: (position + 1) % block.txids.length };
          if (block.txids.length > 1)
            expect(() => provePresence({ ...proof, branch: other })).toThrow(Malformed);
          const wrongRoot = doubleSha256(proof.merkleRoot);
          expect(() => provePresence({ ...proof, merkleRoot: wrongRoot })).toThrow(/^coinbase: /);
        }
      }),
      { numRuns: 60 },
    );
  });

  /** A miner's 64 bytes can be both a transaction of the tree and a node above one that was never mined. */
  test("a transaction below the tree's leaves is not in it", () => {
    const victim = encodeTx(shape(0, 20));
    const coinbase = coinbaseFor([]);
    // Half of the node is free for the miner; the other is the id of the forged transaction.
    const half = new Uint8Array(32).fill(3);
    const leaf = parentOf(half, doubleSha256(victim));
    const coinbaseId = doubleSha256(rawOf(coinbase));
    const root = merkleRoot([coinbaseId, leaf]);
    const branch = { position: 3, siblings: [half, coinbaseId] };
    expect(rootOf(doubleSha256(victim), branch)).toEqual(root);
    const proof = { merkleRoot: root, tx: victim, branch, coinbase: rawOf(coinbase) };
    expect(() => provePresence({ ...proof, coinbaseSiblings: [leaf] })).toThrow(
      "tx: 2 levels below the root, and the coinbase 1",
    );
    // Nor can the coinbase be shown as deep as the forgery.
    expect(() => provePresence({ ...proof, coinbaseSiblings: [leaf, half] })).toThrow(/^coinbase: /);
    expect(() => provePresence({ ...proof, coinbase: victim, coinbaseSiblings: branch.siblings })).toThrow(
      "coinbase: not a coinbase transaction",
    );
  });

  test("64 bytes may be a node, so they are no transaction", () => {
    const tx = { tx: shape(0, 4), witnesses: [] };
    expect(rawOf(tx).length).toBe(64);
    const leaves = [doubleSha256(rawOf(coinbaseFor([tx]))), doubleSha256(rawOf(tx))];
    const proof = {
      merkleRoot: merkleRoot(leaves),
      tx: rawOf(tx),
      branch: { position: 1, siblings: branchOf(leaves, 1) },
      coinbase: rawOf(coinbaseFor([tx])),
      coinbaseSiblings: branchOf(leaves, 0),
    };
    expect(() => provePresence(proof)).toThrow("tx: 64 bytes may be a node of the tree");
  });

  test("a transaction is proven whole, with nothing behind it", () => {
    fc.assert(
      fc.property(anyBlock(5), fc.nat(), (block, at) => {
        const proof = proofIn(block, at % block.txids.length);
        for (const tx of [concat(proof.tx, Uint8Array.of(0)), proof.tx.subarray(0, -1)])
          expect(() => provePresence({ ...proof, tx })).toThrow(/^tx: /);
      }),
    );
  });
});

/** BIP 37, "Constructing a partial merkle tree object". */
const partialTree = (header: Header, leaves: readonly Txid[], matches: readonly boolean[]): MerkleBlock => {
  const bits: boolean[] = [];
  const hashes: Uint8Array[] = [];
  const visit = (depth: number, position: number): void => {
    const [start, end] = [position * 2 ** depth, (position + 1) * 2 ** depth];
    const isParent = matches.slice(start, end).some((matched) => matched);
    bits.push(isParent);
    if (depth === 0 || !isParent) hashes.push(slowRoot(leaves.slice(start, end), depth));
    else {
      visit(depth - 1, 2 * position);
      if ((2 * position + 1) * 2 ** (depth - 1) < leaves.length) visit(depth - 1, 2 * position + 1);
    }
  };
  visit(depthOf(leaves.length), 0);
  const flags = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    if (bit) flags[i >> 3] = (flags[i >> 3] as number) | (1 << (i & 7));
  });
  return { header, count: leaves.length, hashes, flags };
};

const withMatches = anyBlock(20).chain((block) =>
  fc
    .array(fc.boolean(), { minLength: block.txids.length, maxLength: block.txids.length })
    .map((matches) => ({ block, matches })),
);

describe("partial trees", () => {
  test("prove what they match, if the coinbase is among it", () => {
    fc.assert(
      fc.property(withMatches, ({ block, matches: [, ...others] }) => {
        const matches = [true, ...others];
        const coinbase = rawOf(block.txs[0] as MadeBlock["txs"][0]);
        const tree = partialTree(block.header, block.txids, matches);
        const bytes = encodeMerkleBlock(tree);
        expect(decodeMerkleBlock(bytes)).toEqual(tree);
        const expected = [...block.txids.entries()]
          .filter(([position]) => matches[position])
          .map(([position, txid]) => ({ position, txid }));
        expect(proveMatches(tree, coinbase)).toEqual(expected);
        const without = partialTree(block.header, block.txids, [false, ...others]);
        expect(() => proveMatches(without, coinbase)).toThrow("coinbase: not the first of the matches");
      }),
      { numRuns: 100 },
    );
  });

  test("changed anywhere, they prove nothing that is not so", () => {
    const seen = { proven: 0, malformed: 0 };
    steady(
      fc.property(withMatches, fc.nat(), fc.integer({ min: 1, max: 255 }), ({ block, matches }, at, by) => {
        const coinbase = rawOf(block.txs[0] as MadeBlock["txs"][0]);
        const tree = partialTree(block.header, block.txids, [true, ...matches.slice(1)]);
        const bytes = encodeMerkleBlock(tree);
        // What stands before the root is the header's own, and `connect` looks at it.
        const place = 36 + (at % (bytes.length - 36));
        bytes[place] = (bytes[place] as number) ^ by;
        try {
          const decoded = decodeMerkleBlock(bytes);
          expect(encodeMerkleBlock(decoded)).toEqual(bytes);
          for (const { position, txid } of proveMatches(decoded, coinbase))
            expect(txid).toEqual(block.txids[position]);
          seen.proven++;
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          seen.malformed++;
        }
      }),
      { numRuns: 1000 },
    );
    expect(seen.malformed).toBeGreaterThan(400);
  });

  /** From the reference of the peer-to-peer protocol: a real block's, without its coinbase. */
  const real =
    "0100000082bb869cf3a793432a66e826e05a6fc37469f8efb7421dc880670100000000007f16c5962e8bd963659c793ce370d95f" +
    "093bc7e367117b3c30c1f8fdd0d9728776381b4d4c86041b554b852907000000043612262624047ee87660be1a707519a443b1" +
    "c1ce3d248cbfc6c15870f6c5daa2019f5b01d4195ecbc9398fbf3c3b1fa9bb3183301d7a1fb3bd174fcfa40a2b6541ed70551d" +
    "d7e841883ab8f0b16bf04176b7d1480e4f0af9f3d4c3595768d06820d2a7bc994987302e5b1ac80fc425fe25f8b63169ea78e6" +
    "8fbaaefa59379bbf011d";

  test("a real one has the block's root, and shows nothing without the coinbase", () => {
    const tree = decodeMerkleBlock(fromHex(real));
    expect(tree).toMatchObject({ count: 7 });
    const coinbase = rawOf(coinbaseFor([]));
    expect(() => proveMatches(tree, coinbase)).toThrow("coinbase: not the first of the matches");
    const [, ...hashes] = tree.hashes;
    expect(() => proveMatches({ ...tree, hashes: [new Uint8Array(32), ...hashes] }, coinbase)).toThrow(
      "hashes: they lead to another root",
    );
  });

  test("what is too much or too little is named", () => {
    const tree = decodeMerkleBlock(fromHex(real));
    const coinbase = rawOf(coinbaseFor([]));
    const { hashes, flags } = tree;
    const extra = new Uint8Array(32);
    expect(() => proveMatches({ ...tree, hashes: [...hashes, extra] }, coinbase)).toThrow("hashes: too many");
    expect(() => proveMatches({ ...tree, hashes: hashes.slice(1) }, coinbase)).toThrow("hashes: too few");
    expect(() => proveMatches({ ...tree, flags: concat(flags, flags) }, coinbase)).toThrow("flags: too many");
    expect(() => proveMatches({ ...tree, flags: new Uint8Array() }, coinbase)).toThrow("flags: too few");
    for (const count of [0, 16_667, 0xffff_ffff])
      expect(() => decodeMerkleBlock(encodeMerkleBlock({ ...tree, count }))).toThrow(/^count: /);
    expect(() => decodeMerkleBlock(encodeMerkleBlock({ ...tree, count: 3 }))).toThrow(
      "hashes: 4 for 3 transactions",
    );
    for (let end = 0; end < real.length; end += 2)
      expect(() => decodeMerkleBlock(fromHex(real.slice(0, end)))).toThrow(Malformed);
    expect(() => decodeMerkleBlock(fromHex(`${real}00`))).toThrow(Malformed);
  });
});
