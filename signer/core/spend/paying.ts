/**
 * Coins of our wallet that pay for what pays nothing itself, or too little. What is over goes to the closing script of
 * the channel that it is for: nothing but the fee leaves us, and the rules judge it as they judge a host's.
 */

import { encodeTx, type Tx, type TxOutput } from "../../../protocol/bitcoin/tx.ts";
import type { ChannelPlan, ClaimPlan } from "../../../protocol/bolt/claim.ts";
import { dustThreshold } from "../../../protocol/bolt/simple-close.ts";
import { walletPlan } from "../../../protocol/bolt/spend.ts";
import {
  type Completion,
  claimDigest,
  claimWitness,
  expectedWeight,
} from "../../../protocol/bolt/spend-sign.ts";
import { feeOf } from "../../../protocol/bolt/weight.ts";
import { unknown } from "../../../protocol/codec.ts";
import type { Request } from "../../../protocol/operations/index.ts";
import type { SpendInput } from "../../../protocol/operations/spend.ts";
import type { Refusal } from "../../../protocol/outcome.ts";
import { type Outpoint, type Sat, sat } from "../../../protocol/units.ts";
import { max } from "../balance.ts";
import { type Coin, leastCoin } from "../chain/coins.ts";
import { type Charge, keyOf, placeName } from "../outpoints.ts";
import type { WalletKey } from "../ports.ts";
import type { Known, View } from "../step.ts";
import { judgeSpend } from "../steps/spend.ts";
import type { OwnCoin, Pocket } from "./coins.ts";
import { type DraftInput, type Home, silent, withValues } from "./homeward.ts";

/** In one transaction. */
const maxCoins = 8;

/** BIP 125: may be replaced by what pays more. */
const replaceable = 0xffff_fffd;

/** An input that is a claim on the channel, with what the spend's request says of it. */
export interface Claimed {
  readonly outpoint: Outpoint;
  readonly sequence: number;
  readonly value: Sat;
  readonly plan: ChannelPlan;
  readonly said: Partial<SpendInput> & Pick<SpendInput, "kind">;
  /** The counterparty's, and a preimage: what the witness needs beside our own signature. */
  readonly shown: Pick<Completion, "countersignature" | "preimage">;
}

/** A transaction without its coins. */
export interface Unpaid {
  readonly claims: readonly Claimed[];
  /** Beside the first claims, as they were countersigned. */
  readonly outputs: readonly TxOutput[];
  readonly locktime: number;
  /** Of what it spends and pays for too. */
  readonly parent: { readonly weight: number; readonly fee: bigint };
}

export const alone = { weight: 0, fee: 0n } as const;

export interface Paid {
  readonly tx: Tx;
  readonly coins: readonly OwnCoin[];
  readonly fee: bigint;
}

const sum = (values: readonly bigint[]): bigint => values.reduce((all, one) => all + one, 0n);

const planOf = ({ key }: OwnCoin, { settings: { curve } }: Home): ClaimPlan =>
  walletPlan(curve, {
    kind: "wallet",
    form: key.form === "p2tr" ? "p2tr" : "p2wpkh",
    key: key.point,
  });

const built = (
  { claims, outputs, locktime }: Unpaid,
  coins: readonly Outpoint[],
  change: Sat,
  home: Home,
): Tx => ({
  version: 2,
  inputs: [
    ...claims.map(({ outpoint, sequence }) => ({ outpoint, sequence })),
    ...coins.map((outpoint) => ({ outpoint, sequence: replaceable })),
  ],
  outputs: [...outputs, { value: change, script: home.live.setup.closingScript }],
  locktime,
});

/** What the coins have to bring, with what comes back of it. */
const costOf = (unpaid: Unpaid, plans: readonly ClaimPlan[], outpoints: readonly Outpoint[], home: Home) => {
  const tx = built(unpaid, outpoints, sat(0n), home);
  const weight = expectedWeight(tx, [...unpaid.claims.map(({ plan }) => plan), ...plans]);
  return feeOf(weight + unpaid.parent.weight, home.feerate) - unpaid.parent.fee;
};

/** What a single coin would have to be worth, whatever there is. */
export const neededFor = (unpaid: Unpaid, home: Home): { readonly fee: bigint; readonly coin: bigint } => {
  const { closingScript, holder } = home.live.setup;
  const plan = walletPlan(home.settings.curve, { kind: "wallet", form: "p2wpkh", key: holder.payment });
  const any = unpaid.claims.slice(0, 1).map(({ outpoint }) => outpoint);
  const fee = costOf(unpaid, [plan], any, home);
  return { fee, coin: max(leastCoin, fee + dustThreshold(closingScript)) };
};

