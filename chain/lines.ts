/** Lines out of a stream, in one buffer: however small the parts are that it comes in, a line costs its own bytes. */

import { SourceError } from "./source.ts";

export interface LinesOptions {
  /** Bytes of a line, at this moment. */
  readonly most: () => number;
  readonly line: (bytes: Uint8Array) => void;
}

const newline = 0x0a;
const first = 4_096;

export const lines = ({ most, line }: LinesOptions): ((part: Uint8Array) => void) => {
  let kept = new Uint8Array(first);
  let length = 0;

  const keep = (part: Uint8Array): void => {
    const needed = length + part.length;
    const limit = most();
    if (needed > limit) throw new SourceError(`it answers with more than ${limit} bytes`);
    if (needed > kept.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * kept.length));
      larger.set(kept.subarray(0, length));
      kept = larger;
    }
    kept.set(part, length);
    length = needed;
  };

  return (part) => {
    let from = 0;
    for (let end = part.indexOf(newline); end >= 0; end = part.indexOf(newline, from)) {
      keep(part.subarray(from, end));
      from = end + 1;
      const whole = kept.subarray(0, length);
      length = 0;
      line(whole);
      // What a large line took is not held for all the small ones after it.
      if (kept.length > 16 * first) kept = new Uint8Array(first);
    }
    keep(part.subarray(from));
  };
};
