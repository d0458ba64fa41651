/** broadcast, chainSource, chainFeed: the road's share. What reaches outside is not here: see `signer/chain/own.ts`. */

import { decodeTx, txidOf } from "../../../protocol/bitcoin/tx.ts";
import { unknown } from "../../../protocol/codec.ts";
import { within } from "../../../protocol/malformed.ts";
import type { Reply } from "../../../protocol/operations/index.ts";
import type { Txid } from "../../../protocol/units.ts";
import type { Settings, Step } from "../step.ts";

export const withoutSource = "this signer has no chain source of its own: see [chain] in its configuration";

const txidIn = (bytes: Uint8Array, at: number): Txid =>
  within(`transactions[${at}]`, () => txidOf(decodeTx(bytes).tx));

export const broadcast: Step<"broadcast", undefined> = {
  prepare: () => undefined,
  decide: ({ body: { transactions } }) => {
    const txids = transactions.map(txidIn);
    return {
      is: "kept",
      change: {},
      detail: `${transactions.length} transactions`,
      reply: () => ({
        results: txids.map((txid) => ({ txid, is: "refused" as const, reason: withoutSource })),
      }),
    };
  },
};

const modeOf = (chain: Settings["chain"]): Reply<"chainSource">["mode"] => {
  if (chain === undefined) return "none";
  if (chain.own === true) return "own";
  return chain.inPart === true ? "proofs" : "host";
};

export const chainSource: Step<"chainSource", undefined> = {
  prepare: () => undefined,
  decide: ({ settings: { chain } }) => ({
    is: "told",
    reply: () => ({ mode: modeOf(chain), name: "", trouble: "", height: unknown, unconfirmed: 0 }),
  }),
};

export const chainFeed: Step<"chainFeed", undefined> = {
  prepare: () => undefined,
  decide: ({ settings: { chain } }) => ({
    is: "told",
    reply: () => ({
      wanted: chain !== undefined && chain.own !== true,
      whole: chain !== undefined && chain.inPart !== true,
    }),
  }),
};