/** How much is missing, or all of it. */
const tried = (unpaid: Unpaid, coins: readonly OwnCoin[], home: Home): Paid | bigint => {
  const outpoints = coins.map(({ coin }) => coin.outpoint);
  const plans = coins.map((one) => planOf(one, home));
  const fee = costOf(unpaid, plans, outpoints, home);
  const ours = sum([...unpaid.claims, ...coins.map(({ coin }) => coin)].map(({ value }) => value));
  const change = ours - sum(unpaid.outputs.map(({ value }) => value)) - fee;
  const least = dustThreshold(home.live.setup.closingScript);
  return change < least ? least - change : { tx: built(unpaid, outpoints, sat(change), home), coins, fee };
};

/** With those that it must have, then the smallest one that is enough, then the largest together. */
export const pay = (
  unpaid: Unpaid,
  must: readonly OwnCoin[],
  pocket: Pocket,
  home: Home,
): Paid | undefined => {
  if (must.length > 0) {
    const enough = tried(unpaid, must, home);
    if (typeof enough === "object") return enough;
  }
  const free = pocket.free().filter((one) => !must.includes(one));
  // Those of one form weigh the same: what one lacks, the next has to have more.
  const needed = new Map<WalletKey["form"], bigint>();
  for (const one of free) {
    const { form } = one.key;
    if (one.coin.value < (needed.get(form) ?? 0n)) continue;
    const enough = tried(unpaid, [...must, one], home);
    if (typeof enough === "object") return enough;
    needed.set(form, one.coin.value + enough);
  }
  const large = free.toReversed();
  for (let count = 2; must.length + count <= maxCoins && count <= large.length; count++) {
    const enough = tried(unpaid, [...must, ...large.slice(0, count)], home);
    if (typeof enough === "object") return enough;
  }
  return undefined;
};

export interface Agreed {
  readonly inputs: readonly DraftInput[];
  readonly asked: Request<"spend">;
  readonly charge: Charge;
}

/** By every rule that a host's request would have to pass. Our signatures are over everything: nobody can change a part. */
export const agreedTo = ({ claims }: Unpaid, { tx, coins }: Paid, home: Home): Agreed | Refusal => {
  const { channel, live, settings, node, point } = home;
  const view: View = { ...home.view, channels: new Map([[channel, { phase: "open", ...live }]]) };
  const keys = new Map(coins.map(({ coin, key }) => [placeName(coin.place), key]));
  const known: Known = {
    ...{ points: [], places: [...keys.values()] },
    pointsOf: live.holder.broadcast.map(point),
  };
  const body: Request<"spend"> = {
    node,
    tx: encodeTx(tx),
    inputs: [
      ...claims.map(
        ({ outpoint, said }): SpendInput => ({ ...silent, place: unknown, outpoint, channel, ...said }),
      ),
      ...coins.map(
        ({ coin: { outpoint, place } }): SpendInput => ({
          ...{ ...silent, outpoint, place },
          ...{ kind: "wallet", channel: unknown },
        }),
      ),
    ],
    outputs: tx.outputs.map(() => ({ kind: "closing" as const, place: unknown, channel })),
  };
  const subject = judgeSpend({ body, view, known, settings }, home.claims);
  if ("sentence" in subject) return subject;
  const plans = [...claims.map(({ plan }) => plan), ...coins.map((one) => planOf(one, home))];
  const values = [...claims, ...coins.map(({ coin }) => coin)].map(({ value }) => value);
  const spent = values.map((value, i) => ({
    value,
    script: (plans[i] as ClaimPlan).output,
  }));
  const digests = plans.map((plan, index) => claimDigest({ tx, index, plan }, spent));
  const digestAt = (index: number): Uint8Array => digests[index] as Uint8Array;
  return {
    asked: withValues(body, values),
    inputs: [
      ...claims.map(
        ({ plan, shown }, i): DraftInput => ({
          key: { digest: digestAt(i), channel, key: plan.key },
          witness: (signature) => claimWitness(plan, { signature, ...shown }),
        }),
      ),
      ...coins.map((one, i): DraftInput => {
        const plan = planOf(one, home);
        return {
          key: { digest: digestAt(claims.length + i), place: one.coin.place },
          witness: (signature) => claimWitness(plan, { signature }),
        };
      }),
    ],
    charge: {
      inputs: [...claims, ...coins.map(({ coin }) => coin)].map(({ outpoint }) => outpoint),
      costs: subject.costs,
    },
  };
};

const sameAs = (a: readonly Outpoint[], b: readonly Outpoint[]): boolean =>
  a.map(keyOf).join() === b.map(keyOf).join();

/** That they pay for these from now on: not written again for every look. */
export const promised = (
  coins: readonly OwnCoin[],
  pays: readonly Outpoint[],
  since: Coin["since"],
): ReadonlyMap<string, Coin> =>
  new Map(
    coins
      .filter(({ coin }) => !sameAs(coin.pays, pays) || coin.since + renewAfter <= since)
      .map(({ coin }) => [keyOf(coin.outpoint), { ...coin, pays, since }]),
  );
const renewAfter = 72;
