/** LDK's objects as plain ones, for whoever asks from another thread. */

import {
  type ChainMonitor,
  type ChannelDetails,
  type ChannelManager,
  ChannelShutdownState,
  Option_ChannelShutdownStateZ_Some,
  Option_u16Z_Some,
  Option_u32Z_Some,
  Option_u64Z_Some,
} from "lightningdevkit";
import { toHex } from "../../protocol/bytes.ts";
import type { Coins } from "./coins.ts";
import { outpointText } from "./events.ts";
import type { Sweeps } from "./sweep.ts";

export interface ChannelView {
  readonly channel: string;
  readonly node: string;
  readonly funding: string | undefined;
  readonly valueSat: bigint;
  readonly outboundMsat: bigint;
  readonly inboundMsat: bigint;
  readonly isOutbound: boolean;
  readonly isReady: boolean;
  readonly isUsable: boolean;
  readonly isAnnounced: boolean;
  readonly hasAnchors: boolean;
  readonly confirmations: number | undefined;
  readonly confirmationsNeeded: number | undefined;
  readonly toSelfDelay: number | undefined;
  readonly feerate: number | undefined;
  readonly shortChannelId: bigint | undefined;
  readonly htlcs: number;
  readonly shutdown: string | undefined;
}

export interface BalanceView {
  readonly wallet: { readonly confirmed: bigint; readonly immature: bigint; readonly taken: bigint };
  /** Ours on the commitments of open channels. */
  readonly channelsMsat: bigint;
  /** Of closed channels, not yet spendable. */
  readonly closingSat: bigint;
  /** Spendable, and on the way to the wallet. */
  readonly sweepingSat: bigint;
}

/** What the bindings give where there is nothing: a handle to nowhere. */
const there = <T extends object>(handle: T): T | undefined =>
  (handle as { readonly ptr?: unknown }).ptr === 0n ? undefined : handle;

export const channelView = (channel: ChannelDetails): ChannelView => {
  const funding = there(channel.get_funding_txo());
  const confirmations = channel.get_confirmations();
  const needed = channel.get_confirmations_required();
  const delay = channel.get_force_close_spend_delay();
  const feerate = channel.get_feerate_sat_per_1000_weight();
  const scid = channel.get_short_channel_id();
  const shutdown = channel.get_channel_shutdown_state();
  return {
    channel: toHex(channel.get_channel_id().get_a()),
    node: toHex(channel.get_counterparty().get_node_id()),
    funding: funding === undefined ? undefined : outpointText(funding),
    valueSat: channel.get_channel_value_satoshis(),
    outboundMsat: channel.get_outbound_capacity_msat(),
    inboundMsat: channel.get_inbound_capacity_msat(),
    isOutbound: Boolean(channel.get_is_outbound()),
    isReady: Boolean(channel.get_is_channel_ready()),
    isUsable: Boolean(channel.get_is_usable()),
    isAnnounced: Boolean(channel.get_is_announced()),
    hasAnchors: Boolean(there(channel.get_channel_type())?.supports_anchors_zero_fee_htlc_tx()),
    confirmations: confirmations instanceof Option_u32Z_Some ? confirmations.some : undefined,
    confirmationsNeeded: needed instanceof Option_u32Z_Some ? needed.some : undefined,
    toSelfDelay: delay instanceof Option_u16Z_Some ? delay.some : undefined,
    feerate: feerate instanceof Option_u32Z_Some ? feerate.some : undefined,
    shortChannelId: scid instanceof Option_u64Z_Some ? scid.some : undefined,
    htlcs: channel.get_pending_inbound_htlcs().length + channel.get_pending_outbound_htlcs().length,
    shutdown:
      shutdown instanceof Option_ChannelShutdownStateZ_Some
        ? ChannelShutdownState[shutdown.some]?.replace(/^.*_/, "")
        : undefined,
  };
};

export interface BalanceParts {
  readonly manager: ChannelManager;
  readonly monitors: ChainMonitor;
  readonly coins: Coins;
  readonly sweeps: Sweeps;
}

export const balanceView = ({ manager, monitors, coins, sweeps }: BalanceParts): BalanceView => {
  const channels = manager.list_channels();
  const closing = monitors.get_claimable_balances(channels);
  return {
    wallet: coins.balance(),
    channelsMsat: channels.reduce((sum, channel) => sum + channel.get_outbound_capacity_msat(), 0n),
    closingSat: closing.reduce((sum, one) => sum + one.claimable_amount_satoshis(), 0n),
    sweepingSat: sweeps.balance(),
  };
};
