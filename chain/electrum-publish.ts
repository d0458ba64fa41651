/** Transactions by way of an Electrum server: as a package where it takes one, else one by one, parents first. */

import { z } from "zod";
import { toHex } from "../protocol/bytes.ts";
import { hashOf, quoted, txidsOf, undecodable } from "./answers.ts";
import { mostTransaction } from "./electrum-block.ts";
import { ElectrumError, type ElectrumWire } from "./electrum-wire.ts";
import type { ChainSource, Published } from "./source.ts";

/** electrs: the node behind it says no. */
const daemonError = 2;
const noSuchMethod = -32601;

/** Bitcoin Core's words, which servers pass on. */
const alreadyThere =
  /already in (block chain|utxo set|mempool)|txn-already-(known|in-mempool)|error -27\b|"code":\s*-27\b/i;
const inputsGone = /missing.?inputs|inputs-missingorspent/i;

/** ElectrumX and Fulcrum; an index that passes on the node's error alone. */
const isVerdict = ({ code, message }: ElectrumError): boolean =>
  code === daemonError || /rejected by network rules|sendrawtransaction RPC error/i.test(message);

/** Without the sentence before it, and the transaction after it. */
const reasonIn = (message: string): string => {
  const [, words = message] = /rejected by network rules\.\s*([^\n]+)/i.exec(message) ?? [];
  return quoted(words);
};

const packaged = z.object({ success: z.boolean() });

export const publishing = (wire: ElectrumWire): ChainSource["publish"] => {
  /** In the pool or in a block: a server that can't say so may still take it. */
  const isThere = async (id: string): Promise<boolean> => {
    try {
      const method = "blockchain.transaction.get";
      await wire.ask({ method, params: [id, false], result: z.string(), most: mostTransaction });
      return true;
    } catch (error) {
      if (error instanceof ElectrumError) return false;
      throw error;
    }
  };

  const sendOne = async (bytes: Uint8Array, id: string): Promise<Published> => {
    try {
      const method = "blockchain.transaction.broadcast";
      hashOf(await wire.ask({ method, params: [toHex(bytes)], result: z.string() }));
      return { is: "accepted" };
    } catch (error) {
      if (!(error instanceof ElectrumError)) throw error;
      if (alreadyThere.test(error.message)) return { is: "known" };
      // It may have come into a block meanwhile, and its outputs have been spent.
      if (inputsGone.test(error.message) && (await isThere(id))) return { is: "known" };
      if (!isVerdict(error)) throw error;
      return { is: "refused", reason: reasonIn(error.message) };
    }
  };

  const sendEach = async (
    transactions: readonly Uint8Array[],
    ids: readonly string[],
  ): Promise<Published> => {
    let all: Published = { is: "known" };
    for (const [i, bytes] of transactions.entries()) {
      const one = await sendOne(bytes, ids[i] ?? "");
      if (one.is === "refused") return one;
      if (one.is === "accepted") all = one;
    }
    return all;
  };

  /** In protocol 1.6, and some servers before it. */
  const sendPackage = async (
    transactions: readonly Uint8Array[],
  ): Promise<"accepted" | "refused" | "unknown"> => {
    try {
      const method = "blockchain.transaction.broadcast_package";
      const { success } = await wire.ask({ method, params: [transactions.map(toHex)], result: packaged });
      return success ? "accepted" : "refused";
    } catch (error) {
      if (!(error instanceof ElectrumError)) throw error;
      return error.code === noSuchMethod ? "unknown" : "refused";
    }
  };

  return async (transactions) => {
    const ids = txidsOf(transactions);
    if (ids === undefined) return undecodable;
    const left = await Promise.all(ids.map(async (id) => !(await isThere(id))));
    const fresh = transactions.filter((_, i) => left[i]);
    const together = fresh.length > 1 ? await sendPackage(fresh) : undefined;
    if (together === "accepted") return { is: "accepted" };
    const each = await sendEach(
      fresh,
      ids.filter((_, i) => left[i]),
    );
    return each.is === "refused" && together === "unknown"
      ? { is: "refused", reason: `${each.reason} (the server takes no packages: each was sent alone)` }
      : each;
  };
};
