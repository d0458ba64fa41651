import { describe, expect, test } from "vitest";
import { encodeTx, type Tx, type TxOutput } from "../../protocol/bitcoin/tx.ts";
import { walletPlan } from "../../protocol/bolt/spend.ts";
import { unknown } from "../../protocol/codec.ts";
import { sha256 } from "../../protocol/hash.ts";
import type { Htlc, Side } from "../../protocol/operations/fields.ts";
import { type Feerate, feerate, height, type Outpoint, sat, type Txid } from "../../protocol/units.ts";
import { inclusion } from "../../signer/core/chain/depths.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import type { ChannelInput, ForeignInput, Input, WalletInput } from "../../signer/core/spend/inputs.ts";
import type { Paid } from "../../signer/core/spend/outputs.ts";
import {
  costsOf,
  feeIn,
  isJustice,
  limitsOf,
  othersOf,
  paysOthers,
  type Spending,
  type Sums,
  sumsOf,
  weightOf,
} from "../../signer/core/spend/sums.ts";
import type { Live } from "../../signer/core/state.ts";
import { htlcOf } from "../scripted/channel.ts";
import { curve } from "../scripted/road.ts";
import { bob } from "../scripted/scene.ts";
import { placeAt, strangersScript } from "../scripted/spends.ts";

const plan = walletPlan(curve, { kind: "wallet", form: "p2wpkh", key: bob.id });
const script = strangersScript(0x77);
let coins = 0;
const outpoint = (): Outpoint => ({ txid: sha256(Uint8Array.of(++coins)) as Txid, index: coins });

const wallet = (value = 100_000n, changes: Partial<WalletInput> = {}): WalletInput => ({
  ...{ from: "wallet", kind: "wallet", index: 0, outpoint: outpoint(), plan, value: sat(value) },
  ...{ proof: "shown", place: placeAt(0), nested: false, ...changes },
});

const foreign = (value?: bigint, proof: ForeignInput["proof"] = "said"): ForeignInput => ({
  ...{ from: "foreign", index: 0, outpoint: outpoint(), proof },
  spent: value === undefined ? undefined : { value: sat(value), script },
});

type Origin = NonNullable<ChannelInput["origin"]>;
/** Only its weight counts here. */
const commitment = (weight: number): Origin => ({ weight }) as unknown as Origin;

const nobody = { holder: { variants: [] }, counterparty: { variants: [] } } as unknown as Live;
const claim = (
  kind: ChannelInput["kind"],
  value: bigint,
  changes: Partial<ChannelInput> = {},
): ChannelInput => ({
  ...{ from: "channel", index: 0, outpoint: outpoint(), proof: "known", channel: 1n as never },
  ...{ plan: { ...plan, key: { base: "payment" } }, live: nobody, origin: undefined, htlc: undefined },
  ...{ ...changes, kind, value: sat(value) },
});

const ours = (value: bigint): Paid => ({ is: "ours", value: sat(value), place: undefined });
const other = (value: bigint, allowed = false): Paid => ({ is: "other", value: sat(value), script, allowed });
const funding = (value: bigint, share: bigint): Paid => ({
  ...{ is: "funding", value: sat(value), channel: 1n as never, share: sat(share) },
});

const spendingOf = (inputs: readonly Input[], paid: readonly Paid[]): Spending => {
  const outputs = paid.map(({ value }): TxOutput => ({ value, script }));
  const spent = inputs.map(({ outpoint: of }) => ({ outpoint: of, sequence: 0 }));
  const tx: Tx = { version: 2, inputs: spent, outputs, locktime: 0 };
  return { tx, inputs, paid };
};

/** One satoshi for each unit of weight, so that a limit is a weight. */
const flat: Policy = {
  ...defaultPolicy("regtest"),
  minOnchainFeerate: feerate(500) as Feerate,
  maxOnchainFeerate: feerate(2_000) as Feerate,
  maxSweepFeerate: feerate(1_000) as Feerate,
};

