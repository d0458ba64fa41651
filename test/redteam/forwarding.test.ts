/** Red-team 2: what goes out is covered by what comes in, over all channels, in every order of signing and revoking. */

import { describe, expect, test } from "vitest";
import type { Name } from "../../protocol/operations/index.ts";
import type { Outcome } from "../../protocol/outcome.ts";
import { msat } from "../../protocol/units.ts";
import { add, htlcOf, preimageOf } from "../scripted/channel.ts";
import type { Balances } from "../scripted/content.ts";
import {
  adds,
  commit,
  type Heist,
  half,
  last,
  plan,
  propose,
  revoke,
  settles,
  stolen,
  update,
} from "../scripted/heist.ts";
import { issueOf } from "../scripted/payments.ts";
import { type RigOptions, rig } from "../scripted/road.ts";
import { honestPassed } from "../scripted/tally.ts";

const value = 30_000_000n;
const p = [preimageOf("h1")];
const incoming = (amount = value, expiry = 700_100) => htlcOf("counterparty", amount, "h1", expiry);
const outgoing = (amount = value, expiry = 700_000) => htlcOf("holder", amount, "h1", expiry);

const passes = async (outcome: Promise<Outcome<Name>>): Promise<void> => {
  const result = await outcome;
  expect(result).toMatchObject({ is: "reply" });
  honestPassed();
};
/** Nothing that is decided here is final: an honest host may ask the same again when more has come in. */
const refuses = async (outcome: Promise<Outcome<Name>>, rule: string): Promise<void> => {
  expect(await outcome).toMatchObject({ is: "refusal", refusal: { rule, final: false } });
};

const gang = async (count = 2, options: RigOptions = {}): Promise<Heist> =>
  plan(await rig({ proposes: false, ...options }), count);

/** Whatever happens from here on, nothing was stolen. */
const safe = (heist: Heist): void => {
  expect(stolen(heist)).toBeLessThanOrEqual(0n);
  expect(heist.rig.faults).toEqual([]);
};

