import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { unknown } from "../../protocol/codec.ts";
import type { Htlc, Terms } from "../../protocol/operations/fields.ts";
import { commitmentNumber, feerate, msat, sat } from "../../protocol/units.ts";
import { dustLimitOf, explained, type Followed, follow, hull } from "../../signer/core/balance.ts";
import { commit } from "../../signer/core/commit.ts";
import type { Store } from "../../signer/core/ports.ts";
import type { Content, Setup } from "../../signer/core/state.ts";
import { htlcOf, plainTerms } from "../scripted/channel.ts";
import { type Balances, contentOf, opening } from "../scripted/content.ts";

const setupOf = (terms: Terms): Setup => ({ terms }) as Setup;

const plain: Content = {
  number: commitmentNumber(1n),
  feerate: feerate(1_000),
  toHolder: sat(0n),
  toCounterparty: sat(0n),
  htlcs: [],
  trimmed: [],
};

test("a dust limit that nobody told lies where BOLT 3 and the implementations put it", () => {
  // The least is that of an unknown witness version (BOLT 3, "Dust Limits").
  expect(dustLimitOf(unknown)).toEqual({ least: 354n, most: 1_062n });
});

test("an output that is not there hides less than the dust limit: one of just the limit would be there", () => {
  const terms = plainTerms({ type: "static_remotekey", opener: "counterparty" });
  // The counterparty pays 724 weight at one satoshi each.
  const hiding = (hidden: bigint) =>
    explained({
      owner: "counterparty",
      setup: setupOf(terms),
      content: { ...plain, toCounterparty: sat(1_000_000n - 724n - hidden) },
    });
  // What the counterparty's own output rounds off makes up the rest.
  expect(hiding(354n)).toBeUndefined();
  expect(hiding(355n)).toEqual({ value: 1_000_000_000n, accountedForAtMost: 999_645_999n + 353_999n });
});

test("a commitment never pays out more than it spends, where its opener has nothing left for the anchors", () => {
  const terms = plainTerms();
  const htlcs = [htlcOf("holder", 500_000_000n, "all that the opener had")];
  const paying = (toCounterparty: bigint) =>
    explained({
      owner: "counterparty",
      setup: setupOf(terms),
      content: { ...plain, htlcs, toCounterparty: sat(toCounterparty) },
    });
  expect(paying(500_000n - 660n)).toBeUndefined();
  expect(paying(500_000n - 659n)).toEqual({ outputs: 1_000_001n, value: 1_000_000n });
});

describe("one commitment after another", () => {
  const terms = plainTerms({ push: msat(400_000_000n) });
  const having = (holder: bigint, htlcs: readonly Htlc[] = []): Balances => ({
    ...opening(terms, feerate(1_000)),
    holder: msat(holder),
    counterparty: msat(1_000_000_000n - holder - htlcs.reduce((sum, { amount }) => sum + amount, 0n)),
    htlcs,
  });
  const at = (now: Balances): Content => contentOf(terms, "counterparty", commitmentNumber(1n), now);
  const step = (from: Balances, to: Balances, paid: readonly Htlc[] = []): Followed =>
    follow(
      {
        owner: "counterparty",
        setup: setupOf(terms),
        content: at(to),
        paid: new Set(paid.map(({ hash }) => toHex(hash))),
      },
      {
        ...at(from),
        balance: { low: from.holder, high: from.holder },
        settled: [],
        hidden: { lost: 0n, gained: 0n },
      },
    );
  const out = htlcOf("holder", 50_000_000n, "out");

  test("an HTLC that we offer comes out of our balance, not out of the counterparty's", () => {
    expect(step(having(600_000_000n), having(550_000_000n, [out])).is).toBe("borne");
    // Both outputs round down: of the last satoshi it is known only that one side has it.
    expect(step(having(600_000_000n), having(600_000_500n, [out]))).toEqual({
      is: "broken",
      rule: "commitment-value-conserved",
      facts: { holderHasAtLeast: 600_000_001n, holderCanHave: 550_000_000n },
    });
  });

  test("of those that we were offered with one hash the smallest is ours, in whatever order they stand", () => {
    const larger = htlcOf("counterparty", 20_000_000n, "into");
    const smaller = { ...larger, amount: msat(5_000_000n) };
    for (const both of [
      [larger, smaller],
      [smaller, larger],
    ]) {
      expect(step(having(600_000_000n, both), having(605_000_000n), [larger]).is).toBe("borne");
      expect(step(having(600_000_000n, both), having(604_999_000n), [larger]).is).toBe("broken");
    }
  });

  test("a refusal says what we would be left with, and what is ours", () => {
    expect(step(having(550_000_500n, [out]), having(550_000_500n))).toEqual({
      is: "broken",
      rule: "commitment-payment-settled-preimage",
      facts: { holderHasAtMost: 550_000_999n, holderMustHave: 600_000_500n, unpaid: 50_000_000n },
    });
  });

  test("what two contents say is possible is all that either says", () => {
    const [wide, narrow] = [
      { low: 3n, high: 9n },
      { low: 4n, high: 5n },
    ];
    expect(hull(wide, narrow)).toEqual(wide);
    expect(hull(narrow, wide)).toEqual(wide);
  });
});

describe("a commit that fails", () => {
  const failing = (cause: unknown): Promise<unknown> => {
    const store = { epoch: 1, commit: () => Promise.reject(cause) } as unknown as Store;
    return commit(store, { epoch: 1, writes: [], audit: [] }, undefined);
  };

  test.each([["stale"], ["fenced"]])(
    "because the store is %s says that there is another signer",
    async (trouble) => {
      await expect(failing({ trouble })).rejects.toMatchObject({ name: "Fault", code: "stale" });
    },
  );

  test.each([[undefined], [null], ["no words"], [new Error("disk")], [{ trouble: "full" }]])(
    "for another reason is a fault of the store, whatever it throws: %s",
    async (cause) => {
      await expect(failing(cause)).rejects.toMatchObject({ name: "Fault", code: "store" });
    },
  );
});
