/** Channel monitors as LDK changes them. It is told "completed" at once: nothing leaves before the turn's commit has them. */

import {
  type ChannelMonitor,
  type ChannelMonitorUpdate,
  ChannelMonitorUpdateStatus,
  type OutPoint,
  Persist,
} from "lightningdevkit";
import { outpointText } from "./events.ts";
import type { Observed } from "./keys/keys.ts";
import type { NodeStore } from "./store.ts";

export interface Persister {
  readonly persist: Persist;
  /** Inside the transaction. */
  write(): void;
  /** Monitors that LDK gets back from us are not new. */
  restoring(action: () => void): void;
}

export interface PersisterParts {
  readonly store: Pick<NodeStore, "keepMonitor" | "archiveMonitor">;
  readonly observe: Pick<Observed, "monitorUpdate" | "newMonitor" | "archived">;
  readonly fatal: (error: unknown) => void;
}

export const openPersister = ({ store, observe, fatal }: PersisterParts): Persister => {
  const dirty = new Map<string, Uint8Array>();
  let isRestoring = false;
  const guarded = (action: () => void): ChannelMonitorUpdateStatus => {
    try {
      action();
    } catch (error) {
      // The turn ends without a commit, so it does not matter what LDK believes now.
      fatal(error);
    }
    return ChannelMonitorUpdateStatus.LDKChannelMonitorUpdateStatus_Completed;
  };
  const mark = (funding: OutPoint, monitor: ChannelMonitor): void => {
    dirty.set(outpointText(funding), monitor.write());
  };
  return {
    persist: Persist.new_impl({
      persist_new_channel: (funding, monitor) =>
        guarded(() => {
          if (!isRestoring) observe.newMonitor(funding, monitor);
          mark(funding, monitor);
        }),
      // Null where a block, not an update, changed it.
      update_persisted_channel: (funding, update: ChannelMonitorUpdate | null, monitor) =>
        guarded(() => {
          if (update !== null) observe.monitorUpdate(funding, update);
          mark(funding, monitor);
        }),
      archive_persisted_channel: (funding) => {
        guarded(() => {
          store.archiveMonitor(outpointText(funding));
          observe.archived(funding);
        });
      },
    }),
    write: () => {
      for (const [funding, bytes] of dirty) store.keepMonitor(funding, bytes);
      dirty.clear();
    },
    restoring: (action) => {
      isRestoring = true;
      try {
        action();
      } finally {
        isRestoring = false;
      }
    },
  };
};
