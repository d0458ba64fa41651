/** The node: LDK's parts put together around one road, the turn. Runs in LDK's worker; nothing else calls LDK. */

import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import {
  ChainMonitor,
  type ChannelManager,
  IgnoringMessageHandler,
  OnionMessenger,
  Option_FilterZ,
  PeerManager,
} from "lightningdevkit";
import { equal } from "../../protocol/bytes.ts";
import type { Curve } from "../../protocol/curve/curve.ts";
import { type Announcer, openAnnouncer } from "./announce.ts";
import { openBumps } from "./bump.ts";
import { type Blocks, openBlocks, openFollower, tellingTroubles } from "./chain.ts";
import { type Coins, openCoins } from "./coins.ts";
import type { Common } from "./common.ts";
import { type NodeConfig, userConfig } from "./config.ts";
import { act, openEventQueue } from "./events.ts";
import { openFees } from "./fees.ts";
import { openFundings } from "./funding.ts";
import { openRouting } from "./graph.ts";
import { openJobs } from "./jobs.ts";
import type { Keys } from "./keys/keys.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import { trimmer } from "./library.ts";
import { openLogger } from "./logger.ts";
import { listeningHandler } from "./messages.ts";
import { type Offers, openOffers } from "./offers.ts";
import { openOpening } from "./opening.ts";
import { openOutgoing } from "./outgoing.ts";
import { keepingOwnHashes } from "./own-hash.ts";
import { openPayments, type Payments } from "./payments.ts";
import { openPeers, type Peers } from "./peers.ts";
import { openPersister } from "./persister.ts";
import { openReestablishing } from "./reestablish.ts";
import { restore } from "./restore.ts";
import type { NodeStore } from "./store.ts";
import { openSweeps, type Sweeps } from "./sweep.ts";
import { startTicks } from "./ticks.ts";
import { reasonOf, type Tell } from "./told.ts";
import { openTurns, type Turns } from "./turn.ts";
import { openWaiting, type Waiting } from "./waiting.ts";

export interface EngineParts {
  readonly keys: Keys;
  readonly store: NodeStore;
  /** With the other nodes of the worker. */
  readonly common: Common;
  readonly curve: Curve;
  readonly config: NodeConfig;
  readonly tell: Tell;
  /** Called once, when nothing more may be called: what is in memory is not to be trusted any more. */
  readonly fatal: (error: unknown) => void;
  /** Throws where what LDK did must not be stored. */
  readonly check?: () => void;
  /** Nobody wants it any more, though it has not begun. */
  readonly signal?: AbortSignal;
}

export interface Engine {
  readonly manager: ChannelManager;
  readonly monitors: ChainMonitor;
  readonly turns: Turns;
  readonly peers: Peers;
  readonly payments: Payments;
  readonly offers: Offers;
  readonly ledger: Ledger;
  readonly coins: Coins;
  readonly sweeps: Sweeps;
  readonly blocks: Blocks;
  readonly openings: Waiting;
  readonly announcer: Announcer;
  /** The bindings hold what LDK calls back into by weak references alone. */
  readonly held: readonly object[];
  /** Looks at the chain now, and resolves when LDK has what is there. */
  sync(): Promise<number>;
  stop(): Promise<void>;
}

/** More rounds than any turn needs: two nodes can't play ball inside one. */
const mostRounds = 1_000;
const jobsLimit = 3_000;

