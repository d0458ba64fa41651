/** Which coins of our wallet may pay for something now. What one was signed for keeps it until that is over. */

import { toHex } from "../../../protocol/bytes.ts";
import { isKnown } from "../../../protocol/codec.ts";
import type { Height, Outpoint } from "../../../protocol/units.ts";
import type { Coin } from "../chain/coins.ts";
import { keyOf, placeName, stateOf } from "../outpoints.ts";
import type { WalletKey } from "../ports.ts";
import { liveOf, type View } from "../step.ts";

/** A coin with the key that signs for it. */
export interface OwnCoin {
  readonly coin: Coin;
  readonly key: WalletKey;
}

export interface Pocket {
  readonly tip: Height;
  /** That were signed for one of these. */
  of(outpoints: readonly Outpoint[]): readonly OwnCoin[];
  /** The outpoints that coins were signed for, together, among these. */
  together(outpoints: readonly Outpoint[]): readonly (readonly Outpoint[])[];
  /** The smallest first. */
  free(): readonly OwnCoin[];
  /** Later calls find it neither free nor somebody's. */
  take(coins: readonly OwnCoin[]): void;
}

/** So long a commitment that was handed out may take to be published. */
const patience = 144;

type Sight = Pick<View, "purse" | "outpoints" | "channels" | "chain">;

/** Of an output of a channel: whether it can still be taken by what a coin was signed for. */
const pendingIn = ({ channels, chain }: Sight, tip: Height) => {
  const outputs = new Map<string, boolean>();
  for (const { close } of chain.onchain.values())
    for (const { outpoint, spent } of close?.outputs ?? []) outputs.set(keyOf(outpoint), spent === undefined);
  const handedOut = new Set<string>();
  for (const [id, state] of channels) {
    const live = liveOf(state);
    if (live === undefined || chain.onchain.get(id)?.close !== undefined) continue;
    for (const { number, txid } of live.holder.variants)
      if (live.holder.broadcast.includes(number)) handedOut.add(toHex(txid));
  }
  return (outpoint: Outpoint, since: Height): boolean =>
    outputs.get(keyOf(outpoint)) ?? (handedOut.has(toHex(outpoint.txid)) && since + patience > tip);
};

export const openPocket = (view: Sight, tip: Height): Pocket => {
  const { coins, scripts } = view.purse;
  const isPending = pendingIn(view, tip);
  const keys = new Map([...scripts.values()].map(({ place, key }) => [placeName(place), key]));
  const taken = new Set<string>();
  /** What was promised to a funding, or said to be somebody else's, is not for us to spend. */
  const isOurs = ({ outpoint, spent }: Coin): boolean => {
    const { foreign, funds } = stateOf(view, outpoint);
    return !isKnown(spent) && !foreign && funds.length === 0;
  };
  const all = [...coins.values()]
    .filter(isOurs)
    .flatMap((coin): OwnCoin[] => {
      const key = keys.get(placeName(coin.place));
      return key === undefined ? [] : [{ coin, key }];
    })
    .toSorted((a, b) => Number(a.coin.value - b.coin.value));
  const idle = all.filter(({ coin: { pays, since } }) => !pays.some((of) => isPending(of, since)));
  const isLeft = ({ coin }: OwnCoin): boolean => !taken.has(keyOf(coin.outpoint));
  const namesOf = (outpoints: readonly Outpoint[]): ReadonlySet<string> => new Set(outpoints.map(keyOf));
  const paysFor = ({ pays }: Coin, names: ReadonlySet<string>): boolean =>
    pays.some((one) => names.has(keyOf(one)));
  return {
    tip,
    of: (outpoints) => {
      const names = namesOf(outpoints);
      return all.filter((one) => isLeft(one) && paysFor(one.coin, names));
    },
    together: (outpoints) => {
      const names = namesOf(outpoints);
      const sets = all.flatMap(({ coin: { pays } }) => {
        const among = pays.filter((one) => names.has(keyOf(one)));
        return among.length === 0 ? [] : [[among.map(keyOf).join(), among] as const];
      });
      return [...new Map(sets).values()];
    },
    free: () => idle.filter(isLeft),
    take: (of) => {
      for (const { coin } of of) taken.add(keyOf(coin.outpoint));
    },
  };
};
