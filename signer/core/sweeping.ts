/** Which of many records that nobody needs any more a step forgets. */

export interface Over {
  readonly key: string;
  /** Since when nobody needs it. */
  readonly since: number;
}

/**
 * The oldest, and the same ones in whatever order they came to memory: a step that is taken again after a crash must come
 * out the same, and a restart loads in another order.
 */
export const oldestOf = (over: readonly Over[], most: number): readonly string[] =>
  over
    .toSorted((a, b) => a.since - b.since || (a.key < b.key ? -1 : 1))
    .slice(0, most)
    .map(({ key }) => key);
