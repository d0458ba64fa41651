/** What somebody has to do on chain, and by when. */

import { toHex } from "../../../protocol/bytes.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import {
  type ChannelId,
  type CommitmentNumber,
  type Height,
  height,
  type PaymentHash,
  type Txid,
} from "../../../protocol/units.ts";
import type { Live } from "../state.ts";
import { claimAlarm, claimBefore, inclusion, timeoutAfter, timeoutAlarm } from "./depths.ts";
import { alike } from "./fate.ts";
import { type Onchain, type Output, standingOf } from "./onchain.ts";
import { ageOf, type ChainView, heightOf, isBehind } from "./view.ts";

export interface Punishable {
  readonly output: Output;
  /** The first block in which the counterparty can take it; an HTLC has to go through a second stage before. */
  readonly until: Height | undefined;
}

export interface Breach {
  readonly number: CommitmentNumber;
  readonly txid: Txid;
  readonly height: Height;
  /** Not spent yet. */
  readonly open: readonly Punishable[];
  /** Taken by the counterparty after all. */
  readonly lost: readonly Output[];
}

const isDelayed = ({ role }: Output): boolean => role.is === "delayed" || role.is === "second";

export const breachOf = ({ close }: Onchain, live: Live): Breach | undefined => {
  if (close === undefined) return undefined;
  const standing = standingOf(close, live);
  if (standing.is !== "revoked") return undefined;
  const delay = live.setup.terms.holder.toSelfDelay;
  const punishable = close.outputs.filter(({ role }) => role.is !== "remote");
  return {
    number: standing.number,
    txid: close.txid,
    height: close.height,
    open: punishable
      .filter(({ spent }) => spent === undefined)
      .map((output) => ({ output, until: isDelayed(output) ? height(output.height + delay) : undefined })),
    lost: punishable.filter((output) => isDelayed(output) && output.spent?.way.is === "plain"),
  };
};

/**
 * An HTLC output that nobody can name waits for no answer: it is punished at its second stage, which needs only keys
 * and the delay.
 */
export const isAnswered = ({ open }: Breach): boolean =>
  open.every(({ output }) => output.role.is === "unlisted");

export interface Deadline {
  /** `close`: publish the commitment. `claim`: spend with the preimage. `timeout`: spend after the expiry. */
  readonly what: "close" | "claim" | "timeout";
  readonly htlc: Htlc;
  /** Of `claim` and `timeout`. */
  readonly output: Output | undefined;
  readonly by: Height;
  /** From here on nobody who is honest and awake would still wait. */
  readonly alarm: Height;
}

/** Of a received HTLC: without the preimage there is nothing to claim. */
export type Knows = (hash: PaymentHash) => boolean;

const at = (n: number): Height => height(Math.max(0, n));

const inOpen = (htlc: Htlc): Deadline => {
  const { expiry, offeredBy } = htlc;
  const common = { what: "close", htlc, output: undefined } as const;
  return offeredBy === "holder"
    ? { ...common, by: at(expiry + timeoutAfter), alarm: at(expiry + timeoutAlarm) }
    : { ...common, by: at(expiry - claimBefore), alarm: at(expiry - claimAlarm) };
};

const onOutput = (htlc: Htlc, output: Output): Deadline => {
  const { expiry, offeredBy } = htlc;
  if (offeredBy === "counterparty")
    return { what: "claim", htlc, output, by: expiry, alarm: at(expiry - claimAlarm) };
  const by = at(Math.max(expiry, output.height) + inclusion);
  return { what: "timeout", htlc, output, by, alarm: by };
};

const pendingIn = ({ holder, counterparty }: Live): readonly Htlc[] => {
  const all = [...holder.variants, ...counterparty.variants].flatMap(({ htlcs }) => htlcs);
  const byHash = new Map<string, Htlc[]>();
  return all.filter((htlc) => {
    const key = `${htlc.expiry} ${htlc.amount} ${toHex(htlc.hash)}`;
    const before = byHash.get(key) ?? [];
    byHash.set(key, [...before, htlc]);
    return !before.some((one) => alike(one, htlc));
  });
};

