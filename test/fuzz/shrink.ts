/** The shortest input that fails in the same way, by leaving out ever smaller pieces. */
export const shrunk = (input: Uint8Array, stillFails: (bytes: Uint8Array) => boolean, tries = 2_000): Uint8Array => {
  let best = input;
  let left = tries;
  for (let piece = Math.ceil(best.length / 2); piece >= 1; piece = Math.floor(piece / 2)) {
    for (let at = 0; at < best.length && left > 0; left--) {
      const shorter = new Uint8Array(Math.max(0, best.length - piece));
      shorter.set(best.subarray(0, at));
      shorter.set(best.subarray(at + piece), at);
      if (at + piece <= best.length && stillFails(shorter)) best = shorter;
      else at += piece;
    }
  }
  return best;
};
