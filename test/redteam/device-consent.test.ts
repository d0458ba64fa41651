/** Red-team 13: a stolen signer and its peers against what a device's person allowed to leave. */

import { describe, expect, test } from "vitest";
import type { Statement } from "../../protocol/device/limits.ts";
import { msat, type NodeId } from "../../protocol/units.ts";
import { invoiceBill } from "../honest/invoices.ts";
import { approver, limitsOf, questionsOf } from "../scripted/approvers.ts";
import { add, htlcOf, keysendOf } from "../scripted/channel.ts";
import { openCore } from "../scripted/device-rig.ts";
import {
  approvalIn,
  consulted,
  day,
  decided,
  judged,
  opened,
  pays,
  sat,
} from "../scripted/device-setting.ts";
import { issueOf } from "../scripted/payments.ts";
import { curve, plainTime } from "../scripted/road.ts";
import { carol, evenTerms, scene } from "../scripted/scene.ts";
import { foreignCoin, toOther, toWallet, walletCoin } from "../scripted/spends.ts";
import { attack, honest } from "../scripted/tally.ts";
import { request } from "../scripted/thief.ts";
import { alice } from "../unit/bolt12-messages.ts";

describe("what was allowed once", () => {
  const small = { each: sat(20_000), allowance: sat(20_000) };

  test("is paid once, whatever time the signer says in between", async () => {
    const setting = await opened(small);
    const { core, node, on } = setting;
    const htlc = htlcOf("holder", 20_000_000n, "a");
    const proposal = keysendOf(node, htlc);
    const id = approvalIn(await judged(core, "proposePayment", proposal));
    expect(await consulted(core, id)).toMatchObject({ by: "allowance" });
    expect(await decided(core, node, id)).toMatchObject({ is: "reply" });
    const once = await pays(setting, { n: 1n, now: on.start }, htlc, "a");
    expect(once.outcome.is).toBe("reply");
    expect((await limitsOf(core)).left).toBe(0n);
    // Years ahead an invoice of ours is signed, for which old payments are forgotten; then it is today again.
    const later = plainTime + 5 * day;
    expect(await judged(core, "signInvoice", issueOf(node, "b", 1_000n), later)).toMatchObject({
      is: "reply",
    });
    await attack("a payment that the records have forgotten", async () => {
      await judged(core, "proposePayment", proposal);
      const twice = await pays(setting, once, htlc, "a");
      expect(twice.outcome.is).toBe("refusal");
    });
  });

  test("by approvers' signatures is not allowed again by the same ones", async () => {
    const mine = approver(1);
    const { core, node, on } = await opened({ approvers: [mine.key], needed: 1 });
    const signer = on.signer;
    const to = [toOther(60_000n), await toWallet(signer, 39_000n)];
    const first = await request(signer, [await walletCoin(signer, 100_000n, { label: "one" })], to);
    const waits = async () => (await questionsOf(core)).find(({ subject }) => subject === "outputs");
    await judged(core, "spend", first.body);
    const question = await waits();
    if (question === undefined) throw new Error("it does not wait");
    const { mark } = await limitsOf(core);
    const statement: Statement = { is: "answer", mark, node, question, verdict: "approve" };
    const signed = [mine.sign(statement)];
    const answered = () =>
      core.ask({
        is: "answer",
        step: core.step,
        approval: question.id,
        verdict: "approve",
        signatures: signed,
      });
    expect(await answered()).toMatchObject({ is: "verdict" });
    await decided(core, node, question.id);
    expect(await judged(core, "spend", first.body)).toMatchObject({ is: "reply" });
    // Another question, some days ahead, sweeps what is over; then it is today again.
    const other = await request(
      signer,
      [await walletCoin(signer, 100_000n, { label: "x" })],
      [toOther(1_000n), await toWallet(signer, 98_000n)],
    );
    await judged(core, "spend", other.body, plainTime + 5 * day);
    const second = await request(signer, [await walletCoin(signer, 100_000n, { label: "two" })], to);
    await attack("a second withdrawal with the signatures for the first", async () => {
      await judged(core, "spend", second.body);
      expect(await answered()).toMatchObject({ is: "refused" });
    });
  });
});

