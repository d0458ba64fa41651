/** From the handshake of a channel (BOLT 2, "Channel Establishment v1") to the terms that the signer is told. */

import type * as ldk from "lightningdevkit";
import { Option_CVec_u8ZZ_Some } from "lightningdevkit";
import type { Basepoints } from "../../../protocol/bolt/channel.ts";
import { toHex } from "../../../protocol/bytes.ts";
import type { Limits, Terms } from "../../../protocol/operations/fields.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import {
  delay,
  msat,
  type NodeId,
  type Outpoint,
  point,
  sat,
  script,
  txid,
} from "../../../protocol/units.ts";
import type { RemoteChannel } from "./remote-channels.ts";

/** What both messages say alike. */
interface Said {
  readonly funding: Uint8Array;
  readonly limits: Limits;
}

interface Handshake {
  readonly peer: NodeId;
  readonly weOpen: boolean;
  readonly value: bigint;
  readonly push: bigint;
  readonly open: Said;
  accept?: Said;
}

export interface Handshakes {
  openChannel(from: "us" | "peer", peer: Uint8Array, msg: ldk.OpenChannel | ldk.OpenChannelV2): void;
  acceptChannel(from: "us" | "peer", peer: Uint8Array, msg: ldk.AcceptChannel): void;
  /** Undefined where the messages of this channel were not seen. */
  setupOf(
    node: NodeId,
    channel: RemoteChannel,
    parameters: ldk.ChannelTransactionParameters,
  ): Request<"setup"> | undefined;
}

/** Peers can begin as many as they like; LDK itself keeps no more of one peer. */
const most = 1_000;

const saidIn = (
  fields: ldk.CommonOpenChannelFields | ldk.CommonAcceptChannelFields,
  reserve: bigint,
): Said => {
  const upfront = fields.get_shutdown_scriptpubkey();
  return {
    funding: fields.get_funding_pubkey(),
    limits: {
      toSelfDelay: delay(fields.get_to_self_delay()),
      dustLimit: sat(fields.get_dust_limit_satoshis()),
      reserve: sat(reserve),
      maxAcceptedHtlcs: fields.get_max_accepted_htlcs(),
      maxInFlight: msat(cappedTo(fields.get_max_htlc_value_in_flight_msat())),
      upfrontScript: script(upfront instanceof Option_CVec_u8ZZ_Some ? upfront.some : new Uint8Array(0)),
    },
  };
};

/** Some nodes say "no limit" by the largest number there is. */
const allBitcoin = 2_100_000_000_000_000_000n;
const cappedTo = (value: bigint): bigint => (value > allBitcoin ? allBitcoin : value);

export const basepointsOf = (keys: ldk.ChannelPublicKeys): Basepoints => ({
  funding: point(keys.get_funding_pubkey()),
  revocation: point(keys.get_revocation_basepoint().to_public_key()),
  payment: point(keys.get_payment_point()),
  delayed: point(keys.get_delayed_payment_basepoint().to_public_key()),
  htlc: point(keys.get_htlc_basepoint().to_public_key()),
});

export const outpointOf = (outpoint: ldk.OutPoint): Outpoint => ({
  txid: txid(outpoint.get_txid()),
  index: outpoint.get_index(),
});

export const openHandshakes = (): Handshakes => {
  const begun = new Map<string, Handshake>();
  const nameOf = (from: "us" | "peer", peer: Uint8Array, id: ldk.ChannelId): string =>
    `${from} ${toHex(peer)} ${toHex(id.write())}`;

  const find = (funding: Uint8Array): Handshake | undefined => {
    const wanted = toHex(funding);
    for (const one of begun.values()) {
      const ours = one.weOpen ? one.open : one.accept;
      if (ours !== undefined && toHex(ours.funding) === wanted) return one;
    }
    return undefined;
  };

  return {
    openChannel: (from, peer, msg) => {
      if (!("get_push_msat" in msg)) return;
      const fields = msg.get_common_fields();
      begun.set(nameOf(from, peer, fields.get_temporary_channel_id()), {
        peer: point(Uint8Array.from(peer)),
        weOpen: from === "us",
        value: fields.get_funding_satoshis(),
        push: msg.get_push_msat(),
        open: saidIn(fields, msg.get_channel_reserve_satoshis()),
      });
      for (const oldest of begun.keys()) {
        if (begun.size <= most) break;
        begun.delete(oldest);
      }
    },
    acceptChannel: (from, peer, msg) => {
      const fields = msg.get_common_fields();
      const opener = from === "us" ? "peer" : "us";
      const handshake = begun.get(nameOf(opener, peer, fields.get_temporary_channel_id()));
      if (handshake !== undefined) handshake.accept = saidIn(fields, msg.get_channel_reserve_satoshis());
    },
    setupOf: (node, channel, parameters) => {
      const handshake = find(channel.basepoints.funding);
      if (handshake?.accept === undefined) return undefined;
      const { peer, weOpen, value, push, open, accept } = handshake;
      const anchors = parameters.get_channel_type_features().supports_anchors_zero_fee_htlc_tx();
      const terms: Terms = {
        type: anchors ? "anchors" : "static_remotekey",
        opener: weOpen ? "holder" : "counterparty",
        value: sat(value),
        push: msat(push),
        contribution: sat(weOpen ? value : 0n),
        holder: (weOpen ? open : accept).limits,
        counterparty: (weOpen ? accept : open).limits,
      };
      return {
        node,
        channel: channel.id,
        peer,
        terms,
        counterparty: basepointsOf(parameters.get_counterparty_parameters().get_pubkeys()),
        funding: outpointOf(parameters.get_funding_outpoint()),
      };
    },
  };
};
