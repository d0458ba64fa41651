/**
 * Channels that are over for LDK: the signer is asked to forget them, which it does once nothing can happen any more, and
 * then what was kept for claims goes here too.
 */

import type { ChannelId, NodeId } from "../../../protocol/units.ts";
import type { SignerLine } from "../bridge/line.ts";
import type { RemoteStore } from "./remote-store.ts";

export interface Forgetting {
  /** In a turn. */
  over(channel: ChannelId): void;
  /** After the commit: asks of those that are new. */
  flush(): void;
  close(): void;
}

export interface ForgettingParts {
  readonly node: NodeId;
  readonly line: Pick<SignerLine, "ask">;
  readonly store: Pick<RemoteStore, "over" | "setOver" | "forget">;
  readonly forgotten: (channel: ChannelId) => void;
  /** The signer wants a hundred blocks; nobody is in a hurry. */
  readonly everyMs?: number;
}

const hour = 60 * 60 * 1_000;

export const openForgetting = ({
  node,
  line,
  store,
  forgotten,
  everyMs = hour,
}: ForgettingParts): Forgetting => {
  const asked = new Set<ChannelId>();
  let fresh: ChannelId[] = [];
  let closed = false;

  const ask = async (channel: ChannelId): Promise<void> => {
    if (asked.has(channel)) return;
    asked.add(channel);
    try {
      const outcome = await line.ask("forget", { node, channel });
      if (outcome.is !== "reply" || closed) return;
      store.forget(channel);
      forgotten(channel);
    } catch {
      // The line was closed: asked again at the next start.
    } finally {
      asked.delete(channel);
    }
  };
  const askAll = (channels: readonly ChannelId[]): void => {
    for (const channel of channels) void ask(channel);
  };
  const timer = setInterval(() => askAll(store.over()), everyMs);
  timer.unref();
  askAll(store.over());

  return {
    over: (channel) => {
      store.setOver(channel);
      fresh.push(channel);
    },
    flush: () => {
      const due = fresh;
      fresh = [];
      askAll(due);
    },
    close: () => {
      closed = true;
      clearInterval(timer);
    },
  };
};
