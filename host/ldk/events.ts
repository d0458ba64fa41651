/**
 * What LDK reports. The callback only takes it down: LDK's locks are held there. It is acted on in the same turn, so what
 * LDK forgets by telling us is on disk together with what we made of it; what waits for the signer becomes a job.
 */

import { randomInt } from "node:crypto";
import {
  type ChannelManager,
  type Event,
  Event_BumpTransaction,
  Event_ChannelClosed,
  Event_ChannelPending,
  Event_ChannelReady,
  Event_ConnectionNeeded,
  Event_DiscardFunding,
  Event_FundingGenerationReady,
  Event_FundingTxBroadcastSafe,
  Event_HTLCIntercepted,
  Event_InvoiceReceived,
  Event_OpenChannelRequest,
  Event_PaymentClaimable,
  Event_PaymentClaimed,
  Event_PaymentFailed,
  Event_PaymentForwarded,
  Event_PaymentSent,
  Event_PendingHTLCsForwardable,
  Event_SpendableOutputs,
  EventHandler,
  Option_PaymentFailureReasonZ_Some,
  Option_ThirtyTwoBytesZ_Some,
  Option_u32Z_Some,
  Option_u64Z_Some,
  type OutPoint,
  Result_NoneReplayEventZ,
  SocketAddress_TcpIpV4,
} from "lightningdevkit";
import { reversed, toHex } from "../../protocol/bytes.ts";
import type { Bumps } from "./bump.ts";
import { paymentFailure } from "./errors.ts";
import type { Fundings } from "./funding.ts";
import type { Ledger } from "./ledger.ts";
import type { Offers } from "./offers.ts";
import type { Opening } from "./opening.ts";
import type { Sweeps } from "./sweep.ts";
import type { Tell } from "./told.ts";
import type { Turns } from "./turn.ts";

export interface EventQueue {
  readonly handler: EventHandler;
  /** What was taken down since, in order. */
  drain(): readonly Event[];
}

export const openEventQueue = (fatal: (error: unknown) => void): EventQueue => {
  let queue: Event[] = [];
  return {
    handler: EventHandler.new_impl({
      handle_event: (event) => {
        try {
          queue.push(event.clone());
        } catch (error) {
          fatal(error);
        }
        return Result_NoneReplayEventZ.constructor_ok();
      },
    }),
    drain: () => {
      const events = queue;
      queue = [];
      return events;
    },
  };
};

export interface EventsParts {
  readonly manager: ChannelManager;
  readonly turns: Turns;
  readonly opening: Opening;
  readonly fundings: Fundings;
  readonly offers: Offers;
  readonly ledger: Ledger;
  readonly sweeps: Sweeps;
  readonly bumps: Bumps;
  readonly tell: Tell;
  /** A channel is. */
  readonly ready: () => void;
  /** Payments to us wait for their owner. */
  readonly holds: boolean;
  /** A peer that an onion message has to be brought to. */
  readonly reach: (node: string, host: string, port: number) => void;
  /** Of the commands that wait for an opening. */
  readonly pending: (channel: string) => void;
  readonly closed: (channel: string, reason: string) => void;
}

/** LDK asks for at least 100 ms so that payments can't be told apart by their time; less is faster, and less private. */
const [shortest, longest] = [20, 60];

export const outpointText = (outpoint: OutPoint): string =>
  `${toHex(reversed(outpoint.get_txid()))}:${outpoint.get_index()}`;

const claimable = (parts: EventsParts, event: Event_PaymentClaimable): void => {
  const { manager, turns, ledger, tell, holds } = parts;
  const { payment_hash, amount_msat: msat, claim_deadline: until } = event;
  const preimage = event.purpose.preimage();
  if (!(preimage instanceof Option_ThirtyTwoBytesZ_Some)) manager.fail_htlc_backwards(payment_hash);
  else if (!holds) manager.claim_funds(preimage.some);
  else {
    const hash = toHex(payment_hash);
    const deadline = until instanceof Option_u32Z_Some ? until.some : undefined;
    ledger.hold({ hash, msat, preimage: toHex(preimage.some) });
    turns.afterwards(() => tell({ is: "paymentHeld", hash, msat, deadline }));
  }
};

const claimed = ({ ledger }: EventsParts, event: Event_PaymentClaimed): void => {
  const preimage = event.purpose.preimage();
  ledger.received({
    hash: toHex(event.payment_hash),
    msat: event.amount_msat,
    ...(preimage instanceof Option_ThirtyTwoBytesZ_Some ? { preimage: toHex(preimage.some) } : {}),
  });
};

