/** What the node's owner chooses, and what LDK is configured with because of it. */

import { Network, UserConfig } from "lightningdevkit";
import type { Network as ChainName } from "../../protocol/operations/fields.ts";

export interface NodeConfig {
  /** Anchors with zero-fee HTLC transactions, where the peer has them too (BOLT 9, option_anchors). Default: on. */
  readonly anchors?: boolean;
  /** Channels are announced, and the node with them. Default: off. */
  readonly announced?: boolean;
  /** What the announcement says: at most 32 bytes. */
  readonly alias?: string;
  /** Where others reach the node, if that is not where it listens. */
  readonly externalAddress?: { readonly host: string; readonly port: number };
  /** Peers whose openings are good before a block has them. */
  readonly zeroConfPeers?: readonly string[];
  /** Confirmations that a peer's opening needs. Default: LDK's 6; at least 1. */
  readonly minimumDepth?: number;
  /** Blocks that a peer has to wait for its own outputs. Default: 144. */
  readonly toSelfDelay?: number;
  /** Payments may go through this node between its unannounced channels. Default: off. */
  readonly forwardsPrivately?: boolean;
  /** Satoshi that stay in the wallet to pay for closes with anchors. Default: 25000, without anchors 0. */
  readonly reserve?: bigint;
  /** Payments to us wait for `claim` or `reject`, until their deadline. Default: off, they are claimed at once. */
  readonly holdsPayments?: boolean;
  /** Whether a peer may open a channel to us. Default: yes. */
  readonly acceptsChannels?: boolean;
}

export const ldkNetwork: Readonly<Record<ChainName, Network>> = {
  bitcoin: Network.LDKNetwork_Bitcoin,
  testnet: Network.LDKNetwork_Testnet,
  signet: Network.LDKNetwork_Signet,
  regtest: Network.LDKNetwork_Regtest,
};

/** Getters of the bindings return copies, so each part is set back. */
export const userConfig = (config: NodeConfig, announced = config.announced ?? false): UserConfig => {
  const user = UserConfig.constructor_default();
  const handshake = user.get_channel_handshake_config();
  handshake.set_negotiate_anchors_zero_fee_htlc_tx(config.anchors ?? true);
  handshake.set_announce_for_forwarding(announced);
  handshake.set_negotiate_scid_privacy(false);
  handshake.set_minimum_depth(Math.max(1, config.minimumDepth ?? 6));
  handshake.set_our_to_self_delay(config.toSelfDelay ?? 144);
  handshake.set_max_inbound_htlc_value_in_flight_percent_of_channel(100);
  user.set_channel_handshake_config(handshake);
  const limits = user.get_channel_handshake_limits();
  limits.set_force_announced_channel_preference(false);
  limits.set_their_to_self_delay(2016);
  user.set_channel_handshake_limits(limits);
  user.set_accept_forwards_to_priv_channels(config.forwardsPrivately ?? false);
  // So that whom we trust is asked before each opening, and a BOLT 12 invoice is shown to the signer before it is paid.
  user.set_manually_accept_inbound_channels(true);
  user.set_manually_handle_bolt12_invoices(true);
  user.set_accept_inbound_channels(true);
  return user;
};
