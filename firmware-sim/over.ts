/**
 * Channels of which somebody says that they are over. Here is no chain to see it, and who forgets one that is not can
 * never sign for what was left in it: so of one in which something may be ours it is a person's word, or the approvers'.
 */

import { isKnown } from "../protocol/codec.ts";
import type { ConsentBy, Verdict } from "../protocol/device/limits.ts";
import { max } from "../signer/core/balance.ts";
import { variantsOf } from "../signer/core/payments/lines.ts";
import { unpackChannel } from "../signer/core/records.ts";
import type { Live, Variant } from "../signer/core/state.ts";
import { liveOf } from "../signer/core/step.ts";
import type { Ledger } from "./ledger.ts";
import { channelIn } from "./store.ts";

export interface Held {
  readonly live: Live;
  /** Of its record. */
  readonly version: number;
}

/** Undefined where it has no place: it was forgotten, or never set up. */
export const heldIn = ({ records }: Pick<Ledger, "records">, channel: bigint): Held | undefined => {
  const entry = records().get(`channel/${channel}`);
  const live = entry === undefined ? undefined : liveOf(unpackChannel(entry.bytes));
  return entry === undefined || live === undefined ? undefined : { live, version: entry.version };
};

/** All that have a place. */
export const channelsHeld = (ledger: Pick<Ledger, "records">): readonly bigint[] =>
  [...ledger.records().keys()].flatMap((key) => {
    const id = channelIn(key);
    return id === undefined || heldIn(ledger, id) === undefined ? [] : [id];
  });

/** With every HTLC: those of ours may come back, and theirs be claimed. */
const oursIn = ({ balance, htlcs, trimmed }: Variant): bigint =>
  [...htlcs, ...(isKnown(trimmed) ? trimmed : [])].reduce((sum, { amount }) => sum + amount, balance.high);

/** At most, in millisatoshi. */
export const mostOurs = (live: Live): bigint => {
  const { contribution } = live.setup.terms;
  const variants = variantsOf(live);
  return variants.length === 0 ? contribution * 1000n : variants.map(oursIn).reduce(max);
};

interface Said {
  readonly version: number;
  readonly verdict: Verdict;
  readonly by: ConsentBy;
}

/** Since the device was unlocked. */
export interface Endings {
  /** It was asked about, and nobody has answered. */
  readonly wanted: ReadonlySet<bigint>;
  want(channel: bigint): void;
  /** A yes holds for the record as it was when it was said; a no until the device is locked. */
  said(channel: bigint, version: number): Omit<Said, "version"> | undefined;
  say(channel: bigint, said: Said): void;
  /** No yes counts any more. */
  clear(): void;
}

export const openEndings = (): Endings => {
  const wanted = new Set<bigint>();
  const all = new Map<bigint, Said>();
  return {
    wanted,
    want: (channel) => void wanted.add(channel),
    said: (channel, version) => {
      const known = all.get(channel);
      if (known === undefined || (known.verdict === "approve" && known.version !== version)) return undefined;
      return { verdict: known.verdict, by: known.by };
    },
    say: (channel, said) => {
      wanted.delete(channel);
      all.set(channel, said);
    },
    clear: () => {
      for (const [channel, { verdict }] of all) if (verdict === "approve") all.delete(channel);
    },
  };
};
