/**
 * A channel between two of LDK's channel managers, taken to its first monitors. A monitor builds any commitment of its
 * counterparty from values and HTLCs alone, and so shows what LDK makes of them without having seen ours.
 */

import {
  BestBlock,
  BroadcasterInterface,
  ChainMonitor,
  ChainParameters,
  ChannelManager,
  type ChannelMonitor,
  ChannelMonitorUpdate,
  ChannelMonitorUpdateStatus,
  type CommonAcceptChannelFields,
  type CommonOpenChannelFields,
  type Event,
  Event_FundingGenerationReady,
  Event_OpenChannelRequest,
  EventHandler,
  FeeEstimator,
  Init,
  KeysManager,
  Logger,
  MessageRouter,
  MessageSendEvent_SendAcceptChannel,
  MessageSendEvent_SendFundingCreated,
  MessageSendEvent_SendFundingSigned,
  MessageSendEvent_SendOpenChannel,
  Network,
  Option_CVec_ThirtyTwoBytesZZ,
  Option_FilterZ,
  Option_SocketAddressZ,
  Persist,
  Result_CVec_BlindedMessagePathZNoneZ,
  Result_CVec_BlindedPaymentPathZNoneZ,
  Result_NoneReplayEventZ,
  Result_OnionMessagePathNoneZ,
  Router,
} from "lightningdevkit";
import { userConfig } from "../../host/ldk/config.ts";
import { type ReadCommitment, readCommitment } from "../../host/ldk/reading/commitment.ts";
import { indexOf } from "../../host/ldk/reading/fields.ts";
import type { Basepoints, ChannelType, Htlc } from "../../protocol/bolt/channel.ts";
import { encodeUint } from "../../protocol/bolt/tlv.ts";
import { concat } from "../../protocol/bytes.ts";
import {
  type CommitmentNumber,
  type Delay,
  delay,
  type Feerate,
  type Outpoint,
  type Point,
  point,
  type Sat,
  txid,
} from "../../protocol/units.ts";
import { htlcOf, okOf, outPointOf, record } from "./ldk.ts";

export interface LdkTerms {
  readonly number: CommitmentNumber;
  readonly feerate: Feerate;
  readonly point: Point;
  readonly toBroadcaster: Sat;
  readonly toCountersignatory: Sat;
  /** Those with an output. */
  readonly htlcs: readonly Htlc[];
}

/** The commitments of one of the two, as the other's monitor builds them. */
export interface Seen {
  readonly isOpener: boolean;
  readonly broadcaster: Basepoints;
  readonly countersignatory: Basepoints;
  readonly delay: Delay;
  build(terms: LdkTerms): ReadCommitment;
}

export interface MonitoredChannel {
  readonly type: ChannelType;
  readonly fundingOutpoint: Outpoint;
  readonly commitmentsOf: readonly [opener: Seen, accepter: Seen];
}

interface Manager {
  readonly manager: ChannelManager;
  readonly monitors: ChannelMonitor[];
  events(): readonly Event[];
  /** The bindings hold what LDK calls back into by weak references alone. */
  readonly held: readonly object[];
}

const openManager = (seed: number, type: ChannelType): Manager => {
  const never = (): never => {
    throw new Error("nobody routes here");
  };
  const logger = Logger.new_impl({ log: () => undefined });
  const estimator = FeeEstimator.new_impl({ get_est_sat_per_1000_weight: () => 253 });
  const broadcaster = BroadcasterInterface.new_impl({ broadcast_transactions: () => undefined });
  const monitors: ChannelMonitor[] = [];
  const persist = Persist.new_impl({
    persist_new_channel: (_, monitor) => {
      monitors.push(monitor.clone());
      return ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed;
    },
    update_persisted_channel: () => ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed,
    archive_persisted_channel: () => undefined,
  });
  const router = Router.new_impl({
    find_route: never,
    find_route_with_id: never,
    create_blinded_payment_paths: () => Result_CVec_BlindedPaymentPathZNoneZ.constructor_err(),
  });
  const messages = MessageRouter.new_impl({
    find_path: () => Result_OnionMessagePathNoneZ.constructor_err(),
    create_blinded_paths: () => Result_CVec_BlindedMessagePathZNoneZ.constructor_err(),
    create_compact_blinded_paths: () => Result_CVec_BlindedMessagePathZNoneZ.constructor_err(),
  });
  const keys = KeysManager.constructor_new(new Uint8Array(32).fill(seed), 0n, seed);
  const chain = ChainMonitor.constructor_new(
    Option_FilterZ.constructor_none(),
    broadcaster,
    logger,
    estimator,
    persist,
  );
  const network = Network.LDKNetwork_Regtest;
  const manager = ChannelManager.constructor_new(
    estimator,
    chain.as_Watch(),
    broadcaster,
    router,
    messages,
    logger,
    keys.as_EntropySource(),
    keys.as_NodeSigner(),
    keys.as_SignerProvider(),
    userConfig({ anchors: type === "anchors" }),
    ChainParameters.constructor_new(network, BestBlock.constructor_from_network(network)),
    0,
  );
  return {
    manager,
    monitors,
    events: () => {
      const events: Event[] = [];
      const handle_event = (event: Event) => {
        events.push(event.clone());
        return Result_NoneReplayEventZ.constructor_ok();
      };
      manager.as_EventsProvider().process_pending_events(EventHandler.new_impl({ handle_event }));
      return events;
    },
    held: [logger, estimator, broadcaster, persist, router, messages, keys, chain],
  };
};

