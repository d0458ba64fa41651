/** The wallet's coins: outputs of blocks that pay to one of its scripts. What is not in a block does not count. */

import { deserialize, serialize } from "node:v8";
import type { ScannedBlock } from "../../protocol/bitcoin/block.ts";
import { fromHex, toHex } from "../../protocol/bytes.ts";
import { type Outpoint, type Script, script, txid } from "../../protocol/units.ts";
import type { SpendInput, Wallet } from "./keys/keys.ts";
import { bytesOf, type NodeStore } from "./store.ts";
import { NotDone, type Turns } from "./turn.ts";

export interface Coin {
  readonly outpoint: Outpoint;
  readonly value: bigint;
  readonly script: Uint8Array;
  readonly place: unknown;
  readonly prevTx: Uint8Array;
}

export interface Wanted {
  /** What the outputs need beyond what inputs that are given bring; negative where those bring more. */
  readonly value: bigint;
  /** Of everything but our coins and the change. */
  readonly weight: number;
  readonly feerate: number;
  readonly changeScript: Uint8Array;
  /** Where change is needed in any case, as the only output. */
  readonly needsChange?: boolean;
  /** Taken first, as in the transaction that this one replaces. */
  readonly first?: readonly Outpoint[];
  /** Not to be touched: what must stay for bumping the fees of closes. */
  readonly reserve?: bigint;
}

export interface Chosen {
  readonly coins: readonly Coin[];
  /** 0 where it would be dust. */
  readonly change: bigint;
}

export interface Coins {
  /** A fresh one of the keys', known from now on. */
  address(): Promise<Uint8Array>;
  knows(script: Uint8Array): boolean;
  scripts(): readonly Script[];
  unspent(): readonly Outpoint[];
  balance(): { readonly confirmed: bigint; readonly immature: bigint; readonly taken: bigint };
  /** The largest first, so that the same question has the same answer. Held until released, taken or spent. */
  choose(wanted: Wanted): Chosen;
  release(coins: readonly Coin[]): void;
  /** In a turn: spent by a transaction that is on its way. */
  take(coins: readonly Coin[], by: string): void;
  untake(by: string): void;
  connected(block: ScannedBlock, height: number): void;
  disconnected(height: number): void;
}

/** Bitcoin Core, COINBASE_MATURITY. */
const maturity = 100;
/** Above the dust limit of every script, and worth its own input. */
export const dust = 1_000n;

export const textOf = ({ txid, index }: Outpoint): string => `${toHex(txid)}:${index}`;
export const outpointOf = (text: string): Outpoint => ({
  txid: txid(fromHex(text.slice(0, 64))),
  index: Number(text.slice(65)),
});

/** BIP 141: an outpoint, a sequence, an empty script; then a witness of one key. */
const inputWeight = (script: Uint8Array): number => 4 * 41 + (script.length === 22 ? 109 : 67);
export const outputWeight = (script: Uint8Array): number => 4 * (9 + script.length);
export const feeFor = (weight: number, feerate: number): bigint =>
  BigInt(Math.ceil((weight * feerate) / 1000));

export const walletInput = (coin: Coin, sequence = 0xffff_fffd): SpendInput => ({
  kind: "wallet",
  ...coin,
  sequence,
});

interface Row {
  readonly coin: Coin;
  readonly height: number;
  readonly isCoinbase: boolean;
  readonly taken: boolean;
}

export interface CoinsParts {
  readonly store: Pick<NodeStore, "database">;
  readonly turns: Turns;
  readonly wallet: Pick<Wallet, "address">;
  readonly height: () => number;
}

