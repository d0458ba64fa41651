/** Red-team 13: a stolen signer and some of the approvers against the questions of a device and its limits. */

import { describe, expect, test } from "vitest";
import { addressOf } from "../../protocol/bitcoin/address.ts";
import { p2wsh } from "../../protocol/bitcoin/script.ts";
import { fundingScript } from "../../protocol/bolt/scripts.ts";
import { toHex } from "../../protocol/bytes.ts";
import { encodeCoreAnswer } from "../../protocol/device/core.ts";
import type { Statement } from "../../protocol/device/limits.ts";
import { usualMessage } from "../../protocol/link.ts";
import type { Script } from "../../protocol/units.ts";
import { invoiceBill } from "../honest/invoices.ts";
import { answerTo, approver, limitsOf, questionsOf, setLimits } from "../scripted/approvers.ts";
import { add, htlcOf, keysendOf, plainTerms } from "../scripted/channel.ts";
import { approvalIn, consulted, decided, judged, opened, rigOf, sat } from "../scripted/device-setting.ts";
import { plainTime } from "../scripted/road.ts";
import { carol, scene } from "../scripted/scene.ts";
import { toOther, toWallet, walletCoin } from "../scripted/spends.ts";
import { attack, honest } from "../scripted/tally.ts";
import { request } from "../scripted/thief.ts";

describe("a question", () => {
  test("of a channel says to which script its funding pays, for a txid alone may be anybody's", async () => {
    const mine = approver(1);
    const { core } = await opened({ approvers: [mine.key], needed: 1 });
    const terms = plainTerms({ opener: "counterparty" });
    const air = await scene({ signer: rigOf(core), label: "somebody's output", terms, peer: carol });
    await air.advance(0n, air.start);
    await air.advance(1n, add(air.start, htlcOf("counterparty", 30_000_000n, "a")));
    const script = p2wsh(fundingScript(air.opened.shared.holder.funding, carol.basepoints.funding));
    const question = (await questionsOf(core)).find(({ subject }) => subject === "channel");
    await attack("an output of the same value that pays others", () => {
      const said = question?.shown.map(({ value }) => value).join(" ") ?? "";
      expect([addressOf("regtest", script), toHex(script)].some((one) => said.includes(one))).toBe(true);
    });
  });

  test("is no other for what its invoice says", async () => {
    const setting = await opened({ each: sat(50_000), allowance: sat(50_000) });
    const { core, node, on } = setting;
    const htlc = htlcOf("holder", 20_000_000n, "a");
    const id = approvalIn(await judged(core, "proposePayment", keysendOf(node, htlc)));
    await consulted(core, id);
    await decided(core, node, id);
    await on.advance(1n, add(on.start, htlc));
    const label = toHex(htlc.hash);
    const { proposal } = invoiceBill({ node, label, amount: 90_000_000n, feeLimit: 0n, now: plainTime });
    await judged(core, "proposePayment", proposal);
    await attack("a new payment that is shown as the cover of another", async () => {
      const [question] = await questionsOf(core);
      expect(question?.subject).toBe("payment");
      await consulted(core, question?.id ?? new Uint8Array(32));
      expect(core.asked.at(-1)).toMatch(/^Pay,/);
    });
  });

  test("comes to the approvers however many channels strangers open", async () => {
    const setting = await opened();
    const { core, node, on } = setting;
    for (let i = 0; i < 65; i++)
      await scene({ signer: on.signer, label: `their ${i}`, terms: plainTerms({ opener: "counterparty" }) });
    await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", 20_000_000n, "a")));
    await attack("sixty-five channels before the first payment", async () => {
      expect((await questionsOf(core)).map(({ subject }) => subject)).toContain("payment");
    });
  });

  test("is not so long, with all others, that no answer takes them", async () => {
    const { core, on } = await opened();
    const { signer } = on;
    const script = (n: number) => Uint8Array.from([0x6a, ...new Uint8Array(120).fill(n)]) as Script;
    const to = Array.from({ length: 24 }, (_, n) => toOther(1_000n, script(n)));
    for (let i = 0; i < 64; i++) {
      const coin = await walletCoin(signer, 130_000n, { label: `coin ${i}` });
      const { body } = await request(
        signer,
        [coin],
        [...to, toOther(1_001n + BigInt(i), script(i)), await toWallet(signer, 90_000n)],
      );
      await judged(core, "spend", body);
    }
    const answer = await core.ask({ is: "questions" });
    await attack("an answer that no link carries", () => {
      expect(encodeCoreAnswer(answer).length).toBeLessThan(usualMessage);
    });
  });
});

