/**
 * That a transaction is in a block, shown by a branch of its tree (BIP 37 has the other form). A node of the tree
 * is 64 bytes, and so may a transaction be (CVE-2017-12842): proofs could end a level too high, at a node shown as a
 * transaction, or a level too low, inside one. The coinbase tells how deep the tree is, because no node can be taken
 * for one: 36 of its bytes are fixed, and of those 27 would have to come out of one hash.
 */

import { equal } from "../bytes.ts";
import { invalid, Malformed } from "../malformed.ts";
import type { Txid } from "../units.ts";
import { decodeHeader, encodeHeader, type Header, headerLength } from "./header.ts";
import { type Branch, depthOf, maxTransactions, parentOf, rootOf } from "./merkle.ts";
import { Reader } from "./reader.ts";
import { isCoinbase, rangeOfTx, strippedLength, txidIn } from "./tx-range.ts";
import { sizeLength, Writer } from "./writer.ts";

const within = <T>(path: string, action: () => T): T => {
  try {
    return action();
  } catch (error) {
    throw error instanceof Malformed ? error.within(path) : error;
  }
};

/** As txidIn, but of whole bytes that are no node of a tree. */
const idOfLeaf = (bytes: Uint8Array): Txid => {
  const range = rangeOfTx(bytes);
  if (strippedLength(range) === 64) throw invalid("64 bytes may be a node of the tree");
  return txidIn(bytes, range);
};

const idOfCoinbase = (bytes: Uint8Array): Txid => {
  const range = rangeOfTx(bytes);
  if (!isCoinbase(bytes, range)) throw invalid("not a coinbase transaction");
  return txidIn(bytes, range);
};

export interface PresenceProof {
  readonly merkleRoot: Uint8Array;
  readonly tx: Uint8Array;
  readonly branch: Branch;
  /** The block's first transaction, with its own branch: it shows how deep the tree is. */
  readonly coinbase: Uint8Array;
  readonly coinbaseSiblings: readonly Uint8Array[];
}

/** The id of the transaction that is proven to be in the block; Malformed where nothing is proven. */
export const provePresence = (proof: PresenceProof): Txid => {
  const { merkleRoot, tx, branch, coinbase, coinbaseSiblings } = proof;
  within("coinbase", () => {
    const root = rootOf(idOfCoinbase(coinbase), { position: 0, siblings: coinbaseSiblings });
    if (!equal(root, merkleRoot)) throw invalid("its branch leads to another root");
  });
  return within("tx", () => {
    const id = idOfLeaf(tx);
    if (branch.siblings.length !== coinbaseSiblings.length)
      throw invalid(
        `${branch.siblings.length} levels below the root, and the coinbase ${coinbaseSiblings.length}`,
      );
    if (!equal(rootOf(id, branch), merkleRoot)) throw invalid("its branch leads to another root");
    return id;
  });
};

/** A header with a part of its tree, as `merkleblock` and `gettxoutproof` have it (BIP 37). */
export interface MerkleBlock {
  readonly header: Header;
  /** What the sender says: the tree's shape follows from it, but nothing proves it. */
  readonly count: number;
  readonly hashes: readonly Uint8Array[];
  readonly flags: Uint8Array;
}

/** Every leaf matched: as many nodes as a tree has, and at most a doubled one on each level. */
const maxFlagBytes = Math.ceil((2 * maxTransactions + depthOf(maxTransactions)) / 8);

export const decodeMerkleBlock = (bytes: Uint8Array): MerkleBlock => {
  const from = new Reader(bytes);
  const header = decodeHeader(from.raw(headerLength));
  const count = from.u32();
  if (count === 0 || count > maxTransactions) throw new Malformed("count", `${count} transactions`);
  const hashCount = from.size();
  if (hashCount > count) throw new Malformed("hashes", `${hashCount} for ${count} transactions`);
  const hashes = Array.from({ length: Math.min(hashCount, Math.ceil(from.left / 32)) }, () =>
    from.raw(32).slice(),
  );
  const flags = from.sized().slice();
  if (flags.length > maxFlagBytes) throw new Malformed("flags", `${flags.length} bytes`);
  from.end();
  return { header, count, hashes, flags };
};

export const encodeMerkleBlock = ({ header, count, hashes, flags }: MerkleBlock): Uint8Array => {
  const length = headerLength + 4 + sizeLength(hashes.length) + 32 * hashes.length;
  const to = new Writer(length + sizeLength(flags.length) + flags.length)
    .raw(encodeHeader(header))
    .u32(count);
  to.size(hashes.length);
  for (const hash of hashes) to.raw(hash);
  return to.sized(flags).bytes;
};

export interface Match {
  readonly txid: Txid;
  readonly position: number;
}

/** Leaves that are marked as matched, in a tree whose root is the header's. Their depth is only what `count` says. */
const matchesOf = ({ header, count, hashes, flags }: MerkleBlock): readonly Match[] => {
  const matches: Match[] = [];
  let hashAt = 0;
  let flagAt = 0;
  const nextHash = (): Uint8Array => {
    const hash = hashes[hashAt++];
    if (hash === undefined) throw new Malformed("hashes", "too few");
    return hash;
  };
  const nextFlag = (): boolean => {
    const byte = flags[flagAt >> 3];
    if (byte === undefined) throw new Malformed("flags", "too few");
    return ((byte >> (flagAt++ & 7)) & 1) === 1;
  };
  const walk = (level: number, position: number): Uint8Array => {
    const isParentOfMatch = nextFlag();
    if (level === 0 || !isParentOfMatch) {
      const hash = nextHash();
      if (level === 0 && isParentOfMatch) matches.push({ txid: hash as Txid, position });
      return hash;
    }
    const left = walk(level - 1, 2 * position);
    const width = Math.ceil(count / 2 ** (level - 1));
    if (2 * position + 1 >= width) return parentOf(left, left);
    const right = walk(level - 1, 2 * position + 1);
    // CVE-2012-2459.
    if (equal(left, right)) throw new Malformed("hashes", "a hash stands beside itself");
    return parentOf(left, right);
  };
  const root = walk(depthOf(count), 0);
  if (hashAt < hashes.length) throw new Malformed("hashes", "too many");
  // The last byte is filled up with anything.
  if (flagAt <= 8 * (flags.length - 1)) throw new Malformed("flags", "too many");
  if (!equal(root, header.merkleRoot)) throw new Malformed("hashes", "they lead to another root");
  return matches;
};

/** Those in the block, the coinbase first: it must be among the matches, because it alone shows the tree's depth. */
export const proveMatches = (block: MerkleBlock, coinbase: Uint8Array): readonly Match[] => {
  const matches = matchesOf(block);
  const [first] = matches;
  const id = within("coinbase", () => idOfCoinbase(coinbase));
  if (first === undefined || first.position !== 0 || !equal(first.txid, id))
    throw new Malformed("coinbase", "not the first of the matches");
  return matches;
};
