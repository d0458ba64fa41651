/** Channels whose funding may vanish cover as much as the policy trusts them with, all together. */

import { describe, expect, test } from "vitest";
import { msat, sat } from "../../protocol/units.ts";
import { openingBalance } from "../../signer/core/balance.ts";
import { covers, gainedIn } from "../../signer/core/payments/cover.ts";
import type { ChannelState, Live } from "../../signer/core/state.ts";
import { unwatched } from "../../signer/core/step.ts";
import { agreed, idOf, into, out, type Said, viewOf } from "./payments.kit.ts";

const value = sat(1_000n);
const theirs = { value, contribution: sat(999n) };
/** In which, beyond what was ours at first, so much came in for good. */
const held = (terms: object = theirs, more = 0n, said: Said = {}): ChannelState & Live => {
  const live = agreed(said, terms);
  const had = openingBalance(live.setup.terms) + more;
  const balance = { low: had - 1n, high: had };
  return {
    ...live,
    holder: { ...live.holder, variants: live.holder.variants.map((one) => ({ ...one, balance })) },
    counterparty: {
      ...live.counterparty,
      variants: live.counterparty.variants.map((one) => ({ ...one, balance })),
    },
  };
};

const coversAt = (
  at: number,
  channels: readonly ChannelState[],
  trusted: bigint,
  deep: readonly number[] = [],
) =>
  covers(
    idOf(at),
    channels[at] as ChannelState & Live,
    viewOf(channels, { outlook: { ...unwatched, isDeep: (id) => deep.some((one) => idOf(one) === id) } }),
    { maxZeroConfExposure: msat(trusted) },
  );

describe("a funding that others paid into", () => {
  test("covers where it is deep, or all of it is ours", () => {
    expect(coversAt(0, [held()], 0n)).toBe(false);
    expect(coversAt(0, [held()], 0n, [0])).toBe(true);
    expect(coversAt(0, [held({ value, contribution: value })], 0n)).toBe(true);
  });

  test("covers as far as it is trusted, with those before it", () => {
    expect([coversAt(0, [held()], 999_999n), coversAt(0, [held()], 1_000_000n)]).toEqual([false, true]);
    const both = [held(), held()];
    expect([coversAt(0, both, 1_999_999n), coversAt(1, both, 1_999_999n)]).toEqual([true, false]);
    expect([coversAt(0, both, 2_000_000n), coversAt(1, both, 2_000_000n)]).toEqual([true, true]);
  });

  test("covers less by what a younger one has received: it may have been set up before", () => {
    const younger = (more: bigint, said: Said = {}) => [held(), held(theirs, more, said)];
    expect(coversAt(0, younger(-5n), 1_000_000n)).toBe(true);
    expect([coversAt(0, younger(7n), 1_000_006n), coversAt(0, younger(7n), 1_000_007n)]).toEqual([
      false,
      true,
    ]);
    const pending = younger(7n, { htlcs: [into(20n), out(500n)], trimmed: [into(3n)] });
    expect([coversAt(0, pending, 1_000_029n), coversAt(0, pending, 1_000_030n)]).toEqual([false, true]);
    expect(coversAt(0, younger(7n), 1_000_000n, [1])).toBe(true);
    expect([-9n, 0n, 9n].map((more) => gainedIn(held(theirs, more)))).toEqual([0n, 0n, 9n]);
  });

  test("takes nothing from others once it is deep, where it is ours, or gone", () => {
    const before: readonly ChannelState[] = [
      held({ value, contribution: value }),
      { phase: "forgotten" },
      { phase: "stub" },
      held(),
    ];
    const channels = [...before, held()];
    expect(coversAt(4, channels, 1_000_000n)).toBe(false);
    expect(coversAt(4, channels, 1_000_000n, [3])).toBe(true);
  });
});
