/** Of all outcomes of a target the few that a corpus should show: each kind that is taken, then kinds of damage. */

const most = 24;
const longest = 600;

export const sampleOf = (outcomes: readonly (readonly [string, Uint8Array])[]): readonly Uint8Array[] => {
  const small = outcomes
    .filter(([, input]) => input.length <= longest)
    .toSorted(([a], [b]) => (a < b ? -1 : 1));
  const taken = small.filter(([outcome]) => outcome.startsWith("accepted"));
  const refused = small.filter(([outcome]) => outcome.startsWith("malformed"));
  const room = Math.max(0, most - taken.length);
  // Sorted by reason, neighbours are alike: every n-th is the most varied choice.
  const step = Math.max(1, refused.length / Math.max(1, room));
  const chosen = Array.from(
    { length: Math.min(room, refused.length) },
    (_, i) => refused[Math.floor(i * step)],
  );
  return [...taken, ...chosen].flatMap((one) => (one === undefined ? [] : [one[1]]));
};