describe("a payee that is paid without a word", () => {
  const payee = curve.publicKey(alice) as NodeId;
  const what = { label: "shop", now: plainTime, expiry: 3_600 };

  test("gets what it asked for, and the thief's peer nothing on the way", async () => {
    const setting = await opened({ payees: [payee] });
    const { core, node, on } = setting;
    const { proposal } = invoiceBill({ ...what, node, amount: 1_000_000n, feeLimit: 1_000_000n });
    const standing = async (changes: Partial<typeof proposal> = {}) =>
      judged(core, "proposePayment", { ...proposal, ...changes });
    await attack("a fee as large as the payment", async () => {
      expect(await standing()).not.toMatchObject({ is: "reply", reply: { standing: "approved" } });
    });
    const open = invoiceBill({ ...what, label: "open", node, amount: 100_000_000n, feeLimit: 0n }, false);
    await attack("an amount that the invoice does not say", async () => {
      await judged(core, "proposePayment", open.proposal);
      const out = add(on.start, { ...htlcOf("holder", 100_000_000n, "open"), hash: open.hash });
      const { sign } = await on.at(1n, out);
      expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({ is: "refusal" });
    });
  });
});

describe("the amount of a question", () => {
  test("can be said: what a rebalance moves can't, so there is none, with a fee or without", async () => {
    const setting = await opened({ each: sat(1), allowance: sat(1) });
    const { core, node, on } = setting;
    const htlc = htlcOf("holder", 300_000_000n, "round");
    for (const fee of [msat(0n), msat(1n)])
      await attack(`300 000 satoshi for ${fee} millisatoshi`, async () => {
        const proposal = keysendOf(node, { ...htlc, amount: msat(0n) }, fee);
        expect(await judged(core, "proposePayment", { ...proposal, kind: "rebalance" })).toMatchObject({
          refusal: { rule: "device-no-rebalance", final: true },
        });
        const { outcome } = await pays(setting, { n: 1n, now: on.start }, htlc, "round");
        expect(outcome.is).toBe("refusal");
      });
  });

  test("is asked for only of a host that tells all: a device keeps no node of a lesser tier", async () => {
    for (const tier of ["commitments", "stateless"] as const) {
      const core = await openCore({ tier });
      await attack(`a host of tier ${tier}, whose payments are sums of a day`, async () => {
        expect(await core.load()).toEqual({ is: "refused", why: "tier" });
      });
    }
    const core = await openCore();
    await honest(async () => expect(await core.load()).toMatchObject({ is: "begun" }));
  });

  test("is that of money that goes to others, also where others pay a part of it", async () => {
    const { core, on } = await opened();
    const { signer } = on;
    const coins = [await walletCoin(signer, 100_000n), foreignCoin(10_000n)];
    const { body } = await request(signer, coins, [toOther(29_000n), await toWallet(signer, 80_000n)]);
    await attack("19 000 satoshi to others as if they were a fee", async () => {
      expect(await judged(core, "spend", body)).toMatchObject({ is: "refusal" });
    });
  });
});

describe("what others pay us", () => {
  test("is passed on to nobody, also where the clock made its invoice forgotten", async () => {
    const { core, node, on, says } = await opened();
    says.yes = true;
    const other = await scene({ signer: on.signer, label: "other", terms: evenTerms(), peer: carol });
    says.yes = false;
    await other.advance(0n, other.start);
    await judged(core, "signInvoice", issueOf(node, "h1", 30_000_000n));
    await judged(core, "signInvoice", issueOf(node, "h2", 1_000n), plainTime + 3 * day);
    await on.advance(1n, add(on.start, htlcOf("counterparty", 30_000_000n, "h1")));
    const { sign } = await other.at(1n, add(other.start, htlcOf("holder", 30_000_000n, "h1", 600_000)));
    await attack("a payment to our own invoice, let out again", async () => {
      expect(await judged(core, "signCounterpartyCommitment", sign)).toMatchObject({
        refusal: { rule: "receipt-not-cover" },
      });
    });
  });
});
