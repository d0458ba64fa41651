import { maybe, u32 } from "../codec.ts";
import { channel, msat, outpoint, sat, script, side, signature, transaction } from "./fields.ts";
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
  signSimpleClosing: operation(
    0x32,
    "Signs those forms of a simple close (BOLT 2, `closing_complete` and `closing_sig`) that our balance allows.",
    {
      channel,
      funding: outpoint,
      /** Proposes, and pays the fee. */
      closer: side,
      /** All that each side has, before the fee. */
      holder: msat,
      holderScript: script,
      counterparty: msat,
      counterpartyScript: script,
      fee: sat,
      locktime: u32("locktime", (n) => n),
    },
    {
      /** Under the names of `closing_tlvs`. */
      closerOutputOnly: maybe(signature),
      closeeOutputOnly: maybe(signature),
      closerAndCloseeOutputs: maybe(signature),
    },
  ),
};
