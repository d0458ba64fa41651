import { describe, expect, test } from "vitest";
import { closingWeight } from "../../protocol/bolt/weight.ts";
import { type Maybe, unknown } from "../../protocol/codec.ts";
import type { Htlc, Side, Terms } from "../../protocol/operations/fields.ts";
import type { Request } from "../../protocol/operations/index.ts";
import { feerate, type Sat, type Script, sat, script } from "../../protocol/units.ts";
import { defaultPolicy, type Policy } from "../../signer/core/policy.ts";
import { judge } from "../../signer/core/rule.ts";
import { closingRules } from "../../signer/core/rules/closing.ts";
import type { Live, Variant } from "../../signer/core/state.ts";
import { fundingOf, htlcOf, plainTerms } from "../scripted/channel.ts";
import { peerScript } from "../scripted/close.ts";

const wallet = script(Uint8Array.from([0x00, 0x14, ...new Uint8Array(20).fill(0x11)]));
const elsewhere = script(Uint8Array.from([0x00, 0x14, ...new Uint8Array(20).fill(0x22)]));
const rate = 1_000;
const policy: Policy = { ...defaultPolicy("regtest"), maxClosingFeerate: feerate(rate) };

interface Scene {
  readonly terms?: Partial<Terms>;
  /** What the live commitments of each side give us, in millisatoshi, and the HTLCs that each has. */
  readonly balances?: Readonly<Record<Side, readonly bigint[]>>;
  readonly htlcs?: Readonly<Record<Side, readonly (readonly Htlc[])[]>>;
  readonly toHolder: bigint;
  readonly toCounterparty: bigint;
  readonly holderScript?: Script;
  readonly counterpartyScript?: Script;
  readonly allowlist?: readonly Script[];
}

/** What the rules of a mutual close say, in short. */
const close = (scene: Scene) => {
  const { balances = { holder: [600_000_999n], counterparty: [600_000_999n] }, htlcs } = scene;
  const variants = (side: Side): readonly Variant[] =>
    balances[side].map(
      (low, at) =>
        ({
          balance: { low, high: low + 999n },
          htlcs: htlcs?.[side][at] ?? [],
          trimmed: [],
        }) as unknown as Variant,
    );
  const funding = fundingOf("close");
  const live = {
    setup: { terms: plainTerms(scene.terms), funding, closingScript: wallet },
    holder: { variants: variants("holder") },
    counterparty: { variants: variants("counterparty") },
  } as unknown as Live;
  const asked = {
    funding,
    toHolder: sat(scene.toHolder),
    toCounterparty: sat(scene.toCounterparty),
    holderScript: scene.holderScript ?? wallet,
    counterpartyScript: scene.counterpartyScript ?? peerScript,
    expected: unknown,
  } as unknown as Request<"signClosing">;
  const refusal = judge(closingRules, {
    live,
    policy: { ...policy, allowlist: scene.allowlist ?? [] },
    close: asked,
    payer: live.setup.terms.opener,
  });
  return refusal === undefined
    ? "signed"
    : [refusal.rule, ...refusal.facts.map(({ value }) => value)].join(" ");
};

/** The counterparty opened, so that the fee is not ours. */
const theirs = { opener: "counterparty" } as const;
const dusty = (holder: Maybe<Sat>, counterparty: Maybe<Sat>): Partial<Terms> => ({
  ...theirs,
  holder: { ...plainTerms().holder, dustLimit: holder },
  counterparty: { ...plainTerms().counterparty, dustLimit: counterparty },
});

describe("what a close gives us", () => {
  test("is what we have, less a satoshi that may be rounded off", () => {
    const given = (toHolder: bigint) => close({ terms: theirs, toHolder, toCounterparty: 390_000n });
    expect(given(600_000n)).toBe("signed");
    expect(given(599_999n)).toBe("signed");
    expect(given(599_998n)).toBe("mutual-value-matches-commitment 599998 600000 0");
  });

  test("is the most that a live commitment of either side gives us", () => {
    for (const balances of [
      { holder: [500_000_000n, 600_000_000n], counterparty: [550_000_000n] },
      { holder: [550_000_000n], counterparty: [600_000_000n, 500_000_000n] },
    ]) {
      const given = (toHolder: bigint) =>
        close({ terms: theirs, balances, toHolder, toCounterparty: 1_000n });
      expect(given(599_999n)).toBe("signed");
      expect(given(599_998n)).toBe("mutual-value-matches-commitment 599998 600000 0");
    }
  });

  test("bears the fee where we opened, and nowhere else", () => {
    const outputs = { toHolder: 599_600n, toCounterparty: 400_000n };
    expect(close(outputs)).toBe("signed");
    expect(close({ ...outputs, terms: theirs })).toBe("mutual-value-matches-commitment 599600 600000 0");
  });

  test.each([
    ["the larger of both dust limits", sat(354n), sat(600n), 600n],
    ["also where it is ours", sat(600n), sat(354n), 600n],
    ["the largest that anybody has, where one is not known", sat(354n), unknown, 1_062n],
  ] as const)("is left out up to the dust limit: %s", (_, ours, other, most) => {
    const having = (due: bigint, toHolder: bigint) =>
      close({
        terms: dusty(ours, other),
        balances: { holder: [due * 1000n], counterparty: [due * 1000n] },
        toHolder,
        toCounterparty: 900_000n,
      });
    expect(having(most, 0n)).toBe("signed");
    expect(having(most + 1n, 0n)).toBe(`mutual-value-matches-commitment 0 ${most + 1n} 0`);
    // What is paid at all is paid in full.
    expect(having(most, most - 2n)).toBe(`mutual-value-matches-commitment ${most - 2n} ${most} 0`);
  });
});