const sent = ({ ledger }: EventsParts, event: Event_PaymentSent): void => {
  const hash = toHex(event.payment_hash);
  const fee = event.fee_paid_msat;
  ledger.sent({
    id: event.payment_id instanceof Option_ThirtyTwoBytesZ_Some ? toHex(event.payment_id.some) : hash,
    hash,
    preimage: toHex(event.payment_preimage),
    feeMsat: fee instanceof Option_u64Z_Some ? fee.some : 0n,
  });
};

const failed = ({ ledger }: EventsParts, event: Event_PaymentFailed): void => {
  const { payment_hash: hash, reason } = event;
  ledger.failed({
    id: toHex(event.payment_id),
    ...(hash instanceof Option_ThirtyTwoBytesZ_Some ? { hash: toHex(hash.some) } : {}),
    reason: reason instanceof Option_PaymentFailureReasonZ_Some ? paymentFailure(reason.some) : "unknown",
  });
};

const channelClosed = ({ turns, tell, closed }: EventsParts, event: Event_ChannelClosed): void => {
  const channel = toHex(event.channel_id.get_a());
  const detail = event.reason.to_str();
  const reason = event.reason.constructor.name.replace(/^ClosureReason_/, "");
  const node = toHex(event.counterparty_node_id);
  turns.afterwards(() => {
    tell({ is: "channelClosed", channel, node, reason, detail });
    closed(channel, detail);
  });
};

const channelPending = ({ turns, tell, pending }: EventsParts, event: Event_ChannelPending): void => {
  const channel = toHex(event.channel_id.get_a());
  const node = toHex(event.counterparty_node_id);
  const funding = outpointText(event.funding_txo);
  turns.afterwards(() => {
    tell({ is: "channelPending", channel, node, funding });
    pending(channel);
  });
};

const forwardSoon = ({ manager, turns }: EventsParts): void => {
  turns.afterwards(() => {
    setTimeout(
      () => {
        turns.take(() => manager.process_pending_htlc_forwards()).catch(() => undefined);
      },
      randomInt(shortest, longest),
    );
  });
};

/** In a turn. What is not named here (probes, paths that failed or succeeded) needs nothing done. */
export const act = (parts: EventsParts, event: Event): void => {
  const { manager, turns, opening, fundings, offers, sweeps, bumps, tell, reach } = parts;
  if (event instanceof Event_FundingGenerationReady) opening.fund(event);
  else if (event instanceof Event_OpenChannelRequest) opening.answer(event);
  else if (event instanceof Event_FundingTxBroadcastSafe) fundings.safe(event.funding_txo.get_txid());
  else if (event instanceof Event_DiscardFunding) opening.discard(event);
  else if (event instanceof Event_ChannelPending) channelPending(parts, event);
  else if (event instanceof Event_ChannelReady) {
    const channel = toHex(event.channel_id.get_a());
    const node = toHex(event.counterparty_node_id);
    turns.afterwards(() => {
      tell({ is: "channelReady", channel, node });
      parts.ready();
    });
  } else if (event instanceof Event_ChannelClosed) channelClosed(parts, event);
  else if (event instanceof Event_PendingHTLCsForwardable) forwardSoon(parts);
  else if (event instanceof Event_PaymentClaimable) claimable(parts, event);
  else if (event instanceof Event_PaymentClaimed) claimed(parts, event);
  else if (event instanceof Event_PaymentSent) sent(parts, event);
  else if (event instanceof Event_PaymentFailed) failed(parts, event);
  else if (event instanceof Event_InvoiceReceived) offers.invoiceReceived(event);
  else if (event instanceof Event_HTLCIntercepted) manager.fail_intercepted_htlc(event.intercept_id);
  else if (event instanceof Event_BumpTransaction) bumps.handle(event.bump_transaction);
  else if (event instanceof Event_SpendableOutputs) {
    const outputs = event.outputs.length;
    sweeps.add(event.outputs);
    turns.afterwards(() => {
      tell({ is: "spendable", outputs });
      sweeps.kick();
    });
  } else if (event instanceof Event_PaymentForwarded) {
    const fee = event.total_fee_earned_msat;
    const onChain = event.claim_from_onchain_tx;
    const feeMsat = fee instanceof Option_u64Z_Some ? fee.some : 0n;
    turns.afterwards(() => tell({ is: "paymentForwarded", feeMsat, onChain }));
  } else if (event instanceof Event_ConnectionNeeded) {
    const node = toHex(event.node_id);
    const address = event.addresses.find((one) => one instanceof SocketAddress_TcpIpV4);
    if (address !== undefined) reach(node, address.addr.join("."), address.port);
  }
};