export const openEngine = async (parts: EngineParts): Promise<Engine> => {
  const { keys, store, common, curve, config, tell } = parts;
  const { source, network, observer } = common;
  let broken: { readonly error: unknown } | undefined;
  /** Of callbacks. LDK's stack is above us, so the turn goes on to where it would commit, and ends there. */
  const fatal = (error: unknown): void => {
    broken ??= { error };
  };
  const check = (): void => {
    if (broken !== undefined) throw broken.error;
    parts.check?.();
  };

  const blocks = openBlocks(store);
  const height = () => blocks.tip().height;
  const logger = openLogger(common.logLevel, tell);
  const fees = openFees(keys.limits);
  const queue = openEventQueue(fatal);
  const persister = openPersister({ store, observe: keys.observe, fatal });
  const jobs = openJobs((what, error) => tell({ is: "trouble", what, reason: reasonOf(error) }));

  // What a turn does is known once all the parts are there; until then nothing is taken.
  let settle = (): void => undefined;
  let write = (): number => 0;
  let committed = (): void => undefined;
  const turns = openTurns({
    store,
    settle: () => settle(),
    write: () => write(),
    committed: () => committed(),
    fatal: parts.fatal,
  });

  const outgoing = openOutgoing({
    ...{ store, turns, source, height, fatal },
    refused: (txid, reason) => tell({ is: "trouble", what: `transaction ${txid}`, reason }),
  });
  const routing = openRouting({ store, graph: common.channels.graph, logger, entropy: keys.entropy });
  const monitors = ChainMonitor.constructor_new(
    Option_FilterZ.constructor_none(),
    outgoing.broadcaster,
    logger,
    fees.estimator,
    persister.persist,
  );
  const { manager, channels } = await restore({
    ...{ keys, store, source, blocks, network, monitors, logger, routing },
    estimator: fees.estimator,
    broadcaster: outgoing.broadcaster,
    config: userConfig(config),
  });
  check();
  parts.signal?.throwIfAborted();
  if (!equal(manager.current_best_block().get_block_hash(), blocks.tip().hash))
    throw new Error("the node's state is of another block than its file says");

  const ignoring = IgnoringMessageHandler.constructor_new();
  const messenger = OnionMessenger.constructor_new(
    keys.entropy,
    keys.nodeSigner,
    logger,
    manager.as_NodeIdLookUp(),
    routing.messageRouter,
    manager.as_OffersMessageHandler(),
    manager.as_AsyncPaymentsMessageHandler(),
    ignoring.as_DNSResolverMessageHandler(),
    ignoring.as_CustomOnionMessageHandler(),
  );
  const ledger = openLedger(store, turns, tell);
  const reestablishing = openReestablishing(manager);
  const unblocked = (): void => {
    turns.nudge(() => {
      reestablishing.unblock();
      monitors.signer_unblocked(null);
    });
  };
  const handler = listeningHandler({
    manager,
    observe: keys.observe,
    added: keepingOwnHashes({
      ...{ nodeSigner: keys.nodeSigner, logger, height },
      isOurs: (hash) => ledger.isOurs(hash),
    }),
    peerConnected: (node) => peers.arrived(node),
    peerDisconnected: (node) => {
      reestablishing.left(node);
      peers.left(node);
    },
    reestablished: (node, channel) => {
      reestablishing.reestablished(node, channel);
      unblocked();
    },
    fatal,
  });
  const gossip = common.channels.join({
    wake: () => void turns.take(() => undefined).catch(() => undefined),
    fatal,
  });
  const peerManager = PeerManager.constructor_new(
    handler,
    gossip.handler,
    messenger.as_OnionMessageHandler(),
    ignoring.as_CustomMessageHandler(),
    Math.floor(Date.now() / 1000),
    Uint8Array.from(randomBytes(32)),
    logger,
    keys.nodeSigner,
  );
  const peers: Peers = openPeers({ manager: peerManager, turns, store, curve, told: tell });
  const coins = openCoins({ store, turns, wallet: keys.wallet, height });
  const sweeps = openSweeps({ store, turns, jobs, coins, wallet: keys.wallet, fees, outgoing, height });
  const openings = openWaiting();
  const payments = openPayments({ manager, turns, keys, ledger, curve, network });
  const offers = openOffers({ store, manager, turns, jobs, keys, ledger });
  const bumps = openBumps({ turns, jobs, coins, wallet: keys.wallet, outgoing, height });
  const fundings = openFundings({ store, turns, jobs, wallet: keys.wallet, outgoing });
  const opening = openOpening({
    ...{ manager, turns, jobs, coins, fundings, keys, fees, config },
    failed: (channel, reason) => openings.failed(channel, reason),
    renamed: (temporary, channel) => openings.renamed(temporary, channel),
  });
  const announcer = openAnnouncer({ peerManager, turns, config });
  const events = {
    ...{ manager, turns, opening, fundings, offers, ledger, sweeps, bumps, tell },
    ready: () => announcer.again(),
    holds: config.holdsPayments ?? false,
    reach: (node: string, host: string, port: number) =>
      jobs.start(`reach ${node}`, () => peers.connect(node, { host, port })),
    pending: (channel: string) => openings.done(channel, channel),
    closed: (channel: string, reason: string) => openings.failed(channel, reason),
  };

  settle = () => {
    for (let round = 0; round < mostRounds; round++) {
      peerManager.process_events();
      manager.as_EventsProvider().process_pending_events(queue.handler);
      monitors.as_EventsProvider().process_pending_events(queue.handler);
      messenger.as_EventsProvider().process_pending_events(queue.handler);
      check();
      const taken = queue.drain();
      if (taken.length === 0) return;
      for (const event of taken) act(events, event);
    }
    throw new Error("LDK does not come to rest");
  };
  let hasStored = store.kept("manager") !== undefined;
  write = () => {
    check();
    const isChanged = manager.get_and_clear_needs_persistence() || !hasStored;
    if (isChanged) store.keep("manager", manager.write());
    hasStored = true;
    persister.write();
    const answered = keys.store();
    check();
    return answered + (isChanged ? 1 : 0);
  };
  const trim = trimmer(manager, monitors, messenger, peerManager);
  committed = () => {
    keys.flush();
    peers.release();
    trim();
  };

  await turns.take(() => {
    persister.restoring(() => {
      for (const { funding, monitor } of channels)
        if (!monitors.as_Watch().watch_channel(funding, monitor).is_ok())
          throw new Error("LDK does not take a channel back");
    });
    opening.begin();
  });

  const following = observer.follow(
    tellingTroubles(
      openFollower({
        ...{ manager, monitors, blocks, turns },
        readers: {
          watches: () => ({
            outpoints: [...coins.unspent(), ...sweeps.watched()],
            scripts: coins.scripts(),
          }),
          connected: (block, at) => {
            coins.connected(block, at);
            sweeps.connected(block, at);
            outgoing.connected(block.txids, at);
            bumps.connected(at);
          },
          disconnected: (at) => {
            coins.disconnected(at);
            sweeps.disconnected(at);
            outgoing.disconnected(at);
          },
        },
        told: (at) => {
          tell({ is: "block", height: at });
          sweeps.kick();
          fundings.resume();
          jobs.start("repeat", () => outgoing.repeat());
          jobs.start("fees", () => fees.refresh(observer));
        },
      }),
      tell,
    ),
  );
  const feeder = keys.feed?.({ source, observer });
  /** The observer and the graph are others' too. */
  const leave = async (): Promise<void> => {
    gossip.leave();
    await feeder?.close();
    await following.stop();
  };
  parts.signal?.addEventListener("abort", () => void leave(), { once: true });
  try {
    await following.caughtUp();
    await fees.refresh(observer);
    parts.signal?.throwIfAborted();
  } catch (error) {
    turns.stop();
    await leave();
    throw error;
  }
  keys.onUnblocked(unblocked);
  keys.onOpeningRefused((funding, reason) => {
    turns.take(() => opening.refused(funding, reason)).catch(() => undefined);
  });
  unblocked();
  const ticks = startTicks({
    ...{ turns, manager, monitors, peerManager, messenger, routing },
  });
  jobs.start("repeat", () => outgoing.repeat());
  sweeps.kick();
  fundings.resume();
  offers.resume();

  return {
    ...{ manager, monitors, turns, peers, payments, offers, ledger },
    ...{ coins, sweeps, blocks, openings, announcer },
    held: [
      keys,
      logger,
      fees,
      outgoing,
      persister,
      queue,
      routing,
      ignoring,
      messenger,
      handler,
      gossip,
      peerManager,
    ],
    sync: async () => {
      await observer.look();
      return (await following.caughtUp()).height;
    },
    stop: async () => {
      ticks.stop();
      announcer.stop();
      await leave();
      await peers.close();
      // A signer that can't be reached must not keep the node from stopping; what waits is asked for again.
      await Promise.race([jobs.idle(), pause(jobsLimit)]);
      await turns.take(() => routing.keep()).catch(() => undefined);
      turns.stop();
      await keys.close();
    },
  };
};
