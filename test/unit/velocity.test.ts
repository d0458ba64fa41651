import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { charge, giveBack, hourOf, offset, spent, type Window } from "../../signer/core/velocity.ts";

const hour = 3_600;
const day = 24 * hour;
const start = 1_700_000_123;

interface Charge {
  readonly at: number;
  readonly amount: bigint;
}
/** In the order of time, at any second. */
const charges = fc
  .array(fc.record({ after: fc.nat({ max: 5 * hour }), amount: fc.bigInt({ min: 0n, max: 1_000n }) }), {
    minLength: 1,
    maxLength: 60,
  })
  .map((steps) => {
    let at = start;
    return steps.map(({ after, amount }): Charge => {
      at += after;
      return { at, amount };
    });
  });
const windowOf = (all: readonly Charge[]): Window =>
  all.reduce<Window>((window, { at, amount }) => charge(window, at, amount), []);
const sumOf = (all: readonly Charge[], of: (one: Charge) => boolean): bigint =>
  all.reduce((sum, one) => (of(one) ? sum + one.amount : sum), 0n);
const endOf = (all: readonly Charge[]): number => all.at(-1)?.at ?? start;

describe("a window", () => {
  test("counts all of the last 24 hours, and nothing that is 25 hours old", () => {
    fc.assert(
      fc.property(charges, fc.nat({ max: 30 * hour }), (all, later) => {
        const now = endOf(all) + later;
        const sum = spent(windowOf(all), now);
        expect(sum).toBeGreaterThanOrEqual(sumOf(all, ({ at }) => at > now - day));
        expect(sum).toBeLessThanOrEqual(sumOf(all, ({ at }) => at > now - day - hour));
        expect(sum).toBe(sumOf(all, ({ at }) => hourOf(at) >= hourOf(now) - 24));
      }),
    );
  });

  test("holds no more hours than its record has room for, in order, each once", () => {
    fc.assert(
      fc.property(charges, (all) => {
        const hours = windowOf(all).map((one) => one.hour);
        expect(hours.length).toBeLessThanOrEqual(26);
        expect(hours).toEqual([...new Set(hours)].sort((a, b) => a - b));
      }),
    );
  });

  test("counts less only as time passes, never as it stands still", () => {
    fc.assert(
      fc.property(charges, fc.nat({ max: 30 * hour }), fc.nat({ max: 30 * hour }), (all, a, b) => {
        const window = windowOf(all);
        const [sooner, later] = a < b ? [a, b] : [b, a];
        expect(spent(window, endOf(all) + later)).toBeLessThanOrEqual(spent(window, endOf(all) + sooner));
      }),
    );
  });

  test("is charged nothing by nothing, and forgets nothing by being charged", () => {
    fc.assert(
      fc.property(charges, fc.bigInt({ min: 0n, max: 1_000n }), (all, amount) => {
        const [window, now] = [windowOf(all), endOf(all)];
        expect(spent(charge(window, now, amount), now)).toBe(spent(window, now) + amount);
      }),
    );
  });
});

describe("what is given back", () => {
  test("is exactly what was charged in its hour, while that hour counts; then nothing", () => {
    fc.assert(
      fc.property(charges, fc.nat(), fc.nat({ max: 30 * hour }), (all, which, later) => {
        const one = all[which % all.length] as Charge;
        const window = windowOf(all);
        for (const now of [endOf(all), endOf(all) + later]) {
          const counts = hourOf(one.at) >= hourOf(now) - 24;
          const back = spent(window, now) - spent(giveBack(window, one.at, one.amount), now);
          expect(back).toBe(counts ? one.amount : 0n);
        }
      }),
    );
  });

  test("takes from no other hour, however much it is", () => {
    fc.assert(
      fc.property(charges, fc.nat(), (all, which) => {
        const one = all[which % all.length] as Charge;
        const left = giveBack(windowOf(all), one.at, 1_000_000n);
        expect(left).toEqual(
          windowOf(all).filter((some) => some.hour !== hourOf(one.at) && some.amount > 0n),
        );
      }),
    );
  });

  test("given back as often as charged leaves the window as it was", () => {
    const window = windowOf([{ at: start, amount: 7n }]);
    let now = window;
    for (let i = 0; i < 5; i++) now = giveBack(charge(now, start + hour, 9n), start + hour, 9n);
    expect(now).toEqual(window);
  });
});

describe("what came back for no hour in particular", () => {
  test("comes off the latest first, never more than there is", () => {
    fc.assert(
      fc.property(charges, fc.bigInt({ min: 0n, max: 5_000n }), (all, amount) => {
        const [window, now] = [windowOf(all), endOf(all)];
        const all24 = window.reduce((sum, one) => sum + one.amount, 0n);
        const left = offset(window, amount);
        const sum = left.reduce((total, one) => total + one.amount, 0n);
        expect(sum).toBe(all24 > amount ? all24 - amount : 0n);
        // The oldest stays whole as long as anything younger is there, so that it ages as it would have.
        const touched = left.findIndex((one, at) => one.amount !== window[at]?.amount);
        if (touched >= 0) expect(touched).toBe(left.length - 1);
        expect(left.map((one) => one.hour)).toEqual(
          window
            .filter((one) => one.amount > 0n)
            .slice(0, left.length)
            .map((one) => one.hour),
        );
        expect(spent(left, now)).toBeLessThanOrEqual(spent(window, now));
      }),
    );
  });
});