describe("an outgoing HTLC", () => {
  test("is not covered by an incoming one of a satoshi with the same hash", async () => {
    const heist = await gang();
    await passes(update(heist, 0, adds(incoming(1_000n))));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-payment-invoiced");
    await refuses(half(heist, 1, "holder", adds(outgoing())), "commitment-payment-invoiced");
    // Nor by a millisatoshi less; an honest forward takes its fee, or none.
    await refuses(update(heist, 1, adds(outgoing(1_001n))), "commitment-payment-invoiced");
    await passes(update(heist, 1, adds(outgoing(1_000n))));
    safe(heist);
  });

  test("bears no hash that nothing came in for and nobody approved", async () => {
    const heist = await gang();
    await passes(update(heist, 0, adds(htlcOf("counterparty", value, "h2", 700_100))));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-htlc-offered-hash-matches");
    safe(heist);
  });

  test("is not covered twice by one that came in once", async () => {
    const heist = await gang(3);
    await passes(update(heist, 0, adds(incoming())));
    await passes(update(heist, 1, adds(outgoing(10_000_000n))));
    await passes(update(heist, 1, adds(outgoing(10_000_000n))));
    for (const at of [1, 2, 0])
      await refuses(update(heist, at, adds(outgoing(10_000_001n))), "commitment-payment-invoiced");
    await refuses(update(heist, 1, adds(outgoing())), "commitment-payment-invoiced");
    await passes(update(heist, 2, adds(outgoing(10_000_000n))));
    await refuses(update(heist, 2, adds(outgoing(1_000n))), "commitment-payment-invoiced");
    safe(heist);
  });

  test("is covered by what every live commitment has in, not by what only the newest says", async () => {
    for (const owner of ["counterparty", "holder"] as const) {
      const heist = await gang();
      await passes(half(heist, 0, owner, adds(incoming())));
      await refuses(update(heist, 1, adds(outgoing())), "commitment-htlc-offered-hash-matches");
      const other = owner === "holder" ? "counterparty" : "holder";
      const next = {
        owner: other,
        number: 1n,
        balances: adds(incoming())(last(heist, 0, other).balances),
      } as const;
      await passes(commit(heist, 0, next));
      // The one before is live until it is revoked.
      await refuses(update(heist, 1, adds(outgoing())), "commitment-htlc-offered-hash-matches");
      await passes(revoke(heist, 0, other));
      await passes(update(heist, 1, adds(outgoing())));
      safe(heist);
    }
  });

  test("is not covered by an invoice of ours that somebody pays", async () => {
    const heist = await gang();
    await heist.rig.call("signInvoice", issueOf(heist.rig.session.node, "h1", value));
    await passes(update(heist, 0, adds(incoming())));
    await refuses(update(heist, 1, adds(outgoing())), "receipt-not-cover");
    heist.rig = await heist.rig.restart();
    await refuses(update(heist, 1, adds(outgoing())), "receipt-not-cover");
    await passes(half(heist, 0, "holder", settles(incoming(), "fulfil"), p));
    await refuses(update(heist, 1, adds(outgoing())), "receipt-not-cover");
    await passes(half(heist, 0, "counterparty", settles(incoming(), "fulfil"), p));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-payment-invoiced");
    safe(heist);
  });

  test("is not covered by one that we can't claim any more when it is claimed", async () => {
    const heist = await gang();
    await passes(update(heist, 0, adds(incoming(value, 700_005))));
    await refuses(update(heist, 1, adds(outgoing())), "routing-cltv-delta");
    await refuses(update(heist, 1, adds(outgoing(value, 700_000))), "routing-cltv-delta");
    await passes(update(heist, 1, adds(outgoing(value, 699_999))));
    // Exchanged for others of the same sum, either would come too late.
    const swapped =
      (out: ReturnType<typeof outgoing>, other: ReturnType<typeof outgoing>) => (now: Balances) =>
        add(settles(out, "fail")(now), other);
    await refuses(
      update(heist, 1, swapped(outgoing(value, 699_999), outgoing(value, 700_000))),
      "routing-cltv-delta",
    );
    await refuses(
      update(heist, 0, swapped(incoming(value, 700_005), incoming(value, 700_004))),
      "routing-balanced",
    );
    // The honest neighbours: later in, earlier out.
    await passes(update(heist, 0, swapped(incoming(value, 700_005), incoming(value, 700_006))));
    await passes(update(heist, 1, swapped(outgoing(value, 699_999), outgoing(value, 699_990))));
    safe(heist);
  });

  test("that passes on several parts is covered as late as each of them lasts", async () => {
    const heist = await gang(3);
    await passes(update(heist, 0, adds(incoming(10_000_000n, 700_010))));
    await passes(update(heist, 0, adds(incoming(20_000_000n, 700_100))));
    await refuses(update(heist, 1, adds(outgoing(30_000_000n, 700_050))), "routing-cltv-delta");
    await passes(update(heist, 1, adds(outgoing(20_000_000n, 700_050))));
    await refuses(update(heist, 2, adds(outgoing(10_000_000n, 700_050))), "routing-cltv-delta");
    await passes(update(heist, 2, adds(outgoing(10_000_000n, 700_000))));
    safe(heist);
  });

  test("is not covered in time by what came in for another one, which is paid", async () => {
    const heist = await gang();
    // It keeps the hash from being closed.
    await passes(update(heist, 0, adds(incoming(1_000n, 701_000))));
    await passes(update(heist, 0, adds(incoming())));
    await passes(update(heist, 1, adds(outgoing())));
    await passes(update(heist, 0, settles(incoming(), "fulfil"), p));
    await passes(update(heist, 1, settles(outgoing(), "fulfil"), p));
    await passes(update(heist, 0, adds(incoming(value, 700_005))));
    await refuses(update(heist, 1, adds(outgoing())), "routing-cltv-delta");
    await passes(update(heist, 1, adds(outgoing(value, 699_999))));
    safe(heist);
  });

  test("is not covered in time by an approval that paid for another one", async () => {
    const heist = await gang();
    await passes(update(heist, 0, adds(incoming(value, 700_005))));
    await passes(propose(heist, outgoing(), { feeLimit: msat(500_000n) }) as Promise<Outcome<Name>>);
    await passes(update(heist, 1, adds(outgoing(value - 1_000_000n))));
    await passes(update(heist, 1, settles(outgoing(value - 1_000_000n), "fulfil"), p));
    await refuses(update(heist, 1, adds(outgoing(value - 1_000_000n))), "routing-cltv-delta");
    await passes(update(heist, 1, adds(outgoing(value, 699_999))));
    safe(heist);
  });

  test("of a node that does not forward is not covered by anything that came in", async () => {
    const heist = await gang(2, { policy: { forwarding: false } });
    await passes(update(heist, 0, adds(incoming())));
    await refuses(update(heist, 1, adds(outgoing())), "no-routing");
    await passes(propose(heist, outgoing()) as Promise<Outcome<Name>>);
    await passes(update(heist, 1, adds(outgoing())));
    safe(heist);
  });

  test("of an intent covers nothing of another hash", async () => {
    const heist = await gang();
    await propose(heist, htlcOf("holder", value, "h2"));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-htlc-offered-hash-matches");
    await passes(update(heist, 1, adds(htlcOf("holder", value, "h2"))));
    safe(heist);
  });

  test("waits when too much is out for others", async () => {
    const heist = await gang(2, { policy: { maxForwardExposure: msat(value) } });
    await passes(update(heist, 0, adds(incoming(value * 2n))));
    await passes(update(heist, 1, adds(outgoing())));
    await refuses(update(heist, 1, adds(outgoing(1_000n))), "forward-exposure");
    // It has come in: then the next may go.
    await passes(update(heist, 0, settles(incoming(value * 2n), "fulfil"), p));
    await passes(update(heist, 1, adds(outgoing(1_000n))));
    safe(heist);
  });
});

