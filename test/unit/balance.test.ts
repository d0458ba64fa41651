import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { settle } from "../../protocol/bolt/trim.ts";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import { commitmentNumber, feerate, height, msat, paymentHash, type Sat, sat } from "../../protocol/units.ts";
import { explained, type Followed, follow, hull, openingBalance, spread } from "../../signer/core/balance.ts";
import { succeed } from "../../signer/core/rules/commitment.ts";
import type { Content, Setup } from "../../signer/core/state.ts";
import { htlcOf, plainTerms } from "../scripted/channel.ts";
import { type Balances, contentOf, opening } from "../scripted/content.ts";
import { steady } from "../steady.ts";

const setupOf = (terms: Terms): Setup => ({ terms }) as Setup;
const sides = ["holder", "counterparty"] as const;

/** Any channel and any way in which its value can lie, honest or not: only that it adds up. */
const honest = fc
  .record({
    type: fc.constantFrom("anchors" as const, "static_remotekey" as const),
    opener: fc.constantFrom(...sides),
    owner: fc.constantFrom(...sides),
    value: fc.constantFrom(20_000n, 1_000_000n, 16_777_215n),
    rate: fc.constantFrom(0, 253, 1_000, 20_000, 75_000),
    dust: fc.constantFrom(354n, 546n, 1_000n),
    htlcs: fc.array(
      fc.record({ offeredBy: fc.constantFrom(...sides), amount: fc.bigInt({ min: 1n, max: 3_000_000n }) }),
      {
        maxLength: 6,
      },
    ),
    // Of what is left, the holder's share: often nothing, or about as much as the dust limit.
    share: fc.oneof(
      fc.bigInt({ min: 0n, max: 1_000n }).map((part) => (all: bigint) => (all * part) / 1_000n),
      fc.bigInt({ min: 0n, max: 2_000_000n }).map((n) => () => n),
      fc.bigInt({ min: 0n, max: 2_000_000n }).map((n) => (all: bigint) => all - n),
    ),
  })
  .map(({ type, opener, owner, value, rate, dust, htlcs, share }) => {
    const side = { ...plainTerms().holder, dustLimit: sat(dust) };
    const terms = plainTerms({ type, opener, value: sat(value), holder: side, counterparty: side });
    const listed: readonly Htlc[] = htlcs.map(({ offeredBy, amount }, i) => ({
      offeredBy,
      amount: msat(amount),
      hash: paymentHash(new Uint8Array(32).fill(i)),
      expiry: height(700_000 + i),
    }));
    const rest = value * 1000n - listed.reduce((sum, { amount }) => sum + amount, 0n);
    const wanted = share(rest);
    const holder = wanted < 0n ? 0n : wanted > rest ? rest : wanted;
    const now: Balances = {
      holder: msat(holder),
      counterparty: msat(rest - holder),
      htlcs: listed,
      feerate: feerate(rate),
    };
    return { terms, owner, now };
  })
  .filter(({ terms, owner, now }) => {
    try {
      const { toHolder, toCounterparty, htlcs } = contentOf(terms, owner, commitmentNumber(1n), now);
      return toHolder + toCounterparty > 0n || htlcs.length > 0;
    } catch {
      return false;
    }
  });

const contentsOf = ({ terms, owner, now }: { terms: Terms; owner: Side; now: Balances }) => {
  const content: Content = contentOf(terms, owner, commitmentNumber(1n), now);
  const untold = { ...terms.holder, dustLimit: unknown as typeof unknown };
  return {
    full: { owner, setup: setupOf(terms), content },
    blind: {
      owner,
      setup: setupOf({ ...terms, holder: untold, counterparty: untold }),
      content: { ...content, trimmed: unknown } as Content,
    },
  };
};

const unsettled = { settled: [], hidden: { lost: 0n, gained: 0n } } as const;