describe("what a transaction weighs", () => {
  /** A signature of 73 bytes, a key of 33, a length each, and their number. */
  const witness = 1 + 74 + 34;

  test("is what it will weigh when it is signed", () => {
    const one = spendingOf([wallet()], [ours(90_000n)]);
    // BIP 141: what is no witness counts four times, marker and flag once.
    expect(weightOf(one)).toBe(4 * (4 + 1 + 41 + 1 + 31 + 4) + 2 + witness);
    const two = spendingOf([wallet(), claim("toRemote", 5_000n)], [ours(1n), other(2n), funding(3n, 3n)]);
    expect(weightOf(two)).toBe(4 * encodeTx(two.tx).length + 2 + 2 * witness);
  });

  test("has a push more behind a script hash, and only there", () => {
    const plain = weightOf(spendingOf([wallet()], [ours(1n)]));
    expect(weightOf(spendingOf([wallet(1n, { nested: true })], [ours(1n)]))).toBe(plain + 4 * 23);
    const odd = { ...claim("toRemote", 1n), nested: true };
    expect(weightOf(spendingOf([odd], [ours(1n)]))).toBe(plain);
  });

  test("is of ours alone where others take part: as if the rest were not there", () => {
    const mine = [wallet(), wallet()];
    const alone = spendingOf(mine, [ours(1n), funding(2n, 2n)]);
    const shared = spendingOf(
      [foreign(), ...mine, foreign()],
      [other(4n), ours(1n), other(5n), funding(2n, 2n), other(6n)],
    );
    expect(weightOf(shared)).toBe(weightOf(alone));
  });
});