describe("what covers an HTLC that is out", () => {
  const forward = async (count = 2): Promise<Heist> => {
    const heist = await gang(count);
    await passes(update(heist, 0, adds(incoming())));
    await passes(update(heist, 1, adds(outgoing())));
    return heist;
  };

  test("is not given up while that one is out, nor after it was paid", async () => {
    const heist = await forward();
    const giveUp = () => update(heist, 0, settles(incoming(), "fail"));
    await refuses(giveUp(), "routing-balanced");
    await refuses(half(heist, 0, "holder", settles(incoming(), "fail")), "routing-balanced");
    // With a preimage named that took nothing to us.
    await refuses(update(heist, 0, settles(incoming(), "fail"), [preimageOf("h2")]), "routing-balanced");
    await passes(update(heist, 1, settles(outgoing(), "fulfil"), p));
    await refuses(giveUp(), "routing-balanced");
    heist.rig = await heist.rig.restart();
    await refuses(giveUp(), "routing-balanced");
    safe(heist);
    await passes(update(heist, 0, settles(incoming(), "fulfil"), p));
    safe(heist);
  });

  test("is not given up because an invoice of its hash is issued meanwhile", async () => {
    const heist = await forward();
    await heist.rig.call("signInvoice", issueOf(heist.rig.session.node, "h1", value));
    const giveUp = () => update(heist, 0, settles(incoming(), "fail"));
    await refuses(giveUp(), "routing-balanced");
    await refuses(half(heist, 0, "holder", settles(incoming(), "fail")), "routing-balanced");
    await refuses(half(heist, 0, "counterparty", settles(incoming(), "fail")), "routing-balanced");
    await passes(update(heist, 1, settles(outgoing(), "fail")));
    await passes(giveUp());
    safe(heist);
  });

  test("is not given up because as much has settled elsewhere in the channel, and lasts for ever there", async () => {
    const heist = await gang(3);
    // One half of the channel has claimed what the other half has in: both cover, each in its way.
    await passes(update(heist, 0, adds(incoming())));
    await passes(half(heist, 0, "holder", settles(incoming(), "fulfil"), p));
    await passes(update(heist, 1, adds(outgoing())));
    const { number, balances } = last(heist, 0, "counterparty");
    const swapped = add(settles(incoming(), "fail")(balances), incoming(value, 700_005));
    await refuses(
      commit(heist, 0, { owner: "counterparty", number: number + 1n, balances: swapped }),
      "routing-balanced",
    );
    await passes(half(heist, 0, "counterparty", settles(incoming(), "fulfil"), p));
    safe(heist);
  });

  test("is not given up before the outgoing one is gone from every live commitment", async () => {
    for (const first of ["counterparty", "holder"] as const) {
      const heist = await forward();
      const second = first === "holder" ? "counterparty" : "holder";
      const giveUp = () => update(heist, 0, settles(incoming(), "fail"));
      await passes(half(heist, 1, first, settles(outgoing(), "fail")));
      await refuses(giveUp(), "routing-balanced");
      const { number, balances } = last(heist, 1, second);
      await passes(
        commit(heist, 1, {
          owner: second,
          number: number + 1n,
          balances: settles(outgoing(), "fail")(balances),
        }),
      );
      await refuses(giveUp(), "routing-balanced");
      await passes(revoke(heist, 1, second));
      await passes(giveUp());
      safe(heist);
    }
  });

  test("is not given up on the one side when the other has settled it", async () => {
    for (const first of ["counterparty", "holder"] as const) {
      const heist = await forward();
      const second = first === "holder" ? "counterparty" : "holder";
      await passes(half(heist, 0, first, settles(incoming(), "fulfil"), p));
      await refuses(half(heist, 0, second, settles(incoming(), "fail")), "routing-balanced");
      await passes(half(heist, 0, second, settles(incoming(), "fulfil"), p));
      safe(heist);
    }
  });

  test("is not shaken off by another content of the number with fewer HTLCs, or another fee", async () => {
    const heist = await gang();
    await passes(update(heist, 0, adds(htlcOf("counterparty", 5_000_000n, "h2"))));
    const before = { theirs: last(heist, 0, "counterparty"), ours: last(heist, 0, "holder") };
    await passes(update(heist, 0, adds(incoming())));
    await passes(update(heist, 1, adds(outgoing())));
    // The number before is revoked: nothing else of this one, whatever it says.
    for (const [owner, { number, balances }] of [
      ["counterparty", before.theirs],
      ["holder", before.ours],
    ] as const)
      for (const feerate of [1_000, 1_001])
        expect(
          await commit(heist, 0, {
            ...{ owner, number: number + 1n },
            balances: { ...balances, feerate: feerate as Balances["feerate"] },
          }),
        ).toMatchObject({ is: "refusal", refusal: { rule: "commitment-retry-same" } });
    // Of the next number one content keeps it, and the other does not.
    const kept = { owner: "counterparty", number: before.theirs.number + 2n } as const;
    const { balances } = last(heist, 0, "counterparty");
    await passes(
      commit(heist, 0, {
        ...kept,
        balances: settles(htlcOf("counterparty", 5_000_000n, "h2"), "fail")(balances),
      }),
    );
    await refuses(
      commit(heist, 0, { ...kept, balances: settles(incoming(), "fail")(balances) }),
      "routing-balanced",
    );
    safe(heist);
  });

  test("is counted as it is in the variant that has least", async () => {
    const heist = await gang();
    const number = 1n;
    const { balances } = last(heist, 0, "counterparty");
    const owner = "counterparty";
    await passes(commit(heist, 0, { owner, number, balances: adds(incoming())(balances) }));
    await passes(commit(heist, 0, { owner, number, balances: adds(incoming(1_000_000n))(balances) }));
    await passes(revoke(heist, 0, owner));
    await passes(half(heist, 0, "holder", adds(incoming())));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-payment-invoiced");
    await passes(update(heist, 1, adds(outgoing(1_000_000n))));
    safe(heist);
  });

  test("once settled, covers no second HTLC of its hash; a reused hash is forwarded when it comes in anew", async () => {
    const heist = await forward();
    await passes(update(heist, 1, settles(outgoing(), "fulfil"), p));
    await passes(update(heist, 0, settles(incoming(), "fulfil"), p));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-htlc-offered-hash-matches");
    safe(heist);
    await passes(update(heist, 0, adds(incoming())));
    await passes(update(heist, 1, adds(outgoing())));
    await refuses(update(heist, 1, adds(outgoing(1_000n))), "commitment-payment-invoiced");
    await passes(update(heist, 0, settles(incoming(), "fulfil"), p));
    await passes(update(heist, 1, settles(outgoing(), "fulfil"), p));
    safe(heist);
  });

  test("is not spent again while what it paid for is settled on one side only", async () => {
    const heist = await forward();
    await passes(half(heist, 1, "counterparty", settles(outgoing(), "fulfil"), p));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-payment-invoiced");
    await passes(half(heist, 1, "holder", settles(outgoing(), "fulfil"), p));
    await refuses(update(heist, 1, adds(outgoing())), "commitment-payment-invoiced");
    safe(heist);
  });

  test("that came in through several channels is given up in no one of them", async () => {
    const heist = await gang(3);
    await passes(update(heist, 0, adds(incoming(15_000_000n))));
    await passes(update(heist, 1, adds(incoming(15_000_000n))));
    await passes(update(heist, 2, adds(outgoing())));
    for (const at of [0, 1])
      await refuses(update(heist, at, settles(incoming(15_000_000n), "fail")), "routing-balanced");
    safe(heist);
    await passes(update(heist, 2, settles(outgoing(), "fail")));
    for (const at of [0, 1]) await passes(update(heist, at, settles(incoming(15_000_000n), "fail")));
    safe(heist);
  });
});

