/**
 * Refusals are chained like decisions, but a host can cause as many as it likes. So identical ones are counted, each
 * host gets a bounded number of records per window, and what exceeds it is one number. Nothing here writes: the
 * caller puts what it drains into its next commit.
 */

import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { type Asked, record } from "./record.ts";

export interface RefusalLimits {
  /** Records per host and window; the overflow counter's comes on top. */
  readonly limitPerHost: number;
  /** Milliseconds after which a host may fill as many records again. */
  readonly window: number;
  /** Distinct refusals that may wait; as many make them due. */
  readonly pending: number;
  /** Milliseconds after which the oldest one waiting makes them due. */
  readonly flushAfter: number;
}

export interface Refused extends Asked {
  readonly time: number;
  /** As its certificate names it: there are as many as the operator made. */
  readonly host: string;
  readonly rule: string;
}

export interface RefusalLog {
  note(refused: Refused): void;
  /** Time for a commit of their own, should no other come by. */
  due(now: number): boolean;
  /** Packed records for the next commit, oldest first. `last` (the signer stops) leaves nothing behind. */
  drain(now: number, how?: "last"): readonly Uint8Array[];
}

interface Waiting {
  readonly first: Refused;
  count: number;
}

interface Spent {
  window: number;
  records: number;
  /** Counted, but no longer told apart. */
  overflow: number;
  since: number;
}

const maxCount = 0xffff_ffff;

const same = ({ host, node, channel, rule, operation }: Refused): string =>
  JSON.stringify([host, isKnown(node) ? toHex(node) : 0, String(channel), rule, operation]);

export const refusalLog = ({ limitPerHost, window, pending, flushAfter }: RefusalLimits): RefusalLog => {
  let waiting = new Map<string, Waiting>();
  const hosts = new Map<string, Spent>();

  const spentBy = (host: string, now: number): Spent => {
    const current = Math.floor(now / window);
    let spent = hosts.get(host);
    if (spent === undefined) {
      spent = { window: current, records: 0, overflow: 0, since: now };
      hosts.set(host, spent);
    }
    // Any other window, not just a later one: a clock set back must not silence a host's refusals for ever.
    if (spent.window !== current) {
      spent.window = current;
      spent.records = 0;
    }
    return spent;
  };

  return {
    note: (refused) => {
      const key = same(refused);
      const known = waiting.get(key);
      if (known !== undefined) {
        known.count = Math.min(known.count + 1, maxCount);
        return;
      }
      const spent = spentBy(refused.host, refused.time);
      if (spent.records < limitPerHost && waiting.size < pending) {
        spent.records += 1;
        waiting.set(key, { first: refused, count: 1 });
        return;
      }
      if (spent.overflow === 0) spent.since = refused.time;
      spent.overflow = Math.min(spent.overflow + 1, maxCount);
    },

    due: (now) => {
      if (waiting.size >= pending) return true;
      const [oldest] = waiting.values();
      if (oldest !== undefined && Math.abs(now - oldest.first.time) >= flushAfter) return true;
      for (const spent of hosts.values()) {
        if (spent.overflow > 0 && Math.floor(now / window) !== Math.floor(spent.since / window)) return true;
      }
      return false;
    },

    drain: (now, how) => {
      const records = [...waiting.values()].map(({ first, count }) =>
        record({ ...first, kind: "refusals", count }),
      );
      waiting = new Map();
      const current = Math.floor(now / window);
      for (const [host, spent] of hosts) {
        const over = how === "last" || Math.floor(spent.since / window) !== current;
        // Once per window: an overflow record with each commit would let a host grow the log after all.
        if (spent.overflow > 0 && over) {
          const nothing = { node: unknown, operation: unknown, channel: unknown, content: unknown } as const;
          const { since: time, overflow: count } = spent;
          records.push(record({ kind: "refusals", time, host, ...nothing, rule: "", count }));
          spent.overflow = 0;
        }
        if (spent.overflow === 0 && spent.window !== current) hosts.delete(host);
      }
      return records;
    },
  };
};
