/**
 * Which channels LDK may go on with when the signer has answered. LDK 0.1.2 says at once what the answer allows, also on a
 * channel whose peer has just come back and still waits for channel_reestablish: the peer closes it then (BOLT 2, "Message
 * Retransmission"). So such a channel is not asked; what it has to say LDK says again when it is reestablished.
 */

import {
  type ChannelDetails,
  type ChannelManager,
  Option_C2Tuple_PublicKeyChannelIdZZ,
  TwoTuple_PublicKeyChannelIdZ,
} from "lightningdevkit";
import { toHex } from "../../protocol/bytes.ts";

export interface Reestablishing {
  /** The peer is gone: all its channels wait for the next channel_reestablish. */
  left(node: Uint8Array): void;
  /** LDK has had the peer's message. */
  reestablished(node: Uint8Array, channel: Uint8Array): void;
  /** In a turn: the others go on. */
  unblock(): void;
}

type Manager = Pick<ChannelManager, "list_channels" | "list_channels_with_counterparty" | "signer_unblocked">;

/** Before there is a funding transaction there is nothing to reestablish; the bindings give a handle to nowhere. */
const isFunded = (channel: ChannelDetails): boolean => {
  const handle: object = channel.get_funding_txo();
  return (handle as { readonly ptr?: unknown }).ptr !== 0n;
};
const idOf = (channel: ChannelDetails): string => toHex(channel.get_channel_id().get_a());

/** At the start no peer is here, so all channels wait. */
export const openReestablishing = (manager: Manager): Reestablishing => {
  /** With the peer's id: nobody else brings a channel back. */
  const waiting = new Map<string, string>();

  const wait = (channels: readonly ChannelDetails[]): void => {
    for (const channel of channels)
      if (isFunded(channel)) waiting.set(idOf(channel), toHex(channel.get_counterparty().get_node_id()));
  };
  wait(manager.list_channels());

  return {
    left: (node) => wait(manager.list_channels_with_counterparty(node)),
    reestablished: (node, channel) => {
      const id = toHex(channel);
      if (waiting.get(id) === toHex(node)) waiting.delete(id);
    },
    unblock: () => {
      if (waiting.size === 0) {
        manager.signer_unblocked(Option_C2Tuple_PublicKeyChannelIdZZ.constructor_none());
        return;
      }
      const channels = manager.list_channels();
      const open = new Set(channels.map(idOf));
      for (const id of waiting.keys()) if (!open.has(id)) waiting.delete(id);
      for (const channel of channels)
        if (!waiting.has(idOf(channel)))
          manager.signer_unblocked(
            Option_C2Tuple_PublicKeyChannelIdZZ.constructor_some(
              TwoTuple_PublicKeyChannelIdZ.constructor_new(
                channel.get_counterparty().get_node_id(),
                channel.get_channel_id(),
              ),
            ),
          );
    },
  };
};
