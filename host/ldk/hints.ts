/** How a payer finds us through channels that nobody announced (BOLT 11, `r`). */

import { type ChannelDetails, Option_u64Z_Some } from "lightningdevkit";
import type { RouteHop } from "../../protocol/bolt/invoice/fields.ts";
import { point } from "../../protocol/units.ts";

const most = 3;

/** A handle whose getter found nothing. */
const isNothing = (handle: unknown): boolean =>
  handle === null || handle === undefined || (handle as { readonly ptr?: unknown }).ptr === 0n;

export const hintsOf = (channels: readonly ChannelDetails[]): readonly RouteHop[] =>
  channels
    .filter((channel) => channel.get_is_usable() && !channel.get_is_announced())
    .sort((a, b) => Number(b.get_inbound_capacity_msat() - a.get_inbound_capacity_msat()))
    .flatMap((channel): readonly RouteHop[] => {
      const peer = channel.get_counterparty();
      const scid = channel.get_inbound_payment_scid();
      const terms = peer.get_forwarding_info();
      if (!(scid instanceof Option_u64Z_Some)) return [];
      // Before the peer's channel_update came, the payer who is that peer needs no terms.
      const known = !isNothing(terms);
      return [
        {
          node: point(peer.get_node_id()),
          shortChannelId: scid.some,
          feeBase: known ? terms.get_fee_base_msat() : 0,
          feeMillionths: known ? terms.get_fee_proportional_millionths() : 0,
          expiryDelta: known ? terms.get_cltv_expiry_delta() : 72,
        },
      ];
    })
    .slice(0, most);
