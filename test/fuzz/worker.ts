/** Runs a campaign in a thread of its own, so that a decoder that never returns can be named and ended. */

import { parentPort, workerData } from "node:worker_threads";
import { fuzz, type Tally, type Work } from "./loop.ts";
import { targets } from "./targets.ts";

export interface Order {
  readonly seconds: number;
  readonly seed: number;
  /** Names; all if there are none. */
  readonly only: readonly string[];
  readonly desk: SharedArrayBuffer;
}

export type News =
  | { readonly is: "progress"; readonly tallies: readonly Tally[] }
  | { readonly is: "failure"; readonly target: string; readonly why: string; readonly input: Uint8Array }
  | {
      readonly is: "done";
      readonly tallies: readonly Tally[];
      readonly outcomes: readonly {
        readonly target: string;
        readonly inputs: readonly (readonly [string, Uint8Array])[];
      }[];
    };

/** What is being tried lies where the other thread can read it: a count, the target, the length; then the bytes. */
const header = 3;
export const deskSize = 4 * header + 600_000;
export const deskOf = (desk: SharedArrayBuffer) => {
  const numbers = new Int32Array(desk, 0, header);
  const bytes = new Uint8Array(desk, 4 * header);
  return {
    put: (target: number, input: Uint8Array): void => {
      bytes.set(input);
      numbers[1] = target;
      numbers[2] = input.length;
      Atomics.add(numbers, 0, 1);
    },
    count: (): number => Atomics.load(numbers, 0),
    read: () => ({ target: numbers[1] as number, input: bytes.slice(0, numbers[2] as number) }),
  };
};

const run = ({ seconds, seed, only, desk }: Order, tell: (news: News) => void): void => {
  const { put } = deskOf(desk);
  const chosen = targets.filter(({ name }) => only.length === 0 || only.includes(name));
  const start = performance.now();
  let said = start;
  const works = fuzz({
    targets: chosen,
    seed,
    goesOn: (tallies) => {
      const now = performance.now();
      if (now - said >= 1_000) {
        said = now;
        tell({ is: "progress", tallies });
      }
      return now - start < seconds * 1_000;
    },
    trying: (target, input) => put(targets.indexOf(target), input),
    onFailure: (failure) => tell({ is: "failure", ...failure }),
  });
  const inputs = ({ outcomes, target: { name } }: Work) => ({ target: name, inputs: [...outcomes] });
  tell({ is: "done", tallies: works.map(({ tally }) => tally), outcomes: works.map(inputs) });
};

if (parentPort !== null) {
  const port = parentPort;
  run(workerData as Order, (news) => port.postMessage(news));
}
