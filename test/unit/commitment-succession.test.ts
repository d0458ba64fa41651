/** What follows from a commitment of which not all is known: the worst of what it can have been. */

import { describe, expect, test } from "vitest";
import { type Maybe, unknown } from "../../protocol/codec.ts";
import type { Htlc } from "../../protocol/operations/fields.ts";
import { commitmentNumber, feerate, msat } from "../../protocol/units.ts";
import { type Before, by, type Followed } from "../../signer/core/balance.ts";
import { judge } from "../../signer/core/rule.ts";
import { dayRules, succeed } from "../../signer/core/rules/commitment.ts";
import { type Content, freshNode, type Interval, type Setup } from "../../signer/core/state.ts";
import { hourOf } from "../../signer/core/velocity.ts";
import { htlcOf, plainTerms } from "../scripted/channel.ts";
import { contentOf, opening } from "../scripted/content.ts";
import { now, settingsOf } from "./payments.kit.ts";

const terms = plainTerms({ push: msat(400_000_000n) });
const setup = { terms } as Setup;
const whole = 1_000_000_000n;

/** What it says of a holder that has so much, with the rest the counterparty's but for what nobody lists. */
const saying = (holder: bigint, htlcs: readonly Htlc[] = [], unlisted = 0n): Content => {
  const listed = htlcs.reduce((sum, { amount }) => sum + amount, 0n);
  const counterparty = msat(whole - holder - listed - unlisted);
  const content = contentOf(terms, "counterparty", commitmentNumber(1n), {
    ...opening(terms, feerate(1_000)),
    ...{ holder: msat(holder), counterparty, htlcs },
  });
  return unlisted === 0n ? content : { ...content, trimmed: unknown };
};
const beforeOf = (content: Content, balance: Interval, changes: Partial<Before> = {}): Before => ({
  ...content,
  ...{ balance, settled: [], hidden: { lost: 0n, gained: 0n } },
  ...changes,
});
const exactly = (amount: bigint): Interval => ({ low: amount, high: amount });

const following = (
  content: Content,
  predecessors: readonly Before[],
  paid: Maybe<ReadonlySet<string>> = unknown,
) => {
  const result: Followed = succeed({ owner: "counterparty", setup, content, paid, predecessors });
  if (result.is === "broken")
    throw new Error(`${result.rule} ${JSON.stringify(result.facts, (_, one) => String(one))}`);
  return result;
};
const tea = htlcOf("holder", 5_000_000n, "tea");

describe("an HTLC that left", () => {
  test("is lost where it can have been paid, as far as it is known what we had before", () => {
    const before = saying(600_000_000n - 5_000_000n, [tea]);
    const settled = (was: Interval) => following(saying(600_000_000n), [beforeOf(before, was)]).settled;
    const lost = [{ hash: tea.hash, in: 0n, out: 5_000_000n }];
    // Of 600 it was paid, of 595 it failed.
    expect(settled(exactly(600_000_000n))).toEqual(lost);
    expect(settled(exactly(595_000_000n))).toEqual([]);
    expect(settled({ low: 595_000_000n, high: 600_000_000n })).toEqual(lost);
  });

  test("beside one that we offer anew is told apart from it", () => {
    const milk = htlcOf("holder", 2_000_000n, "milk");
    const before = beforeOf(saying(595_000_000n, [tea]), exactly(595_000_000n));
    const settled = (holder: bigint) => following(saying(holder, [milk]), [before]).settled;
    expect(settled(598_000_000n)).toEqual([]);
    expect(settled(593_000_000n)).toEqual([{ hash: tea.hash, in: 0n, out: 5_000_000n }]);
  });
});

describe("what nobody lists", () => {
  const before = beforeOf(saying(600_000_000n), exactly(600_000_000n), { hidden: { lost: 7n, gained: 3n } });
  const hiding = (holder: bigint, unlisted: bigint, from: Before = before) =>
    following({ ...saying(holder, [], unlisted), trimmed: unknown }, [from]);

  test("is charged as it leaves our balance, but for what outputs round off", () => {
    const { charge, hidden } = hiding(599_000_000n, 1_000_000n);
    expect(charge).toBe(999_001n);
    expect(hidden).toEqual({ lost: 7n + 999_001n, gained: 3n });
    expect(hiding(600_000_000n, 1_000_000n)).toMatchObject({ charge: 0n, hidden: { lost: 7n, gained: 3n } });
  });

  test("is gained as our balance rises by it", () => {
    const full = beforeOf(
      { ...saying(600_000_000n, [], 1_000_000n), trimmed: unknown },
      exactly(600_000_000n),
    );
    const { charge, hidden } = hiding(601_000_000n, 0n, full);
    expect([charge, hidden]).toEqual([0n, { lost: 0n, gained: 1_000_000n }]);
  });

  test("of two that may be the one before is the more", () => {
    const [more, less] = [
      { lost: 5n, gained: 0n },
      { lost: 7n, gained: 4n },
    ];
    for (const both of [
      [more, less],
      [less, more],
    ]) {
      const all = both.map((hidden) => ({ ...before, hidden }));
      expect(following(saying(600_000_000n), all).hidden).toEqual(more);
    }
  });

  test("in a day is bounded", () => {
    const trimmed = [{ hour: hourOf(now), amount: 50n }];
    const node = { ...freshNode, windows: { ...freshNode.windows, trimmed } };
    const of = (max: bigint) =>
      judge(dayRules, { node, now, policy: settingsOf({ maxTrimmedPerDay: msat(max) }).policy })?.rule;
    expect([of(50n), of(49n)]).toEqual([undefined, "trimmed-budget"]);
  });
});

test("the HTLCs of a side are those that it offers", () => {
  const theirs = htlcOf("counterparty", 1n, "tea");
  expect([by([tea, theirs], "holder"), by([tea, theirs], "counterparty")]).toEqual([[tea], [theirs]]);
});
