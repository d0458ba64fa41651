/** Where a device in software has its chance from. */

import { createHmac, randomBytes } from "node:crypto";

export interface Chance {
  random(length: number): Uint8Array;
  /** Below `below`. */
  int(below: number): number;
}

/** The same for the same seed, which is for tests alone: who knows the seed knows every key. */
const repeated = (seed: string): Chance["random"] => {
  let n = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      const block = createHmac("sha256", seed).update(String(n++)).digest();
      out.set(block.subarray(0, length - at), at);
    }
    return out;
  };
};

const unguessable: Chance["random"] = (length) => {
  const raw = randomBytes(length);
  const bytes = Uint8Array.from(raw);
  raw.fill(0);
  return bytes;
};

export const openChance = (seed?: string): Chance => {
  const random = seed === undefined ? unguessable : repeated(seed);
  const int = (below: number): number => {
    const most = Math.floor(2 ** 32 / below) * below;
    // Again where the last part of the numbers would favour the small ones.
    for (;;) {
      const bytes = random(4);
      const drawn = new DataView(bytes.buffer).getUint32(0);
      if (drawn < most) return drawn % below;
    }
  };
  return { random, int };
};
