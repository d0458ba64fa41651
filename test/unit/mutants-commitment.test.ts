import { describe, expect, test } from "vitest";
import { toHex } from "../../protocol/bytes.ts";
import { type Maybe, unknown } from "../../protocol/codec.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import { contentHash, type Request } from "../../protocol/operations/index.ts";
import { commitmentNumber, feerate, msat, type Sat, sat } from "../../protocol/units.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import { maxSettled } from "../../signer/core/records.ts";
import { judge } from "../../signer/core/rule.ts";
import { type ContentView, contentRules, limitRules, succeed } from "../../signer/core/rules/commitment.ts";
import type { RuleName } from "../../signer/core/rules/table.ts";
import type { Content, Setup } from "../../signer/core/state.ts";
import { steps } from "../../signer/core/steps/index.ts";
import { fundingOf, htlcOf, plainTerms } from "../scripted/channel.ts";

const sides = ["holder", "counterparty"] as const;
const other = { holder: "counterparty", counterparty: "holder" } as const;
const funding = fundingOf("commitment");

interface Scene {
  readonly owner: Side;
  readonly terms?: Partial<Terms>;
  readonly content: Partial<Content>;
}

/** What one rule says of one commitment; undefined where it is kept. */
const says = (name: RuleName, { owner, terms, content }: Scene) => {
  const view: ContentView = {
    ...{ owner, funding, tier: "full", preimages: [] },
    setup: { terms: plainTerms(terms), funding } as Setup,
    content: {
      number: commitmentNumber(1n),
      feerate: feerate(1_000),
      toHolder: sat(500_000n),
      toCounterparty: sat(490_000n),
      htlcs: [],
      trimmed: [],
      ...content,
    },
  };
  return contentRules.find((rule) => rule.name === name)?.check(view);
};

const limits = (holder: Maybe<Sat>, counterparty: Maybe<Sat>): Partial<Terms> => ({
  holder: { ...plainTerms().holder, dustLimit: holder },
  counterparty: { ...plainTerms().counterparty, dustLimit: counterparty },
});

describe("an HTLC has an output from the owner's dust limit and the fee of its transaction on (BOLT 3)", () => {
  const of = (offeredBy: Side, satoshi: bigint): Htlc => htlcOf(offeredBy, satoshi * 1000n + 999n, "edge");
  const bound = "commitment-outputs-trimmed";

  // HTLC-timeout weighs 663 and HTLC-success 703; with anchors they pay no fee of their own (BOLT 3, "Fees").
  const fees = { static_remotekey: { timeout: 663n, success: 703n }, anchors: { timeout: 0n, success: 0n } };

  describe.each(sides)("in a commitment of the %s", (owner) => {
    test.each(["static_remotekey", "anchors"] as const)("of type %s", (type) => {
      const terms = {
        type,
        ...limits(sat(400n), sat(400n)),
        [owner]: { ...plainTerms().holder, dustLimit: sat(600n) },
      };
      for (const [offeredBy, fee] of [
        [owner, fees[type].timeout],
        [other[owner], fees[type].success],
      ] as const) {
        const [least, below] = [of(offeredBy, 600n + fee), of(offeredBy, 599n + fee)];
        expect(says(bound, { owner, terms, content: { htlcs: [least], trimmed: [below] } })).toBeUndefined();
        expect(says(bound, { owner, terms, content: { htlcs: [below] } })).toEqual({
          htlc: 0,
          amount: below.amount,
          threshold: 600n + fee,
        });
        expect(says(bound, { owner, terms, content: { trimmed: [below, least] } })).toEqual({
          trimmed: 1,
          amount: least.amount,
          threshold: 600n + fee,
        });
      }
    });

    test("where its dust limit is not known, anything between the least and the most may be trimmed", () => {
      const terms = limits(unknown, unknown);
      const between = [of("holder", 354n), of("holder", 1_061n)];
      expect(says(bound, { owner, terms, content: { htlcs: between } })).toBeUndefined();
      expect(says(bound, { owner, terms, content: { trimmed: between } })).toBeUndefined();
      expect(says(bound, { owner, terms, content: { htlcs: [of("holder", 353n)] } })).toBeDefined();
      expect(says(bound, { owner, terms, content: { trimmed: [of("holder", 1_062n)] } })).toBeDefined();
    });

    test.each(["toHolder", "toCounterparty"] as const)(
      "%s is at the dust limit or above, or not there",
      (name) => {
        const terms = limits(sat(600n), sat(600n));
        const having = (value: bigint) => says(bound, { owner, terms, content: { [name]: sat(value) } });
        expect(having(0n)).toBeUndefined();
        expect(having(600n)).toBeUndefined();
        expect(having(599n)).toEqual({ output: 599n, dustLimit: 600n });
        expect(having(1n)).toEqual({ output: 1n, dustLimit: 600n });
      },
    );
  });
});