describe("a payment to ourselves", () => {
  const circle = async (max: bigint): Promise<Heist> => {
    const heist = await gang(2, { policy: { maxForwardExposure: msat(max) } });
    await heist.rig.call("signInvoice", issueOf(heist.rig.session.node, "h1", value));
    const { hash } = outgoing();
    await propose(heist, { hash, amount: msat(0n) }, { kind: "rebalance", feeLimit: msat(1_000_000n) });
    return heist;
  };

  test("whose incoming part is dropped costs no more than may be out for others", async () => {
    const heist = await circle(value);
    await refuses(update(heist, 0, adds(outgoing(value + 1_000_001n))), "forward-exposure");
    await passes(update(heist, 0, adds(outgoing(value + 1_000_000n))));
    await passes(update(heist, 1, adds(incoming(value, 699_900))));
    await passes(update(heist, 1, settles(incoming(value, 699_900), "fail")));
    await passes(update(heist, 0, settles(outgoing(value + 1_000_000n), "fulfil"), p));
    expect(stolen(heist)).toBe(value);
    // It counts for a day, so that a second one has no room.
    const { hash } = htlcOf("holder", 1n, "h2");
    await propose(heist, { hash, amount: msat(0n) }, { kind: "rebalance", feeLimit: msat(0n) });
    await refuses(update(heist, 0, adds(htlcOf("holder", 1_000_000n, "h2"))), "forward-exposure");
    heist.rig = await heist.rig.restart();
    await refuses(update(heist, 0, adds(htlcOf("holder", 1_000_000n, "h2"))), "forward-exposure");
  });

  test("that comes back leaves no trace in that limit, however often", async () => {
    const heist = await circle(value);
    for (const round of ["h1", "r2", "r3"]) {
      if (round !== "h1") {
        await heist.rig.call("signInvoice", issueOf(heist.rig.session.node, round, value));
        const { hash } = htlcOf("holder", 1n, round);
        await propose(heist, { hash, amount: msat(0n) }, { kind: "rebalance", feeLimit: msat(1_000_000n) });
      }
      const out = htlcOf("holder", value + 1_000_000n, round);
      const back = htlcOf("counterparty", value, round, 699_900);
      await passes(update(heist, 0, adds(out)));
      await passes(update(heist, 1, adds(back)));
      await passes(update(heist, 1, settles(back, "fulfil"), [preimageOf(round)]));
      await passes(update(heist, 0, settles(out, "fulfil"), [preimageOf(round)]));
      safe(heist);
      // For the next round it goes back the other way.
      await passes(update(heist, 0, adds(htlcOf("counterparty", value, `back ${round}`, 700_100))));
      await passes(update(heist, 1, adds(htlcOf("holder", value, `back ${round}`))));
      await passes(
        update(heist, 0, settles(htlcOf("counterparty", value, `back ${round}`), "fulfil"), [
          preimageOf(`back ${round}`),
        ]),
      );
      await passes(
        update(heist, 1, settles(htlcOf("holder", value, `back ${round}`), "fulfil"), [
          preimageOf(`back ${round}`),
        ]),
      );
    }
  });
});
