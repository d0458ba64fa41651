/** On a signet, work is cheap: a block is one where its coinbase holds a solution of the challenge (BIP 325). */

import { concat, equal, fromHex, toHex } from "../bytes.ts";
import type { Curve } from "../curve/curve.ts";
import { doubleSha256 } from "../hash.ts";
import { invalid, Malformed } from "../malformed.ts";
import { type Point, type Script, type Signature, sat, script, signature, txid } from "../units.ts";
import { commitmentIndex } from "./block.ts";
import { decodeDer } from "./der.ts";
import type { Header } from "./header.ts";
import { rootOf } from "./merkle.ts";
import { Reader } from "./reader.ts";
import { op } from "./script.ts";
import { sighash } from "./sighash.ts";
import { encodeTx, type Tx, txidOf } from "./tx.ts";
import { isCoinbase, outputsIn, rangeOfTx, txidIn } from "./tx-range.ts";
import { Writer } from "./writer.ts";

/** Of the signet that everybody means. */
export const defaultChallenge = script(
  fromHex(
    "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be4" +
      "30210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae",
  ),
);

/** Keys of which so many must have signed. */
interface Quorum {
  readonly needed: number;
  readonly keys: readonly Point[];
  /** `OP_CHECKMULTISIG` takes one item more than it should. */
  readonly dummy: boolean;
}

const keyAt = (bytes: Uint8Array, at: number): Point | undefined => {
  const key = bytes.subarray(at + 1, at + 34);
  return bytes[at] === 33 && key.length === 33 && (key[0] === 2 || key[0] === 3) ? (key as Point) : undefined;
};

/** A bare key, or m of n of them; every other script would need an interpreter. */
const quorumOf = (challenge: Script): Quorum | undefined => {
  const single = keyAt(challenge, 0);
  if (single !== undefined)
    return challenge.length === 35 && challenge[34] === op.checksig
      ? { needed: 1, keys: [single], dummy: false }
      : undefined;
  const needed = (challenge[0] ?? 0) - op[1] + 1;
  const count = (challenge.at(-2) ?? 0) - op[1] + 1;
  if (needed < 1 || count < needed || count > 16 || challenge.at(-1) !== op.checkmultisig) return undefined;
  if (challenge.length !== 3 + 34 * count) return undefined;
  const keys = Array.from({ length: count }, (_, i) => keyAt(challenge, 1 + 34 * i));
  return keys.every((key) => key !== undefined) ? { needed, keys, dummy: true } : undefined;
};

interface ScriptItem {
  readonly opcode: number;
  /** Empty where the opcode pushes nothing. */
  readonly data: Uint8Array;
}

/** As far as it can be read, as Bitcoin Core goes through it. */
const itemsOf = (bytes: Uint8Array): readonly ScriptItem[] => {
  const from = new Reader(bytes);
  const items: ScriptItem[] = [];
  try {
    while (from.left > 0) {
      const opcode = from.u8();
      const length =
        opcode < 0x4c
          ? opcode
          : opcode === 0x4c
            ? from.u8()
            : opcode === 0x4d
              ? from.u16()
              : opcode === 0x4e
                ? from.u32()
                : 0;
      items.push({ opcode, data: from.raw(length) });
    }
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
  }
  return items;
};

const pushOf = (data: Uint8Array): Uint8Array => {
  const { length } = data;
  if (length < 0x4c) return concat(Uint8Array.of(length), data);
  if (length <= 0xff) return concat(Uint8Array.of(0x4c, length), data);
  return length <= 0xffff
    ? concat(Uint8Array.of(0x4d, length, length >> 8), data)
    : concat(Uint8Array.of(0x4e, length, length >> 8, length >> 16, length >> 24), data);
};

const solutionHead = Uint8Array.of(0xec, 0xc7, 0xda, 0xa2);

/** The solution, and the commitment's script without it: what a signature is over can't hold the signature. */
const takeSolution = (commitment: Script): { solution: Uint8Array; left: Script } | undefined => {
  const items = itemsOf(commitment);
  const at = items.findIndex(({ data }) => data.length > 4 && equal(data.subarray(0, 4), solutionHead));
  const solution = items[at]?.data.subarray(4);
  if (solution === undefined) return undefined;
  const parts = items.map(({ opcode, data }, i) =>
    data.length === 0 ? Uint8Array.of(opcode) : pushOf(i === at ? solutionHead : data),
  );
  return { solution, left: script(concat(...parts)) };
};

export interface SignetBlock {
  readonly header: Header;
  readonly coinbase: Uint8Array;
  /** `branchOf(txids, 0)`. */
  readonly coinbaseSiblings: readonly Uint8Array[];
  readonly challenge: Script;
}

export type SignetVerdict =
  | { readonly is: "solved" }
  | { readonly is: "unsolved"; readonly why: string }
  | { readonly is: "unsupported challenge" };