describe("a close", () => {
  test("spends no more than there is", () => {
    expect(close({ terms: theirs, toHolder: 600_000n, toCounterparty: 400_000n })).toBe("signed");
    expect(close({ terms: theirs, toHolder: 600_000n, toCounterparty: 400_001n })).toBe(
      "mutual-other 1000001 1000000",
    );
  });

  test("waits for the HTLCs of both sides, and one content without any is enough", () => {
    const htlc = [htlcOf("counterparty", 5_000_000n, "pending")];
    const twice = { holder: [600_000_000n, 600_000_000n], counterparty: [600_000_000n, 600_000_000n] };
    const withHtlcs = (holder: readonly (readonly Htlc[])[], counterparty: readonly (readonly Htlc[])[]) =>
      close({
        terms: theirs,
        balances: twice,
        htlcs: { holder, counterparty },
        toHolder: 600_000n,
        toCounterparty: 390_000n,
      });
    expect(withHtlcs([htlc, []], [[], htlc])).toBe("signed");
    expect(withHtlcs([htlc, htlc], [[], htlc])).toBe("mutual-no-pending-htlcs holder 2");
    expect(withHtlcs([htlc, []], [htlc, htlc])).toBe("mutual-no-pending-htlcs counterparty 2");
  });
});

describe("our output of a close", () => {
  const upfront = (holder: Script, counterparty: Script): Partial<Terms> => ({
    ...theirs,
    holder: { ...plainTerms().holder, upfrontScript: holder },
    counterparty: { ...plainTerms().counterparty, upfrontScript: counterparty },
  });
  const paying = (holderScript: Script, terms: Partial<Terms> = theirs, allowlist: readonly Script[] = []) =>
    close({ terms, holderScript, allowlist, toHolder: 600_000n, toCounterparty: 390_000n });
  const none = script(new Uint8Array(0));
  const no = "mutual-destination-allowlisted";

  test("pays our wallet, the allowlist, or the script that was agreed for us at the opening", () => {
    expect(paying(wallet)).toBe("signed");
    expect(paying(elsewhere, theirs, [peerScript, elsewhere])).toBe("signed");
    expect(paying(elsewhere, upfront(elsewhere, none))).toBe("signed");
    expect(paying(elsewhere)).toContain(no);
  });

  test("pays no script that was agreed for the counterparty", () => {
    expect(paying(elsewhere, upfront(none, elsewhere))).toContain(no);
  });

  test("pays nobody by a script that was never agreed on: an empty one means that there is none", () => {
    expect(paying(none, upfront(none, none))).toContain(no);
    expect(paying(elsewhere, upfront(none, none))).toContain(no);
  });
});

describe("the fee of a close that we pay", () => {
  const weight = closingWeight([wallet, peerScript]);
  // A satoshi for each thousand of weight, rounded down, and one for what both balances have under a satoshi.
  const most = BigInt(Math.floor((weight * rate) / 1000)) + 1n;
  const having = (holder: bigint) => ({ holder: [holder], counterparty: [holder] });

  test("is what the policy allows for both outputs, and no more", () => {
    const paying = (fee: bigint) =>
      close({ balances: having(600_000_000n), toHolder: 600_000n - fee, toCounterparty: 400_000n });
    expect(paying(most)).toBe("signed");
    expect(paying(most + 1n)).toBe(`mutual-fee-range ${most + 1n} ${most}`);
  });

  test("grows by a dust limit where the counterparty has no output", () => {
    const paying = (fee: bigint) =>
      close({ balances: having(1_000_000_000n), toHolder: 1_000_000n - fee, toCounterparty: 0n });
    expect(paying(most + 354n)).toBe("signed");
    expect(paying(most + 355n)).toBe(`mutual-fee-range ${most + 355n} ${most + 354n}`);
  });

  test("and where we have none", () => {
    const paying = (fee: bigint) =>
      close({ balances: having(0n), toHolder: 0n, toCounterparty: 1_000_000n - fee });
    expect(paying(most + 354n)).toBe("signed");
    expect(paying(most + 355n)).toBe(`mutual-fee-range ${most + 355n} ${most + 354n}`);
  });

  test("is none of our business where the counterparty opened", () => {
    expect(close({ terms: theirs, toHolder: 600_000n, toCounterparty: 1_000n })).toBe("signed");
  });
});
