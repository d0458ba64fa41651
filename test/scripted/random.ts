import { sha256 } from "../../protocol/hash.ts";

/** Repeatable: the same seed plays the same game. */
export interface Random {
  /** At least 0 and below `below`. */
  int(below: number): number;
  bytes(length: number): Uint8Array;
  pick<T>(from: readonly T[]): T;
}

export const random = (seed: string): Random => {
  let block = sha256(new TextEncoder().encode(seed));
  let at = 0;
  const byte = (): number => {
    if (at === block.length) {
      block = sha256(block);
      at = 0;
    }
    return block[at++] as number;
  };
  const int = (below: number): number => {
    let n = 0;
    for (let i = 0; i < 6; i++) n = n * 256 + byte();
    return n % below;
  };
  return {
    int,
    bytes: (length) => Uint8Array.from({ length }, byte),
    pick: (from) => {
      const one = from[int(from.length)];
      if (one === undefined) throw new RangeError("nothing to pick from");
      return one;
    },
  };
};