describe("an honest commitment", () => {
  test("is explained, and the true balances lie where it says", () => {
    const seen = { noHolder: 0, noCounterparty: 0, trimmed: 0 };
    steady(
      fc.property(honest, (one) => {
        const { full, blind } = contentsOf(one);
        for (const accounts of [full, blind]) {
          expect(explained(accounts)).toBeUndefined();
          const { holder, counterparty, unlisted } = spread(accounts);
          expect(holder.low).toBeLessThanOrEqual(one.now.holder);
          expect(holder.high).toBeGreaterThanOrEqual(one.now.holder);
          expect(counterparty.low).toBeLessThanOrEqual(one.now.counterparty);
          expect(counterparty.high).toBeGreaterThanOrEqual(one.now.counterparty);
          const { trimmed } = full.content as { trimmed: readonly Htlc[] };
          const hidden = accounts === blind ? trimmed.reduce((sum, { amount }) => sum + amount, 0n) : 0n;
          expect(unlisted).toBeGreaterThanOrEqual(hidden);
          seen.trimmed += trimmed.length;
        }
        if (full.content.toHolder === 0n) seen.noHolder += 1;
        if (full.content.toCounterparty === 0n) seen.noCounterparty += 1;
      }),
      { numRuns: 1_000 },
    );
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(50);
  });

  test("with a satoshi more or two less in an output is explained no more", () => {
    fc.assert(
      fc.property(honest, fc.constantFrom("toHolder" as const, "toCounterparty" as const), (one, name) => {
        const { full } = contentsOf(one);
        const { content } = full;
        const of = (n: bigint) => ({ ...full, content: { ...content, [name]: (content[name] + n) as Sat } });
        // An output that is not there says nothing; beside it, dust may be what makes up the difference.
        if (content.toHolder === 0n || content.toCounterparty === 0n) return;
        expect(explained(of(2n))).toBeDefined();
        expect(explained(of(-2n))).toBeDefined();
      }),
      { numRuns: 300 },
    );
  });
});

describe("what no transaction can be", () => {
  const terms = plainTerms({ opener: "counterparty", value: sat(1_000_000n) });
  const content: Content = {
    number: commitmentNumber(1n),
    feerate: feerate(253),
    toHolder: sat(999_700n),
    toCounterparty: sat(0n),
    htlcs: [],
    trimmed: [],
  };

  test("pays more with its anchors than it spends", () => {
    for (const owner of sides)
      expect(explained({ owner, setup: setupOf(terms), content })).toEqual({
        outputs: 1_000_030n,
        value: 1_000_000n,
      });
    const paid = { ...content, toHolder: sat(999_670n) };
    expect(explained({ owner: "holder", setup: setupOf(terms), content: paid })).toBeUndefined();
    const without = plainTerms({ ...terms, type: "static_remotekey" });
    expect(explained({ owner: "holder", setup: setupOf(without), content })).toBeUndefined();
  });

  test("pays nobody", () => {
    const tiny = plainTerms({ value: sat(700n), type: "static_remotekey" });
    const none = { ...content, toHolder: sat(0n) };
    expect(explained({ owner: "holder", setup: setupOf(tiny), content: none })).toEqual({
      outputs: 0n,
      value: 700n,
    });
  });
});

