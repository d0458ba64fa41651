/** All that was recorded, in every way that an honest world may bring it. */

import { loadRecording, recorded } from "./record/files.ts";
import { type ReplayOptions, replay } from "./replay.ts";

const ways: Readonly<Record<string, ReplayOptions>> = {
  "as it was": {},
  "each twice": { twice: true },
  "reopened before each": { reopenEvery: 1 },
  "each twice, reopened now and then": { twice: true, reopenEvery: 3 },
  "with its keys on a device": { onDevice: true },
};

export interface ReplayedAll {
  readonly recordings: number;
  /** In one way. */
  readonly requests: number;
  readonly failures: readonly string[];
}

export const replayAll = async (): Promise<ReplayedAll> => {
  const names = recorded();
  let requests = 0;
  const failures: string[] = [];
  for (const name of names) {
    const recording = loadRecording(name);
    for (const [way, options] of Object.entries(ways)) {
      const one = await replay(recording, options);
      if (way === "as it was") requests += one.requests;
      failures.push(...one.failures.map((why) => `${name}, ${way}: ${why}`));
    }
  }
  return { recordings: names.length, requests, failures };
};
