/** Fast and repeatable: the same seed makes the same inputs. (SFC32.) */

export interface Random {
  /** At least 0 and below `below`. */
  int(below: number): number;
  chance(oneIn: number): boolean;
  pick<T>(from: readonly T[]): T;
  bytes(length: number): Uint8Array;
}

export const random = (seed: number): Random => {
  let [a, b, c, counter] = [seed | 0, (seed / 2 ** 32) | 0, 0x9e3779b9 | 0, 1];
  const next = (): number => {
    const out = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + out;
    return out >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  const int = (below: number): number => Math.floor((next() / 2 ** 32) * below);
  return {
    int,
    chance: (oneIn) => int(oneIn) === 0,
    pick: (from) => {
      const one = from[int(from.length)];
      if (one === undefined) throw new RangeError("nothing to pick from");
      return one;
    },
    bytes: (length) => Uint8Array.from({ length }, () => int(256)),
  };
};
