/**
 * Spends told in words, for cases that are data. What is taken: `holder.NAME`, `counterparty.NAME` or `breach.NAME` (a coin
 * of the last commitments, or of the one before), with `shown ` in front where its transaction is brought; `wallet VALUE`,
 * `said VALUE`, `foreign VALUE`, `shown-foreign VALUE`. What is paid: `wallet VALUE [INDEX]`, `other VALUE`,
 * `allowed VALUE`, `closing VALUE`, `funding VALUE`, `misfunding VALUE`. Of both, `many N ` before such words.
 */

import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { encodeTx, type Tx, txidOf } from "../../protocol/bitcoin/tx.ts";
import { commitmentKeys, deriveKey } from "../../protocol/bolt/derive.ts";
import { delayedScript, fundingScript } from "../../protocol/bolt/scripts.ts";
import { fromHex } from "../../protocol/bytes.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, type Outpoint, type Point, type Script, sat } from "../../protocol/units.ts";
import { type Opened, preimageOf } from "./channel.ts";
import type { Balances } from "./content.ts";
import type { Peer } from "./peer.ts";
import { curve, type Rig } from "./road.ts";
import {
  type Coin,
  foreignCoin,
  type Pay,
  placeAt,
  published,
  spending,
  strangersScript,
  toClosing,
  toFunding,
  toOther,
  toWallet,
  walletCoin,
  withPrevTx,
} from "./spends.ts";

/** How the output of our HTLC transaction is mistaken. */
const stageMistakes = ["delay", "revocation", "delayed", "value", "script"] as const;
type StageMistake = (typeof stageMistakes)[number];

export interface SpendWords {
  readonly take: readonly string[];
  readonly pay: readonly string[];
  readonly version?: number;
  readonly locktime?: number;
  readonly sequences?: readonly number[];
  readonly stage?: StageMistake;
  readonly scriptSig?: string;
  /** The first input again. */
  readonly twice?: boolean;
}

export interface SpendStage {
  readonly rig: Rig;
  readonly opened: Opened;
  readonly number: bigint;
  readonly balances: Balances;
  readonly labels: ReadonlyMap<string, Htlc>;
}

const point = async ({ rig, opened: { node, channel } }: SpendStage, n: bigint): Promise<Point> => {
  const { points } = await rig.call("points", { node, channel, numbers: [commitmentNumber(n)] });
  return points[0] as Point;
};

const coinOf = async (on: SpendStage, peer: Peer, words: string): Promise<Coin> => {
  const [word = "", one = "", two = ""] = words.split(" ");
  const isShown = word === "shown";
  switch (word) {
    case "wallet":
    case "said":
      return walletCoin(on.rig, BigInt(one), { proven: word === "wallet", label: two });
    case "foreign":
    case "shown-foreign":
      return foreignCoin(BigInt(one), { proven: word === "shown-foreign", label: two });
  }
  const [whose = "", name = ""] = (isShown ? one : word).split(".");
  const revoked = whose === "breach";
  const owner = whose === "holder" ? "holder" : "counterparty";
  const number = on.number - (revoked ? 2n : 1n);
  const { opened, balances, labels } = on;
  const at = owner === "holder" ? await point(on, number) : peer.point(commitmentNumber(number));
  const of = published({
    opened,
    peer,
    owner,
    number,
    balances,
    point: at,
    labels,
    preimage: preimageOf,
    revoked,
  });
  const coin = of.coins[name];
  if (coin === undefined) throw new RangeError(`no coin is called ${words}`);
  return isShown ? withPrevTx(coin, of.tx) : coin;
};

/** Coins are told apart by their labels. */
const expanded = (words: readonly string[]): readonly string[] =>
  words.flatMap((word) => {
    const [, count, rest = ""] = /^many (\d+) (.*)$/.exec(word) ?? [];
    return count === undefined
      ? [word]
      : Array.from({ length: Number(count) }, (_, i) => rest.replace("#", `${i}`));
  });

