/**
 * What went out in the last day, by hours. An hour counts until it lies wholly behind, so a window never forgets too
 * early; and time only grows, so that a clock which is set back gives no credit.
 */

export interface Spent {
  /** Hours since 1970. */
  readonly hour: number;
  readonly amount: bigint;
}

export type Window = readonly Spent[];

const length = 24;

export const hourOf = (seconds: number): number => Math.floor(seconds / 3600);

const kept = (window: Window, seconds: number): Window =>
  window.filter(({ hour }) => hour >= hourOf(seconds) - length);

export const spent = (window: Window, seconds: number): bigint =>
  kept(window, seconds).reduce((sum, { amount }) => sum + amount, 0n);

export const charge = (window: Window, seconds: number, amount: bigint): Window => {
  const hour = hourOf(seconds);
  const rest = kept(window, seconds);
  if (amount === 0n) return rest;
  const last = rest.at(-1);
  return last?.hour === hour
    ? [...rest.slice(0, -1), { hour, amount: last.amount + amount }]
    : [...rest, { hour, amount }];
};

/** What was charged in `at` and did not go out after all. Nothing is given back for an hour that is forgotten. */
export const giveBack = (window: Window, at: number, amount: bigint): Window =>
  window
    .map((one) =>
      one.hour === hourOf(at)
        ? { hour: one.hour, amount: one.amount > amount ? one.amount - amount : 0n }
        : one,
    )
    .filter((one) => one.amount > 0n);

/** What came back without anybody knowing for which hour: the latest first, so that the oldest stays and ages. */
export const offset = (window: Window, amount: bigint): Window => {
  let left = amount;
  const result: Spent[] = [];
  for (const one of window.toReversed()) {
    const taken = one.amount < left ? one.amount : left;
    left -= taken;
    if (one.amount > taken) result.unshift({ hour: one.hour, amount: one.amount - taken });
  }
  return result;
};