describe("one commitment after another", () => {
  const terms = plainTerms({ push: msat(400_000_000n) });
  const start = opening(terms, feerate(1_000));
  const exact = (now: Balances) => ({ low: now.holder as bigint, high: now.holder as bigint });
  const at = (now: Balances): Content => contentOf(terms, "counterparty", commitmentNumber(1n), now);
  const step = (from: Balances, to: Balances, paid: readonly Htlc[] | "unknown" = []): Followed =>
    follow(
      {
        owner: "counterparty",
        setup: setupOf(terms),
        content: at(to),
        paid: paid === "unknown" ? unknown : new Set(paid.map(({ hash }) => toHex(hash))),
      },
      { ...at(from), balance: exact(from), ...unsettled },
    );
  const having = (holder: bigint, htlcs: readonly Htlc[] = []): Balances => ({
    ...start,
    holder: msat(holder),
    counterparty: msat(1_000_000_000n - holder - htlcs.reduce((sum, { amount }) => sum + amount, 0n)),
    htlcs,
  });

  const out = htlcOf("holder", 50_000_500n, "out");
  const into = htlcOf("counterparty", 20_000_999n, "into");

  test("begins exactly where the terms say", () => {
    expect(openingBalance(terms)).toBe(600_000_000n);
    expect(openingBalance({ ...terms, opener: "counterparty", contribution: sat(100n) })).toBe(400_100_000n);
  });

  test("keeps the exact balance through all that HTLCs do", () => {
    for (const [from, to, paid, balance] of [
      [having(600_000_000n), having(549_999_500n, [out]), [], 549_999_500n],
      [having(549_999_500n, [out]), having(549_999_500n), [out], 549_999_500n],
      [having(549_999_500n, [out]), having(600_000_000n), [], 600_000_000n],
      [having(600_000_000n, [into]), having(620_000_999n), [into], 620_000_999n],
      [having(600_000_000n, [into]), having(549_999_500n, [into, out]), [], 549_999_500n],
    ] as const) {
      const followed = step(from, to, paid);
      expect(followed).toMatchObject({ is: "borne", charge: 0n, balance: { low: balance } });
      // Upwards less is certain: a preimage may be another HTLC's of the same hash, and this one failed.
      expect(followed.is === "borne" && followed.balance.high).toBeLessThan(balance + 1_000n);
    }
  });

  test("tells a payment without its preimage from value that nothing explains", () => {
    expect(step(having(549_999_500n, [out]), having(549_999_500n))).toMatchObject({
      is: "broken",
      rule: "commitment-payment-settled-preimage",
      facts: { unpaid: 50_000_500n },
    });
    expect(step(having(549_999_500n, [out]), having(400_000_000n), [out])).toMatchObject({
      is: "broken",
      rule: "commitment-value-conserved",
    });
    expect(step(having(600_000_000n), having(601_000_000n))).toMatchObject({
      is: "broken",
      rule: "routing-deltas-only-htlc",
      facts: { holderCanHave: 600_000_000n },
    });
  });

  test("where preimages are unknown, a payment that is gone is taken for made", () => {
    expect(step(having(549_999_500n, [out]), having(549_999_500n), "unknown").is).toBe("borne");
  });

  test("and what is said to have failed is there, or left us unseen", () => {
    const from = having(549_999_500n, [out]);
    const charged = (to: Balances) => {
      const followed = step(from, to, "unknown");
      return followed.is === "borne" ? (followed.charge + 999n) / 1_000_000n : followed.rule;
    };
    expect([charged(having(599_999_999n)), charged(having(549_999_500n))]).toEqual([0n, 0n]);
    // Beside one that stays: as much as it is worth may be another that was settled.
    const stays = { ...out, hash: into.hash };
    const two = having(499_999_000n, [out, stays]);
    const beside = (holder: bigint) => {
      const followed = step(two, having(holder, [stays]), "unknown");
      return followed.is === "borne"
        ? [(followed.charge + 999n) / 1_000_000n, followed.settled.length]
        : followed.rule;
    };
    expect([549_999_500n, 499_999_000n, 449_998_500n].map(beside)).toEqual([
      [0n, 0],
      [0n, 1],
      [0n, 2],
    ]);
    expect(beside(440_000_000n)).toBe("commitment-value-conserved");
    expect(beside(529_999_500n)).toEqual([20n, 0]);
  });

  test("an HTLC may be settled and one like it added at once", () => {
    const twin = { ...out };
    // Fulfilled, and offered again.
    expect(step(having(549_999_500n, [out]), having(499_999_000n, [twin]), [out]).is).toBe("borne");
    expect(step(having(549_999_500n, [out]), having(499_999_000n, [twin])).is).toBe("broken");
    // Taken, and offered to us again.
    expect(step(having(600_000_000n, [into]), having(620_000_999n, [{ ...into }]), [into]).is).toBe("borne");
    // Failed, and tried again.
    expect(step(having(549_999_500n, [out]), having(549_999_500n, [twin])).is).toBe("borne");
  });

  test("of two that were offered to us with one hash, one may fail where the other is taken", () => {
    const smaller = { ...into, amount: msat(5_000_000n) };
    const before = having(600_000_000n, [into, smaller]);
    expect(step(before, having(605_000_000n), [into]).is).toBe("borne");
    expect(step(before, having(625_000_999n), [into]).is).toBe("borne");
    expect(step(before, having(604_999_000n), [into]).is).toBe("broken");
    // The preimage may be that of one that we offered under the same hash.
    const same = { ...out, hash: into.hash };
    expect(step(having(549_999_500n, [into, same]), having(549_999_500n), [into]).is).toBe("borne");
  });

  test("what rounding hides stays known", () => {
    // Both sides' outputs round down: nobody can tell from them alone whose the last satoshi is.
    const from = having(600_000_999n);
    const told = at(from);
    expect(spread({ owner: "counterparty", setup: setupOf(terms), content: told }).holder).toEqual({
      low: 600_000_001n,
      high: 600_000_999n,
    });
    expect(step(from, from)).toMatchObject({ balance: { low: 600_000_999n, high: 600_000_999n } });
    expect(step(from, having(600_000_000n)).is).toBe("broken");
  });

  test("without lists, what leaves us for HTLCs that nobody sees is told", () => {
    const small = htlcOf("holder", 300_000n, "small");
    const from = having(600_000_000n);
    const to = having(599_700_000n, [small]);
    const next = {
      owner: "counterparty" as const,
      setup: setupOf(terms),
      content: { ...at(to), trimmed: unknown } as Content,
      paid: unknown as typeof unknown,
    };
    const followed = follow(next, { ...at(from), trimmed: unknown, balance: exact(from), ...unsettled });
    expect(followed).toMatchObject({ is: "borne" });
    expect(followed.is === "borne" && followed.charge).toBeGreaterThan(299_000n);
    expect(followed.is === "borne" && followed.charge).toBeLessThanOrEqual(300_000n);
    // What is not even hidden there is gone.
    const gone = {
      ...next,
      content: { ...next.content, toCounterparty: sat(next.content.toCounterparty + 300n) },
    };
    expect(follow(gone, { ...at(from), trimmed: unknown, balance: exact(from), ...unsettled }).is).toBe(
      "broken",
    );
    // It comes back, or has been paid.
    for (const holder of [600_000_000n, 599_700_000n]) {
      const back = { ...next, content: { ...at(having(holder)), trimmed: unknown } as Content };
      expect(follow(back, { ...next.content, balance: exact(to), ...unsettled }).is).toBe("borne");
    }
  });

  describe("after one of several contents", () => {
    const succeeding = (
      next: Balances,
      befores: readonly Balances[],
      trimmed: "listed" | "unknown" = "listed",
    ) => {
      const blind = trimmed === "unknown" ? { trimmed: unknown as typeof unknown } : {};
      return succeed({
        owner: "counterparty",
        setup: setupOf(terms),
        content: { ...at(next), ...blind },
        predecessors: befores.map((before) => ({
          ...at(before),
          ...blind,
          balance: exact(before),
          ...unsettled,
        })),
        paid: trimmed === "unknown" ? unknown : new Set(),
      });
    };
    const [more, less] = [having(600_000_999n), having(600_000_500n)];

    test("what either says is possible", () => {
      expect(hull({ low: 3n, high: 5n }, { low: 4n, high: 9n })).toEqual({ low: 3n, high: 9n });
      for (const befores of [
        [more, less],
        [less, more],
      ])
        expect(succeeding(more, befores)).toMatchObject({
          balance: { low: 600_000_500n, high: 600_000_999n },
        });
    });

    test("one that explains it is enough", () => {
      const other = having(500_000_000n);
      for (const befores of [
        [more, other],
        [other, more],
      ])
        expect(succeeding(more, befores)).toMatchObject({ is: "borne", balance: { low: 600_000_999n } });
      expect(succeeding(more, [other])).toMatchObject({ is: "broken", rule: "routing-deltas-only-htlc" });
      expect(succeeding(more, [])).toMatchObject({ is: "broken", rule: "commitment-retry-same" });
    });

    test("what leaves us unseen is the least that any of them says", () => {
      const next = having(599_500_000n, [
        htlcOf("holder", 300_000n, "one"),
        htlcOf("holder", 200_000n, "two"),
      ]);
      const near = having(599_700_000n, [htlcOf("holder", 300_000n, "one")]);
      for (const befores of [
        [near, having(600_000_000n)],
        [having(600_000_000n), near],
      ]) {
        const followed = succeeding(next, befores, "unknown");
        expect(followed.is === "borne" && followed.charge).toBeLessThanOrEqual(200_000n);
      }
    });
  });
});

test("the model settles as BOLT 3 says, so that it can be held against the signer", () => {
  const settled = settle({
    type: "anchors",
    feerate: feerate(1_000),
    dustLimit: sat(354n),
    opener: "broadcaster",
    toBroadcaster: msat(10_000_000n),
    toCountersignatory: msat(0n),
    htlcs: [],
  });
  expect(settled?.toBroadcaster).toBe(10_000n - 1_124n - 660n);
});