const scriptOf = ({ shared: { holder, counterparty } }: Opened): Script =>
  p2wsh(fundingScript(holder.funding, counterparty.funding));

const payOf = async ({ rig, opened }: SpendStage, words: string): Promise<Pay> => {
  const [word = "", one = "", two = "0"] = words.split(" ");
  const value = BigInt(one);
  switch (word) {
    case "wallet":
      return toWallet(rig, value, placeAt(Number(two)));
    case "other":
      return toOther(value);
    case "allowed":
      return toOther(value, strangersScript(0x77));
    case "closing":
      return toClosing(value, opened);
    case "funding":
      return toFunding(value, scriptOf(opened), opened.channel);
    case "misfunding":
      return toFunding(value, strangersScript(0x55), opened.channel);
    default:
      throw new RangeError(`nothing is paid so: ${words}`);
  }
};

const mistakenStage = async (on: SpendStage, coin: Coin, how: StageMistake): Promise<Coin> => {
  const { stage } = coin;
  if (stage === undefined) throw new RangeError("no HTLC transaction");
  if (how === "value") return { ...coin, stage: { ...stage, value: sat(stage.value - 1n) } };
  if (how === "script") return { ...coin, stage: { ...stage, script: strangersScript(0x44) } };
  const { holder, counterparty, terms } = on.opened.shared;
  const at = await point(on, on.number - 1n);
  const keys = commitmentKeys(curve, { broadcaster: holder, countersignatory: counterparty, point: at });
  const changed = {
    ...keys,
    ...(how === "revocation" ? { revocation: counterparty.revocation } : {}),
    ...(how === "delayed" ? { broadcasterDelayed: deriveKey(curve, counterparty.delayed, at) } : {}),
  };
  const delay = terms[how === "delay" ? "holder" : "counterparty"].toSelfDelay;
  return { ...coin, stage: { ...stage, script: p2wsh(delayedScript({ keys: changed, delay })) } };
};

const altered = (tx: Tx, { scriptSig, twice }: SpendWords): Tx => ({
  ...tx,
  inputs: [
    ...tx.inputs.map((input, i) =>
      scriptSig !== undefined && i === 0 ? { ...input, scriptSig: fromHex(scriptSig) as Script } : input,
    ),
    ...(twice === true ? tx.inputs.slice(0, 1) : []),
  ],
});

export const spendOf = async (on: SpendStage, peer: Peer, words: SpendWords): Promise<Request<"spend">> => {
  const { stage } = words;
  let coins = await Promise.all(expanded(words.take).map((word) => coinOf(on, peer, word)));
  if (stage !== undefined) coins = await Promise.all(coins.map((coin) => mistakenStage(on, coin, stage)));
  const pays = await Promise.all(expanded(words.pay).map((word) => payOf(on, word)));
  const { tx, body } = spending(on.opened.node, coins, pays, words);
  const inputs = words.twice === true ? [...body.inputs, ...body.inputs.slice(0, 1)] : body.inputs;
  return { ...body, inputs, tx: encodeTx(altered(tx, words)) };
};

/** Where a channel that is funded so will be; undefined where the words fund none. */
export const fundingIn = async (
  rig: Rig,
  opened: Opened,
  words: SpendWords | undefined,
): Promise<Outpoint | undefined> => {
  const index = words?.pay.findIndex((word) => /^(mis)?funding /.test(word)) ?? -1;
  if (words === undefined || index < 0) return undefined;
  const on = { rig, opened, number: 0n, balances: {} as Balances, labels: new Map() };
  const coins = await Promise.all(expanded(words.take).map((word) => coinOf(on, {} as Peer, word)));
  const pays = await Promise.all(expanded(words.pay).map((word) => payOf(on, word)));
  return { txid: txidOf(spending(opened.node, coins, pays).tx), index };
};
