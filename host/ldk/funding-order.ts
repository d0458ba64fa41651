/**
 * Where a channel is used before a block has it, LDK 0.1.2 says channel_ready as soon as it knows the funding transaction,
 * also while its funding_signed still waits for the signer. The peer knows no such channel then, and closes it (BOLT 2,
 * "The `funding_signed` Message"): what comes too early is held until that has gone.
 */

import {
  ChannelId,
  type FundingCreated,
  type MessageSendEvent,
  MessageSendEvent_SendChannelReady,
  MessageSendEvent_SendFundingSigned,
} from "lightningdevkit";
import { toHex } from "../../protocol/bytes.ts";

export interface FundingOrder {
  /** Of a peer that opens; the answer is funding_signed. */
  fundingCreated(node: Uint8Array, message: FundingCreated): void;
  /** Both sides begin anew with what the peer knows by then. */
  left(node: Uint8Array): void;
  /** What may leave now, of all that LDK wants to say. */
  ordered(events: readonly MessageSendEvent[]): MessageSendEvent[];
}

interface Owed {
  readonly node: string;
  ready: MessageSendEvent | undefined;
}

export const openFundingOrder = (): FundingOrder => {
  /** By channel: funding_signed has not gone yet. */
  const owed = new Map<string, Owed>();
  return {
    fundingCreated: (node, message) => {
      const channel = ChannelId.constructor_v1_from_funding_txid(
        message.get_funding_txid(),
        message.get_funding_output_index(),
      );
      owed.set(toHex(channel.get_a()), { node: toHex(node), ready: undefined });
    },
    left: (node) => {
      const gone = toHex(node);
      for (const [channel, { node: of }] of owed) if (of === gone) owed.delete(channel);
    },
    ordered: (events) =>
      events.flatMap((event) => {
        if (event instanceof MessageSendEvent_SendChannelReady) {
          const waiting = owed.get(toHex(event.msg.get_channel_id().get_a()));
          if (waiting === undefined) return [event];
          waiting.ready = event;
          return [];
        }
        if (event instanceof MessageSendEvent_SendFundingSigned) {
          const channel = toHex(event.msg.get_channel_id().get_a());
          const ready = owed.get(channel)?.ready;
          owed.delete(channel);
          return ready === undefined ? [event] : [event, ready];
        }
        return [event];
      }),
  };
};
