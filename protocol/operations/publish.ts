/** What a person asks of a signer that has a chain source of its own. Nothing here signs. */

import { choice, list, maybe, message, text, u32 } from "../codec.ts";
import { height, transaction, txid } from "./fields.ts";
import { adminOperation } from "./operation.ts";

/** At once; an exit with more is published a part at a time. */
export const maxBroadcast = 32;

const broadcasted = message("BroadcastTransaction", {
  txid,
  /** `known`: in the source's pool, or in a block, before. */
  is: choice("BroadcastResult", ["accepted", "known", "refused"]),
  reason: text("why it was refused, in the source's words", 256),
});

export const publishOperations = {
  broadcast: adminOperation(
    0x88,
    "Publishes finished transactions through the signer's own chain source, parents first, and again with each block until they confirm.",
    { transactions: list(transaction, maxBroadcast) },
    { results: list(broadcasted, maxBroadcast) },
  ),
  chainSource: adminOperation(
    0x89,
    "Says where blocks come from, and how it goes with a source of the signer's own.",
    {},
    {
      mode: choice("ChainMode", ["none", "proofs", "host", "own"]),
      /** These are of a source of the signer's own. */
      name: text("what it is, for people; empty where there is none", 128),
      trouble: text("why it is of no use now; empty while it is", 256),
      height: maybe(height),
      unconfirmed: u32("transactions that are published until they confirm", (n) => n),
    },
  ),
};
