/** The audit log as the sessions of one signer share it: the clock, and the refusals that wait for a commit. */

import { type RefusalLimits, type RefusalLog, record, refusalLog } from "./audit.ts";
import type { Clock } from "./clock.ts";
import type { Journal } from "./core/ports.ts";

export const refusalLimits: RefusalLimits = {
  limitPerHost: 600,
  window: 3_600_000,
  pending: 256,
  flushAfter: 5_000,
};

export interface SharedJournal extends Journal {
  readonly refusals: RefusalLog;
}

export const journal = (clock: Clock, limits: RefusalLimits = refusalLimits): SharedJournal => {
  const refusals = refusalLog(limits);
  return {
    refusals,
    decided: (asked) => {
      const time = clock.now();
      return [...refusals.drain(time), record({ kind: "decision", time, outcome: "reply", ...asked })];
    },
    refused: (asked, rule) => refusals.note({ ...asked, time: clock.now(), rule }),
  };
};