describe("the limits of a fee", () => {
  const limits = (spending: Spending, at?: number, policy = flat) =>
    limitsOf(spending, policy, at === undefined ? undefined : height(at));

  test("are the policy's feerates over the weight, with a tenth for other estimates below", () => {
    const spending = spendingOf([wallet(), wallet()], [ours(1n)]);
    const weight = weightOf(spending);
    const max = BigInt(2 * weight);
    expect(limits(spending)).toEqual({ weight, min: (BigInt(weight / 2) * 9n) / 10n, base: max, max });
  });

  test("have no lower end for a claim, which nobody but us waits for", () => {
    const spending = spendingOf([claim("toRemote", 50_000n), wallet()], [ours(1n)]);
    const weight = weightOf(spending);
    expect(limits(spending)).toEqual({ weight, min: 0n, base: BigInt(weight), max: BigInt(weight) });
  });

  test("give a claim room for what it needs, and not for all coins and outputs that ride along", () => {
    const [coin, out] = [wallet(), ours(1_000n)];
    const bare = claim("toRemote", 10_000n);
    const of = (coins: number, outputs: number, inputs: readonly Input[] = [bare]) =>
      limits(spendingOf([...inputs, ...Array<Input>(coins).fill(coin)], Array<Paid>(outputs).fill(out))).max;
    for (let n = 1; n <= 17; n++) expect(of(n, n)).toBeGreaterThan(of(n - 1, n - 1));
    expect(of(18, 17)).toBe(of(17, 17));
    expect(of(17, 18)).toBe(of(17, 17));
    expect(of(200, 200)).toBe(of(17, 17));
    expect(of(18, 18, [bare, bare])).toBeGreaterThan(of(17, 17, [bare, bare]));
    expect(of(19, 19, [bare, bare])).toBe(of(18, 18, [bare, bare]));
    // Where no claim is, a day's sum holds it.
    const all = spendingOf(Array<Input>(40).fill(coin), Array<Paid>(40).fill(out));
    expect(limits(all).weight).toBe(weightOf(all));
    // What goes to others a person has seen.
    const others = (n: number) => limits(spendingOf([bare], Array<Paid>(n).fill(other(1_000n)))).max;
    expect(others(19)).toBeGreaterThan(others(18));
  });

  test("count the commitments that an anchor brings along, each once, and no other parent", () => {
    const [first, second] = [commitment(1_000), commitment(300)];
    const anchor = (origin: Origin | undefined) => claim("anchor", 330n, { origin });
    for (const [inputs, parents] of [
      [[anchor(first)], 1_000n],
      [[anchor(first), anchor(first)], 1_000n],
      [[anchor(first), anchor(second), anchor(undefined)], 1_300n],
      [[claim("delayed", 9n, { origin: first }), anchor(second)], 300n],
      [[claim("delayed", 9n, { origin: first })], 0n],
    ] as const) {
      const spending = spendingOf(inputs, [ours(1n)]);
      const { weight, base, max } = limits(spending);
      expect([weight, base, max]).toEqual([
        weightOf(spending),
        BigInt(weight) + parents,
        BigInt(weight) + parents,
      ]);
    }
  });

  describe("grow towards a deadline", () => {
    const expiry = 1_000;
    const htlc = (offeredBy: Side): Htlc => htlcOf(offeredBy, 1n, "late", expiry);
    const late = (kind: ChannelInput["kind"], offeredBy: Side, value = 1_000_000n) =>
      claim(kind, value, { htlc: htlc(offeredBy) });
    /** In parts of 72 of the base. */
    const grownBy = (
      at: number | undefined,
      inputs: readonly Input[],
      paid: readonly Paid[] = [ours(1n)],
    ) => {
      const { base, max } = limits(spendingOf(inputs, paid), at);
      return ((max - base) * 72n + base / 2n) / base;
    };

    test.each(["holderHtlc", "counterpartyHtlc"] as const)("of a %s that we receive", (kind) => {
      const inputs = [late(kind, "counterparty")];
      expect([900, 927, 928, 929, 964, 999, 1_000, 1_001].map((at) => grownBy(at, inputs))).toEqual([
        ...[0n, 0n, 0n, 3n, 108n, 213n, 216n, 216n],
      ]);
    });

    test.each(["holderHtlc", "counterpartyHtlc"] as const)(
      "of a %s that we offered, once it is late",
      (kind) => {
        const inputs = [late(kind, "holder")];
        const to = expiry + inclusion;
        expect([to - 72, to - 71, to, to + 9].map((at) => grownBy(at, inputs))).toEqual([0n, 3n, 216n, 216n]);
      },
    );

    test("to no more than half of what is claimed", () => {
      const of = (value: bigint) =>
        limits(spendingOf([late("holderHtlc", "counterparty", value)], [ours(1n)]), 1_000);
      const { base } = of(1n);
      expect(of(8n * base).max).toBe(4n * base);
      expect(of(6n * base + 1n).max).toBe(3n * base);
      expect(of(base).max).toBe(base);
    });

    test("as far as the most pressing claim says", () => {
      const slow = claim("counterpartyHtlc", 1_000_000n, { htlc: htlcOf("counterparty", 1n, "slow", 1_036) });
      const none = claim("delayed", 1_000_000n);
      const fast = late("counterpartyHtlc", "counterparty");
      expect(grownBy(1_000, [slow, none])).toBe(108n);
      for (const inputs of [
        [none, slow, fast],
        [fast, slow, none],
      ])
        expect(grownBy(1_000, inputs)).toBe(216n);
    });

    test("but not where nobody knows the height, or nothing presses", () => {
      expect(grownBy(undefined, [late("holderHtlc", "counterparty")])).toBe(0n);
      expect(grownBy(1_000, [late("justiceHtlc", "holder")])).toBe(0n);
      expect(grownBy(1_000, [claim("holderHtlc", 1_000_000n)])).toBe(0n);
    });

    test("only where what is allowed beyond the policy is the miners'", () => {
      const fast = late("holderHtlc", "counterparty");
      expect(grownBy(1_000, [fast, wallet()])).toBe(216n);
      expect(grownBy(1_000, [fast, wallet()], [ours(1n), other(0n)])).toBe(216n);
      expect(grownBy(1_000, [fast, wallet()], [ours(1n), other(1n)])).toBe(0n);
      expect(grownBy(1_000, [fast, foreign()])).toBe(0n);
    });
  });

  describe("of a breach", () => {
    const liveOf = (...high: readonly bigint[]): Live =>
      ({
        holder: { variants: high.slice(0, 1).map((one) => variant(one)) },
        counterparty: { variants: high.slice(1).map((one) => variant(one)) },
      }) as unknown as Live;
    const variant = (high: bigint, htlcs: readonly Htlc[] = [], trimmed: unknown = []) => ({
      ...{ balance: { low: 0n, high }, htlcs, trimmed },
    });
    const share = (...inputs: readonly ChannelInput[]): bigint => {
      const { max, base } = limits(spendingOf(inputs, [ours(1n)]));
      return max - base;
    };

    test("take what was never ours: the cheat's balance beyond all that we could call ours", () => {
      const cheat = (live: Live) => share(claim("justiceToLocal", 50_000n, { live }));
      expect(cheat(nobody)).toBe(50_000n);
      expect(cheat(liveOf(20_000_999n, 10_000_000n))).toBe(30_000n);
      expect(cheat(liveOf(10_000_000n, 20_001_000n))).toBe(29_999n);
      expect(cheat(liveOf(50_000_000n))).toBe(0n);
      expect(cheat(liveOf(50_001_000n))).toBe(0n);
    });

    test("leave alone what pending HTLCs may still bring us, also those too small for an output", () => {
      const one = htlcOf("holder", 7_000_000n, "one");
      const two = htlcOf("counterparty", 400_000n, "two");
      const live = (trimmed: unknown) =>
        ({
          holder: { variants: [] },
          counterparty: { variants: [variant(1_000_000n, [one], trimmed)] },
        }) as never;
      expect(share(claim("justiceToLocal", 50_000n, { live: live([two, two]) }))).toBe(50_000n - 8_800n);
      expect(share(claim("justiceToLocal", 50_000n, { live: live(unknown) }))).toBe(50_000n - 8_000n);
    });

    test("count every output that was the cheat's, channel by channel", () => {
      const live = liveOf(10_000_000n);
      const htlc = (offeredBy: Side) => ({ live, htlc: htlcOf(offeredBy, 1n, "old") });
      expect(share(claim("justiceHtlc", 30_000n, htlc("counterparty")))).toBe(20_000n);
      expect(share(claim("justiceHtlc", 30_000n, htlc("holder")))).toBe(0n);
      expect(share(claim("justiceSecondLevel", 30_000n, { live }))).toBe(0n);
      expect(share(claim("counterpartyHtlc", 30_000n, htlc("counterparty")))).toBe(0n);
      expect(share(claim("toRemote", 30_000n, { live }))).toBe(0n);
      const both = [
        claim("justiceToLocal", 6_000n, { live }),
        claim("justiceHtlc", 5_500n, htlc("counterparty")),
      ];
      expect(share(...both)).toBe(1_500n);
      const elsewhere = claim("justiceToLocal", 9_000n, { live: liveOf(20_000_000n) });
      expect(share(...both, elsewhere)).toBe(1_500n);
      expect(share(...both, claim("justiceToLocal", 9_000n, { live: liveOf(2_000_000n) }))).toBe(8_500n);
    });

    test.each([
      ["justiceToLocal", true],
      ["justiceHtlc", true],
      ["justiceSecondLevel", true],
      ["toRemote", false],
    ] as const)("are of a %s: %s", (kind, is) => {
      expect(isJustice(claim(kind, 1n))).toBe(is);
    });
  });
});

