/** Red-team 5: approvals that are stretched, replayed, exchanged or used too late. */

import { describe, expect, test } from "vitest";
import { parseInvoice } from "../../protocol/bolt/invoice/invoice.ts";
import { toHex } from "../../protocol/bytes.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { msat } from "../../protocol/units.ts";
import { bolt12Bill, invoiceBill, keysendBill, type Proposal } from "../honest/invoices.ts";
import { htlcOf, preimageOf } from "../scripted/channel.ts";
import {
  adds,
  type Heist,
  half,
  plan,
  propose,
  settles,
  stolen,
  update,
  withdraw,
} from "../scripted/heist.ts";
import { curve, plainTime, type RigOptions, rig } from "../scripted/road.ts";
import { attack, honestPassed } from "../scripted/tally.ts";

const hour = 3_600;
const value = 30_000_000n;
const fee = 500_000n;
const p = [preimageOf("h1")];
const out = (amount = value + fee, label = "h1"): Htlc => htlcOf("holder", amount, label);

interface Setting {
  readonly heist: Heist;
  readonly clock: { now: number };
}
const gang = async (options: RigOptions = {}, count = 2): Promise<Setting> => {
  const clock = { now: plainTime };
  const signer = await rig({ proposes: false, time: () => clock.now, ...options });
  return { heist: await plan(signer, count), clock };
};
const approved = async (options: RigOptions = {}): Promise<Setting> => {
  const setting = await gang(options);
  expect(await propose(setting.heist, out(value), { feeLimit: msat(fee) })).toMatchObject({
    is: "reply",
    reply: { standing: "approved" },
  });
  honestPassed();
  return setting;
};

const passes = async (outcome: Promise<Outcome<Name>>): Promise<void> => {
  expect(await outcome).toMatchObject({ is: "reply" });
  honestPassed();
};
const refuses = async (outcome: Promise<unknown>, rule: string): Promise<void> => {
  expect(await outcome).toMatchObject({ is: "refusal", refusal: { rule } });
};
const safe = ({ heist }: Setting): void => {
  expect(stolen(heist)).toBeLessThanOrEqual(0n);
  expect(heist.rig.faults).toEqual([]);
};

