/** Between the runner and its worker. */

/** A test by its file and its number in it. */
export type TestId = `${string}#${number}`;

export interface Placed {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** Run everything once, and say which test runs which place. */
export interface Survey {
  readonly is: "survey";
  readonly suites: readonly string[];
  readonly places: readonly Placed[];
}

export interface Trial {
  readonly is: "trial";
  readonly number: number;
  readonly path: string;
  readonly text: string;
  readonly tests: readonly { readonly id: TestId; readonly ms: number }[];
}

export type Order = Survey | Trial;

export interface Surveyed {
  readonly id: TestId;
  readonly name: string;
  readonly ms: number;
  /** Indices of the places that it runs. */
  readonly runs: readonly number[];
}

export type Report =
  | { readonly is: "ready" }
  /** The runner's clock begins again: `ms` is what the next thing may take. */
  | { readonly is: "busy"; readonly ms: number }
  | {
      readonly is: "surveyed";
      readonly tests: readonly Surveyed[];
      /** Places that run when a module loads. */
      readonly loaded: readonly number[];
      /** Tests that fail here without any mutant, so that they say nothing. */
      readonly failed: readonly string[];
    }
  | { readonly is: "killed"; readonly by: string }
  | { readonly is: "survived" }
  | { readonly is: "timeout"; readonly by: string };