/** Of a class that only LDK makes objects of. */
interface Kind<T> {
  readonly prototype: T;
  [Symbol.hasInstance](one: unknown): boolean;
}

const found = <T>(all: readonly unknown[], kind: Kind<T>, what: string): T => {
  const one = all.find((each) => kind[Symbol.hasInstance](each));
  if (one === undefined) throw new Error(`LDK has no ${what} for us`);
  return one as T;
};

const basepointsOf = (fields: CommonOpenChannelFields | CommonAcceptChannelFields): Basepoints => ({
  funding: point(fields.get_funding_pubkey()),
  revocation: point(fields.get_revocation_basepoint()),
  payment: point(fields.get_payment_basepoint()),
  delayed: point(fields.get_delayed_payment_basepoint()),
  htlc: point(fields.get_htlc_basepoint()),
});

/** `ChannelMonitorUpdate` with one `LatestCounterpartyCommitmentTXInfo` (`lightning/src/chain/channelmonitor.rs`). */
const writeUpdate = (terms: LdkTerms): Uint8Array => {
  // Which HTLCs have an output is told by an index, whichever; none has a source.
  const htlcs = terms.htlcs.map((htlc) => concat(htlcOf(htlc, 0).write(), Uint8Array.of(0)));
  const step = record({
    0: new Uint8Array(32),
    1: encodeUint(BigInt(terms.feerate), 4),
    2: encodeUint(indexOf(terms.number), 8),
    3: encodeUint(terms.toBroadcaster, 8),
    4: terms.point,
    5: encodeUint(terms.toCountersignatory, 8),
    6: concat(...htlcs),
  });
  return concat(
    Uint8Array.of(1, 1),
    encodeUint(1n, 8),
    encodeUint(1n, 8),
    Uint8Array.of(1),
    step,
    record({}),
  );
};

const buildWith =
  (monitor: ChannelMonitor) =>
  (terms: LdkTerms): ReadCommitment => {
    const update = okOf<ChannelMonitorUpdate>(
      ChannelMonitorUpdate.constructor_read(writeUpdate(terms)),
      "an update as we write it",
    );
    const [built, ...others] = monitor.counterparty_commitment_txs_from_update(update);
    if (built === undefined || others.length > 0) throw new Error("not one commitment of one update");
    return readCommitment(built.write());
  };

export const openChannel = (type: ChannelType): MonitoredChannel & { readonly held: readonly object[] } => {
  const [a, b] = [openManager(1, type), openManager(2, type)];
  const [idA, idB] = [a.manager.get_our_node_id(), b.manager.get_our_node_id()];
  const to = ({ manager }: Manager) => manager.as_ChannelMessageHandler();
  const sent = ({ manager }: Manager) =>
    manager.as_MessageSendEventsProvider().get_and_clear_pending_msg_events();
  const greet = (from: Manager, by: Uint8Array, at: Manager, isInbound: boolean): void => {
    const init = Init.constructor_new(
      to(from).provided_init_features(by),
      Option_CVec_ThirtyTwoBytesZZ.constructor_none(),
      Option_SocketAddressZ.constructor_none(),
    );
    okOf(to(at).peer_connected(by, init, isInbound), "a peer");
  };
  greet(a, idA, b, true);
  greet(b, idB, a, false);

  const value = 1_000_000n;
  okOf(a.manager.create_channel(idB, value, 0n, 0n, null, null), "a channel");
  const open = found(sent(a), MessageSendEvent_SendOpenChannel, "open_channel").msg;
  to(b).handle_open_channel(idA, open);
  const asked = found(b.events(), Event_OpenChannelRequest, "request");
  okOf(b.manager.accept_inbound_channel(asked.temporary_channel_id, idA, 0n), "an opening");
  const accept = found(sent(b), MessageSendEvent_SendAcceptChannel, "accept_channel").msg;
  to(a).handle_accept_channel(idB, accept);
  const { temporary_channel_id } = found(a.events(), Event_FundingGenerationReady, "wish for funds");
  const fundingOutpoint = { txid: txid(new Uint8Array(32).fill(0x5a)), index: 3 };
  okOf(
    a.manager.unsafe_manual_funding_transaction_generated(
      temporary_channel_id,
      idB,
      outPointOf(fundingOutpoint),
    ),
    "funds",
  );
  to(b).handle_funding_created(idA, found(sent(a), MessageSendEvent_SendFundingCreated, "funding").msg);
  to(a).handle_funding_signed(idB, found(sent(b), MessageSendEvent_SendFundingSigned, "signature").msg);

  const [ofA, ofB] = [a.monitors[0], b.monitors[0]];
  if (ofA === undefined || ofB === undefined) throw new Error("a channel without monitors");
  const [fieldsA, fieldsB] = [open.get_common_fields(), accept.get_common_fields()];
  const [basesA, basesB] = [basepointsOf(fieldsA), basepointsOf(fieldsB)];
  return {
    ...{ type, fundingOutpoint },
    commitmentsOf: [
      {
        ...{ isOpener: true, broadcaster: basesA, countersignatory: basesB },
        delay: delay(fieldsB.get_to_self_delay()),
        build: buildWith(ofB),
      },
      {
        ...{ isOpener: false, broadcaster: basesB, countersignatory: basesA },
        delay: delay(fieldsA.get_to_self_delay()),
        build: buildWith(ofA),
      },
    ],
    held: [a, b],
  };
};
