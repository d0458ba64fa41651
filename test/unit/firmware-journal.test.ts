import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FlashFault, recordsAt } from "../../firmware-sim/bank.ts";
import {
  blockLength,
  type FlashSim,
  type FlashStep,
  fileMedium,
  openFlash,
  PowerCut,
} from "../../firmware-sim/flash.ts";
import {
  type Changes,
  formatFlash,
  type Journal,
  openJournal,
  type Place,
} from "../../firmware-sim/journal.ts";
import { headerLength } from "../../firmware-sim/record.ts";
import { random } from "../fuzz/random.ts";
import { steady } from "../steady.ts";
import { after, anyChanges, freshFlash, type Model, printed, readBack, stateOf } from "./firmware.kit.ts";

/** What may be found: the step that is under way happened, or did not. */
interface Under {
  readonly before: string;
  readonly after: string;
}

/** Starts that end by a cut, as often as `cuts` says; then one that does not. */
const startAfterCuts = (flash: FlashSim, cuts: readonly number[]): Journal => {
  for (const cut of cuts) {
    flash.cutAfter(cut);
    try {
      openJournal(flash);
    } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
    }
    flash.powerOn();
  }
  return openJournal(flash);
};

/** The power went in the middle of this step of the flash: what does the device know when it is back? */
const checkCut = (flash: FlashSim, step: FlashStep, under: Under, seed: number): void => {
  const chance = random(seed);
  const fork = flash.fork({ int: chance.int });
  fork.tear(step);
  const cuts = Array.from({ length: chance.int(3) }, () => chance.int(40));
  const told = readBack(startAfterCuts(fork, cuts));
  if (told !== under.before && told !== under.after)
    throw new Error(`seed ${seed}: neither before nor after\n${told}\n${under.before}\n${under.after}`);
  // What was told once stays so: weak cells may read otherwise at each start.
  for (let again = 0; again < 1; again++) {
    fork.powerOn();
    expect(readBack(startAfterCuts(fork, [chance.int(60)]))).toBe(told);
  }
  const journal = startAfterCuts(fork, []);
  const counter = journal.counter;
  const place: Place = "setting/77";
  expect(journal.commit(new Map([[place, Uint8Array.of(1)]]))).toBe(counter + 1n);
  fork.powerOn();
  expect(openJournal(fork).get(place)).toEqual(Uint8Array.of(1));
};

const cutEverywhere = (
  seed: number,
  commits: number,
  unwatched = 0,
): { readonly cuts: number; readonly moves: number } => {
  const chance = random(seed);
  let cuts = 0;
  let under: Under | undefined;
  const fresh = freshFlash(seed);
  const flash: FlashSim = fresh.fork({
    int: chance.int,
    onStep: (step) => {
      if (under === undefined) return;
      checkCut(flash, step, under, seed * 1_000_003 + cuts++);
    },
  });
  const journal = openJournal(flash);
  const erased = flash.wear(0) + flash.wear(1);
  let state: Model = new Map();
  for (let n = 0; n < commits; n++) {
    const isWipe = chance.chance(40);
    const changes = anyChanges(chance);
    const next = isWipe ? new Map() : after(state, changes);
    under =
      n < unwatched
        ? undefined
        : {
            before: printed(state, journal.counter),
            after: printed(next, journal.counter + 1n),
          };
    // What was told must be there whatever comes.
    const told = isWipe ? journal.wipe() : journal.commit(changes);
    state = next;
    expect(readBack(journal)).toBe(printed(state, told));
    expect(told).toBe(BigInt(n + 1));
  }
  return { cuts, moves: flash.wear(0) + flash.wear(1) - erased };
};