describe("what a transaction takes and pays", () => {
  test("is summed by whose it is", () => {
    const paid = [ours(30_000n), funding(50_000n, 40_000n), other(9_000n), other(0n), ours(1_000n)];
    const spending = spendingOf([wallet(60_000n), claim("toRemote", 25_000n)], paid);
    expect(sumsOf(spending, flat, undefined)).toEqual({
      ...{ ours: 85_000n, back: 31_000n, share: 40_000n, others: 9_000n, leaving: 14_000n },
      ...{ given: 19_000n, shared: 10_000n },
      ...{ foreign: false, claimed: 25_000n, limits: limitsOf(spending, flat, undefined) },
    });
    const shared = spendingOf([foreign(), wallet(60_000n)], paid);
    expect(sumsOf(shared, flat, undefined)).toMatchObject({ foreign: true, ours: 60_000n, claimed: 0n });
  });

  const givenOf = (inputs: readonly Input[], paid: readonly Paid[]) => {
    const { given, shared } = sumsOf(spendingOf(inputs, paid), flat, undefined);
    return [given, shared];
  };

  test("gives others what they take out beyond what they are proven to bring in", () => {
    const paid = [ours(95_000n), other(52_000n)];
    expect(givenOf([wallet(), foreign(50_000n, "shown")], paid)).toEqual([2_000n, 0n]);
    expect(givenOf([wallet(), foreign(52_000n, "shown")], paid)).toEqual([0n, 0n]);
    expect(givenOf([wallet(), foreign(90_000n, "shown")], paid)).toEqual([0n, 0n]);
    // What is only said may be a lie, and then all that we lose is others'; but never more than that.
    expect(givenOf([wallet(), foreign(90_000n)], paid)).toEqual([5_000n, 0n]);
    expect(givenOf([wallet(), foreign()], paid)).toEqual([5_000n, 0n]);
    expect(givenOf([wallet(), foreign(90_000n)], [ours(100_000n), other(52_000n)])).toEqual([0n, 0n]);
    expect(givenOf([wallet()], paid)).toEqual([52_000n, 0n]);
  });

  test("believes what each signature of ours commits to", () => {
    const taproot = { plan: { ...plan, stack: "p2tr" } } as Partial<WalletInput>;
    const paid = [ours(195_000n), other(52_000n)];
    const theirs = foreign(50_000n);
    expect(givenOf([wallet(100_000n, taproot), wallet(100_000n, taproot), theirs], paid)[0]).toBe(2_000n);
    expect(givenOf([wallet(100_000n, taproot), wallet(), theirs], paid)[0]).toBe(5_000n);
  });

  test("takes a share of a channel that is not ours for others' too", () => {
    const paid = [ours(30_000n), funding(90_000n, 60_000n), other(5_000n)];
    expect(givenOf([wallet(), foreign(36_000n, "shown")], paid)).toEqual([0n, 0n]);
    expect(givenOf([wallet(), foreign(33_000n, "shown")], paid)).toEqual([2_000n, 0n]);
    expect(givenOf([wallet(), foreign(29_000n, "shown")], paid)).toEqual([6_000n, 1_000n]);
    expect(givenOf([wallet(121_000n)], [ours(30_000n), funding(90_000n, 60_000n)])).toEqual([
      30_000n,
      30_000n,
    ]);
  });

  test("counts nothing that is worth nothing", () => {
    expect(othersOf({ paid: [other(0n), other(1n), ours(5n)] }).map(({ value }) => value)).toEqual([1n]);
  });
});

