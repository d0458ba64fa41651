import { channel, outpoint, sat } from "./fields.ts";
import { operation } from "./operation.ts";

export const spliceOperations = {
  signSplice: operation(
    0x31,
    "Would sign into a new funding of a channel; refused by name until splicing is there.",
    {
      channel,
      /** Of the channel once the splice confirms. */
      funding: outpoint,
      value: sat,
      /** Ours before and after, what our inputs bring, and what of it leaves: outputs to others, and our share of the fee. */
      before: sat,
      added: sat,
      leaving: sat,
      fee: sat,
      after: sat,
    },
    {},
  ),
};