describe("an approved payment", () => {
  test("lets out its amount and fee limit, in however many parts, and nothing more", async () => {
    const setting = await approved();
    const { heist } = setting;
    await refuses(update(heist, 0, adds(out(value + fee + 1n))), "commitment-htlc-routing-balance");
    await passes(update(heist, 0, adds(out(20_000_000n))));
    await passes(update(heist, 1, adds(out(10_000_000n))));
    for (const at of [0, 1])
      await refuses(update(heist, at, adds(out(fee + 1n))), "commitment-htlc-routing-balance");
    await passes(update(heist, 1, adds(out(fee))));
    await refuses(update(heist, 0, adds(out(1_000n))), "commitment-htlc-routing-balance");
    safe(setting);
    // A part that failed may be tried again elsewhere, once it is gone from every live commitment.
    await passes(half(heist, 0, "counterparty", settles(out(20_000_000n), "fail")));
    await refuses(update(heist, 1, adds(out(20_000_000n))), "commitment-htlc-routing-balance");
    await passes(half(heist, 0, "holder", settles(out(20_000_000n), "fail")));
    await passes(update(heist, 1, adds(out(20_000_000n))));
    expect(stolen(heist)).toBe(0n);
  });

  test("is made once: not again after it settled, nor after a restart, nor as another payment of its hash", async () => {
    const setting = await approved();
    const { heist } = setting;
    await passes(update(heist, 0, adds(out(value))));
    await passes(half(heist, 0, "counterparty", settles(out(value), "fulfil"), p));
    // Paid on one side: within the fee limit, but the payee has it all.
    await refuses(update(heist, 1, adds(out(fee))), "payment-once");
    await passes(half(heist, 0, "holder", settles(out(value), "fulfil"), p));
    for (let i = 0; i < 2; i++) {
      await refuses(update(heist, 1, adds(out(fee))), "payment-once");
      await refuses(update(heist, 1, adds(out(value))), "payment-once");
      await refuses(propose(heist, out(value + 1n)), "payment-once");
      await refuses(withdraw(heist, out().hash), "payment-once");
      expect(await propose(heist, out(value), { feeLimit: msat(fee) })).toMatchObject({
        reply: { standing: "settled" },
      });
      heist.rig = await heist.rig.restart();
    }
    safe(setting);
  });

  test("that a payee took in part lets out the rest only", async () => {
    const setting = await approved();
    const { heist } = setting;
    await passes(update(heist, 0, adds(out(20_000_000n))));
    await passes(update(heist, 0, settles(out(20_000_000n), "fulfil"), p));
    await refuses(update(heist, 1, adds(out(10_500_001n))), "commitment-htlc-routing-balance");
    await passes(update(heist, 1, adds(out(10_500_000n))));
    await refuses(update(heist, 0, adds(out(1_000n))), "commitment-htlc-routing-balance");
    expect(stolen(heist)).toBe(0n);
  });

  test("lets nothing out when it was withdrawn, also after a restart; and is not withdrawn while it is out", async () => {
    const setting = await approved();
    const { heist } = setting;
    await passes(update(heist, 0, adds(out())));
    await refuses(withdraw(heist, out().hash), "payment-once");
    await passes(update(heist, 0, settles(out(), "fail")));
    await passes(withdraw(heist, out().hash) as Promise<Outcome<Name>>);
    await refuses(update(heist, 0, adds(out())), "commitment-htlc-offered-hash-matches");
    heist.rig = await heist.rig.restart();
    await refuses(update(heist, 1, adds(out(1_000n))), "commitment-htlc-offered-hash-matches");
    safe(setting);
  });

  test("is not exchanged for another of its hash while it is out", async () => {
    const setting = await approved();
    const { heist } = setting;
    await passes(half(heist, 0, "counterparty", adds(out())));
    for (const changes of [{ amount: msat(2n * value) }, { kind: "rebalance", amount: msat(0n) }] as const)
      await refuses(propose(heist, { ...out(value), ...changes }, changes), "commitment-payment-approved");
    await passes(half(heist, 0, "holder", adds(out())));
    safe(setting);
  });

  test("starts nothing when its time is over, and what it started goes on", async () => {
    const setting = await approved();
    const { heist, clock } = setting;
    await passes(update(heist, 0, adds(out(20_000_000n))));
    clock.now += 26 * hour;
    await refuses(update(heist, 1, adds(out(10_000_000n))), "commitment-payment-approved");
    heist.rig = await heist.rig.restart();
    await refuses(update(heist, 1, adds(out(10_000_000n))), "commitment-payment-approved");
    await passes(half(heist, 0, "counterparty", settles(out(20_000_000n), "fulfil"), p));
    await passes(half(heist, 0, "holder", settles(out(20_000_000n), "fulfil"), p));
    safe(setting);
  });

  test("starts nothing when its invoice is over", async () => {
    const setting = await gang();
    const { heist, clock } = setting;
    const { node } = heist.rig.session;
    const bill = invoiceBill({
      node,
      label: "h1",
      amount: value,
      feeLimit: fee,
      now: plainTime,
      expiry: 600,
    });
    clock.now += 601;
    await refuses(heist.rig.outcome("proposePayment", bill.proposal), "invoice-not-expired");
    clock.now -= 2;
    await passes(heist.rig.outcome("proposePayment", bill.proposal) as Promise<Outcome<Name>>);
    heist.approved.set(toHex(bill.hash), value + fee);
    clock.now += 2 * hour;
    await refuses(update(heist, 0, adds(out())), "commitment-payment-approved");
    safe(setting);
  });
});

describe("a payment that waits for a person", () => {
  const policy = { unattendedPayment: msat(value) };

  test("lets nothing out, however often it is proposed, and is not let through in pieces of its hash", async () => {
    const setting = await gang({ policy });
    const { heist } = setting;
    for (let i = 0; i < 3; i++) {
      expect(await propose(heist, out(value + 1n))).toMatchObject({ reply: { standing: "pending" } });
      await refuses(update(heist, 0, adds(out(value + 1n))), "commitment-htlc-offered-hash-matches");
      heist.rig = await heist.rig.restart();
    }
    // Within what needs no person; then nothing else of the hash goes on top.
    expect(await propose(heist, out(value))).toMatchObject({ reply: { standing: "approved" } });
    await refuses(update(heist, 0, adds(out(value + 1n))), "commitment-htlc-routing-balance");
    await passes(update(heist, 0, adds(out(value))));
    await refuses(propose(heist, out(value), { feeLimit: msat(1n) }), "commitment-payment-approved");
    safe(setting);
  });

  test("and asks a person for the fee limit as well", async () => {
    const { heist } = await gang({ policy });
    expect(await propose(heist, out(value - 5n), { feeLimit: msat(6n) })).toMatchObject({
      reply: { standing: "pending" },
    });
    expect(await propose(heist, out(value - 5n), { feeLimit: msat(5n) })).toMatchObject({
      reply: { standing: "approved" },
    });
  });
});

