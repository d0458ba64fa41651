/** Red-team 5: what a person agreed to can't be replayed, stretched, or used when its time is over. */

import { describe, expect, test } from "vitest";
import { plainTime, rig } from "../scripted/road.ts";
import { strangersScript, toOther, toWallet, verdicts, walletCoin } from "../scripted/spends.ts";
import { decide, request, ruleOf, strict } from "../scripted/thief.ts";

describe("an approval", () => {
  const approved = async (time = () => plainTime) => {
    const on = await rig({ policy: { ...strict, maxSentPerDay: 1_000_000_000n as never }, time });
    const pays = [toOther(60_000n), await toWallet(on, 39_000n)];
    const first = await request(on, [await walletCoin(on, 100_000n, { label: "one" })], pays);
    expect(await ruleOf(on, first.body)).toBe("onchain-no-unknown-outputs");
    await decide(on);
    return { on, pays, first };
  };

  test("lets out exactly what a person saw", async () => {
    const { on, first } = await approved();
    expect(verdicts(first, await on.call("spend", first.body))).toEqual([undefined]);
  });

  test("not to another script, and not a satoshi more", async () => {
    const { on } = await approved();
    const coin = await walletCoin(on, 100_000n, { label: "one" });
    for (const pay of [toOther(60_001n), toOther(60_000n, strangersScript(0x98))]) {
      const built = await request(on, [coin], [pay, await toWallet(on, 38_999n)]);
      expect(await ruleOf(on, built.body)).toBe("onchain-no-unknown-outputs");
    }
    const twice = await request(on, [coin], [toOther(30_000n), toOther(60_000n), await toWallet(on, 9_000n)]);
    expect(await ruleOf(on, twice.body)).toBe("onchain-no-unknown-outputs");
  });

  test("does not pay twice: another transaction has to spend the same input", async () => {
    const { on, pays, first } = await approved();
    await on.call("spend", first.body);
    const second = await request(on, [await walletCoin(on, 100_000n, { label: "two" })], pays);
    expect(await ruleOf(on, second.body)).toBe("onchain-no-unknown-outputs");
    const again = await on.restart();
    expect(await ruleOf(again, second.body)).toBe("onchain-no-unknown-outputs");
    const bumped = await request(
      on,
      [await walletCoin(on, 100_000n, { label: "one" }), await walletCoin(on, 50_000n, { label: "more" })],
      [toOther(60_000n), await toWallet(on, 88_000n)],
    );
    expect(verdicts(bumped, await again.call("spend", bumped.body))).toEqual([undefined, undefined]);
    // The same payment once more is another question.
    await decide(again);
    await again.call("spend", second.body);
  });

  test("does not raise the fee, nor outlive its time", async () => {
    let now = plainTime;
    const { on, first } = await approved(() => now);
    const coin = await walletCoin(on, 100_000n, { label: "one" });
    const dear = await request(on, [coin], [toOther(60_000n), await toWallet(on, 20_000n)]);
    expect(await ruleOf(on, dear.body)).toBe("onchain-fee-range");
    now += 90_000;
    expect(await ruleOf(on, first.body)).toBe("onchain-no-unknown-outputs");
  });

  test("that was denied stays so", async () => {
    const on = await rig({ policy: strict });
    const built = await request(on, [await walletCoin(on, 100_000n)], [toOther(99_000n)]);
    expect(await ruleOf(on, built.body)).toBe("onchain-no-unknown-outputs");
    await decide(on, "deny");
    const { facts } = await on.refusal("spend", built.body);
    expect(facts).toContainEqual({ name: "standing", value: "denied" });
  });
});
