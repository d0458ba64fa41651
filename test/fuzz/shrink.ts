import { concat } from "../../protocol/bytes.ts";

/** The shortest input that fails in the same way, by leaving out ever smaller pieces. */
export const shrunk = (
  input: Uint8Array,
  stillFails: (bytes: Uint8Array) => boolean,
  tries = 2_000,
): Uint8Array => {
  let best = input;
  let left = tries;
  for (let piece = Math.ceil(best.length / 2); piece >= 1; piece = Math.floor(piece / 2)) {
    for (let at = 0; at < best.length && left > 0; left--) {
      const shorter = concat(best.subarray(0, at), best.subarray(at + piece));
      if (stillFails(shorter)) best = shorter;
      else at += piece;
    }
  }
  return best;
};
