/** What LDK nodes asked, as the false-refusal suite keeps it. */

import { packRecording, recording, unpackRecording } from "../../honest/record/recording.ts";
import type { Target } from "../check.ts";
import { isMalformed, valuesOf } from "./seeds.ts";

export const recordingTargets: readonly Target[] = [
  {
    name: "recording",
    covers: [],
    seeds: (seed, count) =>
      (valuesOf(recording.shape, seed, count) as Parameters<typeof packRecording>[0][]).map((value) =>
        packRecording({ ...value, ...{ version: 1 } }),
      ),
    decode: (bytes) => {
      const value = unpackRecording(bytes);
      return { value, encode: () => packRecording(value) };
    },
    rejects: isMalformed,
    exact: true,
  },
];
