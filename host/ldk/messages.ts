/**
 * LDK's own handler of channel messages with an ear at it: openings go past whoever holds the keys, and the coming and going
 * of peers past the engine. Nothing is changed on the way but what may not be passed on (own-hash.ts), or not yet (funding-order.ts).
 */

import {
  type ChannelManager,
  ChannelMessageHandler,
  type ChannelMessageHandlerInterface,
  MessageSendEvent_SendAcceptChannel,
  MessageSendEvent_SendOpenChannel,
  MessageSendEvent_SendOpenChannelV2,
  type MessageSendEventsProviderInterface,
  Result_NoneNoneZ,
  type UpdateAddHTLC,
} from "lightningdevkit";
import { openFundingOrder } from "./funding-order.ts";
import type { Observed } from "./keys/keys.ts";

export interface Listening {
  readonly manager: ChannelManager;
  readonly observe: Pick<Observed, "openChannel" | "acceptChannel">;
  /** What LDK is given of an HTLC that a peer adds. */
  readonly added: (message: UpdateAddHTLC) => UpdateAddHTLC;
  readonly peerConnected: (node: Uint8Array) => void;
  readonly peerDisconnected: (node: Uint8Array) => void;
  /** After LDK has had the peer's message. */
  readonly reestablished: (node: Uint8Array, channel: Uint8Array) => void;
  /** What throws in a callback of LDK leaves its locks held: the worker ends. */
  readonly fatal: (error: unknown) => void;
}

export const listeningHandler = ({
  manager,
  observe,
  added,
  peerConnected,
  peerDisconnected,
  reestablished,
  fatal,
}: Listening): ChannelMessageHandler => {
  const order = openFundingOrder();
  // Each of these handles keeps what passes through it, so none is kept itself.
  const inner = () => manager.as_ChannelMessageHandler();
  const guarded = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      fatal(error);
    }
  };
  const heard = <T>(action: () => T, otherwise: () => T): T => {
    try {
      return action();
    } catch (error) {
      fatal(error);
      return otherwise();
    }
  };
  const handler: ChannelMessageHandlerInterface = {
    handle_open_channel: (peer, msg) =>
      guarded(() => {
        observe.openChannel("peer", peer, msg);
        inner().handle_open_channel(peer, msg);
      }),
    handle_open_channel_v2: (peer, msg) =>
      guarded(() => {
        observe.openChannel("peer", peer, msg);
        inner().handle_open_channel_v2(peer, msg);
      }),
    handle_accept_channel: (peer, msg) =>
      guarded(() => {
        observe.acceptChannel("peer", peer, msg);
        inner().handle_accept_channel(peer, msg);
      }),
    handle_accept_channel_v2: (peer, msg) => guarded(() => inner().handle_accept_channel_v2(peer, msg)),
    handle_funding_created: (peer, msg) =>
      guarded(() => {
        order.fundingCreated(peer, msg);
        inner().handle_funding_created(peer, msg);
      }),
    handle_funding_signed: (peer, msg) => guarded(() => inner().handle_funding_signed(peer, msg)),
    handle_channel_ready: (peer, msg) => guarded(() => inner().handle_channel_ready(peer, msg)),
    handle_shutdown: (peer, msg) => guarded(() => inner().handle_shutdown(peer, msg)),
    handle_closing_signed: (peer, msg) => guarded(() => inner().handle_closing_signed(peer, msg)),
    handle_stfu: (peer, msg) => guarded(() => inner().handle_stfu(peer, msg)),
    handle_tx_add_input: (peer, msg) => guarded(() => inner().handle_tx_add_input(peer, msg)),
    handle_tx_add_output: (peer, msg) => guarded(() => inner().handle_tx_add_output(peer, msg)),
    handle_tx_remove_input: (peer, msg) => guarded(() => inner().handle_tx_remove_input(peer, msg)),
    handle_tx_remove_output: (peer, msg) => guarded(() => inner().handle_tx_remove_output(peer, msg)),
    handle_tx_complete: (peer, msg) => guarded(() => inner().handle_tx_complete(peer, msg)),
    handle_tx_signatures: (peer, msg) => guarded(() => inner().handle_tx_signatures(peer, msg)),
    handle_tx_init_rbf: (peer, msg) => guarded(() => inner().handle_tx_init_rbf(peer, msg)),
    handle_tx_ack_rbf: (peer, msg) => guarded(() => inner().handle_tx_ack_rbf(peer, msg)),
    handle_tx_abort: (peer, msg) => guarded(() => inner().handle_tx_abort(peer, msg)),
    handle_update_add_htlc: (peer, msg) => guarded(() => inner().handle_update_add_htlc(peer, added(msg))),
    handle_update_fulfill_htlc: (peer, msg) => guarded(() => inner().handle_update_fulfill_htlc(peer, msg)),
    handle_update_fail_htlc: (peer, msg) => guarded(() => inner().handle_update_fail_htlc(peer, msg)),
    handle_update_fail_malformed_htlc: (peer, msg) =>
      guarded(() => inner().handle_update_fail_malformed_htlc(peer, msg)),
    handle_commitment_signed: (peer, msg) => guarded(() => inner().handle_commitment_signed(peer, msg)),
    handle_revoke_and_ack: (peer, msg) => guarded(() => inner().handle_revoke_and_ack(peer, msg)),
    handle_update_fee: (peer, msg) => guarded(() => inner().handle_update_fee(peer, msg)),
    handle_announcement_signatures: (peer, msg) =>
      guarded(() => inner().handle_announcement_signatures(peer, msg)),
    peer_disconnected: (peer) =>
      guarded(() => {
        inner().peer_disconnected(peer);
        order.left(peer);
        peerDisconnected(peer);
      }),
    peer_connected: (peer, msg, inbound) =>
      heard(
        () => {
          const result = inner().peer_connected(peer, msg, inbound);
          if (result.is_ok()) peerConnected(peer);
          return result;
        },
        () => Result_NoneNoneZ.constructor_err(),
      ),
    handle_channel_reestablish: (peer, msg) =>
      guarded(() => {
        const channel = msg.get_channel_id().get_a();
        inner().handle_channel_reestablish(peer, msg);
        reestablished(peer, channel);
      }),
    handle_channel_update: (peer, msg) => guarded(() => inner().handle_channel_update(peer, msg)),
    handle_error: (peer, msg) => guarded(() => inner().handle_error(peer, msg)),
    provided_node_features: () => inner().provided_node_features(),
    provided_init_features: (peer) => inner().provided_init_features(peer),
    get_chain_hashes: () => inner().get_chain_hashes(),
    message_received: () => guarded(() => inner().message_received()),
  };
  const leaving: MessageSendEventsProviderInterface = {
    get_and_clear_pending_msg_events: () =>
      heard(
        () => {
          const events = manager.as_MessageSendEventsProvider().get_and_clear_pending_msg_events();
          for (const event of events)
            if (event instanceof MessageSendEvent_SendOpenChannel)
              observe.openChannel("us", event.node_id, event.msg);
            else if (event instanceof MessageSendEvent_SendOpenChannelV2)
              observe.openChannel("us", event.node_id, event.msg);
            else if (event instanceof MessageSendEvent_SendAcceptChannel)
              observe.acceptChannel("us", event.node_id, event.msg);
          return order.ordered(events);
        },
        () => [],
      ),
  };
  return ChannelMessageHandler.new_impl(handler, leaving);
};
