/** Red-team 13: an honest person, or an honest signer, that gets stuck at a device. */

import { describe, expect, test } from "vitest";
import { isKnown } from "../../protocol/codec.ts";
import type { Reply } from "../../protocol/operations/index.ts";
import { grouped } from "../../signer/store/grouped.ts";
import { memoryDisk } from "../../signer/store/memory.ts";
import { questionsOf, setLimits } from "../scripted/approvers.ts";
import { add, ask, htlcOf, keysendOf, plainTerms, preimageOf, remove } from "../scripted/channel.ts";
import { deviceBench } from "../scripted/device.ts";
import { approvalIn, consulted, decided, judged, opened, sat } from "../scripted/device-setting.ts";
import { issueOf } from "../scripted/payments.ts";
import { rig } from "../scripted/road.ts";
import { carol, scene } from "../scripted/scene.ts";
import { toOther, toWallet, walletCoin } from "../scripted/spends.ts";
import { attack, honest } from "../scripted/tally.ts";
import { request } from "../scripted/thief.ts";

describe("a signer's clock", () => {
  test("breaks nothing, however far ahead it is", async () => {
    for (const now of [2 ** 32 - 86_400, 2 ** 32, 2 ** 40]) {
      const { core, node } = await opened();
      const proposed = core.judge(ask("proposePayment", keysendOf(node, htlcOf("holder", 1n, "a"))), now);
      await attack(`seconds that no record holds: ${now}`, () => expect(proposed).rejects.toThrow("now"));
      expect(core.faults).toEqual([]);
    }
    for (const now of [4_000_000_000]) {
      const setting = await opened({ each: sat(100_000), allowance: sat(100_000) });
      const { core, node, on } = setting;
      await attack(`seconds: ${now}`, async () => {
        const id = approvalIn(
          await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", 1_000_000n, "a")), now),
        );
        await questionsOf(core);
        await consulted(core, id);
        await decided(core, node, id, now);
        await judged(core, "signInvoice", issueOf(node, "b", 1_000n), now);
        const { body } = await request(
          on.signer,
          [await walletCoin(on.signer, 100_000n)],
          [toOther(60_000n), await toWallet(on.signer, 39_000n)],
        );
        await judged(core, "spend", body, now);
        await core.powerCycle();
        expect(await core.load()).toMatchObject({ is: "begun" });
        await questionsOf(core);
        expect(core.faults).toEqual([]);
      });
    }
  });
});

describe("a person who agreed", () => {
  test("is not asked again because of a step that was taken meanwhile", async () => {
    const setting = await opened();
    const { core, node, says } = setting;
    says.yes = true;
    const wanted = { each: sat(1), allowance: sat(10) };
    core.holdScreen();
    const atButtons = setLimits(core, wanted);
    await core.onScreen();
    await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", 20_000_000n, "a")));
    core.goOn();
    // As the signer's admin does: what it has not heard of comes first, then the same again.
    const first = await atButtons;
    await honest(async () => {
      expect(first.is === "limits" ? first : await setLimits(core, wanted)).toMatchObject({ is: "limits" });
      expect(core.asked.filter((one) => one.startsWith("Change the limits"))).toHaveLength(1);
    });
  });

  test("or does not answer keeps nothing waiting that the allowance pays for", async () => {
    const bench = await deviceBench({ lingers: (title) => title === "Pay" });
    const keyring = await bench.keyring(grouped(memoryDisk().open()));
    try {
      const signer = await rig({ watch: () => keyring, proposes: false });
      await expect.poll(() => keyring.state(), { timeout: 5_000 }).toBe("open");
      const { node } = keyring;
      const standing = async () => {
        const reply = keyring.admin.reply(ask("deviceStanding", { node }), () => false);
        const { now } = (await reply) as Reply<"deviceStanding">;
        if (!isKnown(now)) throw new Error("away");
        return now;
      };
      const { limits } = await standing();
      const small = { ...limits, each: sat(1_000), allowance: sat(1_000) };
      await keyring.admin.reply(ask("deviceLimits", { node, limits: small, signatures: [] }), () => false);
      const pay = (label: string, amount: bigint) =>
        signer.outcome("proposePayment", keysendOf(node, htlcOf("holder", amount, label)));
      const large = pay("large", 50_000_000n);
      await expect.poll(() => bench.device().screen.is).toBe("consent");
      const [paid] = [pay("small", 1_000_000n), large.catch(() => {})];
      await honest(() => expect.poll(async () => (await standing()).left, { timeout: 5_000 }).toBe(0n));
      expect(await paid).toMatchObject({ reply: { standing: "approved" } });
    } finally {
      await keyring.close();
      await bench.close();
    }
  });
});

describe("a step that was cut off", () => {
  test("comes out the same, whoever vouched for a channel in between", async () => {
    const setting = await opened();
    const { core, on, says } = setting;
    says.yes = true;
    const theirs = await scene({
      signer: on.signer,
      label: "air",
      terms: plainTerms({ opener: "counterparty" }),
      peer: carol,
    });
    await theirs.advance(0n, theirs.start);
    const out = htlcOf("holder", 20_000_000n, "a");
    await on.signer.call("proposePayment", keysendOf(setting.node, out));
    await on.advance(1n, add(on.start, out));
    const received = htlcOf("counterparty", 30_000_000n, "a");
    const held = add(theirs.start, received);
    await theirs.advance(1n, held);
    const { sign, validate, revoke, revocation } = await theirs.at(2n, remove(held, received, "fulfil"), [
      preimageOf("a"),
    ]);
    if (revoke === undefined || revocation === undefined) throw new Error("nothing to revoke");
    await on.signer.call("signCounterpartyCommitment", sign);
    await on.signer.call("validateHolderCommitment", validate);
    await on.signer.call("revokeHolderCommitment", revoke);
    const [pages, step] = [new Map(core.pages), core.step];
    // Its answer is lost on the way, and the person, who had read for a while, says yes to the channel.
    const { request: cut, answer } = await core.shown(ask("validateCounterpartyRevocation", revocation));
    expect(answer.is).toBe("reply");
    const vouched = await core.ask({ is: "vouch", step });
    core.pages.clear();
    for (const [key, page] of pages) core.pages.set(key, page);
    core.step = step;
    await core.powerCycle();
    expect(await core.load()).toMatchObject({ is: "begun", isBehind: true });
    await honest(async () => {
      expect({ vouched: vouched.is, again: (await core.ask(cut)).is }).toMatchObject({ again: "reply" });
    });
  });
});
