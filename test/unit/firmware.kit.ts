/** Flash to cut the power of, and a plain account of what a journal should hold. */

import { type FlashSim, memoryMedium, openFlash } from "../../firmware-sim/flash.ts";
import { type Changes, formatFlash, type Journal, type Place } from "../../firmware-sim/journal.ts";
import { areas } from "../../firmware-sim/record.ts";
import { toHex } from "../../protocol/bytes.ts";
import { type Random, random } from "../fuzz/random.ts";

export const freshFlash = (seed: number, blocks = 2): FlashSim => {
  const flash = openFlash({ medium: memoryMedium(blocks), int: random(seed).int });
  formatFlash(flash);
  return flash;
};

export type Model = ReadonlyMap<Place, string>;

export const stateOf = (journal: Journal): Model =>
  new Map(
    areas.flatMap((area) =>
      journal.entries(area).map(([id, value]) => [`${area}/${id}` as const, toHex(value)] as const),
    ),
  );

/** So that two of them can be compared. */
export const printed = (state: Model, counter: bigint): string =>
  `${counter} ${[...state]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map((one) => one.join("="))
    .join(" ")}`;

export const readBack = (journal: Journal): string => printed(stateOf(journal), journal.counter);

export const after = (state: Model, changes: Changes): Model => {
  const next = new Map(state);
  for (const [place, value] of changes) {
    if (value === undefined) next.delete(place);
    else next.set(place, toHex(value));
  }
  return next;
};

/** One to three values of a few places. */
export const anyChanges = (chance: Random, places = 6, longest = 90): Changes =>
  new Map(
    Array.from({ length: 1 + chance.int(3) }, () => {
      const place: Place = `${chance.pick(areas)}/${BigInt(chance.int(places))}`;
      return [place, chance.chance(6) ? undefined : chance.bytes(1 + chance.int(longest))] as const;
    }),
  );
