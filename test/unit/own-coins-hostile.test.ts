/** Whoever asks, or shows blocks, or estimates fees: what coins of the signer's wallet pay for is bounded. */

import { afterEach, describe, expect, test } from "vitest";
import { unknown } from "../../protocol/codec.ts";
import { feerate, type Outpoint } from "../../protocol/units.ts";
import type { Alone } from "../scripted/alone.ts";
import { payTo } from "../scripted/real-channel.ts";
import { bob } from "../scripted/scene.ts";
import { type Coin, placeAt, spending, toWallet, walletCoin } from "../scripted/spends.ts";
import { attack, honest } from "../scripted/tally.ts";

import {
  addressOf,
  channelOn,
  closed,
  exitOf,
  mined,
  outputOf,
  received,
  started,
  stopAll,
  takerOf,
} from "./own-coins.kit.ts";

afterEach(stopAll);

describe("coins are no way to lose money", () => {
  /** As a host knows it: without the transaction that it comes from. */
  const toldOf = async (on: Alone, outpoint: Outpoint, value: bigint, index = 0): Promise<Coin> => {
    const coin = await walletCoin(on.rig, value, { place: placeAt(index), proven: false });
    return { ...coin, said: { ...coin.said, outpoint } };
  };
  const paid = async (on: Alone, ...values: readonly bigint[]) => {
    const outpoints = payTo(on.chain, await addressOf(on), ...values);
    await mined(on);
    return outpoints;
  };
  const asked = async (on: Alone, coins: readonly Coin[], back: bigint) =>
    on.outcome("spend", spending(on.rig.session.node, coins, [await toWallet(on.rig, back)]).body);

  test("a host lies about none that a block has brought, and need not prove it where it tells the truth", async () => {
    const on = await started();
    const [outpoint] = await paid(on, 50_000n);
    if (outpoint === undefined) throw new Error("no coin");
    await honest(async () =>
      expect((await asked(on, [await toldOf(on, outpoint, 50_000n)], 49_800n)).is).toBe("reply"),
    );
    await attack("another value", async () =>
      expect(await asked(on, [await toldOf(on, outpoint, 60_000n)], 49_800n)).toMatchObject({
        ...{ is: "refusal", refusal: { rule: "onchain-input-value-proven" } },
      }),
    );
    await attack("another place", async () =>
      expect(await asked(on, [await toldOf(on, outpoint, 50_000n, 1)], 49_800n)).toMatchObject({
        ...{ is: "refusal", refusal: { rule: "onchain-input-value-proven" } },
      }),
    );
  });

  test("no feerate above the policy's is paid, whoever asks for it, nor what the HTLC is worth", async () => {
    const on = await started({ policy: { maxSweepFeerate: feerate(20_000) } });
    const channel = await channelOn(on, bob, received);
    await paid(on, 900_000n);
    const home = await closed(on, channel);
    const body = { channel: channel.channel, confirmed: unknown, preimages: [] } as const;
    await attack("an exit above the limit", async () =>
      expect(await on.outcome("exit", { ...body, feerate: feerate(20_001) })).toMatchObject({
        ...{ is: "refusal", refusal: { rule: "htlc-fee-range" } },
      }),
    );
    await honest(async () =>
      expect((await on.outcome("exit", { ...body, feerate: feerate(20_000) })).is).toBe("reply"),
    );
    on.chain.suggest(feerate(1_000_000));
    await attack("a source that estimates what nobody pays", async () => {
      on.chain.mine(1, { empty: true });
      await on.settled();
      const { fee, weight } = takerOf(on, outputOf(home, 60_000n));
      expect(Number(fee)).toBeLessThanOrEqual((20_000 * (weight + 9)) / 1_000);
      expect(fee).toBeLessThan(60_000n);
    });
  });

  test("what they pay is counted for the day, once for what replaces another", async () => {
    const on = await started();
    const channel = await channelOn(on, bob, received);
    await paid(on, 900_000n);
    const spentOf = async (): Promise<bigint> =>
      (await on.reply("status", {})).windows.find(({ name }) => name === "fees")?.spent ?? -1n;
    const home = await closed(on, channel);
    const before = await spentOf();
    const { fee } = takerOf(on, outputOf(home, 60_000n));
    expect(before).toBeGreaterThanOrEqual(fee * 1_000n);
    await exitOf(on, channel);
    expect(await spentOf()).toBe(before);
    await exitOf(on, channel, 2_000);
    const more = (await spentOf()) - before;
    // Twice the feerate: of the claim, and of the two sweeps behind it.
    expect(more).toBeGreaterThanOrEqual(fee * 1_000n);
    expect(more).toBeLessThan(fee * 2_400n);
  });

  test("a host that counts up the wallet's indices hides none that was found", async () => {
    const on = await started();
    const channel = await channelOn(on, bob, received);
    const [outpoint] = await paid(on, 40_000n);
    for (let index = 99; index < 2_000; index += 99)
      await attack("an index further on", async () => void (await addressOf(on, index)));
    await on.stop();
    const again = await started({ embedded: on.chain, over: await on.rig.restart() });
    const home = await closed(again, channel);
    expect(takerOf(again, outputOf(home, 60_000n)).tx.inputs[1]?.outpoint).toEqual(outpoint);
  });
});