describe("an invoice", () => {
  /** Nobody gets an approval for these; what is no proof of anything is no request. */
  const wrong = async (heist: Heist, proposal: Proposal, changes: Partial<Proposal>): Promise<void> => {
    await attack(Object.keys(changes).join(), async () => {
      const outcome = await heist.rig.session.respond(
        { name: "proposePayment", body: { ...proposal, ...changes } },
        "test",
      );
      expect(outcome.is).toMatch(/^(malformed|refusal)$/);
      expect(heist.rig.faults).toEqual([]);
    });
  };

  test("proves amount, hash and payee: the host can't say others", async () => {
    const { heist } = await gang();
    const { node } = heist.rig.session;
    const what = { node, amount: value, feeLimit: fee, now: plainTime };
    const bill = invoiceBill({ ...what, label: "h1" });
    const other = invoiceBill({ ...what, label: "h2" });
    const { invoice } = bill.proposal;
    for (const changes of [
      { amount: msat(value + 1n) },
      { amount: msat(value - 1n) },
      { hash: other.hash },
      { invoice: other.proposal.invoice },
      { payee: node },
      { kind: "bolt12" },
      { kind: "keysend" },
      { invoice: `${invoice.slice(0, -1)}${invoice.endsWith("q") ? "p" : "q"}` },
      { invoice: invoice.replace(/^lnbcrt/, "lnbc") },
      { invoice: "" },
    ] satisfies readonly Partial<Proposal>[])
      await wrong(heist, bill.proposal, changes);
    await passes(heist.rig.outcome("proposePayment", bill.proposal) as Promise<Outcome<Name>>);
    await passes(update(heist, 0, adds(out())));
  });

  test("that is signed needs no person when its payee is on the list; the host's word is not enough", async () => {
    const policy = { unattendedPayment: msat(0n) };
    const { heist: plain } = await gang({ policy });
    const { node } = plain.rig.session;
    const what = { node, label: "h1", amount: value, feeLimit: fee, now: plainTime };
    const bill = invoiceBill(what);
    expect(await plain.rig.call("proposePayment", bill.proposal)).toMatchObject({ standing: "pending" });
    const parsed = parseInvoice(curve, bill.proposal.invoice).payee;
    const { heist } = await gang({ policy: { ...policy, payees: [parsed] } });
    const keysend = keysendBill({ ...what, label: "h2" });
    expect(await heist.rig.call("proposePayment", { ...keysend.proposal, payee: parsed })).toMatchObject({
      standing: "pending",
    });
    expect(await heist.rig.call("proposePayment", bill.proposal)).toMatchObject({ standing: "approved" });
  });

  test("of BOLT 12 is bound to the offer or refund that it is shown with", async () => {
    const { heist } = await gang();
    const { node } = heist.rig.session;
    const what = { node, amount: value, feeLimit: fee, now: plainTime };
    for (const from of ["offer", "request"] as const) {
      const bill = bolt12Bill({ ...what, label: `${from} 1` }, from);
      const other = bolt12Bill({ ...what, label: `${from} 2`, amount: value + 1n }, from);
      const another = bolt12Bill({ ...what, label: `${from} 3` }, from === "offer" ? "request" : "offer");
      await refuses(
        heist.rig.outcome("proposePayment", { ...bill.proposal, source: other.proposal.source }),
        "bolt12-invoice-bound",
      );
      for (const changes of [
        { source: another.proposal.source },
        { source: "" },
        { amount: msat(value + 1n) },
        { invoice: other.proposal.invoice },
        { hash: other.hash },
      ])
        await wrong(heist, bill.proposal, changes);
      await passes(heist.rig.outcome("proposePayment", bill.proposal) as Promise<Outcome<Name>>);
    }
  });
});

describe("fees", () => {
  test("of what was approved stay within the policy, absolute and by share", async () => {
    const { heist } = await gang({ policy: { maxRoutingFee: msat(400_000n), maxRoutingFeePpm: 10_000 } });
    await refuses(propose(heist, out(value), { feeLimit: msat(300_001n) }), "payment-fee-limit");
    await passes(propose(heist, out(value), { feeLimit: msat(300_000n) }) as Promise<Outcome<Name>>);
    await refuses(propose(heist, out(100_000_000n, "h2"), { feeLimit: msat(400_001n) }), "payment-fee-limit");
    const circle = { kind: "rebalance", amount: msat(0n) } as const;
    await refuses(
      propose(heist, out(0n, "h3"), { ...circle, feeLimit: msat(400_001n) }),
      "payment-fee-limit",
    );
    await passes(
      propose(heist, out(0n, "h3"), { ...circle, feeLimit: msat(400_000n) }) as Promise<Outcome<Name>>,
    );
  });
});