const byHeight = (a: Deadline, b: Deadline): number => a.by - b.by;

/** The soonest first. Trimmed HTLCs have none: no transaction could claim them. */
export const deadlinesOf = ({ close }: Onchain, live: Live, knows: Knows): readonly Deadline[] => {
  const concerns = ({ offeredBy, hash }: Htlc): boolean => offeredBy === "holder" || knows(hash);
  if (close === undefined) return pendingIn(live).filter(concerns).map(inOpen).toSorted(byHeight);
  switch (standingOf(close, live).is) {
    case "mutual":
    case "unknown":
    case "revoked":
      return [];
    case "holder":
    case "counterparty":
      return close.outputs
        .flatMap((output) =>
          output.role.is === "htlc" && output.spent === undefined && concerns(output.role.htlc)
            ? [onOutput(output.role.htlc, output)]
            : [],
        )
        .toSorted(byHeight);
  }
};

export type ChannelAlarm =
  | { readonly kind: "breach-unanswered"; readonly breach: Breach }
  | { readonly kind: "htlc-deadline"; readonly deadline: Deadline }
  /** What lies at the funding outpoint is not the channel's. */
  | { readonly kind: "funding-false"; readonly height: Height };

export type ViewAlarm =
  /** In seconds. */
  | { readonly kind: "stale"; readonly age: number; readonly limit: number }
  /** Blocks were taken back and not replaced. */
  | { readonly kind: "behind"; readonly tip: Height; readonly best: Height }
  /** Only headers so far: what the blocks have nobody saw. */
  | { readonly kind: "unproven"; readonly tip: Height };

export type Alarm = ViewAlarm | (ChannelAlarm & { readonly channel: ChannelId });

export const channelAlarms = (
  onchain: Onchain,
  live: Live,
  { tip, knows }: { readonly tip: Height; readonly knows: Knows },
): readonly ChannelAlarm[] => {
  const { funding } = onchain;
  const breach = breachOf(onchain, live);
  return [
    ...(breach === undefined || isAnswered(breach) ? [] : [{ kind: "breach-unanswered", breach } as const]),
    ...deadlinesOf(onchain, live, knows)
      .filter(({ alarm }) => tip >= alarm)
      .map((deadline) => ({ kind: "htlc-deadline", deadline }) as const),
    ...(funding.is === "false" ? [{ kind: "funding-false", height: funding.height } as const] : []),
  ];
};

export interface Clock {
  /** Seconds since 1970. */
  readonly now: number;
  readonly staleAfter: number;
  readonly inPart?: boolean;
}

export const viewAlarms = (
  view: ChainView,
  { now, staleAfter, inPart = false }: Clock,
): readonly ViewAlarm[] => {
  const age = ageOf(view, now);
  return [
    ...(age > staleAfter ? [{ kind: "stale", age, limit: staleAfter } as const] : []),
    ...(isBehind(view) ? [{ kind: "behind", tip: heightOf(view), best: view.best.height } as const] : []),
    ...(!inPart && view.wholeFrom === undefined && view.blocks.length > 1
      ? [{ kind: "unproven", tip: heightOf(view) } as const]
      : []),
  ];
};

export interface WatchedChannel {
  readonly channel: ChannelId;
  readonly live: Live;
  readonly onchain: Onchain;
}

/** Deadlines are held against the best tip: blocks that a host took back have been mined all the same. */
export const alarmsOf = (
  view: ChainView,
  channels: Iterable<WatchedChannel>,
  terms: Clock & { readonly knows: Knows },
): readonly Alarm[] => [
  ...viewAlarms(view, terms),
  ...Array.from(channels).flatMap(({ channel, live, onchain }) =>
    channelAlarms(onchain, live, {
      tip: height(Math.max(heightOf(view), view.best.height)),
      knows: terms.knows,
    }).map((alarm) => ({ ...alarm, channel })),
  ),
];
