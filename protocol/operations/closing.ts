import { maybe } from "../codec.ts";
import { channel, outpoint, sat, script, signature, transaction } from "./fields.ts";
import { operation } from "./operation.ts";

export const closingOperations = {
  signClosing: operation(
    0x30,
    "Signs a mutual close; may be asked again for every round of the negotiation.",
    {
      channel,
      funding: outpoint,
      /** 0 where the output is omitted as dust. */
      toHolder: sat,
      holderScript: script,
      toCounterparty: sat,
      counterpartyScript: script,
      expected: maybe(transaction),
    },
    { signature },
  ),
};