describe("a power cut", () => {
  test.each([1, 2])("at every write of a long run leaves the state before or after the step (%i)", (seed) => {
    const { cuts, moves } = cutEverywhere(seed, 70, 20);
    expect(cuts).toBeGreaterThan(700);
    expect(moves).toBeGreaterThan(1);
  });

  test("at every write of short runs that nobody has tried", () => {
    steady(
      fc.property(fc.integer({ min: 4, max: 2 ** 31 }), (seed) => {
        expect(cutEverywhere(seed, 12).cuts).toBeGreaterThan(80);
      }),
      { numRuns: 6 },
    );
  });

  test("at every write of a start, and of the starts after it, changes nothing", () => {
    const chance = random(11);
    const flash = freshFlash(11);
    const first = openJournal(flash);
    for (let n = 0; n < 15; n++) first.commit(anyChanges(chance));
    const told = readBack(first);
    let cuts = 0;
    const counting = flash.fork({ int: chance.int });
    openJournal(counting);
    const writes = counting.steps;
    for (let outer = 0; outer < writes; outer++)
      for (let way = 0; way < 3; way++) {
        const fork = flash.fork({ int: chance.int });
        fork.powerOn();
        expect(readBack(startAfterCuts(fork, [outer, chance.int(writes), chance.int(writes)]))).toBe(told);
        cuts++;
      }
    expect(cuts).toBeGreaterThan(250);
  });

  test("in the middle of an erase, or at the last word of a header that then reads well by chance, misleads no start", () => {
    const chance = random(31);
    let told: string | undefined;
    let tries = 0;
    const flash: FlashSim = freshFlash(31).fork({
      int: chance.int,
      onStep: (step) => {
        if (told === undefined || (step.kind === "program" && step.at % blockLength !== headerLength - 8))
          return;
        for (let seed = 0; seed < 120; seed++, tries++) {
          const fork = flash.fork({ int: random(seed).int });
          fork.tear(step);
          const cuts = Array.from({ length: 4 }, () => chance.int(30));
          expect(readBack(startAfterCuts(fork, cuts))).toBe(told);
        }
      },
    });
    const journal = openJournal(flash);
    for (let n = 0; n < 10; n++) journal.commit(anyChanges(chance));
    told = readBack(journal);
    openJournal(flash);
    openJournal(flash);
    // Twice: what is there is programmed again, one bank is erased, a header written, the other bank erased.
    expect(tries).toBe(2 * 4 * 120);
  });

  test("leaves a journal that says no more until the next start", () => {
    const flash = freshFlash(5);
    const journal = openJournal(flash);
    journal.commit(new Map([["setting/1", Uint8Array.of(1)]]));
    flash.cutAfter(2);
    const change: Changes = new Map([["setting/1", Uint8Array.of(2)]]);
    expect(() => journal.commit(change)).toThrow(PowerCut);
    flash.powerOn();
    expect(() => journal.commit(change)).toThrow(PowerCut);
    expect(() => journal.wipe()).toThrow(PowerCut);
    expect(openJournal(flash).commit(change)).toBeGreaterThan(1n);
  });
});

const filled = (seed: number): { readonly flash: FlashSim; readonly told: string } => {
  const chance = random(seed);
  const flash = freshFlash(seed);
  const journal = openJournal(flash);
  for (let n = 0; n < 4; n++) journal.commit(anyChanges(chance, 3, 40));
  flash.powerOn();
  const second = openJournal(flash);
  for (let n = 0; n < 3; n++) second.commit(anyChanges(chance, 3, 40));
  return { flash, told: readBack(second) };
};

