/**
 * What of a channel can still happen once its end is deep on the chain: only the commitment that confirmed counts, and
 * of its HTLCs those whose fate is open. Until then every live commitment may be the one.
 */

import { equal } from "../../../protocol/bytes.ts";
import { isKnown, type Maybe } from "../../../protocol/codec.ts";
import type { Htlc } from "../../../protocol/operations/fields.ts";
import type { Height } from "../../../protocol/units.ts";
import { plus } from "../payments/settlement.ts";
import type { Live, Settled, Variant } from "../state.ts";
import { isDeep } from "./depths.ts";
import { fateOf } from "./fate.ts";
import { type Close, type Onchain, standingOf } from "./onchain.ts";

interface Resolved {
  readonly open: readonly Htlc[];
  readonly settled: readonly Settled[];
}

const settledAs = ({ offeredBy, hash, amount }: Htlc): Settled =>
  offeredBy === "holder" ? { hash, in: 0n, out: amount } : { hash, in: amount, out: 0n };

/** A claim counts for us when it is deep, and against us at once: until then it is taken for open, which says so too. */
const resolve = (htlcs: readonly Htlc[], onchain: Onchain, live: Live, tip: Height): Resolved => {
  const open: Htlc[] = [];
  const settled: Settled[] = [];
  for (const htlc of htlcs) {
    const fate = fateOf(onchain, live, htlc, tip);
    if (fate.is === "gone") continue;
    if (fate.is === "paid" && isDeep(fate.height, tip)) settled.push(settledAs(htlc));
    else open.push(htlc);
  }
  return { open, settled };
};

const listed = (htlcs: Maybe<readonly Htlc[]>): readonly Htlc[] => (isKnown(htlcs) ? htlcs : []);

const sumOf = (all: readonly Settled[]): readonly Settled[] =>
  all.reduce<readonly Settled[]>((sum, one) => plus(sum, [one]), []);

const resolver =
  (onchain: Onchain, live: Live, tip: Height) =>
  <V extends Variant>(variant: V): V => {
    const { open, settled } = resolve(variant.htlcs, onchain, live, tip);
    const small = resolve(listed(variant.trimmed), onchain, live, tip);
    return {
      ...variant,
      htlcs: open,
      trimmed: isKnown(variant.trimmed) ? small.open : variant.trimmed,
      settled: plus(variant.settled, sumOf([...settled, ...small.settled])),
    };
  };

const only = <V extends Variant>(variants: readonly V[], content: Uint8Array): readonly V[] =>
  variants.filter(({ hash }) => equal(hash, content));

const confirmed = (close: Close, live: Live): Live | undefined => {
  const standing = standingOf(close, live);
  const { holder, counterparty } = live;
  switch (standing.is) {
    case "unknown":
      return undefined;
    case "mutual":
    case "revoked":
      return live;
    case "holder":
    case "counterparty": {
      const alone: Live = {
        ...live,
        holder: {
          ...holder,
          variants: standing.is === "holder" ? only(holder.variants, standing.content) : [],
        },
        counterparty: {
          ...counterparty,
          variants: standing.is === "counterparty" ? only(counterparty.variants, standing.content) : [],
        },
      };
      return alone.holder.variants.length + alone.counterparty.variants.length === 1 ? alone : undefined;
    }
  }
};

interface Kept {
  readonly onchain: Onchain;
  readonly tip: Height;
  readonly remaining: Live;
}

/** Asked for each hash of a commitment; none of what it follows from is ever changed. */
const made = new WeakMap<Live, Kept>();

export const remainingOf = (onchain: Onchain, live: Live, tip: Height): Live => {
  const { close } = onchain;
  if (close === undefined || !isDeep(close.height, tip)) return live;
  const known = made.get(live);
  if (known?.onchain === onchain && known.tip === tip) return known.remaining;
  const left = confirmed(close, live);
  const resolved = resolver(onchain, live, tip);
  const remaining: Live =
    left === undefined
      ? live
      : {
          ...left,
          holder: { ...left.holder, variants: left.holder.variants.map(resolved) },
          counterparty: { ...left.counterparty, variants: left.counterparty.variants.map(resolved) },
        };
  made.set(live, { onchain, tip, remaining });
  return remaining;
};
