/** Of durations in any order. */
export const quantile = (values: readonly number[], q: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const found = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
  if (found === undefined) throw new RangeError("no measurements");
  return found;
};

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** Two digits behind the point say all that a measurement can. */
export const rounded = (value: number, digits = 2): number => Number(value.toFixed(digits));
