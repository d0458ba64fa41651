/** What a host shows of a block, and what of it is proven. */

import { scanBlock, type WatchedTx } from "../../../protocol/bitcoin/block.ts";
import { headerLength } from "../../../protocol/bitcoin/header.ts";
import { type Branch, branchOf } from "../../../protocol/bitcoin/merkle.ts";
import { provePresence } from "../../../protocol/bitcoin/proof.ts";
import { Reader } from "../../../protocol/bitcoin/reader.ts";
import { outputsIn, rangeOfTx, txidIn } from "../../../protocol/bitcoin/tx-range.ts";
import { type Watches, watchTable } from "../../../protocol/bitcoin/watch.ts";
import { Malformed } from "../../../protocol/malformed.ts";
import type { Height } from "../../../protocol/units.ts";
import type { Coverage } from "./view.ts";

export interface ProvenTx {
  readonly tx: Uint8Array;
  readonly branch: Branch;
}

export interface TxProof {
  readonly header: Uint8Array;
  /** It alone shows how deep the tree is. */
  readonly coinbase: Uint8Array;
  readonly coinbaseSiblings: readonly Uint8Array[];
  /** In the block's order. */
  readonly txs: readonly ProvenTx[];
}

/** All are bytes as bitcoind has them. Only a whole block shows that something is not in it. */
export type Evidence =
  | { readonly is: "block"; readonly block: Uint8Array }
  /** The weaker mode. On a signet even a header needs this form, without any transactions. */
  | ({ readonly is: "proof" } & TxProof)
  | { readonly is: "header"; readonly header: Uint8Array };

/** A block that is on the chain now, with the transactions that somebody waits for. */
export interface SeenBlock {
  readonly height: Height;
  readonly hash: Uint8Array;
  readonly coverage: Coverage;
  readonly found: readonly WatchedTx[];
}

export interface Shown {
  readonly coverage: Coverage;
  readonly found: readonly WatchedTx[];
  /** With the branch that proves it; a header alone has none. */
  readonly coinbase: { readonly raw: Uint8Array; readonly siblings: readonly Uint8Array[] } | undefined;
}

/** What a header's own rules are held against, before anything else of the block is read. */
export const headerIn = (evidence: Evidence): Uint8Array => {
  if (evidence.is !== "block") return evidence.header;
  if (evidence.block.length < headerLength) throw new Malformed("", "a block shorter than its header");
  return evidence.block.subarray(0, headerLength);
};

const watchedAmong = (txs: readonly ProvenTx[], watches: Watches): readonly WatchedTx[] => {
  const table = watchTable(watches);
  const found: WatchedTx[] = [];
  for (const { tx, branch } of txs) {
    const raw = tx.slice();
    const range = rangeOfTx(raw);
    const txid = txidIn(raw, range);
    const from = new Reader(raw, range.body);
    const spends = Array.from({ length: from.size() }, (_, input) => {
      const outpoint = table.spentAt(raw, from.at);
      from.skip(36);
      from.skip(from.size() + 4);
      return outpoint === undefined ? [] : [{ outpoint, input }];
    }).flat();
    const creations = outputsIn(raw, range).flatMap((output, index) => {
      const isKnown = table.hasOutpoint(txid, index);
      const isWatched = isKnown || table.hasScript(output.script);
      // What a watched output is spent into may be spent again in the same block.
      if (!isKnown && (isWatched || spends.length > 0)) table.add({ txid, index });
      return isWatched ? [{ outpoint: { txid, index }, output }] : [];
    });
    if (spends.length > 0 || creations.length > 0)
      found.push({ txid, position: branch.position, raw, spends, creations });
  }
  return found;
};

const proven = ({ coinbase, coinbaseSiblings, txs }: TxProof, merkleRoot: Uint8Array): void => {
  const first = { tx: coinbase, branch: { position: 0, siblings: coinbaseSiblings } };
  // Without transactions the coinbase still must be this block's.
  for (const [i, { tx, branch }] of (txs.length === 0 ? [first] : txs).entries()) {
    const before = txs[i - 1]?.branch.position ?? -1;
    if (branch.position <= before) throw new Malformed(`txs[${i}]`, "not in the block's order");
    try {
      provePresence({ merkleRoot, tx, branch, coinbase, coinbaseSiblings });
    } catch (error) {
      throw error instanceof Malformed && error.path.startsWith("tx") ? error.within(`txs[${i}]`) : error;
    }
  }
};

/** Malformed where it proves nothing about the header with that root. */
export const examine = (evidence: Evidence, merkleRoot: Uint8Array, watches: Watches): Shown => {
  switch (evidence.is) {
    case "block": {
      const { txids, coinbase, found } = scanBlock(evidence.block, watches);
      return { coverage: "whole", found, coinbase: { raw: coinbase, siblings: branchOf(txids, 0) } };
    }
    case "proof":
      proven(evidence, merkleRoot);
      return {
        coverage: "part",
        found: watchedAmong(evidence.txs, watches),
        coinbase: { raw: evidence.coinbase, siblings: evidence.coinbaseSiblings },
      };
    case "header":
      return { coverage: "part", found: [], coinbase: undefined };
  }
};
