/** Coins of the signer's own wallet: what blocks bring and take, which scripts are looked for, which coins may pay. */

import { describe, expect, test } from "vitest";
import type { WatchedTx } from "../../protocol/bitcoin/block.ts";
import { toHex } from "../../protocol/bytes.ts";
import { isKnown, unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import { Secret } from "../../protocol/secret.ts";
import { channelId, height, type Outpoint, type Script, sat, type Txid } from "../../protocol/units.ts";
import {
  type Coin,
  coinWatches,
  followCoins,
  indexAfter,
  leastCoin,
  maxCoins,
} from "../../signer/core/chain/coins.ts";
import type { Moved } from "../../signer/core/chain/connect.ts";
import { openPurse, type PurseWorld } from "../../signer/core/chain/purse.ts";
import { keyOf } from "../../signer/core/outpoints.ts";
import { type Keyring, KeysAway } from "../../signer/core/ports.ts";
import { refuse } from "../../signer/core/rule.ts";
import { textOf } from "../../signer/core/rules/table.ts";
import { openPocket } from "../../signer/core/spend/coins.ts";
import type { ChannelState } from "../../signer/core/state.ts";
import type { View } from "../../signer/core/step.ts";
import { softwareKeyring } from "../../signer/keys/software.ts";
import { start } from "../scripted/channel.ts";
import { curve } from "../scripted/road.ts";
import { placeAt, strangersScript } from "../scripted/spends.ts";
import { testChannel } from "./chain-channel.ts";

const txid = (label: string): Txid => sha256(new TextEncoder().encode(label)) as Txid;
const at = (label: string, index = 0): Outpoint => ({ txid: txid(label), index });
const ours = strangersScript(0x11);
const scripts = new Map([
  [
    toHex(ours),
    {
      place: placeAt(5),
      key: { form: "p2wpkh", point: curve.publicKey(new Secret(txid("k"))), script: ours } as const,
    },
  ],
]);

const found = (
  label: string,
  {
    pays = [],
    spends = [],
    position = 1,
  }: {
    readonly pays?: readonly (readonly [bigint, Script])[];
    readonly spends?: readonly Outpoint[];
    readonly position?: number;
  },
): WatchedTx => ({
  ...{ txid: txid(label), position, raw: new Uint8Array(0) },
  spends: spends.map((outpoint, input) => ({ outpoint, input })),
  creations: pays.map(([value, script], index) => ({
    outpoint: at(label, index),
    output: { value: sat(value), script },
  })),
});

const moved = (tip: number, seen: readonly (readonly [number, ...WatchedTx[]])[], fork = tip): Moved =>
  ({
    is: "moved",
    fork: height(fork),
    view: { blocks: [{ at: { height: height(tip) } }] },
    seen: seen.map(([of, ...txs]) => ({
      height: height(of),
      hash: txid(`${of}`),
      coverage: "whole",
      found: txs,
    })),
  }) as unknown as Moved;

const follow = (coins: ReadonlyMap<string, Coin>, movement: Moved): ReadonlyMap<string, Coin> => {
  const now = new Map(coins);
  for (const [key, coin] of followCoins({ coins, scripts }, movement))
    if (coin === undefined) now.delete(key);
    else now.set(key, coin);
  return now;
};
const none: ReadonlyMap<string, Coin> = new Map();
const coin = (label: string, changes: Partial<Coin> = {}): Coin => ({
  ...{ outpoint: at(label), value: sat(50_000n), place: placeAt(5), height: height(10) },
  ...{ spent: unknown, pays: [], since: height(10) },
  ...changes,
});
const mapOf = (...coins: readonly Coin[]): ReadonlyMap<string, Coin> =>
  new Map(coins.map((one) => [keyOf(one.outpoint), one]));

describe("coins that blocks bring", () => {
  const paid = found("in", {
    pays: [
      [50_000n, ours],
      [60_000n, strangersScript(0x12)],
    ],
  });

  test("are those that pay a script of ours, once, and not a coinbase's or what is too small", () => {
    const now = follow(none, moved(10, [[10, paid]]));
    expect([...now.values()]).toEqual([coin("in")]);
    expect(follow(now, moved(10, [[10, paid]]))).toEqual(now);
    expect(followCoins({ coins: now, scripts }, moved(10, [[10, paid]])).size).toBe(0);
    const more = [
      found("coinbase", { pays: [[50_000n, ours]], position: 0 }),
      found("dust", {
        pays: [
          [leastCoin - 1n, ours],
          [leastCoin, ours],
        ],
      }),
    ];
    const grown = follow(now, moved(11, [[11, ...more]]));
    expect([...grown.values()].map(({ value }) => value)).toEqual([50_000n, leastCoin]);
    expect(coinWatches({ coins: grown })).toEqual([at("in"), at("dust", 1)]);
  });

  test("are spent by what spends them, also in the same block, and by the first that did", () => {
    const spend = found("out", { spends: [at("in"), at("never")] });
    const now = follow(none, moved(10, [[10, paid, spend]]));
    expect([...now.values()]).toEqual([coin("in", { spent: height(10) })]);
    expect(followCoins({ coins: now, scripts }, moved(11, [[11, spend]])).size).toBe(0);
  });

  test("go and come back with the blocks that brought and spent them", () => {
    const known = mapOf(
      coin("young", { height: height(12) }),
      coin("old", { spent: height(12) }),
      coin("same"),
    );
    const now = follow(known, moved(12, [], 11));
    expect(now).toEqual(mapOf(coin("old"), coin("same")));
    const deep = mapOf(coin("a", { spent: height(11) }));
    expect(follow(deep, moved(12, [[11, found("x", { spends: [at("a")] })]], 10))).toEqual(deep);
  });

  test("are forgotten when no block that had them can be shown again", () => {
    const gone = mapOf(coin("gone", { spent: height(100) }), coin("there"));
    expect(follow(gone, moved(400, []))).toEqual(gone);
    expect(follow(gone, moved(401, []))).toEqual(mapOf(coin("there")));
  });

  test("have room: the smallest that are there go first, and of those that are spent the oldest", () => {
    const many = mapOf(
      ...Array.from({ length: maxCoins }, (_, i) => coin(`c${i}`, { value: sat(2_000n + BigInt(i)) })),
    );
    const small = found("small", { pays: [[1_999n, ours]] });
    expect(follow(many, moved(11, [[11, small]]))).toEqual(many);
    const big = follow(many, moved(11, [[11, paid]]));
    expect([big.size, big.has(keyOf(at("c0"))), big.has(keyOf(at("in")))]).toEqual([maxCoins, false, true]);
    const spent = mapOf(
      ...Array.from({ length: 1_500 }, (_, i) => coin(`s${i}`, { spent: height(20 + (i === 7 ? 0 : 1)) })),
      coin("next"),
    );
    const after = follow(spent, moved(30, [[30, found("o", { spends: [at("next")] })]]));
    expect([after.size, after.has(keyOf(at("s7")))]).toEqual([1_500, false]);
    expect([...after.values()].every(({ spent: by }) => isKnown(by))).toBe(true);
  });

  test("count their index as used, unless it is far above", () => {
    expect(indexAfter([coin("a"), undefined], 0, 100)).toBe(6);
    expect(indexAfter([coin("a")], 9, 100)).toBe(9);
    expect(indexAfter([coin("a", { place: placeAt(1_700_000_000) })], 3, 100)).toBe(3);
  });
});

const styles = ["native", "ldk", "lnd"] as const;
const keyringOf = (style: (typeof styles)[number]) =>
  softwareKeyring({
    seed: new Secret(new Uint8Array(64).fill(3)),
    network: "regtest",
    nodeIndex: 0,
    curve,
    style,
  });
const channelWith = (closingScript: Script): ChannelState => {
  const channel = testChannel();
  const live = channel.live({
    holder: [[1n, start(channel.terms)]],
    counterparty: [[1n, start(channel.terms)]],
  });
  return { phase: "open", ...live, setup: { ...live.setup, closingScript } };
};
const world = (changes: Partial<PurseWorld> = {}): PurseWorld => ({
  ...{ node: { nextWallet: 0 }, policy: { walletGap: 3 }, channels: new Map() },
  ...changes,
});

describe("scripts of ours", () => {
  test.each(styles)(
    "are all of the wallet within the gap, and each channel's closing script, with %s keys",
    async (style) => {
      const keyring = keyringOf(style);
      const purse = openPurse();
      const id = channelId(2n ** 31n + 1_700_000_000n);
      const closing = await keyring.closingScript(id);
      const stub: ChannelState = { phase: "stub" };
      await purse.reach(
        keyring,
        world({
          channels: new Map([
            [id, channelWith(closing)],
            [channelId(1n), stub],
          ]),
        }),
      );
      expect(purse.scripts.has(toHex(closing))).toBe(true);
      const { accounts } = await keyring.identity();
      for (const [account, { branches }] of accounts.entries())
        for (const [branch, form] of (branches.length === 0 ? (["p2wpkh"] as const) : branches).entries())
          for (const index of branches.length === 0 ? [0] : [0, 2, 3]) {
            const place = placeAt(index, branch, account);
            const key = await keyring.walletKey(place);
            const known = purse.scripts.get(toHex(key?.script ?? new Uint8Array(0)));
            expect([style, place, known?.place]).toEqual([
              ...[style, place],
              index < 3 && form !== "p2sh-p2wpkh" ? place : undefined,
            ]);
          }
      keyring.close();
    },
  );

  test("are looked for above the indices that were used, and not far below", async () => {
    const keyring = keyringOf("native");
    const purse = openPurse();
    const asked: number[] = [];
    const counted: Pick<Keyring, "identity" | "walletKey"> = {
      identity: keyring.identity,
      walletKey: (place) => {
        asked.push(place.index);
        return keyring.walletKey(place);
      },
    };
    await purse.reach(counted, world());
    await purse.reach(counted, world());
    expect([asked.length, Math.max(...asked)]).toEqual([12, 2]);
    await purse.reach(counted, world({ node: { nextWallet: 1 } }));
    expect([asked.length, Math.max(...asked)]).toEqual([16, 3]);
    asked.length = 0;
    await purse.reach(counted, world({ node: { nextWallet: 10_000 } }));
    expect([asked.length, Math.min(...asked), Math.max(...asked)]).toEqual([4 * 303, 9_700, 10_002]);
    await purse.reach(
      counted,
      world({ channels: new Map([[channelId(1n), channelWith(strangersScript(1))]]) }),
    );
    expect(purse.scripts.has(toHex(strangersScript(1)))).toBe(false);
    keyring.close();
  });

  test("are looked for later where the keys can't be reached now, and any other failure is one", async () => {
    const keyring = keyringOf("native");
    const purse = openPurse();
    const away = new KeysAway(refuse(textOf("node-known"), {}));
    await purse.reach({ ...keyring, walletKey: () => Promise.reject(away) }, world());
    expect(purse.scripts.size).toBe(0);
    await expect(
      purse.reach({ ...keyring, walletKey: () => Promise.reject(new Error("broken")) }, world()),
    ).rejects.toThrow("broken");
    await purse.reach(keyring, world());
    expect(purse.scripts.size).toBe(12);
    keyring.close();
  });

  test("are those of coins that were found too, wherever they are", async () => {
    const keyring = keyringOf("native");
    const purse = openPurse();
    const far = coin("far", { place: placeAt(77_777, 0, 1) });
    const records = purse.apply({
      coins: new Map([
        [keyOf(far.outpoint), far],
        ["never", undefined],
      ]),
    });
    expect(records.map(([place]) => place)).toEqual([`coin/${keyOf(far.outpoint)}`]);
    const again = openPurse();
    again.load(keyOf(far.outpoint), records[0]?.[1] ?? new Uint8Array(0));
    expect(again.coins).toEqual(purse.coins);
    await again.reach(keyring, world());
    expect([...again.scripts.values()].map(({ place }) => place)).toContainEqual(far.place);
    expect(again.apply({ coins: new Map([[keyOf(far.outpoint), undefined]]) })).toEqual([
      [`coin/${keyOf(far.outpoint)}`, undefined],
    ]);
    expect([again.coins.size, again.apply({})]).toEqual([0, []]);
    keyring.close();
  });
});

describe("coins that may pay", () => {
  const htlc = at("commitment", 2);
  const channel = testChannel();
  const live = channel.live({
    holder: [[1n, start(channel.terms)]],
    counterparty: [[1n, start(channel.terms)]],
  });
  const [variant] = live.holder.variants;
  if (variant === undefined) throw new Error("no variant");
  const handed = { txid: variant.txid, index: 0 };

  const pocketOf = (
    coins: readonly Coin[],
    {
      outpoints = [],
      spent = false,
      close = true,
      broadcast = [],
      tip = 20,
    }: {
      readonly outpoints?: readonly (readonly [Outpoint, object])[];
      readonly spent?: boolean;
      readonly close?: boolean;
      readonly broadcast?: readonly bigint[];
      readonly tip?: number;
    } = {},
  ) => {
    const output = { outpoint: htlc, spent: spent ? { height: height(19) } : undefined };
    const view = {
      purse: { coins: mapOf(...coins), scripts },
      outpoints: new Map(
        outpoints.map(([of, state]) => [keyOf(of), { foreign: false, funds: [], ...state }]),
      ),
      channels: new Map<bigint, unknown>([
        [1n, { phase: "open", ...live, holder: { ...live.holder, broadcast } }],
        [2n, { phase: "stub" }],
        [3n, { phase: "open", ...live }],
      ]),
      chain: {
        onchain: new Map<bigint, unknown>([
          [3n, { close: { outputs: close ? [output] : [] } }],
          [4n, { close: undefined }],
        ]),
      },
    };
    return openPocket(view as unknown as View, height(tip));
  };
  const names = (all: readonly { readonly coin: Coin }[]) => all.map((one) => one.coin.outpoint);

  test("are unspent, ours by all that was said, promised to no funding, and taken once", () => {
    const pocket = pocketOf(
      [
        coin("large", { value: sat(90_000n) }),
        coin("small"),
        coin("spent", { spent: height(12) }),
        coin("foreign"),
        coin("funds"),
        coin("nowhere", { place: placeAt(6) }),
      ],
      {
        outpoints: [
          [at("foreign"), { foreign: true }],
          [at("funds"), { funds: [txid("f")] }],
        ],
      },
    );
    expect(names(pocket.free())).toEqual([at("small"), at("large")]);
    pocket.take(pocket.free().slice(0, 1));
    expect(names(pocket.free())).toEqual([at("large")]);
  });

  test("are kept for what they were signed for, until that is over", () => {
    const promised = coin("promised", { pays: [htlc, at("else")], since: height(15) });
    const pocket = pocketOf([promised, coin("free")]);
    expect(names(pocket.free())).toEqual([at("free")]);
    expect(names(pocket.of([htlc]))).toEqual([at("promised")]);
    expect(pocket.of([at("another")])).toEqual([]);
    expect(pocket.together([htlc, at("third")])).toEqual([[htlc]]);
    expect(pocket.together([at("third")])).toEqual([]);
    pocket.take(pocket.of([htlc]));
    expect(pocket.of([htlc])).toEqual([]);
    expect(names(pocketOf([promised], { spent: true }).free())).toEqual([at("promised")]);
    expect(names(pocketOf([promised], { close: false }).free())).toEqual([at("promised")]);
  });

  test("are kept for a commitment that was handed out, for a day", () => {
    const promised = coin("promised", { pays: [handed], since: height(15) });
    const free = (broadcast: readonly bigint[], tip: number) =>
      pocketOf([promised], { broadcast, tip, close: false }).free().length;
    expect([free([1n], 158), free([1n], 159), free([], 20)]).toEqual([0, 1, 1]);
  });
});
