/** The coins of one node's wallet, and the scripts under which blocks are looked through for more. */

import { equal, toHex } from "../../../protocol/bytes.ts";
import type { Place } from "../../../protocol/operations/spend.ts";
import type { ChannelId, Script } from "../../../protocol/units.ts";
import type { Policy } from "../policy.ts";
import { type Account, type Keyring, KeysAway, type WalletKey } from "../ports.ts";
import type { ChannelState, NodeState } from "../state.ts";
import { type Change, liveOf } from "../step.ts";
import { type Coin, type OwnScript, type Purse, packCoin, unpackCoin } from "./coins.ts";

export interface PurseWorld {
  readonly node: Pick<NodeState, "nextWallet">;
  readonly policy: Pick<Policy, "walletGap">;
  readonly channels: ReadonlyMap<ChannelId, ChannelState>;
}

type Keys = Pick<Keyring, "identity" | "walletKey">;

export interface OpenPurse extends Purse {
  load(id: string, bytes: Uint8Array): void;
  /** Records by their place under the node. */
  apply(change: Change): readonly (readonly [place: string, bytes: Uint8Array | undefined])[];
  /** Until every script of ours that may be paid by now is known. */
  reach(keyring: Keys, world: PurseWorld): Promise<void>;
}

/** Used indices that are still looked for: a host could count them up without end. Coins found below stay followed. */
const lookBack = 300;

export const openPurse = (): OpenPurse => {
  const coins = new Map<string, Coin>();
  const scripts = new Map<string, OwnScript>();
  const closings = new Set<ChannelId>();
  let accounts: readonly Account[] | undefined;
  let reached = 0;

  /** One behind a script hash would need a form of its own wherever it is spent. */
  const add = (place: Place, key: WalletKey | undefined): void => {
    if (key !== undefined && key.form !== "p2sh-p2wpkh") scripts.set(toHex(key.script), { place, key });
  };

  const addPlaces = async ({ walletKey }: Keys, places: readonly Place[]): Promise<void> => {
    const keys = await Promise.all(places.map((place) => walletKey(place)));
    for (const [i, place] of places.entries()) add(place, keys[i]);
  };

  /** Each style has one for each channel at the index of its id, or one for all. */
  const addClosing = async (
    { walletKey }: Keys,
    id: ChannelId,
    closing: Script,
    of: readonly Account[],
  ): Promise<void> => {
    for (const account of of.keys())
      for (const index of [0, Number(id % 2n ** 31n)]) {
        const place = { account, branch: 0, index };
        const key = await walletKey(place);
        if (key !== undefined && equal(key.script, closing)) return add(place, key);
      }
  };

  const reach = async (
    keyring: Keys,
    { node: { nextWallet }, policy, channels }: PurseWorld,
  ): Promise<void> => {
    if (accounts === undefined) {
      const { accounts: all } = await keyring.identity();
      // A key alone, without branches; and what a coin that was found needs, wherever its place is.
      const alone = all.flatMap(({ branches }, account) =>
        branches.length === 0 ? [{ account, branch: 0, index: 0 }] : [],
      );
      await addPlaces(keyring, [...alone, ...[...coins.values()].map(({ place }) => place)]);
      accounts = all;
    }
    const from = Math.max(reached, nextWallet - lookBack);
    const to = Math.max(reached, nextWallet + policy.walletGap);
    const indices = Array.from({ length: to - from }, (_, i) => from + i);
    for (const [account, { branches }] of accounts.entries())
      for (const branch of branches.keys())
        await addPlaces(
          keyring,
          indices.map((index) => ({ account, branch, index })),
        );
    reached = to;
    for (const [id, state] of channels) {
      const live = liveOf(state);
      if (live === undefined || closings.has(id)) continue;
      const { closingScript } = live.setup;
      if (!scripts.has(toHex(closingScript))) await addClosing(keyring, id, closingScript, accounts);
      closings.add(id);
    }
  };

  return {
    coins,
    scripts,
    load: (id, bytes) => {
      coins.set(id, unpackCoin(bytes));
    },
    apply: (change) =>
      [...(change.coins ?? [])].flatMap(([key, coin]) => {
        if (coin !== undefined) coins.set(key, coin);
        // What was never written need not be forgotten.
        else if (!coins.delete(key)) return [];
        return [[`coin/${key}`, coin === undefined ? undefined : packCoin(coin)] as const];
      }),
    reach: async (keyring, world) => {
      try {
        await reach(keyring, world);
      } catch (error) {
        // Blocks go on being followed: what they pay to scripts that are not known yet is missed.
        if (!(error instanceof KeysAway)) throw error;
      }
    },
  };
};
