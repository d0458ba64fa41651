/** Runs a campaign in a process of its own: a decoder that never returns, or takes all memory, ends that alone. */

import { openDesk } from "./desk.ts";
import { fuzz, type Tally, type Work } from "./loop.ts";
import { targets } from "./targets.ts";

export interface Order {
  readonly seconds: number;
  readonly seed: number;
  /** Names; all if there are none. */
  readonly only: readonly string[];
  /** Path of the file that says what is being tried. */
  readonly desk: string;
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

const run = ({ seconds, seed, only, desk: path }: Order, tell: (news: News) => void): void => {
  const desk = openDesk(path);
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
    trying: (target, input) => desk.put(targets.indexOf(target), input),
    onFailure: (failure) => tell({ is: "failure", ...failure }),
  });
  desk.close();
  const inputs = ({ outcomes, target: { name } }: Work) => ({ target: name, inputs: [...outcomes] });
  tell({ is: "done", tallies: works.map(({ tally }) => tally), outcomes: works.map(inputs) });
};

process.once("message", (order: Order) => {
  let left = Promise.resolve();
  run(order, (news) => {
    const sent = new Promise<void>((resolve) => void process.send?.(news, () => resolve()));
    left = left.then(() => sent);
  });
  // The channel may not close before everything went through it.
  void left.then(() => process.disconnect?.());
});
