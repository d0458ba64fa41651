/** One round of publishing after the other: what was taken, what was refused, and what of that is news. */

import type { Patience } from "../../chain/patience.ts";
import type { Published } from "../../chain/source.ts";
import type { ChannelId } from "../../protocol/units.ts";
import type { Log } from "../log.ts";

export interface Sent {
  /** Undefined: a person handed it in. */
  readonly channel: ChannelId | undefined;
  /** As people write it. */
  readonly txid: string;
  readonly what: string;
  readonly tx: Uint8Array;
}

export interface SendingParts {
  /** For the log. */
  readonly node: string;
  readonly publish: (transactions: readonly Uint8Array[]) => Promise<Published>;
  readonly log: Log;
  readonly patience: Patience;
}

export interface Sending {
  /** A new round: what was said in the one before is not said again. */
  begin(): void;
  /** False where this was said of it before. */
  isNews(of: string, what: string): boolean;
  /** The parent and the child that pays for it, or one by itself. What is not taken together is tried alone. */
  sendTogether(all: readonly Sent[]): Promise<readonly Published[]>;
  /** The same in a round: the next one tries again. Throws when the source has failed too often. */
  attempt(...all: readonly Sent[]): Promise<void>;
  /** In this round. */
  trouble(): string | undefined;
  unconfirmed(): number;
}

/** One transaction that the source chokes on must not cost the others; a source that is gone is not asked for all. */
const maxFailures = 3;

export const openSending = ({ node, publish, log, patience }: SendingParts): Sending => {
  let said = new Map<string, string>();
  let saidBefore = new Map<string, string>();
  let out = new Set<string>();
  let outBefore = new Set<string>();
  let failures = 0;
  let trouble: string | undefined;

  const isNews = (of: string, what: string): boolean => {
    const before = said.get(of) ?? saidBefore.get(of);
    said.set(of, what);
    return before !== what;
  };

  const heard = ({ channel: of, txid, what }: Sent, result: Published): Published => {
    const channel = of === undefined ? "" : String(of);
    failures = 0;
    if (result.is === "refused") {
      const { reason } = result;
      if (isNews(txid, reason)) log.write({ event: "publish-refused", node, channel, txid, what, reason });
      return result;
    }
    out.add(txid);
    const known = result.is === "known";
    if (isNews(txid, "")) log.write({ event: "published", node, channel, txid, what, known });
    return result;
  };

  const send = async (sent: Sent): Promise<Published> => heard(sent, await patience.wait(publish([sent.tx])));

  const sendTogether = async (all: readonly Sent[]): Promise<readonly Published[]> => {
    if (all.length > 1) {
      const result = await patience.wait(publish(all.map(({ tx }) => tx)));
      if (result.is !== "refused") return all.map((one) => heard(one, result));
    }
    const results: Published[] = [];
    for (const one of all) results.push(await send(one));
    return results;
  };

  return {
    begin: () => {
      [saidBefore, said] = [said, new Map()];
      [outBefore, out] = [out, new Set()];
      [failures, trouble] = [0, undefined];
    },
    isNews,
    sendTogether,
    attempt: async (...all) => {
      try {
        await sendTogether(all);
      } catch (error) {
        trouble = error instanceof Error ? error.message : "the source failed";
        if (++failures >= maxFailures) throw error;
      }
    },
    trouble: () => trouble,
    // While a round is under way it is not known of all yet.
    unconfirmed: () => Math.max(out.size, trouble === undefined ? 0 : outBefore.size),
  };
};
