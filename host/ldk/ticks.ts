/** LDK is built without a clock here, so its time passes when it is told to (lightning-background-processor has the periods). */

import type { ChainMonitor, ChannelManager, OnionMessenger, PeerManager } from "lightningdevkit";
import type { Routing } from "./graph.ts";
import type { Turns } from "./turn.ts";

export interface TicksParts {
  readonly turns: Turns;
  readonly manager: ChannelManager;
  readonly monitors: ChainMonitor;
  readonly peerManager: PeerManager;
  readonly messenger: OnionMessenger;
  readonly routing: Routing;
}

const second = 1_000;
const minute = 60 * second;

export const startTicks = (parts: TicksParts): { stop(): void } => {
  const { turns, manager, monitors, peerManager, messenger, routing } = parts;
  const every = (period: number, action: () => void): NodeJS.Timeout =>
    setInterval(() => {
      turns.take(action).catch(() => undefined);
    }, period);
  const timers = [
    every(10 * second, () => peerManager.timer_tick_occurred()),
    every(10 * second, () => messenger.as_OnionMessageHandler().timer_tick_occurred()),
    every(30 * second, () => monitors.rebroadcast_pending_claims()),
    every(minute, () => manager.timer_tick_occurred()),
    every(10 * minute, () => {
      routing.tick();
      routing.keep();
      monitors.archive_fully_resolved_channel_monitors();
    }),
  ];
  return {
    stop: () => {
      for (const timer of timers) clearInterval(timer);
    },
  };
};