export const openCoins = ({ store: { database }, turns, wallet, height }: CoinsParts): Coins => {
  const addScript = database.prepare("INSERT OR REPLACE INTO script VALUES (?, ?)");
  const places = new Map<string, unknown>();
  for (const row of database.prepare("SELECT script, place FROM script").all())
    places.set(String(row["script"]), deserialize(bytesOf(row["place"])));
  const add = database.prepare("INSERT OR REPLACE INTO coin VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)");
  const unspent = database.prepare(
    "SELECT * FROM coin WHERE spent_height IS NULL ORDER BY value DESC, outpoint",
  );
  const spend = database.prepare("UPDATE coin SET spent_height = ? WHERE outpoint = ?");
  const unspend = database.prepare("UPDATE coin SET spent_height = NULL WHERE spent_height = ?");
  const remove = database.prepare("DELETE FROM coin WHERE height = ?");
  const taken = database.prepare("UPDATE coin SET taken_by = ? WHERE outpoint = ?");
  const untake = database.prepare("UPDATE coin SET taken_by = NULL WHERE taken_by = ?");
  unspent.setReadBigInts(true);
  /** By something that is being built. */
  const held = new Set<string>();

  const rows = (): readonly Row[] =>
    unspent.all().map((row) => {
      const script = String(row["script"]);
      return {
        coin: {
          outpoint: outpointOf(String(row["outpoint"])),
          value: BigInt(row["value"] as bigint),
          script: fromHex(script),
          place: places.get(script),
          prevTx: bytesOf(row["raw"]),
        },
        height: Number(row["height"]),
        isCoinbase: row["coinbase"] !== 0n,
        taken: row["taken_by"] !== null,
      };
    });

  const isRipe = ({ isCoinbase, height: at }: Row): boolean => !isCoinbase || at + maturity <= height() + 1;
  const sum = (list: readonly Row[]): bigint => list.reduce((total, { coin }) => total + coin.value, 0n);

  const free = (first: readonly Outpoint[]): readonly Coin[] => {
    const mine = new Set(first.map(textOf));
    const ripe = rows()
      .filter((row) => isRipe(row) && !row.taken)
      .map(({ coin }) => coin);
    const again = ripe.filter(({ outpoint }) => mine.has(textOf(outpoint)));
    const others = ripe.filter(({ outpoint }) => !mine.has(textOf(outpoint)) && !held.has(textOf(outpoint)));
    return [...again, ...others];
  };

  const choose = (wanted: Wanted): Chosen => {
    const { value, weight, feerate, changeScript, needsChange = false, first = [], reserve = 0n } = wanted;
    const all = free(first);
    const available = all.reduce((total, coin) => total + coin.value, 0n);
    const coins: Coin[] = [];
    let total = 0n;
    let weighs = weight;
    for (const coin of [...all, undefined]) {
      const bare = value + feeFor(weighs, feerate);
      const withChange = value + feeFor(weighs + outputWeight(changeScript), feerate) + dust;
      const replaced = first.length === 0 || coins.length >= Math.min(first.length, all.length);
      if (coins.length > 0 && replaced && total >= (needsChange ? withChange : bare)) {
        const change = total >= withChange ? total - withChange + dust : 0n;
        if (available - total + change < reserve) break;
        for (const { outpoint } of coins) held.add(textOf(outpoint));
        return { coins, change };
      }
      if (coin === undefined) break;
      coins.push(coin);
      total += coin.value;
      weighs += inputWeight(coin.script);
    }
    throw new NotDone(
      `the wallet has ${available} sat free, too little for ${value} sat and fees${reserve > 0n ? ` with ${reserve} sat kept for closes` : ""}`,
    );
  };

  return {
    address: async () => {
      const fresh = await wallet.address();
      const text = toHex(fresh.script);
      places.set(text, fresh.place);
      await turns.take(() => void addScript.run(text, serialize(fresh.place)));
      return fresh.script;
    },
    knows: (bytes) => places.has(toHex(bytes)),
    scripts: () => [...places.keys()].map((text) => script(fromHex(text))),
    unspent: () => rows().map(({ coin }) => coin.outpoint),
    balance: () => {
      const all = rows();
      const ripe = all.filter(isRipe);
      return {
        confirmed: sum(ripe.filter((row) => !row.taken)),
        immature: sum(all.filter((row) => !isRipe(row))),
        taken: sum(ripe.filter((row) => row.taken)),
      };
    },
    choose,
    release: (coins) => {
      for (const { outpoint } of coins) held.delete(textOf(outpoint));
    },
    take: (coins, by) => {
      for (const { outpoint } of coins) taken.run(by, textOf(outpoint));
    },
    untake: (by) => void untake.run(by),
    connected: (block, at) => {
      for (const tx of block.found) {
        for (const { outpoint } of tx.spends) spend.run(at, textOf(outpoint));
        for (const { outpoint, output } of tx.creations) {
          const text = toHex(output.script);
          if (!places.has(text)) continue;
          add.run(textOf(outpoint), output.value, text, at, tx.position === 0 ? 1 : 0, tx.raw);
          // Spent again in the same block, by a transaction that was found before or comes after.
          for (const other of block.found)
            if (other.spends.some((one) => textOf(one.outpoint) === textOf(outpoint)))
              spend.run(at, textOf(outpoint));
        }
      }
    },
    disconnected: (at) => {
      unspend.run(at);
      remove.run(at);
    },
  };
};