describe("the first commitment gives each side what it brought", () => {
  const first = (terms: Partial<Terms>, toHolder: bigint, toCounterparty: bigint) =>
    says("commitment-initial-funding-value", {
      owner: "holder",
      terms,
      content: { number: commitmentNumber(0n), toHolder: sat(toHolder), toCounterparty: sat(toCounterparty) },
    });
  // 1124 weight, and both anchors, which the opener pays.
  const fee = 1_124n + 660n;
  const push = msat(300_000_999n);

  test("to the satoshi, and the opener pays", () => {
    expect(first({ push }, 699_999n - fee, 300_000n)).toBeUndefined();
    expect(first({ push, opener: "counterparty" }, 300_000n, 699_999n - fee)).toBeUndefined();
    expect(first({ push }, 699_998n - fee, 300_000n)).toEqual({
      toHolder: 699_998n - fee,
      expected: 699_999n - fee,
    });
    expect(first({ push }, 699_999n - fee, 299_999n)).toEqual({
      toCounterparty: 299_999n,
      expected: 300_000n,
    });
    expect(first({ push }, 699_999n - fee, 300_001n)).toEqual({
      toCounterparty: 300_001n,
      expected: 300_000n,
    });
  });

  test("an output is left out below the dust limit, and there from it on", () => {
    const pushed = (satoshi: bigint, toCounterparty: bigint, dust: Maybe<Sat>) =>
      first(
        { push: msat(satoshi * 1000n), ...limits(dust, sat(10_000n)) },
        1_000_000n - satoshi - fee,
        toCounterparty,
      );
    for (const [satoshi, shown, dust, kept] of [
      [599n, 0n, sat(600n), true],
      [600n, 0n, sat(600n), false],
      [600n, 600n, sat(600n), true],
      [599n, 599n, sat(600n), false],
      // Not known: both are possible between the least and the most.
      [1_061n, 0n, unknown, true],
      [1_062n, 0n, unknown, false],
      [354n, 354n, unknown, true],
      [353n, 353n, unknown, false],
    ] as const)
      expect([satoshi, shown, pushed(satoshi, shown, dust) === undefined]).toEqual([satoshi, shown, kept]);
  });
});

test("the first commitment hides nothing, and leaves us with what we brought", () => {
  const followed = succeed({
    owner: "holder",
    setup: { terms: plainTerms({ push: msat(1_500n) }), funding } as Setup,
    content: { number: commitmentNumber(0n), trimmed: unknown } as Content,
    predecessors: [],
    paid: unknown,
  });
  expect(followed).toMatchObject({
    is: "borne",
    charge: 0n,
    balance: { low: 999_998_500n, high: 999_998_500n },
  });
});

