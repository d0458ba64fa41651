/**
 * The public channels as all nodes of a worker know them: one graph, for each takes 160 MB of LDK's memory. What one node's
 * peers tell it is news to the graph once; the other nodes are told, because LDK passes on only what was news to it.
 */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import {
  type ChannelUpdate,
  type Logger,
  MessageSendEvent,
  type MessageSendEventsProviderInterface,
  type Network,
  NetworkGraph,
  type NodeAnnouncement,
  Option_C3Tuple_ChannelAnnouncementChannelUpdateChannelUpdateZZ,
  Option_UtxoLookupZ,
  P2PGossipSync,
  Result_boolLightningErrorZ,
  Result_boolLightningErrorZ_OK,
  Result_NetworkGraphDecodeErrorZ_OK,
  Result_NoneLightningErrorZ,
  Result_NoneNoneZ,
  RoutingMessageHandler,
  type RoutingMessageHandlerInterface,
} from "lightningdevkit";
import { ignored } from "./errors.ts";
import { trimmer } from "./library.ts";

export interface Membership {
  /** For the node's own PeerManager. */
  readonly handler: RoutingMessageHandler;
  leave(): void;
}

export interface MemberParts {
  /** There is something to pass on: it goes out with the node's next turn. */
  readonly wake: () => void;
  readonly fatal: (error: unknown) => void;
}

export interface PublicChannels {
  readonly graph: NetworkGraph;
  /** The bindings hold what LDK calls back into by weak references alone. */
  readonly held: readonly object[];
  join(member: MemberParts): Membership;
  /** Between turns. What is lost of it is learned again. */
  keep(): void;
  tick(): void;
}

export interface PublicChannelsParts {
  readonly file: string;
  readonly network: Network;
  readonly logger: Logger;
}

interface Member {
  readonly parts: MemberParts;
  news: MessageSendEvent[];
}

/** Of one member; whoever is behind by more has what is missing from the graph, when a peer asks for it. */
const mostNews = 1_000;

/** The bindings have no word for an announcement without an update but a handle on nothing. */
const noUpdate = { ptr: 0n } as unknown as ChannelUpdate;
const isNothing = (handle: object): boolean => (handle as { readonly ptr: bigint }).ptr === 0n;

const stored = (file: string): Uint8Array | undefined => {
  try {
    return Uint8Array.from(readFileSync(file));
  } catch {
    return undefined;
  }
};

export const openPublicChannels = ({ file, network, logger }: PublicChannelsParts): PublicChannels => {
  const bytes = stored(file);
  const read = bytes && NetworkGraph.constructor_read(bytes, logger);
  const graph =
    read instanceof Result_NetworkGraphDecodeErrorZ_OK
      ? read.res
      : NetworkGraph.constructor_new(network, logger);
  const gossip = P2PGossipSync.constructor_new(graph, Option_UtxoLookupZ.constructor_none(), logger);
  const trim = trimmer(graph, gossip);
  const members = new Set<Member>();
  // Such a handle keeps what passes through it, so none is kept itself.
  const inner = () => gossip.as_RoutingMessageHandler();

  const pass = (from: Member, made: () => MessageSendEvent): void => {
    for (const member of members) {
      if (member === from || member.news.length >= mostNews) continue;
      if (member.news.push(made()) === 1) member.parts.wake();
    }
  };

  const join = (parts: MemberParts): Membership => {
    const self: Member = { parts, news: [] };
    const heard = <T>(action: () => T, otherwise: () => T): T => {
      try {
        return action();
      } catch (error) {
        parts.fatal(error);
        return otherwise();
      }
    };
    /** What is news and small enough to be passed on (LDK says so), of a peer or of our own. */
    const told = (
      tellGraph: () => Result_boolLightningErrorZ,
      made: () => MessageSendEvent,
    ): Result_boolLightningErrorZ =>
      heard(
        () => {
          const result = tellGraph();
          if (members.size > 1 && result instanceof Result_boolLightningErrorZ_OK && result.res)
            pass(self, made);
          return result;
        },
        () => Result_boolLightningErrorZ.constructor_err(ignored()),
      );
    const asked = (action: () => Result_NoneLightningErrorZ): Result_NoneLightningErrorZ =>
      heard(action, () => Result_NoneLightningErrorZ.constructor_err(ignored()));

    const handler: RoutingMessageHandlerInterface = {
      handle_node_announcement: (peer, msg) =>
        told(
          () => inner().handle_node_announcement(peer, msg),
          () => MessageSendEvent.constructor_broadcast_node_announcement(msg),
        ),
      handle_channel_announcement: (peer, msg) =>
        told(
          () => inner().handle_channel_announcement(peer, msg),
          () => MessageSendEvent.constructor_broadcast_channel_announcement(msg, noUpdate),
        ),
      handle_channel_update: (peer, msg) =>
        told(
          () => inner().handle_channel_update(peer, msg),
          () => MessageSendEvent.constructor_broadcast_channel_update(msg),
        ),
      get_next_channel_announcement: (start) =>
        heard(
          () => inner().get_next_channel_announcement(start),
          () => Option_C3Tuple_ChannelAnnouncementChannelUpdateChannelUpdateZZ.constructor_none(),
        ),
      get_next_node_announcement: (start) =>
        heard(
          () => {
            const next = inner().get_next_node_announcement(start);
            // A handle on nothing can't be copied, which is what the bindings do with an answer.
            return isNothing(next) ? (null as unknown as NodeAnnouncement) : next;
          },
          () => null as unknown as NodeAnnouncement,
        ),
      peer_connected: (peer, init, inbound) =>
        heard(
          () => inner().peer_connected(peer, init, inbound),
          () => Result_NoneNoneZ.constructor_err(),
        ),
      handle_reply_channel_range: (peer, msg) => asked(() => inner().handle_reply_channel_range(peer, msg)),
      handle_reply_short_channel_ids_end: (peer, msg) =>
        asked(() => inner().handle_reply_short_channel_ids_end(peer, msg)),
      handle_query_channel_range: (peer, msg) => asked(() => inner().handle_query_channel_range(peer, msg)),
      handle_query_short_channel_ids: (peer, msg) =>
        asked(() => inner().handle_query_short_channel_ids(peer, msg)),
      processing_queue_high: () => inner().processing_queue_high(),
      provided_node_features: () => inner().provided_node_features(),
      provided_init_features: (peer) => inner().provided_init_features(peer),
    };
    const leaving: MessageSendEventsProviderInterface = {
      // What LDK has for a peer is taken by the node whose turn it was made in: turns do not interleave.
      get_and_clear_pending_msg_events: () =>
        heard(
          () => {
            const news = self.news;
            self.news = [];
            return [...gossip.as_MessageSendEventsProvider().get_and_clear_pending_msg_events(), ...news];
          },
          () => [],
        ),
    };
    members.add(self);
    return {
      handler: RoutingMessageHandler.new_impl(handler, leaving),
      leave: () => {
        members.delete(self);
        self.news = [];
      },
    };
  };

  return {
    graph,
    held: [logger, gossip],
    join,
    keep: () => {
      trim();
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(`${file}.new`, graph.write(), { mode: 0o600, flush: true });
      renameSync(`${file}.new`, file);
    },
    tick: () => graph.remove_stale_channels_and_tracking_with_time(BigInt(Math.floor(Date.now() / 1000))),
  };
};
