/** Channels as they begin: ours are funded from the wallet, a peer's are let in or not. */

import {
  ChannelId,
  type ChannelManager,
  type Event_DiscardFunding,
  type Event_FundingGenerationReady,
  type Event_OpenChannelRequest,
  FundingInfo_OutPoint,
  FundingInfo_Tx,
  OutPoint,
} from "lightningdevkit";
import { rangeOfTx, txidIn } from "../../protocol/bitcoin/tx-range.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { Outpoint } from "../../protocol/units.ts";
import { type Coins, outputWeight } from "./coins.ts";
import type { NodeConfig } from "./config.ts";
import { failureOf } from "./errors.ts";
import type { Fees } from "./fees.ts";
import type { Fundings } from "./funding.ts";
import type { Jobs } from "./jobs.ts";
import type { Keys } from "./keys/keys.ts";
import { NotDone, type Turns } from "./turn.ts";

export interface Opening {
  fund(event: Event_FundingGenerationReady): void;
  answer(event: Event_OpenChannelRequest): void;
  discard(event: Event_DiscardFunding): void;
  /** In a turn. The signer will never sign for it: the peer is told, and the command that waits. */
  refused(funding: Outpoint, reason: string): void;
  /** In a turn, at the start: LDK forgets openings that the peer had not signed for. */
  begin(): void;
}

export interface OpeningParts {
  readonly manager: ChannelManager;
  readonly turns: Turns;
  readonly jobs: Jobs;
  readonly coins: Coins;
  readonly fundings: Fundings;
  readonly keys: Pick<Keys, "prepare" | "observe">;
  readonly fees: Fees;
  readonly config: NodeConfig;
  /** The owner's command that waits for it, if this process has it. */
  readonly failed: (channel: string, reason: string) => void;
  /** It has its funding transaction, and its id from that. */
  readonly renamed: (temporary: string, channel: string) => void;
}

/** Never anything else: the bindings write 128 bits in one order and read them in the other. */
export const noUserId = 0n;

/** What must stay in the wallet so that anchor channels can be closed at any feerate. */
export const reserveOf = ({ anchors = true, reserve }: NodeConfig): bigint =>
  reserve ?? (anchors ? 25_000n : 0n);

const takenBy = (txid: Uint8Array): string => `funding ${toHex(txid)}`;

export const openOpening = (parts: OpeningParts): Opening => {
  const { manager, turns, jobs, coins, fundings, keys, fees, config, failed, renamed } = parts;
  const trusted = new Set(config.zeroConfPeers ?? []);

  const fund = async (event: Event_FundingGenerationReady): Promise<void> => {
    const output = { script: Uint8Array.from(event.output_script), value: event.channel_value_satoshis };
    const changeScript = await coins.address();
    const { coins: chosen, change } = coins.choose({
      value: output.value,
      weight: 4 * 10 + 2 + outputWeight(output.script),
      feerate: fees.feerate("normal"),
      changeScript,
      reserve: reserveOf(config),
    });
    try {
      await turns.take(() => {
        const paid = change > 0n ? [{ script: changeScript, value: change }] : [];
        const txid = fundings.draft(chosen, [output, ...paid]);
        coins.take(chosen, takenBy(txid));
        const funding = OutPoint.constructor_new(txid, 0);
        const result = manager.unsafe_manual_funding_transaction_generated(
          event.temporary_channel_id,
          event.counterparty_node_id,
          funding,
        );
        if (!result.is_ok()) {
          fundings.drop(txid);
          coins.untake(takenBy(txid));
          throw new NotDone(failureOf(result));
        }
        const channel = ChannelId.constructor_v1_from_funding_outpoint(funding);
        renamed(toHex(event.temporary_channel_id.get_a()), toHex(channel.get_a()));
      });
    } finally {
      coins.release(chosen);
    }
  };

  const answer = async (event: Event_OpenChannelRequest): Promise<void> => {
    const { temporary_channel_id: id, counterparty_node_id: peer } = event;
    if (config.acceptsChannels === false) {
      await turns.take(
        () => void manager.force_close_without_broadcasting_txn(id, peer, "no channels are accepted"),
      );
      return;
    }
    await keys.prepare();
    await turns.take(() => {
      const result = trusted.has(toHex(peer))
        ? manager.accept_inbound_channel_from_trusted_peer_0conf(id, peer, noUserId)
        : manager.accept_inbound_channel(id, peer, noUserId);
      if (!result.is_ok()) throw new NotDone(failureOf(result));
    });
  };

  const discard = (funding: OutPoint): void => {
    const txid = funding.get_txid();
    fundings.drop(txid);
    coins.untake(takenBy(txid));
    keys.observe.discarded(funding);
  };

  return {
    fund: (event) => {
      const temporary = toHex(event.temporary_channel_id.get_a());
      jobs.start(`fund ${temporary}`, () =>
        fund(event).catch(async (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          failed(temporary, reason);
          const { temporary_channel_id: id, counterparty_node_id: peer } = event;
          await turns.take(
            () => void manager.force_close_without_broadcasting_txn(id, peer, "funding is not possible"),
          );
          throw error;
        }),
      );
    },
    answer: (event) => jobs.start(`answer ${toHex(event.temporary_channel_id.get_a())}`, () => answer(event)),
    discard: ({ funding_info }) => {
      if (funding_info instanceof FundingInfo_Tx) {
        const bytes = Uint8Array.from(funding_info.transaction);
        coins.untake(takenBy(txidIn(bytes, rangeOfTx(bytes))));
      } else if (funding_info instanceof FundingInfo_OutPoint) {
        discard(funding_info.outpoint);
      }
    },
    refused: ({ txid, index }, reason) => {
      const id = ChannelId.constructor_v1_from_funding_outpoint(OutPoint.constructor_new(txid, index));
      const channel = manager.list_channels().find((one) => one.get_channel_id().eq(id));
      if (channel === undefined) return;
      manager.force_close_without_broadcasting_txn(
        id,
        channel.get_counterparty().get_node_id(),
        "the channel is not agreed to",
      );
      turns.afterwards(() => failed(toHex(id.get_a()), reason));
    },
    begin: () => {
      const live = new Set(manager.list_channels().map((one) => toHex(one.get_channel_id().get_a())));
      for (const txid of fundings.unsigned()) {
        const funding = OutPoint.constructor_new(txid, 0);
        const id = ChannelId.constructor_v1_from_funding_outpoint(funding);
        if (!live.has(toHex(id.get_a()))) discard(funding);
      }
    },
  };
};