describe("a limit", () => {
  const many = (offeredBy: Side, count: number): readonly Htlc[] =>
    Array.from({ length: count }, (_, at) => htlcOf(offeredBy, 5_000_000n, `${offeredBy} ${at}`));
  const refused = (
    htlcs: readonly Htlc[],
    policy: Partial<Policy>,
    {
      standing = [],
      charge = 0n,
      settled = 0,
    }: { readonly standing?: readonly Htlc[]; readonly charge?: bigint; readonly settled?: number } = {},
  ) => {
    const content = (listed: readonly Htlc[]) =>
      ({ feerate: feerate(1_000), htlcs: listed, trimmed: [] }) as unknown as Content;
    const refusal = judge(limitRules, {
      setup: { terms: plainTerms() } as Setup,
      policy: { ...defaultPolicy("regtest"), ...policy },
      content: content(htlcs),
      charge,
      standing: [content(standing)],
      settled,
    } as Parameters<(typeof limitRules)[number]["check"]>[0]);
    return refusal && [refusal.rule, ...refusal.facts.map(({ value }) => value)].join(" ");
  };

  test("of hashes whose settling the other side has still to sign is what a record takes", () => {
    expect(refused([], {}, { settled: maxSettled })).toBeUndefined();
    expect(refused([], {}, { settled: maxSettled + 1 })).toBe("commitment-htlc-count-limit 1933 1932");
  });

  test("on HTLCs is on those that we offer: strangers choose the others", () => {
    const [ours, theirs] = [many("holder", 3), many("counterparty", 3)];
    expect(refused(theirs, { maxOfferedHtlcs: 2, maxOfferedInFlight: msat(1n) })).toBeUndefined();
    expect(refused(ours, { maxOfferedHtlcs: 3 })).toBeUndefined();
    expect(refused(ours, { maxOfferedHtlcs: 2 })).toBe("commitment-htlc-count-limit 3 2");
    expect(refused(ours, { maxOfferedInFlight: msat(15_000_000n) })).toBeUndefined();
    expect(refused(ours, { maxOfferedInFlight: msat(14_999_999n) })).toBe(
      "commitment-htlc-inflight-limit 15000000 14999999",
    );
  });

  test("that was lowered stands back for what stands, but never BOLT 2's own", () => {
    const ours = many("holder", 484);
    expect(refused(ours.slice(1), { maxOfferedHtlcs: 2 }, { standing: ours })).toBeUndefined();
    for (const side of sides)
      expect(refused(many(side, 484), { maxOfferedHtlcs: 2 }, { standing: ours })).toBe(
        `commitment-htlc-count-limit ${side} 484 483`,
      );
  });

  test("on what is hidden may be reached", () => {
    expect(refused([], { maxTrimmed: msat(500n) }, { charge: 500n })).toBeUndefined();
    expect(refused([], { maxTrimmed: msat(500n) }, { charge: 501n })).toBe("trimmed-budget 501 500");
  });
});

describe("a content is the same in whatever order a host keeps its HTLCs", () => {
  const permutations = <T>(list: readonly T[]): readonly (readonly T[])[] =>
    list.length < 2
      ? [list]
      : list.flatMap((one, at) => permutations(list.toSpliced(at, 1)).map((rest) => [one, ...rest]));
  const part = (offeredBy: Side, amount: bigint, expiry = 700_000) =>
    htlcOf(offeredBy, amount, "one", expiry);
  const hashOf = (htlcs: readonly Htlc[], trimmed: readonly Htlc[]): string => {
    const body = {
      node: new Uint8Array(33).fill(2),
      channel: 0n,
      funding,
      number: commitmentNumber(1n),
      point: new Uint8Array(33).fill(2),
      feerate: feerate(253),
      toHolder: 0n,
      toCounterparty: 0n,
      htlcs,
      trimmed,
      preimages: unknown,
      expected: unknown,
    } as unknown as Request<"signCounterpartyCommitment">;
    const name = "signCounterpartyCommitment";
    return toHex(contentHash(name, steps[name].essence?.(body) ?? body));
  };

  // Parts of one payment have one hash, and a payment to ourselves comes in as it goes out.
  test.each([
    ["parts of other amounts", [part("holder", 3n), part("holder", 1n), part("holder", 2n)]],
    ["parts of other expiries", [part("holder", 1n, 3), part("holder", 1n, 1), part("holder", 1n, 2)]],
    [
      "both sides",
      [part("holder", 1n), part("counterparty", 1n), part("holder", 2n), part("counterparty", 2n)],
    ],
  ] as const)("%s", (_, htlcs) => {
    expect(new Set(permutations(htlcs).map((order) => hashOf(order, []))).size).toBe(1);
    expect(new Set(permutations(htlcs).map((order) => hashOf([], order))).size).toBe(1);
    expect(hashOf(htlcs, [])).not.toBe(hashOf([], htlcs));
    expect(hashOf(htlcs.slice(1), [])).not.toBe(hashOf(htlcs, []));
  });

  test("the order that is hashed is one that disks remember: ours, small, early, and then by hash", () => {
    const essence = steps.signCounterpartyCommitment.essence;
    const last = htlcOf("counterparty", 1n, "two", 2);
    const wanted = [
      part("holder", 1n, 2),
      part("holder", 2n, 1),
      part("counterparty", 1n, 1),
      part("counterparty", 1n, 2),
    ];
    const hashes = [last, ...wanted.slice(3)].sort((a, b) => (toHex(a.hash) < toHex(b.hash) ? -1 : 1));
    const sorted = [...wanted.slice(0, 3), ...hashes];
    for (const htlcs of permutations(sorted)) {
      const body = { htlcs, trimmed: htlcs } as unknown as Request<"signCounterpartyCommitment">;
      expect(essence?.(body)).toMatchObject({ htlcs: sorted, trimmed: sorted });
    }
  });
});
