/** Which places of our sources ran since it was last asked. */

import { Session } from "node:inspector/promises";
import type { Placed } from "./messages.ts";

export interface Coverage {
  /** Indices of the places that ran. */
  take(): Promise<readonly number[]>;
  close(): Promise<void>;
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** Ranges are nested, and the innermost one counts. */
const ran = (ranges: readonly Range[], at: number): boolean => {
  let least: Range | undefined;
  for (const range of ranges) {
    if (range.startOffset > at || range.endOffset <= at) continue;
    const width = range.endOffset - range.startOffset;
    if (least === undefined || width <= least.endOffset - least.startOffset) least = range;
  }
  return least !== undefined && least.count > 0;
};

export const coverage = async (
  places: readonly Placed[],
  pathOf: (url: string) => string | undefined,
): Promise<Coverage> => {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  const byPath = Map.groupBy(places.entries(), ([, { path }]) => path);
  return {
    take: async () => {
      const { result } = await session.post("Profiler.takePreciseCoverage");
      const found: number[] = [];
      for (const { url, functions } of result) {
        const here = byPath.get(pathOf(url) ?? "") ?? [];
        if (here.length === 0) continue;
        const ranges = functions.flatMap((one) => one.ranges);
        for (const [index, { start, end }] of here)
          if (ran(ranges, start) || ran(ranges, end - 1)) found.push(index);
      }
      return found;
    },
    close: async () => {
      await session.post("Profiler.stopPreciseCoverage");
      session.disconnect();
    },
  };
};