describe("what we lose", () => {
  const limits = { weight: 0, min: 0n, base: 500n, max: 900n };
  const sums = (changes: Partial<Sums>): Sums => ({
    ...{ ours: 0n, back: 0n, share: 0n, others: 0n, leaving: 0n, foreign: false, claimed: 0n, limits },
    ...{ given: changes.others ?? 0n, shared: 0n },
    ...changes,
  });

  test.each([
    ["nobody is paid", { leaving: 700n }, false, 700n],
    ["a stranger is paid by us", { others: 1n, leaving: 301n }, true, 300n],
    ["others pay each other, and we our fee", { others: 9_000n, leaving: 500n, given: 0n }, false, 500n],
    ["others are paid, and we lose more", { others: 9_000n, leaving: 501n, given: 1n }, true, 500n],
    ["a claim comes home whole", { others: 9n, leaving: 0n, given: 0n, claimed: 1n }, false, 0n],
    ["a claim loses", { others: 9n, leaving: 1n, given: 1n, claimed: 1n }, true, 0n],
    ["only a channel has more for others", { leaving: 9n, given: 5n, shared: 5n }, false, 4n],
  ] as const)("where %s", (_, changes, pays, fee) => {
    expect([paysOthers(sums(changes)), feeIn(sums(changes))]).toEqual([pays, fee]);
  });

  test.each([
    ["fees alone", { leaving: 700n }, 0n, 700n],
    ["what a stranger gets, and the fee", { others: 400n, leaving: 700n }, 400n, 300n],
    ["nothing where others pay us", { others: 0n, leaving: -5n }, 0n, 0n],
    [
      "what others get that theirs does not pay for",
      { others: 900n, given: 400n, leaving: 700n },
      400n,
      300n,
    ],
    ["a fee, where others take part and nobody is paid", { foreign: true, leaving: 700n }, 0n, 700n],
    ["not what was claimed", { others: 400n, leaving: 700n, claimed: 399n }, 1n, 300n],
    ["not more than what was claimed", { others: 400n, leaving: 700n, claimed: 401n }, 0n, 300n],
  ] as const)("charges the day with %s", (_, changes, sent, fees) => {
    expect(costsOf(sums(changes))).toEqual({ sent: sent * 1000n, fees: fees * 1000n });
  });
});