const withoutSolution = (
  coinbase: Uint8Array,
): { readonly solution: Uint8Array; readonly id: Uint8Array } | undefined => {
  const range = rangeOfTx(coinbase);
  if (!isCoinbase(coinbase, range)) throw new Malformed("coinbase", "not a coinbase transaction");
  const outputs = outputsIn(coinbase, range);
  const at = commitmentIndex(outputs);
  const commitment = outputs[at];
  const taken = commitment === undefined ? undefined : takeSolution(commitment.script);
  if (taken === undefined) return undefined;
  const cleared = outputs.map((output, i) => (i === at ? { ...output, script: taken.left } : output));
  const to = new Writer(coinbase.length + 8);
  to.raw(coinbase.subarray(range.start, range.start + 4)).raw(coinbase.subarray(range.body, range.outputs));
  to.size(cleared.length);
  for (const output of cleared) to.output(output);
  to.raw(coinbase.subarray(range.end - 4, range.end));
  return { solution: taken.solution, id: doubleSha256(to.take()) };
};

const nowhere = { txid: txid(new Uint8Array(32)), index: 0xffff_ffff };

/** What the solution signs: the header but for its work, with the root as it is without the solution. */
const digestOf = (header: Header, root: Uint8Array, challenge: Script): Uint8Array => {
  const data = new Writer(72).u32(header.version).raw(header.previous).raw(root).u32(header.time).bytes;
  const spent: Tx = {
    version: 0,
    inputs: [{ outpoint: nowhere, sequence: 0, scriptSig: script(concat(Uint8Array.of(0), pushOf(data))) }],
    outputs: [{ value: sat(0n), script: challenge }],
    locktime: 0,
  };
  // Before BIP 143: the script that is run stands in the input, and the type behind it all.
  const spending: Tx = {
    version: 0,
    inputs: [{ outpoint: { txid: txidOf(spent), index: 0 }, sequence: 0, scriptSig: challenge }],
    outputs: [{ value: sat(0n), script: script(Uint8Array.of(op.return)) }],
    locktime: 0,
  };
  return doubleSha256(concat(encodeTx(spending), Uint8Array.of(sighash.all, 0, 0, 0)));
};

const order = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;

/** Blocks may have a high s, which our curves refuse; the other one is as good. */
const lowS = (given: Signature): Signature => {
  const s = BigInt(`0x${toHex(given.subarray(32))}`);
  if (s <= order / 2n || s >= order) return given;
  const other = fromHex((order - s).toString(16).padStart(64, "0"));
  return signature(concat(given.subarray(0, 32), other));
};

const signaturesOf = (solution: Uint8Array, { needed, dummy }: Quorum): readonly Signature[] => {
  const from = new Reader(solution);
  const items = itemsOf(from.sized());
  if (from.u8() !== 0) throw invalid("a witness for a challenge that takes none");
  from.end();
  if (items.some(({ opcode }) => opcode > 0x4e)) throw invalid("more than pushes");
  const pushes = items.map(({ data }) => data);
  if (pushes.length !== needed + (dummy ? 1 : 0)) throw invalid(`${pushes.length} items`);
  if (dummy && pushes[0]?.length !== 0) throw invalid("the item that nothing uses is not empty");
  return pushes.slice(dummy ? 1 : 0).map((item) => {
    if (item.at(-1) !== sighash.all) throw invalid("a signature of another type than ALL");
    return lowS(decodeDer(item.subarray(0, -1)));
  });
};

/** Each signature by another key, in the keys' order. */
const isSigned = (
  signatures: readonly Signature[],
  keys: readonly Point[],
  digest: Uint8Array,
  curve: Curve,
) => {
  let next = 0;
  for (const key of keys) {
    const signature = signatures[next];
    if (signature !== undefined && curve.verify({ digest, signature, key })) next++;
  }
  return next === signatures.length;
};

/** Malformed where the coinbase is not this block's; the genesis block has no solution and is not asked about. */
export const checkSignet = (
  { header, coinbase, coinbaseSiblings, challenge }: SignetBlock,
  curve: Curve,
): SignetVerdict => {
  const quorum = quorumOf(challenge);
  if (quorum === undefined) return { is: "unsupported challenge" };
  const cleared = withoutSolution(coinbase);
  const branch = { position: 0, siblings: coinbaseSiblings };
  if (!equal(rootOf(txidIn(coinbase, rangeOfTx(coinbase)), branch), header.merkleRoot))
    throw new Malformed("coinbase", "its branch leads to another root");
  if (cleared === undefined) return { is: "unsolved", why: "no solution in the coinbase" };
  try {
    const signatures = signaturesOf(cleared.solution, quorum);
    const digest = digestOf(header, rootOf(cleared.id, branch), challenge);
    return isSigned(signatures, quorum.keys, digest, curve)
      ? { is: "solved" }
      : { is: "unsolved", why: "not signed by the challenge's keys" };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { is: "unsolved", why: error.message };
  }
};