describe("what is not signed", () => {
  const [one, two, three] = [approver(1), approver(2), approver(3)] as const;
  const pinned = { approvers: [one.key, two.key, three.key], needed: 2 };

  test("is refused and breaks nothing, whatever stands in a signature's place", async () => {
    const setting = await opened(pinned);
    const { core, node } = setting;
    await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", 50_000_000n, "a")));
    const [question] = await questionsOf(core);
    if (question === undefined) throw new Error("it does not wait");
    const { mark } = await limitsOf(core);
    const statement: Statement = { is: "answer", mark, node, question, verdict: "approve" };
    const good = two.sign(statement);
    for (const [what, signature] of [
      ["ones", new Uint8Array(64).fill(0xff)],
      ["zeros", new Uint8Array(64)],
      ["its halves swapped", Uint8Array.from([...good.signature.slice(32), ...good.signature.slice(0, 32)])],
    ] as const)
      for (const verdict of ["approve", "deny"] as const)
        await attack(what, async () => {
          const signatures = [...(verdict === "approve" ? [good] : []), { key: one.key, signature }];
          expect(
            await core.ask({ is: "answer", step: core.step, approval: question.id, verdict, signatures }),
          ).toEqual({
            is: "refused",
            why: "unsigned",
          });
        });
    await attack("one approver's word, eight times", async () => {
      const signatures = Array.from({ length: 8 }, () => good);
      expect(
        await core.ask({
          is: "answer",
          step: core.step,
          approval: question.id,
          verdict: "approve",
          signatures,
        }),
      ).toEqual({
        is: "refused",
        why: "unsigned",
      });
    });
    await attack("words for limits as an answer", async () => {
      const { limits } = await limitsOf(core);
      const change: Statement = { is: "limits", mark, node, limits };
      const signatures = [one.sign(change), two.sign(change)];
      expect(
        await core.ask({
          is: "answer",
          step: core.step,
          approval: question.id,
          verdict: "approve",
          signatures,
        }),
      ).toEqual({
        is: "refused",
        why: "unsigned",
      });
    });
    await honest(async () => {
      expect(await answerTo(core, node, question, "approve", [one, two])).toMatchObject({ is: "verdict" });
    });
    expect(core.faults).toEqual([]);
  });

  test("nor charged: two at once never take more than is left", async () => {
    const setting = await opened({ each: sat(20_000), allowance: sat(25_000) });
    const { core, node } = setting;
    const ids = [];
    for (const label of ["a", "b"])
      ids.push(
        approvalIn(
          await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", 20_000_000n, label))),
        ),
      );
    const answers = await Promise.all([...ids, ...ids].map((id) => consulted(core, id)));
    await attack("twice 20 000 of 25 000", () => {
      expect(answers.map((one) => ("by" in one ? one.by : one.is))).toEqual([
        "allowance",
        "person",
        "allowance",
        "person",
      ]);
    });
    expect((await limitsOf(core)).left).toBe(sat(5_000));
  });

  test("nor given back by limits that come while a yes is not used yet", async () => {
    const setting = await opened({ ...pinned, each: sat(20_000), allowance: sat(20_000) });
    const { core, node } = setting;
    const id = approvalIn(
      await judged(core, "proposePayment", keysendOf(node, htlcOf("holder", 20_000_000n, "a"))),
    );
    expect(await consulted(core, id)).toMatchObject({ by: "allowance" });
    const { mark, limits } = await limitsOf(core);
    const none = { each: sat(0), allowance: sat(0) };
    const statement: Statement = { is: "limits", mark, node, limits: { ...limits, ...none } };
    expect(await setLimits(core, none, [one.sign(statement), two.sign(statement)])).toMatchObject({
      left: 0n,
    });
    await attack("what nobody has allowed since", async () => {
      expect(await decided(core, node, id)).toMatchObject({ refusal: { rule: "device-consent" } });
    });
  });
});