describe("a bit that flips", () => {
  test("anywhere is harmless or a fault, and never an older state", () => {
    const { flash, told } = filled(21);
    const bits = blockLength * 8;
    let [harmless, faults] = [0, 0];
    for (const bank of [0, 1])
      for (let n = 0; n < bits; n++) {
        // Beyond what is written one in sixty-four will do.
        if (n > 700 * 8 && n % 64 !== 5) continue;
        const fork = flash.fork({ int: random(n).int });
        fork.flip(bank * bits + n);
        try {
          expect(readBack(openJournal(fork))).toBe(told);
          harmless++;
        } catch (error) {
          if (!(error instanceof FlashFault)) throw error;
          expect(error.why).toBe("corrupt");
          faults++;
        }
      }
    expect(harmless).toBeGreaterThan(5_000);
    // Each bit of a head, a body or what the bank began with.
    expect(faults).toBeGreaterThan(2_000);
  });

  test("among many, or garbage over any part, opens or is a fault, and breaks nothing else", () => {
    const { flash } = filled(23);
    const cells = flash.blocks * blockLength;
    steady(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 2_000 }), fc.boolean(), (seed, count, isRun) => {
        const chance = random(seed);
        const fork = flash.fork({ int: chance.int });
        const from = chance.int(chance.chance(2) ? 1_000 : cells) * 8;
        for (let n = 0; n < count; n++)
          fork.flip(isRun ? (from + chance.int(4_000)) % (8 * cells) : chance.int(8 * cells));
        try {
          const journal = openJournal(fork);
          journal.commit(new Map([["setting/1", Uint8Array.of(1)]]));
        } catch (error) {
          expect(error).toBeInstanceOf(FlashFault);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("in the header is mended by its second copy, and two in both are a fault", () => {
    const { flash, told } = filled(22);
    const active = flash.read(0, 4)[0] === 0xff ? blockLength : 0;
    flash.flip(active * 8 + 40);
    const once = flash.fork({ int: random(1).int });
    expect(readBack(openJournal(once))).toBe(told);
    flash.flip((active + 32) * 8 + 41);
    expect(() => openJournal(flash)).toThrow(FlashFault);
  });
});

describe("flash", () => {
  test("that was never formatted is blank, not new", () => {
    const flash = freshFlash(1);
    flash.erase(0);
    flash.erase(1);
    expect(() => openJournal(flash)).toThrow(expect.objectContaining({ why: "blank" }));
  });

  test("that is full says so before anything is written, and goes on", () => {
    const flash = freshFlash(2);
    const journal = openJournal(flash);
    const big = (n: number): Changes =>
      new Map([[`channel/${BigInt(n)}` as Place, new Uint8Array(900).fill(n)]]);
    for (let n = 1; n <= 3; n++) journal.commit(big(n));
    const before = readBack(journal);
    const writes = flash.steps;
    expect(() => journal.commit(new Map([...big(4), ...big(5)]))).toThrow(
      expect.objectContaining({ why: "full" }),
    );
    expect(flash.steps).toBe(writes);
    expect(readBack(journal)).toBe(before);
    journal.commit(new Map([["channel/1", undefined]]));
    journal.commit(big(4));
    expect([...stateOf(journal).keys()].toSorted()).toEqual(["channel/2", "channel/3", "channel/4"]);
  });

  test("forgets physically what was wiped, and keeps the counter", () => {
    const flash = freshFlash(3);
    const journal = openJournal(flash);
    const marker = new TextEncoder().encode("to be forgotten by the cells");
    for (let n = 0; n < 60; n++) journal.commit(new Map([["vault/1", marker]]));
    const holds = (): boolean => Buffer.from(flash.read(0, 2 * blockLength)).includes(Buffer.from(marker));
    expect(holds()).toBe(true);
    expect(journal.wipe()).toBe(61n);
    expect(holds()).toBe(false);
    expect(openJournal(flash).counter).toBe(61n);
  });

  test("wears evenly: a bank is erased once in two fillings", () => {
    const flash = freshFlash(4, 32);
    const journal = openJournal(flash);
    const begun = [flash.wear(0), flash.wear(16)];
    const value = new Uint8Array(86).fill(7);
    const commits = 20_000;
    const words = flash.steps;
    for (let n = 0; n < commits; n++)
      journal.commit(new Map([[`channel/${BigInt(n % 100)}` as Place, value]]));
    const erased = [flash.wear(0) - (begun[0] ?? 0), flash.wear(16) - (begun[1] ?? 0)];
    expect(Math.abs((erased[0] ?? 0) - (erased[1] ?? 0))).toBeLessThanOrEqual(1);
    // 128 bytes a step: of 64 KiB, less a base of a hundred channels, there are some 400 to a bank.
    expect(erased[0]).toBeGreaterThan(20);
    expect(erased[0]).toBeLessThan(40);
    expect((flash.steps - words) / commits).toBeLessThan(22);
  });

  test("in a file is there again for the next process, as a cut left it", () => {
    const folder = mkdtempSync(join(tmpdir(), "countersign-flash-"));
    try {
      const path = join(folder, "flash.bin");
      const open = () => {
        const medium = fileMedium(path, 4);
        return { flash: openFlash({ medium, int: random(8).int }), close: () => medium.close() };
      };
      const first = open();
      formatFlash(first.flash);
      const journal = openJournal(first.flash);
      journal.commit(new Map([["setting/1", Uint8Array.of(1)]]));
      first.flash.cutAfter(3);
      expect(() => journal.commit(new Map([["setting/1", Uint8Array.of(2)]]))).toThrow(PowerCut);
      first.close();
      const second = open();
      const wear = second.flash.wear(0);
      expect(wear).toBeGreaterThan(0);
      const again = openJournal(second.flash);
      expect(again.counter).toBe(1n);
      expect(again.get("setting/1")).toEqual(Uint8Array.of(1));
      expect(second.flash.wear(0)).toBe(wear + 1);
      second.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("takes 128 bytes for a step of 86", () => {
    const flash = freshFlash(6);
    const journal = openJournal(flash);
    const writes = flash.steps;
    journal.commit(new Map([["channel/1", new Uint8Array(86)]]));
    expect((flash.steps - writes) * 8).toBe(128);
    expect(recordsAt % 8).toBe(0);
  });
});
