/**
 * What punishes a breach, and brings home what is ours of a channel that has ended, is published by the signer itself:
 * at the start, with each block until a block has it, and with a fee that grows as the deadline comes. It never ends a
 * channel: a commitment of ours is published when a person hands it in, and at no other time.
 */

import { patience } from "../../chain/patience.ts";
import type { Published } from "../../chain/source.ts";
import type { ChannelId, Feerate, Height } from "../../protocol/units.ts";
import type { Ended, Ends, Open } from "../core/chain/ends.ts";
import type { Log } from "../log.ts";
import type { Ask } from "./asking.ts";
import { type Built, type Claim, rebuilt, type Wanted } from "./claims.ts";
import { calmRate, rateOf, targetOf } from "./feerates.ts";
import { type HeldTx, openHeld, packagesOf } from "./held.ts";
import { openSending, type Sent } from "./sending.ts";

export interface PublisherParts {
  /** For the log. */
  readonly node: string;
  readonly ask: Ask;
  readonly ends: () => Ends;
  readonly publish: (transactions: readonly Uint8Array[]) => Promise<Published>;
  /** To confirm within so many blocks. */
  readonly feerate: (blocks: number) => Promise<Feerate | undefined>;
  /** Of the policy. */
  readonly maxFeerate: Feerate;
  readonly log: Log;
  /** Until the next try after the source failed; a block comes first, as a rule. */
  readonly retryMs?: number;
  /** For one answer of the source. */
  readonly patienceMs?: number;
}

export interface Publisher {
  /** Something has changed, or may have: returns at once. */
  wake(): void;
  connected(height: Height, block: Uint8Array): void;
  disconnected(height: Height): void;
  /** Of a person, one package of `packagesOf`: tried now, and again with each block. Throws what the source throws. */
  broadcast(transactions: readonly HeldTx[]): Promise<readonly Published[]>;
  /** What was published and no block has yet. */
  unconfirmed(): number;
  /** Why the last round did not come to its end. */
  trouble(): string | undefined;
  /** No round is under way, or waits. */
  isIdle(): boolean;
  close(): Promise<void>;
}

const handed = ({ name: txid, tx }: HeldTx): Sent => ({
  channel: undefined,
  txid,
  what: "was handed in",
  tx,
});

const urgentOf = (channel: ChannelId): string => `${channel} urgent`;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : "it failed");

export const openPublisher = (parts: PublisherParts): Publisher => {
  const { node, ask, ends, log, maxFeerate, publish, retryMs = 30_000, patienceMs = 60_000 } = parts;
  const patient = patience(patienceMs);
  const sending = openSending({ node, publish, log, patience: patient });
  const held = openHeld();
  /** By channel and urgency. */
  const built = new Map<string, Built>();
  /** What was said last, by the same. */
  const leftOf = new Map<string, string>();
  let trouble: string | undefined;
  let running: Promise<void> | undefined;
  let again = false;
  /** Blocks, so far. */
  let takenBack = 0;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  const estimated = async (blocks: number): Promise<Feerate | undefined> => {
    try {
      return await patient.wait(parts.feerate(blocks));
    } catch {
      return undefined;
    }
  };

  const ratesOf = async (
    { open }: Ended,
    tip: Height,
  ): Promise<{ readonly calm: Feerate; readonly urgent: Feerate }> => {
    const estimate = async (of: readonly Open[]): Promise<Feerate> =>
      calmRate(await estimated(Math.min(...of.map((one) => targetOf(one, tip)))), maxFeerate);
    const pressing = open.filter(({ until }) => until !== undefined);
    const calm = await estimate(open.map((one) => ({ ...one, until: undefined })));
    if (pressing.length === 0) return { calm, urgent: calm };
    const base = await estimate(pressing);
    const due = pressing.map((one) => rateOf(one, tip, base, maxFeerate));
    return { calm, urgent: due.reduce((most, one) => (one > most ? one : most), base) };
  };

  const claimsFor = async (name: string, wanted: Wanted): Promise<readonly Claim[]> => {
    const before = takenBack;
    const { built: now, trouble: why, left } = await rebuilt(ask, wanted, built.get(name));
    // It may be of a chain that was never whole: the close was gone when the step looked, and is back at its height.
    if (before === takenBack) built.set(name, now);
    else built.delete(name);
    const { channel } = wanted.ended;
    if (sending.isNews(name, why ?? "") && why !== undefined)
      log.write({ event: "claims-refused", node, channel, reason: why });
    const about = left.join("\n");
    if (name === urgentOf(channel) && about !== leftOf.get(name)) {
      leftOf.set(name, about);
      for (const reason of left) log.write({ event: "claim-left", node, channel, reason });
    }
    // One may take several outputs.
    return [...new Map([...now.claims.values()].map((one) => [one.txid, one])).values()];
  };

  const tend = async (ended: Ended, tip: Height, coins: string): Promise<void> => {
    const rates = await ratesOf(ended, tip);
    for (const urgency of ["urgent", "calm"] as const) {
      const name = urgency === "urgent" ? urgentOf(ended.channel) : `${ended.channel} calm`;
      const open = ended.open.filter(({ until }) => (until !== undefined) === (urgency === "urgent"));
      if (open.length === 0) {
        built.delete(name);
        continue;
      }
      const wanted = { ended, open, feerate: rates[urgency], calm: rates.calm, tip, coins };
      for (const claim of await claimsFor(name, wanted))
        if (claim.from <= tip && !closed) await sending.attempt({ channel: ended.channel, ...claim });
    }
  };

  const round = async (): Promise<void> => {
    const { height, channels, stirred } = ends();
    const coins = `${stirred} ${channels.reduce((sum, { open }) => sum + open.length, 0)}`;
    const names = new Set(channels.flatMap(({ channel }) => [urgentOf(channel), `${channel} calm`]));
    for (const name of built.keys()) if (!names.has(name)) built.delete(name);
    sending.begin();
    if (height !== undefined)
      // Those whose deadline is next, first: a slow source must not cost the one for the other.
      for (const ended of channels.toSorted((a, b) => firstOf(a) - firstOf(b)))
        if (!closed) await tend(ended, height, coins);
    for (const all of packagesOf(held.waiting())) if (!closed) await sending.attempt(...all.map(handed));
  };

  const run = async (): Promise<void> => {
    while (again && !closed) {
      again = false;
      try {
        await round();
        trouble = sending.trouble();
      } catch (error) {
        trouble = messageOf(error);
      }
      if (trouble === undefined || closed) continue;
      log.write({ event: "publish-failed", node, reason: trouble });
      timer ??= setTimeout(() => {
        timer = undefined;
        wake();
      }, retryMs);
    }
    running = undefined;
  };

  const wake = (): void => {
    if (closed) return;
    again = true;
    running ??= run();
  };

  return {
    wake,
    connected: held.connected,
    disconnected: (height) => {
      takenBack++;
      built.clear();
      held.disconnected(height);
    },
    broadcast: async (transactions) => {
      const results = await sending.sendTogether(transactions.map(handed));
      for (const [i, one] of transactions.entries()) if (results[i]?.is !== "refused") held.add(one);
      return results;
    },
    unconfirmed: sending.unconfirmed,
    trouble: () => trouble,
    isIdle: () => running === undefined,
    close: async () => {
      closed = true;
      clearTimeout(timer);
      patient.stop();
      await running;
    },
  };
};

const firstOf = ({ open }: Ended): number =>
  open.reduce((least, { until }) => Math.min(least, until ?? 2 ** 32), 2 ** 33);
