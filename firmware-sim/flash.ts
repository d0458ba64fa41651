/**
 * NOR flash as a device has it: erased in blocks to ones, programmed in words from one to zero, and left in any state by
 * a power cut. A bit that a cut caught in the middle is weak: each power-on may read it otherwise, until it is
 * programmed again or its block is erased to the end.
 */

import { closeSync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";

export const blockLength = 4096;
/** What one program pulse writes; a cut leaves the words before it whole and those after it untouched. */
export const wordLength = 8;

/** What a journal needs of flash. */
export interface Flash {
  readonly blocks: number;
  read(at: number, length: number): Uint8Array;
  /** Whole words. Bits go from one to zero; a one over a zero is a defect of whoever asks for it. */
  program(at: number, bytes: Uint8Array): void;
  erase(block: number): void;
}

export type FlashStep =
  | { readonly kind: "program"; readonly at: number; readonly word: Uint8Array }
  | { readonly kind: "erase"; readonly block: number };

/** The power is gone: nothing works until it is switched on again. */
export class PowerCut extends Error {
  override readonly name = "PowerCut";
}

/** Where the cells are: their bytes, and behind them four for each block, how often it was erased. */
export interface Medium {
  readonly length: number;
  read(at: number, length: number): Uint8Array;
  write(at: number, bytes: Uint8Array): void;
  close(): void;
}

export interface FlashOptions {
  readonly medium: Medium;
  /** At least 0 and below `below`: what a cut leaves of a word or a block. */
  readonly int: (below: number) => number;
  /** Before each step, with what it is going to do. */
  readonly onStep?: (step: FlashStep) => void;
}

export interface FlashSim extends Flash {
  /** How often a block was erased. */
  wear(block: number): number;
  /** Words programmed and blocks erased since it was opened. */
  readonly steps: number;
  /** The power goes in the middle of the step so many steps from now; 0 is the next. */
  cutAfter(steps: number): void;
  /** As if the power had gone in the middle of this step, and come back. */
  tear(step: FlashStep): void;
  powerOn(): void;
  /** Of bit `n`, counted over all cells: what age and radiation do. */
  flip(n: number): void;
  /** The same cells in memory, for trying what would come of a cut here. */
  fork(options: Omit<FlashOptions, "medium">): FlashSim;
}

export const mediumLength = (blocks: number): number => blocks * (blockLength + 4);

export const memoryMedium = (blocks: number, from?: Uint8Array): Medium => {
  const bytes = from ?? new Uint8Array(mediumLength(blocks)).fill(0xff, 0, blocks * blockLength);
  return {
    length: bytes.length,
    read: (at, length) => bytes.slice(at, at + length),
    write: (at, part) => bytes.set(part, at),
    close: () => {},
  };
};

/** A file of its own; a new one is erased flash. */
export const fileMedium = (path: string, blocks: number): Medium => {
  const length = mediumLength(blocks);
  let file: number;
  try {
    file = openSync(path, "wx+", 0o600);
    const fresh = memoryMedium(blocks);
    writeSync(file, fresh.read(0, length), 0, length, 0);
    ftruncateSync(file, length);
    fsyncSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    file = openSync(path, "r+");
  }
  return {
    length,
    read: (at, count) => {
      const bytes = new Uint8Array(count);
      if (readSync(file, bytes, 0, count, at) !== count) throw new Error("the flash file is too short");
      return bytes;
    },
    write: (at, part) => {
      writeSync(file, part, 0, part.length, at);
    },
    close: () => closeSync(file),
  };
};

const opened = (options: FlashOptions, weakBefore: ReadonlyMap<number, number>): FlashSim => {
  const { medium, int, onStep } = options;
  const blocks = Math.floor(medium.length / (blockLength + 4));
  const cells = blocks * blockLength;
  /** By the byte's place: the bits that are neither one nor zero. */
  const weak = new Map(weakBefore);
  let steps = 0;
  let cut: number | undefined;
  let isOff = false;

  const alive = (): void => {
    if (isOff) throw new PowerCut("no power");
  };
  const inside = (at: number, length: number): void => {
    if (!(Number.isInteger(at) && at >= 0 && at + length <= cells))
      throw new RangeError("outside of the flash");
  };

  const wearAt = (block: number): number => cells + 4 * block;
  const wear = (block: number): number => new DataView(medium.read(wearAt(block), 4).buffer).getUint32(0);
  const wearOnce = (block: number): void => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, wear(block) + 1);
    medium.write(wearAt(block), bytes);
  };

  const setWeak = (at: number, mask: number): void => {
    if (mask === 0) weak.delete(at);
    else weak.set(at, mask);
  };

  /** What weak bits read as until the next power-on. */
  const sample = (): void => {
    if (weak.size === 0) return;
    const all = medium.read(0, cells);
    for (const [at, mask] of weak) all[at] = ((all[at] ?? 0) & ~mask) | (int(256) & mask);
    medium.write(0, all);
  };

  const programWord = (at: number, word: Uint8Array): void => {
    const cell = medium.read(at, wordLength);
    for (let i = 0; i < wordLength; i++) {
      const byte = word[i] ?? 0;
      if (((cell[i] ?? 0) & byte) !== byte) throw new RangeError("programs a one over a zero");
      if (weak.size > 0) setWeak(at + i, (weak.get(at + i) ?? 0) & byte);
    }
    medium.write(at, word);
  };

  /** Of the bits that were on their way some arrived, some did not leave, and some are in between. */
  const tearBytes = (at: number, before: Uint8Array, moving: Uint8Array): Uint8Array => {
    const way = int(5);
    // Caught at the very end: all arrived, but for a few that only seem so.
    const late = new Uint8Array(moving.length);
    for (let n = way === 4 ? 1 + int(3) : 0; n > 0; n--) late[int(late.length)] = 1 << int(8);
    // Or only a part of it was reached at all.
    const [from, to] = way === 2 ? [int(moving.length), int(moving.length)] : [0, moving.length];
    return before.map((byte, i) => {
      const moved = i >= from && i <= to ? (moving[i] ?? 0) : 0;
      const reached = way === 0 ? 0 : way === 1 || way === 4 ? moved : int(256) & moved;
      const between = way === 3 ? int(256) & moved : (late[i] ?? 0) & moved;
      setWeak(at + i, (weak.get(at + i) ?? 0) | between);
      return byte ^ reached;
    });
  };

  const torn = (step: FlashStep): void => {
    if (step.kind === "program") {
      const cell = medium.read(step.at, wordLength);
      const moving = cell.map((before, i) => before & ~(step.word[i] ?? 0));
      medium.write(step.at, tearBytes(step.at, cell, moving));
      return;
    }
    const from = step.block * blockLength;
    const block = medium.read(from, blockLength);
    medium.write(
      from,
      tearBytes(
        from,
        block,
        block.map((before) => ~before & 0xff),
      ),
    );
    wearOnce(step.block);
  };

  const perform = (step: FlashStep): void => {
    alive();
    onStep?.(step);
    steps += 1;
    if (cut === 0) {
      torn(step);
      isOff = true;
      throw new PowerCut("the power went in the middle of a write");
    }
    if (cut !== undefined) cut -= 1;
    if (step.kind === "program") {
      programWord(step.at, step.word);
      return;
    }
    const from = step.block * blockLength;
    medium.write(from, new Uint8Array(blockLength).fill(0xff));
    for (const at of [...weak.keys()]) if (at >= from && at < from + blockLength) weak.delete(at);
    wearOnce(step.block);
  };

  const powerOn = (): void => {
    isOff = false;
    cut = undefined;
    sample();
  };

  return {
    blocks,
    get steps() {
      return steps;
    },
    read: (at, length) => {
      alive();
      inside(at, length);
      return medium.read(at, length);
    },
    program: (at, bytes) => {
      if (at % wordLength !== 0 || bytes.length % wordLength !== 0) throw new RangeError("not whole words");
      inside(at, bytes.length);
      for (let i = 0; i < bytes.length; i += wordLength)
        perform({ kind: "program", at: at + i, word: bytes.slice(i, i + wordLength) });
    },
    erase: (block) => {
      inside(block * blockLength, blockLength);
      perform({ kind: "erase", block });
    },
    wear,
    cutAfter: (count) => {
      cut = count;
    },
    tear: (step) => {
      torn(step);
      powerOn();
    },
    powerOn,
    flip: (n) => {
      const at = Math.floor(n / 8);
      inside(at, 1);
      const [cell = 0] = medium.read(at, 1);
      medium.write(at, Uint8Array.of(cell ^ (1 << (n % 8))));
    },
    fork: (others) =>
      opened({ ...others, medium: memoryMedium(blocks, medium.read(0, medium.length)) }, weak),
  };
};

export const openFlash = (options: FlashOptions): FlashSim => opened(options, new Map());
